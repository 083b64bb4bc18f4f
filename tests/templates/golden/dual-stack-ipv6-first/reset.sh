set -eu
umask 022
state=/var/lib/sixstack
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBECACHEDIR="$state/kubectl"
cluster=demo

# Exit codes: 64 the host belongs to another owner, 65 the host lacks a requirement, 1 the step failed
refuse() { echo "refused: $*" >&2; exit 64; }
missing() { echo "missing: $*" >&2; exit 65; }

owner=$(cat "$state/owner" 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$cluster" ]; then
  refuse "this host belongs to cluster $owner ($state/owner)"
fi
# Removes the cluster from this host and keeps everything that existed before. Works on partly prepared and partly reset hosts; may run twice.
if [ -z "$owner" ]; then
  echo "this host has no part of cluster $cluster"
  exit 0
fi
if [ -s "$state/authority" ] && [ -e /etc/kubernetes/pki/ca.crt ] && [ "$(sha256sum </etc/kubernetes/pki/ca.crt)" != "$(cat "$state/authority")" ]; then
  refuse "/etc/kubernetes/pki/ca.crt is not the certificate of this cluster; if you replaced it, remove $state/authority"
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
  if [ -e "$plugin" ] && ! grep -qsxF "$plugin" "$state/before/paths"; then ln -sf /bin/true "$plugin"; fi
done
if have containerd; then systemctl start containerd.service 2>/dev/null || true; fi
if have kubeadm && [ -S /run/containerd/containerd.sock ]; then
  timeout 120 kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock || echo "kubeadm reset ended with an error; continuing"
fi

# --- remaining containers, and containerd itself
if have ctr && [ -S /run/containerd/containerd.sock ]; then
  for task in $(timeout 20 ctr -n k8s.io tasks ls -q 2>/dev/null); do timeout 20 ctr -n k8s.io tasks rm --force "$task" >/dev/null 2>&1 || true; done
fi
for unit in kubelet.service containerd.service; do
  if [ -e "/etc/systemd/system/$unit" ]; then systemctl --quiet disable --now "$unit" 2>/dev/null || true; fi
done
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
{ cat "$state/pods" 2>/dev/null || true; printf '%s\n' fd44::/56 10.244.0.0/16; } | while read -r range; do
  case $range in
    *:*) ip -6 route flush root "$range" 2>/dev/null || true ;;
    *) ip -4 route flush root "$range" 2>/dev/null || true ;;
  esac
done

# --- files: those of the bundle by their markers, then everything in our folders that did not exist before
for marker in "$state"/bundle/*; do
  if [ -f "$marker" ]; then
    read -r target _ <"$marker" || true
    case $target in
      /*) rm -f "$target" ;;
    esac
    rm -f "$marker"
  fi
done
for folder in /etc/containerd/certs.d /etc/containerd /etc/cni/net.d /etc/cni /etc/kubernetes /etc/systemd/system/containerd.service.d /etc/systemd/system/kubelet.service.d /opt/cni/bin /opt/cni /opt/containerd /run/calico /run/containerd /run/flannel /run/nri /usr/libexec/kubernetes /var/lib/calico /var/lib/cni /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/lib/kube-proxy /var/log/calico /var/log/containers /var/log/pods; do
  if [ -d "$folder" ]; then
    find "$folder" -mindepth 1 -maxdepth 1 | while read -r path; do
      # a remaining mount, or a file that existed before, is kept
      if ! grep -qsxF "$path" "$state/before/paths"; then rm -rf --one-file-system "$path" || exit 1; fi
    done || failed=yes
    if ! grep -qsxF "$folder" "$state/before/paths"; then rmdir --ignore-fail-on-non-empty "$folder" 2>/dev/null || true; fi
  fi
done
rm -f /etc/modules-load.d/sixstack.conf /etc/sysctl.d/90-sixstack.conf
if grep -q '# sixstack$' /etc/hosts 2>/dev/null; then
  others=$(sed '/# sixstack$/d' /etc/hosts)
  printf '%s\n' "$others" >/etc/hosts
fi
if grep -q '^#sixstack ' /etc/fstab 2>/dev/null; then
  sed -i 's/^#sixstack //' /etc/fstab
  try swapon -a
fi

# --- previous kernel settings, in the order in which they were saved (`all` before each interface)
if [ -e "$state/before/sysctl" ]; then
  while read -r setting value; do
    if [ -w "$setting" ] && [ "$(tr '\t' ' ' <"$setting")" != "$value" ]; then
      echo "$value" 2>/dev/null >"$setting" || echo "could not restore $setting to $value"
    fi
  done <"$state/before/sysctl"
fi
systemctl daemon-reload
systemctl reset-failed kubelet.service containerd.service 2>/dev/null || true

if [ -n "$failed" ]; then
  echo "some parts of cluster $cluster could not be removed: see the messages above" >&2
  exit 1
fi
# last: the host has no owner any more. host/remove-step-state.sh.j2 removes the caller's own step folder
rm -rf "$state/before" "$state/bundle" "$state/kubectl" "$state/prepared" "$state/initialized" "$state/joined" "$state/authority" "$state/pods"
rm -f "$state/owner"
