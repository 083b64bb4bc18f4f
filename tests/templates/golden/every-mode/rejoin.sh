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
# Joins this host to the cluster as a worker. The input file join.yaml has the JoinConfiguration with its token.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then refuse "this host has a control plane"; fi
systemctl start containerd.service
# the control plane or the Node of the earlier join no longer exists
if [ -e "$state/joined" ]; then mv "$state/joined" "$state/joining"; fi

# an earlier attempt joined the host after its caller was gone, or kubelet was stopped: the node is kept
if [ -e "$state/joined" ] && [ -e /etc/kubernetes/kubelet.conf ]; then
  echo "already joined: starting kubelet"
  systemctl start kubelet.service
  exit 0
fi

for leftover in /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/pki/ca.crt /var/lib/kubelet/config.yaml; do
  if [ -e "$leftover" ]; then
    if ! [ -e "$state/joining" ] && ! [ -e "$state/joined" ]; then
      refuse "$leftover exists, and no kubeadm join of this cluster left it: delete the cluster and create it again, or restore the host's files"
    fi
    echo "found $leftover of an unfinished join or of a removed node: resetting"
    timeout 120 kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || true
    rm -rf /etc/kubernetes/pki /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf
    for link in cni0 flannel.1 flannel-v6.1 vxlan.calico vxlan-v6.calico; do ip link delete "$link" 2>/dev/null || true; done
    rm -rf /var/lib/cni /run/flannel /etc/cni/net.d/10-flannel.conflist /var/lib/calico /etc/cni/net.d/10-calico.conflist
    break
  fi
done
touch "$state/joining"
sync "$state/joining" "$state"
rm -f "$state/joined" "$state/authority"
kubeadm join --config "$SIXSTACK_STEP_DIR/join.yaml"
sha256sum </etc/kubernetes/pki/ca.crt >"$state/authority" # reset refuses a host with another CA
sync "$state/authority"
mv "$state/joining" "$state/joined"
sync "$state"
