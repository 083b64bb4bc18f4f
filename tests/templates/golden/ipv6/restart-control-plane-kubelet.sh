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
# Restarts the kubelet, which then runs from its new file.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
found=$(kubelet --version)
if [ "${found#Kubernetes }" != v1.36.3 ]; then missing "kubelet v1.36.3: this host has ${found#Kubernetes }"; fi
systemctl daemon-reload
systemctl restart kubelet.service

# A kubelet of another version may restart the static pods some seconds later, and no event says that it will not.
steady=0
attempts=0
until [ "$steady" -ge 15 ]; do
  sleep 1
  attempts=$((attempts + 1))
  if kubectl --kubeconfig /etc/kubernetes/admin.conf --server 'https://[fd66::11]:6443' --request-timeout=5s get --raw /readyz >/dev/null 2>&1; then
    steady=$((steady + 1))
  else
    if [ "$steady" -gt 0 ]; then echo "the API server stopped answering $attempts s after the start of the kubelet"; fi
    steady=0
  fi
  if [ "$attempts" -gt 240 ]; then
    echo "error: the API server on this host does not become ready" >&2
    exit 1
  fi
done
echo "the API server answers, $attempts s after the start of the kubelet"
