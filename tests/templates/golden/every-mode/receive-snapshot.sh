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
# Reads a snapshot of etcd from standard input. Values: size, kib (the space that snapshot and restored data need), run.
# Output: `received`, or `not needed` when the restore of this run still runs or has finished: a connection was lost, not the step.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
umask 077
lock=$state/steps/restore-control-plane/lock
finished=''
if [ -e "$state/initialized" ]; then finished=$(cat "$state/restored" 2>/dev/null || true); fi
if [ "$finished" = run ] || { [ -e "$lock" ] && ! flock -s -n "$lock" true; }; then
  cat >/dev/null
  echo "not needed"
  exit 0
fi
work=$state/restore
rm -rf "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT PIPE TERM
mkdir "$work"
free=$(df -Pk "$state" | awk 'NR == 2 { print $4 }')
if [ "$free" -lt 268000 ]; then missing "$state has $((free / 1024)) MiB free, the restore needs 261 MiB"; fi
head -c 3000000 >"$work/snapshot.db"
if [ "$(stat -c %s "$work/snapshot.db")" != 3000000 ]; then
  echo "error: the snapshot arrived incomplete" >&2
  exit 1
fi
trap - EXIT
echo received
