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
# Removes the cluster from this host and keeps everything that existed before. Works on partly prepared and partly reset hosts; may run twice.
if [ -z "$owner" ]; then
  echo "this host has no part of cluster $cluster"
  exit 0
fi
if [ -s "$state/authority" ] && [ -e /etc/kubernetes/pki/ca.crt ] && [ "$(sha256sum </etc/kubernetes/pki/ca.crt)" != "$(cat "$state/authority")" ]; then
  refuse "/etc/kubernetes/pki/ca.crt is not the certificate of this cluster; if you replaced it, remove $state/authority"
fi

if ! [ -e "$before/paths" ]; then
  refuse "$before/paths is missing, so this host's own files are not known. If it had none in /etc/cni/net.d /etc/cni /etc/kubernetes /opt/cni/bin /opt/cni /opt/containerd /usr/libexec/kubernetes /var/lib/cni /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/lib/kube-proxy /run/containerd /run/nri /var/log/containers /var/log/pods /run/calico /run/flannel /var/lib/calico /var/log/calico, create it as an empty file"
fi

have() { command -v "$1" >/dev/null; }
# try COMMAND...: reports a failed command, sets `failed` and continues
failed=''
try() {
  if ! "$@"; then
    echo "failed: $*" >&2
    failed=yes
  fi
}

# --- packet filter, while the pods still exist: only the tables, chains and sets of kube-proxy, of our pod networks and of the CNI plugins.
# A host without nft or iptables uses the programs in the container that wrote the rules. That container is stopped, so that it does not write them again.
if have kubelet; then systemctl stop kubelet.service 2>/dev/null || true; fi
roots=''
for process in /proc/[0-9]*; do
  case $(cat "$process/comm" 2>/dev/null) in
    kube-proxy | flanneld | calico-node)
      # a process in another network namespace belongs to a cluster inside a container on this host
      if [ "$(readlink "$process/ns/net")" = "$(readlink /proc/1/ns/net)" ] && kill -STOP "${process#/proc/}" 2>/dev/null; then
        roots="$roots $process/root"
      fi
      ;;
  esac
done

# tool NAME: sets `run` to the prefix of the command; returns 1 if the program is not found
tool() {
  run=''
  if have "$1"; then return 0; fi
  for root in $roots; do
    if chroot "$root" "$1" --version >/dev/null 2>&1; then
      run="chroot $root"
      return 0
    fi
  done
  return 1
}

# shellcheck disable=SC2086 # $run is two words or none, a table is a family and a name
if tool nft; then
  for table in 'ip kube-proxy' 'ip6 kube-proxy' 'ip flannel-ipv4' 'ip6 flannel-ipv6' 'ip calico' 'ip6 calico' 'ip cni_hostport' 'ip6 cni_hostport' \
    'inet cni_plugins_masquerade'; do
    if $run nft list table $table >/dev/null 2>&1; then try $run nft delete table $table; fi
  done
fi
ours='\(KUBE\|CNI\|FLANNEL\|cali\)-'
for program in iptables ip6tables iptables-legacy ip6tables-legacy; do
  case $program in
    iptables-legacy) [ -s /proc/net/ip_tables_names ] || continue ;; # listing a table creates the table
    ip6tables-legacy) [ -s /proc/net/ip6_tables_names ] || continue ;;
  esac
  tool "$program-save" || continue
  for table in nat filter mangle raw; do
    # shellcheck disable=SC2086
    rules=$($run "$program-save" -t "$table" 2>/dev/null) || continue
    chains=$(printf '%s\n' "$rules" | sed -n "s/^:\(${ours}[^ ]*\) .*/\1/p")
    if [ -z "$chains" ]; then continue; fi
    # first the rules of other chains that jump to our chains or have a comment of a pod network (xargs removes the quotes of comments), then our chains
    # shellcheck disable=SC2086
    printf '%s\n' "$rules" | sed -n "/^-A $ours/d; /-[jg] $ours\|--comment \"\{0,1\}cali:/s/^-A /-D /p" |
      xargs -r -L 1 $run "$program" -w -t "$table" || failed=yes
    # shellcheck disable=SC2086
    for chain in $chains; do try $run "$program" -w -t "$table" -F "$chain"; done
    # shellcheck disable=SC2086
    for chain in $chains; do try $run "$program" -w -t "$table" -X "$chain"; done
  done
