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
# Prepares a host that has the bundle's files for kubeadm. A second run changes nothing.
if [ -z "$owner" ]; then refuse "this host is not claimed for cluster $cluster"; fi
for command in containerd containerd-shim-runc-v2 ctr runc; do
  command -v "$command" >/dev/null || missing "$command: this host does not have the bundle's files"
done

# place FILE TEXT: replaces the file atomically; sets `placed` to yes if the content changed
place() {
  placed=no
  mkdir -p "${1%/*}"
  printf '%s\n' "$2" >"$1.sixstack-new"
  if cmp -s "$1.sixstack-new" "$1"; then
    rm "$1.sixstack-new"
  else
    mv "$1.sixstack-new" "$1"
    placed=yes
    echo "wrote $1"
  fi
}

# remember PATH: saves the first value of a kernel setting for reset
remember() {
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
  remember "$setting"
done
accept_ra=
# Enabling forwarding removes a default route from a router advertisement, unless accept_ra is 2 before.
# A value of 0 stays: a daemon in user space handles the advertisements (talos#5632, kops#12418).
for link in $(ip -6 route show default proto ra 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | sort -u); do
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
net.ipv6.conf.all.forwarding = 1
net.ipv6.conf.default.forwarding = 1
net.bridge.bridge-nf-call-ip6tables = 1'"$accept_ra"
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

# --- the node's own name, so that no program waits for a name server (written in place, because the file may be a mount)
others=$(sed '/# sixstack$/d' /etc/hosts 2>/dev/null || true)
wanted="$others
fd66::12 six-2 # sixstack
"
if [ "$(cat /etc/hosts 2>/dev/null || true)
" != "$wanted" ]; then
  printf '%s' "$wanted" >/etc/hosts
  echo "wrote /etc/hosts"
fi

# --- files of the components
mkdir -p /etc/kubernetes
umask 077
place /etc/kubernetes/sixstack/audit-policy.yaml 'apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: Metadata}]'
umask 022

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
    SystemdCgroup = false'"$oom"
if [ "$placed" = yes ]; then restart=yes; fi
proxy_conf=/etc/systemd/system/containerd.service.d/50-sixstack-proxy.conf
if [ -e "$proxy_conf" ]; then
  rm "$proxy_conf"
  restart=yes
  echo "removed $proxy_conf"
fi
# containerd reads the mirrors at each pull, so no restart is needed; mirrors that are no longer in the cluster file are removed
for old in /etc/containerd/certs.d/*/hosts.toml; do
  if head -n 1 "$old" 2>/dev/null | grep -q sixstack; then
    case $old in
      *) rm -r "${old%/*}" ;;
    esac
  fi
done
for old in /etc/containerd/sixstack-ca/*.crt; do
  case $old in
    *) rm -f "$old" ;;
  esac
done

systemctl daemon-reload
systemctl --quiet enable containerd.service kubelet.service
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

echo 3a32c4edecef030dec96c64baf5c01b6382639a1be9a2035357b15de5a713cdf >"$state/prepared.new"
mv "$state/prepared.new" "$state/prepared"
