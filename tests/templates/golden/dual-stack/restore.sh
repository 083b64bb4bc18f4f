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
# Replaces the control plane on this host by the one of a copy. The snapshot is in $state/restore; the input file kubernetes.tar has the
# authorities and keys of the copy, the input file etcdutl is the program. Nothing of the present control plane is touched before etcd's data is restored beside it.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
export KUBECONFIG=/etc/kubernetes/admin.conf
work=$state/restore
config=$work/init.yaml
trap 'rm -rf "$work"' EXIT
if [ -e "$state/initialized" ] && [ "$(cat "$state/restored" 2>/dev/null || true)" = run ]; then
  echo "already restored by this run"
  exit 0
fi
if ! [ -e "$work/snapshot.db" ]; then refuse "the snapshot is missing: an earlier attempt did not end, restore again"; fi

systemctl start containerd.service
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

# --- the snapshot, with the etcdutl that the input files have: the host cannot read the layers of an image (zstd), and `ctr images mount` fails in
# containerd 2.2
etcdutl=$work/etcdutl
cp "$SIXSTACK_STEP_DIR/etcdutl" "$etcdutl"
chmod 0700 "$etcdutl"
status=$("$etcdutl" snapshot status "$work/snapshot.db" --write-out=json)
revision=$(printf '%s\n' "$status" | sed -n 's/.*"revision": *\([0-9]\{1,\}\).*/\1/p')
# Clients that watched the lost state must not find their revision again. Microseconds since 1970 are more than any revision that a cluster had,
# also one that was restored before: etcd makes less than a million changes a second.
bump=$(($(date +%s) * 1000000 - revision))
if [ "$bump" -lt 1000000000 ]; then bump=1000000000; fi
echo "the snapshot has revision $revision; the restored data begins at $((revision + bump))"
"$etcdutl" snapshot restore "$work/snapshot.db" --data-dir "$work/etcd" --name both-1 \
  --initial-cluster both-1=https://198.18.0.11:2380 --initial-advertise-peer-urls https://198.18.0.11:2380 \
  --bump-revision "$bump" --mark-compacted
rm -f "$work/snapshot.db" "$etcdutl"

# a finished attempt was stopped before it removed what it had set aside
if [ -e "$state/initialized" ]; then rm -rf "$state/unfinished"; fi

# --- from here on, the control plane is unfinished
echo 20261126T020000000000Z.cp-1 >"$state/restoring"
sync "$state/restoring" "$state"
rm -f "$state/initializing" "$state/initialized" "$state/restored" "$state/authority"
for leftover in /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt /var/lib/etcd/member /etc/kubernetes/manifests/*.yaml; do
  if [ -e "$leftover" ]; then
    echo "found $leftover: resetting this control plane"
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
mkdir -p /etc/kubernetes /var/lib/etcd
chmod 0700 /var/lib/etcd
(umask 077 && tar -x -p --no-same-owner -C /etc/kubernetes -f "$SIXSTACK_STEP_DIR/kubernetes.tar")
mv "$work/etcd/member" /var/lib/etcd/member
sync /var/lib/etcd
echo run >"$state/restored"
kubeadm init --config "$config" --skip-token-print --skip-certificate-key-print --ignore-preflight-errors=DirAvailable--var-lib-etcd
sha256sum </etc/kubernetes/pki/ca.crt >"$state/authority" # reset refuses a host with another CA
sync "$state/authority"
mv "$state/restoring" "$state/initialized" # one rename: the control plane is unfinished until here, and finished from here
sync "$state"
rm -rf "$state/unfinished"
# their holders in the copy no longer exist: the new ones would wait 15 s for the end of each lease
kubectl -n kube-system delete lease kube-controller-manager kube-scheduler --ignore-not-found || true