done
# shellcheck disable=SC2086
if tool ipset; then # no rule uses the sets any more
  for set in $($run ipset list -n 2>/dev/null | grep '^cali[46]0'); do try $run ipset destroy "$set"; done
fi
# shellcheck disable=SC2086
if tool nft; then
  # matches the lines of an iptables table without rules and with default policies
  empty='^(#.*|table .*|[[:space:]]+chain (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) \{|[[:space:]]+type .* policy accept;|[[:space:]]*\}|)$'
  for table in 'ip nat' 'ip filter' 'ip mangle' 'ip raw' 'ip6 nat' 'ip6 filter' 'ip6 mangle' 'ip6 raw'; do
    if rest=$($run nft list table $table 2>/dev/null) && ! printf '%s\n' "$rest" | grep -qvE "$empty"; then
      try $run nft delete table $table
    fi
  done
fi

# --- pods. Calico's plug-in calls the API server for every pod and would wait for a server that has stopped. Its data is removed anyway.
for plugin in /opt/cni/bin/calico /opt/cni/bin/calico-ipam; do
  if exists "$before/files$plugin" || { [ -e "$plugin" ] && ! grep -qsxF "$plugin" "$before/paths"; }; then ln -sf /bin/true "$plugin"; fi
done
if have containerd; then systemctl start containerd.service 2>/dev/null || true; fi
if have kubeadm && [ -S /run/containerd/containerd.sock ]; then
  timeout 120 kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock || echo "kubeadm reset ended with an error; continuing"
fi

# --- remaining containers, and containerd itself
if have ctr && [ -S /run/containerd/containerd.sock ]; then
  for task in $(timeout 20 ctr -n k8s.io tasks ls -q 2>/dev/null); do timeout 20 ctr -n k8s.io tasks rm --force "$task" >/dev/null 2>&1 || true; done
fi
set --
for unit in kubelet.service containerd.service; do
  if [ -e "/etc/systemd/system/$unit" ]; then set -- "$@" "$unit"; fi
done
# One call reloads systemd once. Without a reload, systemd would keep a unit whose file is gone, and the next reset would start it.
if [ $# -gt 0 ] && ! systemctl --quiet disable --now "$@" 2>/dev/null; then
  for unit; do systemctl --quiet disable --now "$unit" 2>/dev/null || true; done
fi
# containerd keeps its shims running on purpose; those with the namespace k8s.io belong to the cluster
for process in /proc/[0-9]*; do
  line=$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) || continue
  case $line in
    *containerd-shim-runc-v2*" -namespace k8s.io "*)
      if [ "$(readlink "$process/ns/mnt")" = "$(readlink /proc/1/ns/mnt)" ]; then kill -9 "${process#/proc/}" 2>/dev/null || true; fi
      ;;
  esac
done
for folder in /sys/fs/cgroup/kubepods* /sys/fs/cgroup/*/kubepods*; do
  if [ -d "$folder" ]; then
    find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u | while read -r process; do kill -9 "$process" 2>/dev/null || true; done
    find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
  fi
done

# --- mounts below our folders (not the folders themselves, which may be mounts of the owner), deepest first
mounts() { sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/\1/' /proc/self/mountinfo | grep -E '^(/var/lib/kubelet|/run/containerd|/var/lib/containerd|/run/netns/cni-)' | grep -vxE '/var/lib/(kubelet|containerd)' | sort -r; }
mounts | while read -r mount; do
  mount=$(printf '%b' "$mount") # mountinfo encodes spaces as \040
  umount "$mount" 2>/dev/null || umount -l "$mount"
done || failed=yes
rm -f /run/netns/cni-*
rmdir /run/netns 2>/dev/null || true # fails if the folder has entries of other programs

# --- network: links, routes and rules of both families
for link in /sys/class/net/cni0/brif/* /sys/class/net/cni0 /sys/class/net/flannel.* /sys/class/net/flannel-v6.* /sys/class/net/cali* /sys/class/net/vxlan.calico /sys/class/net/vxlan-v6.calico \
  /sys/class/net/kube-ipvs0; do
  if [ -e "$link" ]; then try ip link delete "${link##*/}"; fi
