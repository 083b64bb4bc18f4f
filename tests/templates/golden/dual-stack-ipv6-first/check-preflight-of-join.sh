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
# Runs the preflight checks of kubeadm join. Changes nothing: with --dry-run kubeadm pulls no image and asks no API server. Exit code 3: kubeadm refuses this host.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
for marker in initializing initialized joining joined restoring; do
  if [ -e "$state/$marker" ]; then
    echo "kubeadm join has begun on this host, and runs these checks itself"
    exit 0
  fi
done
for command in kubeadm kubelet; do command -v "$command" >/dev/null || missing "$command: this host does not have the bundle's files"; done
# kubeadm creates a folder in /etc/kubernetes unless these name one; preflight checks write nothing there
export KUBEADM_INIT_DRYRUN_DIR="$state/dry-run" KUBEADM_JOIN_DRYRUN_DIR="$state/dry-run"
code=0
output=$(printf '%s\n' '---
apiVersion: "kubeadm.k8s.io/v1beta4"
kind: "JoinConfiguration"
"discovery": {"bootstrapToken": {"apiServerEndpoint": "[::1]:1", "token": "abcdef.0000000000000000", "unsafeSkipCAVerification": true}}
"nodeRegistration": {"criSocket": "unix:///run/containerd/containerd.sock", "imagePullPolicy": "IfNotPresent", "imagePullSerial": false, "kubeletExtraArgs": [{"name": "node-ip", "value": "fd66::12,198.18.0.12"}], "name": "sixfirst-2", "taints": []}
"timeouts": {"discovery": "2m0s", "tlsBootstrap": "3m0s"}' | timeout -k 5 40 kubeadm join phase preflight --dry-run --config /dev/stdin 2>&1) || code=$?
# the checks come first; then kubeadm refuses the cluster that --dry-run makes up, because its signature is not that of the token
case $output in *"couldn't validate the identity of the API Server"*) code=0 ;; esac
if [ "$code" != 0 ]; then
  printf '%s\n' "$output"
  exit 3
fi
printf '%s\n' "$output" | sed -n 's/^[[:space:]]*\(\[WARNING .*\)/\1/p'
