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
printf '%s\n' 10.244.0.0/16 fd44::/56 | while read -r range; do
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
# Enabling forwarding removes a default route from a router advertisement, unless accept_ra is 2 before.
# A value of 0 stays: a daemon in user space handles the advertisements (talos#5632, kops#12418).
# An address from a router advertisement (mngtmpaddr) disappears at the end of its lifetime, hours later (systemd#27639).
for link in $({
  ip -6 route show default proto ra
  ip -6 -o address show scope global mngtmpaddr
} 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p; s/^[0-9]*: \([^ @]*\).*/\1/p' | sort -u); do
  value=$(cat "/proc/sys/net/ipv6/conf/$link/accept_ra")
  if [ "$value" != 0 ]; then
    if [ "$value" != 2 ]; then
      echo 2 >"/proc/sys/net/ipv6/conf/$link/accept_ra"
      echo "set accept_ra of $link to 2"
    fi
    accept_ra="$accept_ra
net/ipv6/conf/$link/accept_ra = 2"
  fi
done
routes_before=$(ip -6 route show default 2>/dev/null | wc -l)
place /etc/sysctl.d/90-sixstack.conf '# sixstack: made for cluster demo
net.ipv4.ip_forward = 1
net.ipv4.conf.default.forwarding = 1
net.bridge.bridge-nf-call-iptables = 1
net.ipv6.conf.all.forwarding = 1
net.ipv6.conf.default.forwarding = 1
net.bridge.bridge-nf-call-ip6tables = 1'"$accept_ra"
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
setting=/proc/sys/net/ipv6/conf/all/forwarding
if [ -e "$setting" ] && [ "$(cat "$setting")" != 1 ]; then
  echo 1 >"$setting"
  echo "set net.ipv6.conf.all.forwarding to 1"
fi
setting=/proc/sys/net/ipv6/conf/default/forwarding
if [ -e "$setting" ] && [ "$(cat "$setting")" != 1 ]; then
  echo 1 >"$setting"
  echo "set net.ipv6.conf.default.forwarding to 1"
fi
setting=/proc/sys/net/bridge/bridge-nf-call-ip6tables
if [ -e "$setting" ] && [ "$(cat "$setting")" != 1 ]; then
  echo 1 >"$setting"
  echo "set net.bridge.bridge-nf-call-ip6tables to 1"
fi
if [ "$(ip -6 route show default 2>/dev/null | wc -l)" -lt "$routes_before" ]; then
  echo "enabling forwarding removed the IPv6 default route" >&2
  exit 1
fi

# --- the node's own name, so that no program waits for a name server
others=$(sed '/# sixstack$/d' /etc/hosts 2>/dev/null || true)
wanted="$others
198.18.0.12 both-2 # sixstack
fd66::12 both-2 # sixstack
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
if [ -e "$proxy_conf" ]; then
  rm -f "$proxy_conf"
  restart=yes
  echo "removed $proxy_conf"
fi
# containerd reads the mirrors at each pull, so no restart is needed; mirrors that are no longer in the cluster file are removed
for old in /etc/containerd/certs.d/*/hosts.toml; do
  if head -n 1 "$old" 2>/dev/null | grep -q sixstack; then
    case $old in
      *) stop_writing "$old" ;;
    esac
  fi
done
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
echo dcc0936b716aced6bb54dcfb85285cf8b491acc3693148a92297b66e26ed7586 >"$state/prepared.new"
mv "$state/prepared.new" "$state/prepared"
