set -eu
umask 022
state=/var/lib/sixstack
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBECACHEDIR="$state/kubectl"
cluster=four

# exit codes: 64 this host is not ours to touch, 65 the host lacks something, 1 the step failed
refuse() { echo "refused: $*" >&2; exit 64; }
lacking() { echo "missing: $*" >&2; exit 65; }

owner=$(cat "$state/owner" 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$cluster" ]; then
  refuse "this host belongs to cluster $owner ($state/owner)"
fi
# A token that was used, or will not be, goes at once.
KUBECONFIG=/etc/kubernetes/admin.conf kubectl -n kube-system delete secret bootstrap-token-abcdef --ignore-not-found
