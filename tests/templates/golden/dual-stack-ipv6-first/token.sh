set -eu
umask 022
state=/var/lib/sixstack
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBECACHEDIR="$state/kubectl"
cluster=sixfirst

# exit codes: 64 this host is not ours to touch, 65 the host lacks something, 1 the step failed
refuse() { echo "refused: $*" >&2; exit 64; }
lacking() { echo "missing: $*" >&2; exit 65; }

owner=$(cat "$state/owner" 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$cluster" ]; then
  refuse "this host belongs to cluster $owner ($state/owner)"
fi
# Prints `TOKEN CA_HASH` on its last line: what one worker needs to join, for minutes. The caller keeps it out of every record.
if [ -z "$owner" ]; then refuse "this host is not a control plane of cluster $cluster"; fi
export KUBECONFIG=/etc/kubernetes/admin.conf
node=sixfirst-2

# kubeadm join refuses a name whose Node still says Ready, as it does for a while after its machine was reset or replaced
ready=$(kubectl get node "$node" --ignore-not-found -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')
if [ "$ready" = True ]; then
  kubectl patch node "$node" --subresource=status --type=strategic \
    -p '{"status":{"conditions":[{"type":"Ready","status":"Unknown","reason":"Rejoining","message":"sixstack joins this machine again"}]}}' >&2
fi

# kubeadm join HOST:PORT --token TOKEN --discovery-token-ca-cert-hash HASH
# shellcheck disable=SC2046 # the words of that line
set -- $(kubeadm token create --ttl 15m --description "sixstack: $node joins" --print-join-command)
token=''
hash=''
while [ $# -gt 1 ]; do
  case $1 in
    --token) token=$2 ;;
    --discovery-token-ca-cert-hash) hash=$2 ;;
  esac
  shift
done
if [ -z "$token" ] || [ -z "$hash" ]; then
  echo "kubeadm printed no token" >&2
  exit 1
fi
# a join that looks before the controller manager has signed cluster-info for this token waits 5 s for its next look
kubectl -n kube-public wait configmap/cluster-info --for=jsonpath="{.data.jws-kubeconfig-${token%%.*}}" --timeout=30s >&2
echo "$token $hash"