done
if [ -e "$state/pods" ]; then
  while read -r range; do
    case $range in
      *:*) ip -6 route flush root "$range" 2>/dev/null || true ;;
      *) ip -4 route flush root "$range" 2>/dev/null || true ;;
    esac
  done <"$state/pods"
fi

# --- files: what the owner had comes back, everything else of the cluster goes
# ours PATH: whether a cluster wrote this file: it begins with our mark, or it is a file of the bundle
ours() {
  if [ -L "$1" ] && [ "$(readlink -- "$1")" = /dev/null ]; then return 0; fi # a masked unit
  [ -f "$1" ] || return 1
  if head -c 200 -- "$1" | head -n 1 | grep -aq sixstack; then return 0; fi
  grep -qsxF -- "$1 $(stat -L -c '%s %Y' -- "$1")" "$state"/bundle/* && return 0
  [ -e "$state/bundle/$(sha256sum <"$1" | cut -c-64)" ]
}

# same PATH PATH: equal type, mode, owner, and content or link target
same() {
  [ "$(stat -c '%F %a %u %g' -- "$1" 2>/dev/null)" = "$(stat -c '%F %a %u %g' -- "$2" 2>/dev/null)" ] || return 1
  if [ -L "$1" ]; then [ "$(readlink -- "$1")" = "$(readlink -- "$2")" ]; else cmp -s -- "$1" "$2"; fi
}

# put_back PATH: replaces what is at PATH by the kept copy
put_back() {
  if same "$before/files$1" "$1"; then return 0; fi
  duplicate "$before/files$1" "$1" && echo "restored $1"
}

# listed PATH: whether PATH was there when the cluster claimed the host
listed() { grep -qsxF -- "$1" "$before/paths"; }

# clean FOLDER: removes what was not there before. Other file systems below stay.
clean() (
  for path in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if ! exists "$path"; then continue; fi
    if ! listed "$path"; then
      rm -rf --one-file-system -- "$path" || exit 1
    elif [ -d "$path" ] && ! [ -L "$path" ]; then
      # a host that an earlier version claimed has only one level in its list
      if [ -e "$before/every-level" ]; then clean "$path" || exit 1; fi
    fi
  done
)

for folder in /etc/cni/net.d /etc/cni /etc/kubernetes /opt/cni/bin /opt/cni /opt/containerd /usr/libexec/kubernetes /var/lib/cni /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/lib/kube-proxy /run/containerd /run/nri /var/log/containers /var/log/pods /run/calico /run/flannel /var/lib/calico /var/log/calico; do
  if [ -d "$folder" ]; then
    clean "$folder" || failed=yes
    if ! listed "$folder"; then rmdir --ignore-fail-on-non-empty "$folder" 2>/dev/null || true; fi
  fi
done
# files that the cluster wrote anywhere; those of a host that an earlier version claimed are found by markers and names
{
  cat "$before/remembered" 2>/dev/null || true
  for marker in "$state"/bundle/*; do sed 's/ [0-9]* [0-9]*$//' "$marker" 2>/dev/null || true; done
  printf '%s\n' /etc/containerd/config.toml /etc/modules-load.d/sixstack.conf /etc/sysctl.d/90-sixstack.conf /etc/systemd/system/containerd.service.d/50-sixstack-proxy.conf /etc/containerd/certs.d/*/hosts.toml
} | sort -u | while IFS= read -r path; do
  rm -f -- "$path.sixstack-new" || exit 1 # of an attempt that was killed
  if exists "$path" && ! ours "$path"; then
    # restored by an earlier attempt, or the owner has put something else there since
    if exists "$before/files$path" && ! same "$before/files$path" "$path"; then echo "kept $path: it is not the file that this cluster wrote"; fi
  elif exists "$before/files$path"; then
    put_back "$path" || exit 1
  else
    rm -f -- "$path" || exit 1
  fi
