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
# Upgrades the static pods of this control plane; on the last one, kubeadm also upgrades kube-proxy and CoreDNS. A second run changes nothing.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
export KUBECONFIG=/etc/kubernetes/admin.conf
if ! [ -e "$KUBECONFIG" ]; then refuse "this host has no control plane: $KUBECONFIG is missing"; fi
found=$(kubeadm version -o short)
if [ "$found" != v1.36.3 ]; then missing "kubeadm v1.36.3: this host has $found"; fi

# For each component, kubeadm moves the old manifest away, and then the new one here. If the power failed between, the old one is the last backup.
tmp=/etc/kubernetes/tmp
for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  manifest=/etc/kubernetes/manifests/$component.yaml
  if ! [ -e "$manifest" ]; then
    backup=$(find "$tmp" -path "$tmp/kubeadm-backup-manifests-*/$component.yaml" 2>/dev/null | sort | tail -n 1)
    if [ -z "$backup" ]; then refuse "$manifest is missing, and $tmp has no backup of it"; fi
    # not in the folder itself, where the kubelet would start it as a pod of its own
    cp -a -T "$backup" "/etc/kubernetes/$component.sixstack-new"
    sync "/etc/kubernetes/$component.sixstack-new"
    mv -T "/etc/kubernetes/$component.sixstack-new" "$manifest"
    echo "restored $manifest, which an interrupted upgrade had moved to $backup"
  fi
done
systemctl start containerd.service
systemctl start kubelet.service

# pids NAME: the processes of this host, also those in containers with its network
pids() {
  for entry in /proc/[0-9]*; do
    name=
    { read -r name <"$entry/comm"; } 2>/dev/null || continue
    if [ "$name" = "$1" ] && [ "$entry/ns/net" -ef /proc/self/ns/net ]; then echo "${entry#/proc/}"; fi
  done
}
# Without etcd, the API server gives no answer, and the kubelet waits 34 s for each one before it looks at a manifest (measured: etcd was started
# after 171 s, and after 124 s by a new kubelet). A refused connection does not hold up the kubelet. It starts the API server again.
if [ -z "$(pids etcd)" ]; then
  for process in $(pids kube-apiserver); do
    kill -s KILL "$process" 2>/dev/null || true
    echo "ended the API server, which has no etcd"
  done
fi
# no event reports that the API server answers
end=$(($(date +%s) + 300))
until kubectl --request-timeout=5s get --raw /readyz >/dev/null 2>&1; do
  if [ "$(date +%s)" -gt "$end" ]; then
    echo "error: the API server on this host does not become ready" >&2
    exit 1
  fi
  sleep 1
done

# remove_copies: kubeadm's copies of etcd's data, of manifests and of the kubelet's settings. The owner's files stay.
remove_copies() {
  for folder in "$tmp"/kubeadm-backup-* "$tmp"/kubeadm-upgraded-manifests* "$tmp"/kubeadm-kubelet-config*; do
    if [ -d "$folder" ] && ! grep -qsxF -- "$folder" "$state/before/paths"; then rm -rf -- "$folder"; fi
  done
}

# kubeadm copies etcd's data into this folder; etcd itself would stop if that filled its file system
needed=$(du -sk /var/lib/etcd/member | awk '{ print $1 + 262144 }')
free=$(df -Pk /etc/kubernetes | awk 'NR == 2 { print $4 }')
if [ "$free" -lt "$needed" ]; then
  missing "disk space: /etc/kubernetes has $((free / 1024)) MiB free, and a copy of etcd's data needs $((needed / 1024)) MiB"
fi

config=$state/upgrade.yaml # one name: the next attempt replaces what a killed one left
trap 'rm -f "$config"' EXIT
printf '%s\n' '---
apiVersion: "kubeadm.k8s.io/v1beta4"
kind: "UpgradeConfiguration"
"apply": {"ignorePreflightErrors": ["SystemVerification"], "imagePullPolicy": "IfNotPresent", "imagePullSerial": false, "kubernetesVersion": "v1.36.3"}
"node": {"ignorePreflightErrors": ["SystemVerification"], "imagePullPolicy": "IfNotPresent", "imagePullSerial": false}' >"$config"
kubeadm upgrade apply --config "$config" --yes
remove_copies
