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
# Prints the keys of this host's etcd with their revisions, without values; nothing when etcd does not answer.
# limited SECONDS COMMAND...: in the process group of this script, whose own time limit ends both
limited() {
  seconds=$1
  shift
  timeout --foreground -k 5 "$seconds" "$@"
}

# The image of etcd has etcdctl and etcdutl, which run from there: the etcd of this host has this data directory and the host's network.
process=''
for entry in /proc/[0-9]*; do
  if [ "$(cat "$entry/comm" 2>/dev/null)" = etcd ] && [ "$(readlink "$entry/ns/net")" = "$(readlink /proc/self/ns/net)" ] &&
    tr '\0' '\n' <"$entry/cmdline" 2>/dev/null | grep -qx -e '--data-dir=/var/lib/etcd'; then
    process=$entry
  fi
done

etcdctl() {
  seconds=$1
  shift
  endpoint=$(tr '\0' '\n' <"$process/cmdline" | sed -n 's/^--listen-client-urls=//p' | cut -d, -f1)
  client=server
  if [ -e /etc/kubernetes/pki/etcd/healthcheck-client.crt ]; then client=healthcheck-client; fi
  ETCDCTL_API=3 limited "$seconds" "$process/root/usr/local/bin/etcdctl" --endpoints="$endpoint" --dial-timeout=5s --command-timeout=10s \
    --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert="/etc/kubernetes/pki/etcd/$client.crt" --key="/etc/kubernetes/pki/etcd/$client.key" "$@"
}

# list_keys REVISION: every key of Kubernetes at that revision (0: now) as JSON, with its own revisions and without its value
list_keys() { etcdctl 60 get /registry --prefix --keys-only --write-out=json --rev="$1"; }
if [ -n "$process" ] && [ -x "$process/root/usr/local/bin/etcdctl" ]; then list_keys 0 || true; fi
