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
# Replaces certificates of this control plane. kubeadm works on a copy of /etc/kubernetes, which only it sees there. Then each new file replaces
# the old one. A script that is killed before the copy is complete has changed nothing; after that, the next run puts the same files in place.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
staged=$state/renewal
preparing=$state/renewal.new

# a file with a private key is readable for root alone all the time
umask 077

# in_place FILE: the file that a path leads to; an owner may keep keys on another volume
in_place() { readlink -f -- "$1" || echo "$1"; }

# put_in_place: every staged file that differs
put_in_place() {
  (cd "$staged" && find . -type f) | while IFS= read -r file; do
    target=$(in_place "/etc/kubernetes/${file#./}")
    if cmp -s "$staged/$file" "$target"; then continue; fi
    cp -a -T -- "$staged/$file" "$target.sixstack-new"
    touch "$target.sixstack-new" # a process that was started before now has not read it
    sync "$target.sixstack-new"
    mv -T -- "$target.sixstack-new" "$target"
    echo "replaced $target"
  done
  sync -f /etc/kubernetes
  # one rename: a part of the staged files must not be put in place over later ones
  rm -rf "$preparing"
  mv -T "$staged" "$preparing"
  sync "$state"
  rm -rf "$preparing"
}

if [ -e "$staged" ]; then
  echo "an earlier renewal did not finish: its certificates are put in place"
  put_in_place
fi
rm -rf "$preparing"
mkdir -p "$preparing/kubernetes"
cp -a -L /etc/kubernetes/pki "$preparing/kubernetes/pki"
for file in /etc/kubernetes/*.conf; do
  if [ -e "$file" ]; then cp -a -L -- "$file" "$preparing/kubernetes"; fi
done
printf '%s\n' '---
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
"etcd": {"local": {"dataDir": "/var/lib/etcd", "extraArgs": []}}' >"$preparing/kubeadm.yaml"

# in a mount namespace of its own: only these commands see the copy
cat >"$preparing/commands" <<'END'
set -eu
umask 022
mount --bind "$1/kubernetes" /etc/kubernetes
kubeadm certs renew apiserver-kubelet-client --config "$1/kubeadm.yaml"
kubeadm certs renew apiserver-etcd-client --config "$1/kubeadm.yaml"
kubeadm certs renew front-proxy-client --config "$1/kubeadm.yaml"
kubeadm certs renew etcd-server --config "$1/kubeadm.yaml"
kubeadm certs renew etcd-peer --config "$1/kubeadm.yaml"
kubeadm certs renew etcd-healthcheck-client --config "$1/kubeadm.yaml"
kubeadm certs renew admin.conf --config "$1/kubeadm.yaml"
kubeadm certs renew super-admin.conf --config "$1/kubeadm.yaml"
kubeadm certs renew controller-manager.conf --config "$1/kubeadm.yaml"
kubeadm certs renew scheduler.conf --config "$1/kubeadm.yaml"
rm -f /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key 
kubeadm init phase certs apiserver --config "$1/kubeadm.yaml"
END
unshare --mount --propagation private /bin/sh "$preparing/commands" "$preparing"

# only what was issued is put in place: an owner may have changed another file in the meantime
mkdir "$preparing/staged"
for file in /etc/kubernetes/pki/apiserver-kubelet-client.crt /etc/kubernetes/pki/apiserver-kubelet-client.key /etc/kubernetes/pki/apiserver-etcd-client.crt /etc/kubernetes/pki/apiserver-etcd-client.key /etc/kubernetes/pki/front-proxy-client.crt /etc/kubernetes/pki/front-proxy-client.key /etc/kubernetes/pki/etcd/server.crt /etc/kubernetes/pki/etcd/server.key /etc/kubernetes/pki/etcd/peer.crt /etc/kubernetes/pki/etcd/peer.key /etc/kubernetes/pki/etcd/healthcheck-client.crt /etc/kubernetes/pki/etcd/healthcheck-client.key /etc/kubernetes/admin.conf /etc/kubernetes/super-admin.conf /etc/kubernetes/controller-manager.conf /etc/kubernetes/scheduler.conf /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key; do
  if [ -e "$preparing/kubernetes/${file#/etc/kubernetes/}" ]; then
    mkdir -p "$preparing/staged/$(dirname "${file#/etc/kubernetes/}")"
    cp -a -T -- "$preparing/kubernetes/${file#/etc/kubernetes/}" "$preparing/staged/${file#/etc/kubernetes/}"
  fi
done
find "$preparing/staged" -type f -exec sync {} +
mv -T "$preparing/staged" "$staged" # one rename: nothing is replaced until here, and everything from here
sync "$state"
rm -rf "$preparing"
put_in_place
