set -eu
umask 022
state=/var/lib/sixstack
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBECACHEDIR="$state/kubectl"
cluster=demo

# exit codes: 64 this host is not ours to touch, 65 the host lacks something, 1 the step failed
refuse() { echo "refused: $*" >&2; exit 64; }
lacking() { echo "missing: $*" >&2; exit 65; }

owner=$(cat "$state/owner" 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$cluster" ]; then
  refuse "this host belongs to cluster $owner ($state/owner)"
fi
# Makes this host a worker of the cluster; the JoinConfiguration, with its token, is the input file join.yaml.
if [ -z "$owner" ]; then refuse "this host was not prepared for cluster $cluster"; fi
if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then refuse "a control plane lies on this host"; fi
systemctl start containerd.service

# a retry whose first try went on without its caller, or a kubelet that was stopped: nothing of it is undone
if [ -e "$state/joined" ] && [ -e /etc/kubernetes/kubelet.conf ]; then
  echo "joined before: starting its kubelet"
  systemctl start kubelet.service
  exit 0
fi

for leftover in /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/pki/ca.crt /var/lib/kubelet/config.yaml; do
  if [ -e "$leftover" ]; then
    echo "found $leftover of a join that did not finish, or of a node that is no more: resetting"
    timeout 120 kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || true
    rm -rf /etc/kubernetes/pki /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf
    for link in cni0 flannel.1 flannel-v6.1 vxlan.calico vxlan-v6.calico; do ip link delete "$link" 2>/dev/null || true; done
    rm -rf /var/lib/cni /run/flannel /etc/cni/net.d/10-flannel.conflist /var/lib/calico /etc/cni/net.d/10-calico.conflist
    break
  fi
done
rm -f "$state/joined" "$state/authority"
kubeadm join --config "$SIXSTACK_STEP_DIR/join.yaml"
sha256sum </etc/kubernetes/pki/ca.crt >"$state/authority" # reset leaves a host with another one alone
touch "$state/joined"
