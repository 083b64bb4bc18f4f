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
# Initializes the cluster's first control plane on this host. An unfinished control plane is reset before the next attempt, a finished one never.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
if [ -e "$state/restoring" ]; then refuse "a restore of this control plane did not finish: restore the cluster again, or delete it"; fi
export KUBECONFIG=/etc/kubernetes/admin.conf
config=$state/init.yaml # one name: every attempt, also one with nothing to do, removes what a killed one left
trap 'rm -f "$config"' EXIT

if [ -e "$state/initialized" ] && [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
  echo "already initialized: starting containerd and kubelet"
  systemctl start containerd.service
  systemctl start kubelet.service
  # no event reports that the API server answers; kubelet starts it within seconds
  until kubectl get --raw /readyz >/dev/null 2>&1; do sleep 1; done
  exit 0
fi
if [ -e "$state/initialized" ] && [ -e /var/lib/etcd/member ]; then
  refuse "/var/lib/etcd has the cluster's data, but the control plane's files in /etc/kubernetes are missing: restore these files, or delete the cluster"
fi

for leftover in /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt /var/lib/etcd/member /etc/kubernetes/manifests/*.yaml; do
  if [ -e "$leftover" ]; then
    # only an attempt that began and did not end has left nothing of value
    if ! [ -e "$state/initializing" ]; then
      refuse "$leftover exists, and no unfinished kubeadm init left it: restore the control plane's files, or delete the cluster"
    fi
    echo "found $leftover of an unfinished attempt: resetting"
    # until a later attempt has finished. What further attempts find is of the attempts before them, and is not kept.
    if ! [ -e "$state/unfinished" ]; then
      rm -rf "$state/unfinished.new"
      mkdir -p "$state/unfinished.new/pki" "$state/unfinished.new/etcd"
      cp -a /etc/kubernetes/pki/. "$state/unfinished.new/pki" 2>/dev/null || true
      if [ -e /var/lib/etcd/member ]; then cp -a /var/lib/etcd/member "$state/unfinished.new/etcd"; fi
      mv "$state/unfinished.new" "$state/unfinished"
    fi
    timeout 120 kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || true
    rm -rf /var/lib/etcd/member /etc/kubernetes/manifests/*.yaml /etc/kubernetes/pki
    for link in cni0 flannel.1 flannel-v6.1 vxlan.calico vxlan-v6.calico; do ip link delete "$link" 2>/dev/null || true; done
    rm -rf /var/lib/cni /run/flannel /etc/cni/net.d/10-flannel.conflist /var/lib/calico /etc/cni/net.d/10-calico.conflist
    break
  fi
done

touch "$state/initializing"
sync "$state/initializing" "$state"
rm -f "$state/initialized" "$state/authority"
printf '%s\n' '---
apiVersion: "kubeadm.k8s.io/v1beta4"
kind: "InitConfiguration"
"bootstrapTokens": [{"description": "made by kubeadm init, not used", "ttl": "1m0s"}]
"localAPIEndpoint": {"advertiseAddress": "198.18.0.11", "bindPort": 6443}
"nodeRegistration": {"criSocket": "unix:///run/containerd/containerd.sock", "imagePullPolicy": "IfNotPresent", "imagePullSerial": false, "kubeletExtraArgs": [{"name": "node-ip", "value": "198.18.0.11,fd66::11"}], "name": "both-1"}
---
apiVersion: "kubeadm.k8s.io/v1beta4"
kind: "ClusterConfiguration"
"clusterName": "demo"
"kubernetesVersion": "v1.36.3"
"controlPlaneEndpoint": "198.18.0.11:6443"
"imageRepository": "registry.k8s.io"
"encryptionAlgorithm": "ECDSA-P256"
"networking": {"dnsDomain": "cluster.local", "podSubnet": "10.244.0.0/16,fd44::/56", "serviceSubnet": "10.96.0.0/16,fd44:0:0:ffff::/112"}
"apiServer": {"certSANs": ["both-1", "198.18.0.11", "fd66::11", "203.0.113.7", "10.96.0.1", "fd44:0:0:ffff::1", "api.example.org"], "extraArgs": []}
"controllerManager": {"extraArgs": [{"name": "kube-api-burst", "value": "200"}, {"name": "kube-api-qps", "value": "100"}, {"name": "leader-elect-retry-period", "value": "1s"}, {"name": "node-cidr-mask-size-ipv4", "value": "25"}, {"name": "node-cidr-mask-size-ipv6", "value": "64"}]}
"scheduler": {"extraArgs": [{"name": "leader-elect-retry-period", "value": "1s"}]}
"etcd": {"local": {"dataDir": "/var/lib/etcd", "extraArgs": []}}
---
apiVersion: "kubelet.config.k8s.io/v1beta1"
kind: "KubeletConfiguration"
"cgroupDriver": "systemd"
"clusterDomain": "cluster.local"
---
apiVersion: "kubeproxy.config.k8s.io/v1alpha1"
kind: "KubeProxyConfiguration"
"mode": "nftables"
"clusterCIDR": "10.244.0.0/16,fd44::/56"
"bindAddress": "0.0.0.0"' >"$config"
kubeadm init --config "$config" --skip-token-print --skip-certificate-key-print
sha256sum </etc/kubernetes/pki/ca.crt >"$state/authority" # reset refuses a host with another CA
sync "$state/authority"
mv "$state/initializing" "$state/initialized" # one rename: the control plane is unfinished until here, and finished from here
sync "$state"
rm -rf "$state/unfinished"
