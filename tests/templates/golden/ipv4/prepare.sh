set -eu
umask 022
state=/var/lib/sixstack
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBECACHEDIR="$state/kubectl"
cluster=demo

# Exit codes: 64 the host belongs to another owner, 65 the host lacks a requirement, 75 another run's step is running, 1 the step failed
refuse() { echo "refused: $*" >&2; exit 64; }
missing() { echo "missing: $*" >&2; exit 65; }

owner=$(cat "$state/owner" 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$cluster" ]; then
  refuse "this host belongs to cluster $owner ($state/owner)"
fi
# In $before: `paths`, the content of the cluster's folders at the claim; `remembered`, every file that the cluster wrote; `files`, copies of what
# was there; `edited`, copies of files in which the cluster only has lines.
before=/var/lib/sixstack/before

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# duplicate FROM TO: replaces TO by a copy of a file or link with content, mode, owner, times and attributes, in one rename
duplicate() {
  mkdir -p "${2%/*}" && rm -rf -- "$2.sixstack-new" && cp -a -T -- "$1" "$2.sixstack-new" || return 1
  if ! [ -L "$1" ]; then sync "$2.sixstack-new" || return 1; fi
  mv -T -- "$2.sixstack-new" "$2"
}

# keep PATH FOLDER: copies PATH into a folder of $before, once
keep() {
  if exists "$1" && ! exists "$before/$2$1"; then duplicate "$1" "$before/$2$1"; fi
}

# remember PATH: to be called before the first change of a file; keeps what is there
remember() {
  if ! [ -e "$before/paths" ]; then
    echo "refused: $before/paths is missing, so this host's own files are not known" >&2
    exit 64
  fi
  # a host that an earlier version claimed may have our own file here
  if ! [ -e "$before/every-level" ] || grep -qsxF -- "$1" "$before/remembered"; then return 0; fi
  if [ -d "$1" ] && ! [ -L "$1" ]; then
    echo "refused: $1 is a folder, and the cluster needs a file there" >&2
    exit 64
  fi
  rm -rf -- "$before/files$1" # of the claim: the owner may have changed the file since
  keep "$1" files
  printf '%s\n' "$1" >>"$before/remembered"
  sync "$before/remembered"
}

# replace FILE: moves FILE.sixstack-new, which has the attributes of FILE, to FILE. A mount (/etc/hosts in a container) can only be written in place.
replace() {
  sync "$1.sixstack-new"
  if ! mv -T -- "$1.sixstack-new" "$1" 2>/dev/null; then
    cat "$1.sixstack-new" >"$1"
    rm -f -- "$1.sixstack-new"
  fi
}
# Prepares a host that has the bundle's files for kubeadm. A second run changes nothing.
if [ -z "$owner" ]; then refuse "this host is not claimed for cluster $cluster"; fi
for command in containerd containerd-shim-runc-v2 ctr runc; do
  command -v "$command" >/dev/null || missing "$command: this host does not have the bundle's files"
done

# reset removes the routes of these ranges; two files of one cluster may differ, so that ranges are added
printf '%s\n' 10.244.0.0/16 | while read -r range; do
  if ! grep -qsxF "$range" "$state/pods"; then echo "$range" >>"$state/pods"; fi
done

# The facts compare the files that this script writes with their digests in $state/written.
: >"$state/written.new"
chmod 600 "$state/written.new" # a digest of a file with a password

# place FILE TEXT: replaces the file atomically; sets `placed` to yes if the content changed
place() {
  placed=no
  digest=$(printf '%s\n' "$2" | sha256sum)
  echo "${digest%% *}  $1" >>"$state/written.new"
  if [ "$(cat -- "$1" 2>/dev/null; echo .)" = "$2
." ]; then return 0; fi
  remember "$1"
  mkdir -p "${1%/*}"
  printf '%s\n' "$2" >"$1.sixstack-new"
  mv -T -- "$1.sixstack-new" "$1"
  placed=yes
  echo "wrote $1"
}

# stop_writing FILE: removes a file that the cluster wrote, and puts back what the owner had there
stop_writing() {
  if exists "$before/files$1"; then
    duplicate "$before/files$1" "$1"
  else
    rm -f -- "$1"
    rmdir --ignore-fail-on-non-empty "${1%/*}"
  fi
  # from now on the file is the owner's: reset must not bring back an older copy, and the next change remembers the new one
  if [ -e "$before/remembered" ]; then
    grep -vxF -- "$1" "$before/remembered" >"$before/remembered.new" || true
    mv "$before/remembered.new" "$before/remembered"
  fi
  rm -rf -- "$before/files$1"
  echo "removed the cluster's $1"
}

# remember_setting PATH: saves the first value of a kernel setting for reset
remember_setting() {
  if [ -r "$1" ] && ! grep -qsF "$1 " "$state/before/sysctl"; then
    echo "$1 $(tr '\t' ' ' <"$1")" >>"$state/before/sysctl"
  fi
}

# --- kernel modules: loaded by modprobe if the host has it; without modprobe they must be built in
modules=
for module in overlay br_netfilter nf_tables vxlan; do
  if command -v modprobe >/dev/null && modprobe "$module" 2>/dev/null; then
    modules="$modules
$module"
  fi
done
if [ -n "$modules" ]; then place /etc/modules-load.d/sixstack.conf "# sixstack: made for cluster $cluster$modules"; fi
grep -qw overlay /proc/filesystems || missing "the kernel's overlay file system (module overlay)"
[ -e /proc/sys/net/bridge ] || missing "the kernel's bridge filter (module br_netfilter), without which flannel does not start"

# --- kernel settings, including those that kubelet and kube-proxy change
for setting in /proc/sys/vm/overcommit_memory /proc/sys/vm/panic_on_oom /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops \
  /proc/sys/kernel/keys/root_maxkeys /proc/sys/kernel/keys/root_maxbytes \
  /proc/sys/net/ipv4/conf/all/route_localnet \
  /proc/sys/net/netfilter/nf_conntrack_max /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal \
  /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait \
  /proc/sys/net/bridge/bridge-nf-call-iptables /proc/sys/net/bridge/bridge-nf-call-ip6tables \
  /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/forwarding \
  /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/*/forwarding /proc/sys/net/ipv6/conf/*/accept_ra; do
  remember_setting "$setting"
done
if [ -e "$before/sysctl" ]; then sync "$before/sysctl"; fi
accept_ra=
place /etc/sysctl.d/90-sixstack.conf '# sixstack: made for cluster demo
net.ipv4.ip_forward = 1
net.ipv4.conf.default.forwarding = 1
net.bridge.bridge-nf-call-iptables = 1'"$accept_ra"
setting=/proc/sys/net/ipv4/ip_forward
if [ -e "$setting" ] && [ "$(cat "$setting")" != 1 ]; then
  echo 1 >"$setting"
  echo "set net.ipv4.ip_forward to 1"
fi
setting=/proc/sys/net/ipv4/conf/default/forwarding
if [ -e "$setting" ] && [ "$(cat "$setting")" != 1 ]; then
  echo 1 >"$setting"
  echo "set net.ipv4.conf.default.forwarding to 1"
fi
setting=/proc/sys/net/bridge/bridge-nf-call-iptables
if [ -e "$setting" ] && [ "$(cat "$setting")" != 1 ]; then
  echo 1 >"$setting"
  echo "set net.bridge.bridge-nf-call-iptables to 1"
fi

# --- swap, if the cluster file allows to disable it: devices, the units that enable them (also of zram), and /etc/fstab for the next boot
if [ "$(wc -l </proc/swaps)" -gt 1 ] || [ -e "$before/swap-units" ]; then
  if ! [ -e "$before/swap-units" ]; then
    {
      systemctl list-units --type=swap --state=active --plain --no-legend --no-pager | cut -d' ' -f1
      for unit in zramswap.service zram-config.service dphys-swapfile.service; do if systemctl --quiet is-active "$unit" 2>/dev/null; then echo "$unit"; fi; done
    } >"$before/swap-units.new"
    sed '1d; s/ .*//' /proc/swaps >"$before/swaps"
    sync "$before/swap-units.new" "$before/swaps"
    mv "$before/swap-units.new" "$before/swap-units"
  fi
  while read -r unit; do
    # a mask in /etc/systemd/system is not possible beside a unit file in the same folder
    if [ -e "/etc/systemd/system/$unit" ] && ! [ -L "/etc/systemd/system/$unit" ]; then
      remember "/etc/systemd/system/$unit"
      ln -sf /dev/null "/etc/systemd/system/$unit.sixstack-new"
      mv -T "/etc/systemd/system/$unit.sixstack-new" "/etc/systemd/system/$unit"
      systemctl daemon-reload
      systemctl stop "$unit" 2>/dev/null || true
      echo "masked $unit"
    elif [ "$(systemctl is-enabled "$unit" 2>/dev/null || true)" != masked ]; then
      systemctl --quiet mask --now "$unit"
      echo "masked $unit"
    fi
  done <"$before/swap-units"
  if [ "$(wc -l </proc/swaps)" -gt 1 ]; then
    swapoff -a
    echo "disabled swap"
  fi
fi
if grep -qE '^[^#].*[[:space:]]swap[[:space:]]' /etc/fstab 2>/dev/null; then
  keep /etc/fstab edited
  cp -a -T /etc/fstab /etc/fstab.sixstack-new
  sed -E 's/^([^#].*[[:space:]]swap[[:space:]])/#sixstack \1/' /etc/fstab >/etc/fstab.sixstack-new
  replace /etc/fstab
  echo "commented out swap in /etc/fstab"
fi

# --- the node's own name, so that no program waits for a name server
others=$(sed '/# sixstack$/d' /etc/hosts 2>/dev/null || true)
wanted="$others
198.18.0.12 four-2 # sixstack
"
if [ "$(cat /etc/hosts 2>/dev/null || true)
" != "$wanted" ]; then
  keep /etc/hosts edited
  if [ -e /etc/hosts ]; then cp -a -T /etc/hosts /etc/hosts.sixstack-new; fi
  printf '%s' "$wanted" >/etc/hosts.sixstack-new
  replace /etc/hosts
  echo "wrote /etc/hosts"
fi

# --- containerd
restart=no
# without CAP_SYS_RESOURCE (in a container) an OOM score cannot be lowered, and runc fails for every pod that requests this
oom=''
if ! (echo -1 >/proc/self/oom_score_adj) 2>/dev/null; then
  oom="

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true"
fi
place /etc/containerd/config.toml '# sixstack: made for cluster demo
version = 3

[plugins.'"'"'io.containerd.cri.v1.images'"'"'.pinned_images]
  sandbox = "registry.k8s.io/pause:3.10.2"

[plugins.'"'"'io.containerd.cri.v1.images'"'"'.registry]
  config_path = '"'"'/etc/containerd/certs.d'"'"'

[plugins.'"'"'io.containerd.cri.v1.runtime'"'"'.containerd.runtimes.runc]
  runtime_type = '"'"'io.containerd.runc.v2'"'"'

  [plugins.'"'"'io.containerd.cri.v1.runtime'"'"'.containerd.runtimes.runc.options]
    SystemdCgroup = true'"$oom"
if [ "$placed" = yes ]; then restart=yes; fi
proxy_conf=/etc/systemd/system/containerd.service.d/50-sixstack-proxy.conf
umask 077 # a proxy's URL may contain a password
place "$proxy_conf" '# sixstack
[Service]
Environment="HTTPS_PROXY=http://proxy.example.org:3128"
Environment="NO_PROXY=.example.org,localhost,127.0.0.0/8,::1,.svc,.cluster.local,198.18.0.11,198.18.0.12,10.244.0.0/16,10.96.0.0/16"'
umask 022
if [ "$placed" = yes ]; then restart=yes; fi
# containerd reads the mirrors at each pull, so no restart is needed; mirrors that are no longer in the cluster file are removed
for old in /etc/containerd/certs.d/*/hosts.toml; do
  if head -n 1 "$old" 2>/dev/null | grep -q sixstack; then
    case $old in
      /etc/containerd/certs.d/docker.io/hosts.toml) ;;
      /etc/containerd/certs.d/registry.example.org:5000/hosts.toml) ;;
      *) stop_writing "$old" ;;
    esac
  fi
done
place /etc/containerd/certs.d/docker.io/hosts.toml '# sixstack: mirrors of docker.io

[host."https://mirror.example.org"]
  capabilities = ["pull", "resolve"]'
place /etc/containerd/certs.d/registry.example.org:5000/hosts.toml '# sixstack: mirrors of registry.example.org:5000

[host."https://10.0.0.5:5000"]
  capabilities = ["pull", "resolve"]'
for old in /etc/containerd/sixstack-ca/*.crt; do
  case $old in
    *) if [ -e "$old" ]; then stop_writing "$old"; fi ;;
  esac
done

systemctl --quiet --no-reload enable containerd.service kubelet.service
systemctl daemon-reload
if [ "$restart" = yes ] && systemctl --quiet is-active containerd.service; then
  systemctl restart containerd.service
else
  systemctl start containerd.service
fi
if ! [ -S /run/containerd/containerd.sock ]; then
  echo "containerd runs without a socket at /run/containerd/containerd.sock" >&2
  exit 1
fi
# when the CRI plugin fails, containerd runs without it and shows the error only here
if ctr plugins ls 2>/dev/null | grep -q '^io.containerd.grpc.v1 *cri .*error'; then
  echo "containerd runs without its CRI service:" >&2
  ctr plugins ls -d id==cri 2>/dev/null | grep -A 3 -i '^error' >&2
  systemctl stop containerd.service # so that the next attempt starts containerd again
  exit 1
fi

mv "$state/written.new" "$state/written"
echo 3122cf66e65ca425b82ac50b950f5a386102d3c9d5720993a578943ca3fcea0b >"$state/prepared.new"
mv "$state/prepared.new" "$state/prepared"
