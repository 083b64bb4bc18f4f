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
# Lets the kubelet make a new certificate for its own server: it signs one itself at its start when it has none. Containers keep running.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
certificate=/var/lib/kubelet/pki/kubelet.crt
unfinished=$state/kubelet-renewal
touch "$unfinished"
sync "$unfinished" "$state"
# both: with one of them, the kubelet does not start
rm -f "$certificate" "${certificate%.crt}.key"
systemctl restart kubelet.service
until [ -s "$certificate" ] && systemctl is-active --quiet kubelet.service; do sleep 0.2; done
rm -f "$unfinished"