done || failed=yes
# other programs of the cluster, such as pods of the pod network, also replace files in the folders
if [ -d "$before/files" ]; then
  find "$before/files" ! -type d ! -name '*.sixstack-new' | while IFS= read -r kept; do
    path=${kept#"$before/files"}
    rm -f -- "$path.sixstack-new" || exit 1
    if ! grep -qsxF -- "$path" "$before/remembered"; then put_back "$path" || exit 1; fi
  done || failed=yes
fi
for folder in /etc/containerd/certs.d/* /etc/containerd/sixstack-ca /etc/containerd/certs.d /etc/containerd /etc/systemd/system/containerd.service.d /etc/systemd/system/kubelet.service.d; do
  if [ -d "$folder" ] && ! listed "$folder"; then rmdir --ignore-fail-on-non-empty "$folder" 2>/dev/null || true; fi
done
if [ -e "$before/modes" ]; then
  while read -r mode user group path; do
    mkdir -p "$path" || failed=yes
    if [ "$(stat -c '%a %u %g' -- "$path")" != "$mode $user $group" ]; then
      chown "$user:$group" -- "$path" && chmod "$mode" -- "$path" || failed=yes
    fi
  done <"$before/modes"
fi

# restore_lines FILE: FILE.sixstack-new has the file without the cluster's lines; the kept copy has the owner's last line end too
restore_lines() {
  if [ -e "$before/edited$1" ] && [ "$(cat "$1.sixstack-new")" = "$(cat "$before/edited$1")" ]; then cat "$before/edited$1" >"$1.sixstack-new"; fi
  if [ -s "$1.sixstack-new" ] || [ -e "$before/edited$1" ]; then replace "$1"; else rm -f "$1" "$1.sixstack-new"; fi
}
rm -f /etc/hosts.sixstack-new /etc/fstab.sixstack-new
if grep -q '# sixstack$' /etc/hosts 2>/dev/null; then
  cp -a -T /etc/hosts /etc/hosts.sixstack-new
  sed '/# sixstack$/d' /etc/hosts >/etc/hosts.sixstack-new
  restore_lines /etc/hosts
fi
if grep -q '^#sixstack ' /etc/fstab 2>/dev/null; then
  cp -a -T /etc/fstab /etc/fstab.sixstack-new
  sed 's/^#sixstack //' /etc/fstab >/etc/fstab.sixstack-new
  restore_lines /etc/fstab
fi
if [ -e "$before/swap-units" ]; then
  while read -r unit; do systemctl --quiet unmask "$unit" || failed=yes; done <"$before/swap-units"
  systemctl daemon-reload
  while read -r unit; do systemctl start "$unit" || failed=yes; done <"$before/swap-units"
fi
if [ -e "$before/swaps" ]; then
  while read -r device; do
    if [ -e "$device" ] && ! grep -q "^$device " /proc/swaps; then try swapon "$device"; fi
  done <"$before/swaps"
fi

# --- previous kernel settings, in the order in which they were saved (`all` before each interface)
if [ -e "$before/sysctl" ]; then
  while read -r setting value; do
    if [ -w "$setting" ] && [ "$(tr '\t' ' ' <"$setting")" != "$value" ]; then
      echo "$value" 2>/dev/null >"$setting" || echo "could not restore $setting to $value"
    fi
  done <"$before/sysctl"
fi
systemctl daemon-reload
systemctl reset-failed kubelet.service containerd.service 2>/dev/null || true

if [ -n "$failed" ]; then
  echo "some parts of cluster $cluster could not be removed: see the messages above" >&2
  exit 1
fi
# The last act: a host without an owner belongs to no cluster, and what remains in the state folder is of no use to the next one.
# host/remove-step-state.sh.j2 removes the caller's own step folder.
rm -f "$state/owner"
sync "$state"
rm -rf "$before" "$state/bundle" "$state/kubectl" "$state/unfinished" "$state/unfinished.new" "$state/renewal" "$state/renewal.new" "$state/restore"
rm -f "$state/prepared" "$state/written" "$state/written.new" "$state/init.yaml" "$state/initializing" "$state/restoring" "$state/initialized" "$state/restored" "$state/joining" "$state/joined" "$state/authority" "$state/pods" "$state/kubelet-renewal" 
