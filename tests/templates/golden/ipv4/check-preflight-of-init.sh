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
# Runs the preflight checks of kubeadm init. Changes nothing: with --dry-run kubeadm pulls no image and asks no API server. Exit code 3: kubeadm refuses this host.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
for marker in initializing initialized joining joined restoring; do
  if [ -e "$state/$marker" ]; then
    echo "kubeadm init has begun on this host, and runs these checks itself"
    exit 0
  fi
done
for command in kubeadm kubelet; do command -v "$command" >/dev/null || missing "$command: this host does not have the bundle's files"; done
# kubeadm creates a folder in /etc/kubernetes unless these name one; preflight checks write nothing there
export KUBEADM_INIT_DRYRUN_DIR="$state/dry-run" KUBEADM_JOIN_DRYRUN_DIR="$state/dry-run"
code=0
output=$(printf '%s\n' '---
apiVersion: "kubeadm.k8s.io/v1beta4"
kind: "InitConfiguration"
"bootstrapTokens": [{"description": "made by kubeadm init, not used", "ttl": "1m0s"}]
"localAPIEndpoint": {"advertiseAddress": "198.18.0.11", "bindPort": 6443}
"nodeRegistration": {"criSocket": "unix:///run/containerd/containerd.sock", "imagePullPolicy": "IfNotPresent", "imagePullSerial": false, "kubeletExtraArgs": [{"name": "node-ip", "value": "198.18.0.11"}], "name": "four-1"}
---
apiVersion: "kubeadm.k8s.io/v1beta4"
kind: "ClusterConfiguration"
"clusterName": "demo"
"kubernetesVersion": "v1.36.3"
"controlPlaneEndpoint": "198.18.0.11:6443"
"imageRepository": "registry.k8s.io"
"encryptionAlgorithm": "ECDSA-P256"
"networking": {"dnsDomain": "cluster.local", "podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/16"}
"apiServer": {"certSANs": ["four-1", "198.18.0.11", "10.96.0.1"], "extraArgs": []}
"controllerManager": {"extraArgs": [{"name": "kube-api-burst", "value": "200"}, {"name": "kube-api-qps", "value": "100"}, {"name": "leader-elect-retry-period", "value": "1s"}, {"name": "node-cidr-mask-size-ipv4", "value": "24"}]}
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
"clusterCIDR": "10.244.0.0/16"
"bindAddress": "0.0.0.0"' | timeout -k 5 40 kubeadm init phase preflight --dry-run --config /dev/stdin 2>&1) || code=$?
if [ "$code" != 0 ]; then
  printf '%s\n' "$output"
  exit 3
fi
printf '%s\n' "$output" | sed -n 's/^[[:space:]]*\(\[WARNING .*\)/\1/p'
