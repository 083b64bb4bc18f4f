set -eu
umask 022
state=/var/lib/sixstack
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBECACHEDIR="$state/kubectl"
cluster=demo

# exit codes: 64 this host is not ours to touch, 65 the host lacks something, 1 the step failed
refuse() { echo "refused: $*" >&2; exit 64; }
lacking() { echo "missing: $*" >&2; exit 65; }

owner=$(cat "$state/owner" 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$cluster" ]; then
  refuse "this host belongs to cluster $owner ($state/owner)"
fi
# After a reset whose result was read: the last folder of ours, unless somebody claimed the host meanwhile.
if [ -z "$owner" ]; then rm -rf "$state"; fi
