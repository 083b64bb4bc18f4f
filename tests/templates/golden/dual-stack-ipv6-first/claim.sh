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
# Records the owner of this host before any other change, so that every later change can be undone.
if [ -z "$owner" ]; then
  for found in /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf /etc/kubernetes/manifests/kube-apiserver.yaml; do
    if [ -e "$found" ]; then refuse "$found belongs to another cluster"; fi
  done
  if [ -e /etc/containerd/config.toml ] && ! head -n 1 /etc/containerd/config.toml | grep -q sixstack; then
    refuse "sixstack did not write the existing /etc/containerd/config.toml"
  fi
fi
mkdir -p "$state"
chmod 0700 "$state"
mkdir -p "$state/bundle" "$state/steps" "$state/before"
if [ -z "$owner" ]; then
  # records the existing content of the folders that a cluster uses: reset keeps these paths
  for folder in /etc/containerd/certs.d /etc/containerd /etc/cni/net.d /etc/cni /etc/kubernetes /etc/systemd/system/containerd.service.d /etc/systemd/system/kubelet.service.d /opt/cni/bin /opt/cni /opt/containerd /run/calico /run/containerd /run/flannel /run/nri /usr/libexec/kubernetes /var/lib/calico /var/lib/cni /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/lib/kube-proxy /var/log/calico /var/log/containers /var/log/pods; do
    find "$folder" -mindepth 0 -maxdepth 1 2>/dev/null || true
  done >"$state/before/paths"
  echo "$cluster" >"$state/owner.new"
  mv "$state/owner.new" "$state/owner"
fi
# for a reset without the cluster file; two files of one cluster may differ, so that ranges are added
printf '%s\n' fd44::/56 10.244.0.0/16 | while read -r range; do
  if ! grep -qsxF "$range" "$state/pods"; then echo "$range" >>"$state/pods"; fi
done
mkdir -p /usr/local/bin /opt/cni/bin /etc/cni/net.d /etc/containerd /etc/kubernetes/manifests
