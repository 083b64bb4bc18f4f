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
# Runs on a drained host that has the files of the new version, except the kubelet: containerd is restarted from its new file, and kubeadm writes
# the kubelet's settings of the new version. The running kubelet keeps its own. A second run changes nothing.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
if ! [ -e /etc/kubernetes/kubelet.conf ]; then refuse "this host is no member of cluster $cluster: /etc/kubernetes/kubelet.conf is missing"; fi
found=$(kubeadm version -o short)
if [ "$found" != v1.36.3 ]; then missing "kubeadm v1.36.3: this host has $found"; fi

# the containers continue
process=$(systemctl show --property=MainPID --value containerd.service)
if ! [ "/proc/$process/exe" -ef /usr/local/bin/containerd ]; then
  systemctl restart containerd.service
  echo "restarted containerd"
fi

config=$state/upgrade.yaml # one name: the next attempt replaces what a killed one left
trap 'rm -f "$config"' EXIT
printf '%s\n' '---
apiVersion: "kubeadm.k8s.io/v1beta4"
kind: "UpgradeConfiguration"
"apply": {"ignorePreflightErrors": ["SystemVerification"], "imagePullPolicy": "IfNotPresent", "imagePullSerial": false, "kubernetesVersion": "v1.36.3"}
"node": {"ignorePreflightErrors": ["SystemVerification"], "imagePullPolicy": "IfNotPresent", "imagePullSerial": false}' >"$config"
kubeadm upgrade node --config "$config"
# kubeadm's copies of the kubelet's settings; the owner's files stay
for folder in /etc/kubernetes/tmp/kubeadm-kubelet-config*; do
  if [ -d "$folder" ] && ! grep -qsxF -- "$folder" "$state/before/paths"; then rm -rf -- "$folder"; fi
done
