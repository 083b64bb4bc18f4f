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
# Prints what a reset of this host would destroy, and changes nothing. Lines, each `file` followed by its content:
#   kubernetes VERSION     of the kubelet; may be empty
#   etcd KIND REASON       snapshot, data (etcd did not answer) or none
#   snapshot VERSION REVISION  of etcd; empty without a snapshot, no revision when etcdutl did not verify it
#   file SIZE NAME
#   end COUNT              the output is complete
umask 077
work=$state/copy
count=0

# A snapshot is a file before it can be printed. A reset removes all of $state, so also the folder of a script that was killed.
rm -rf "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT PIPE TERM
mkdir -p "$state"
mkdir "$work"

# print_file NAME PATH
print_file() {
  size=$(stat -L -c %s "$2")
  printf 'file %s %s\n' "$size" "$1"
  head -c "$size" "$2"
  count=$((count + 1))
}

# print_files NAME FOLDER: the files below a folder; symbolic links are followed
print_files() {
  (cd "$2" && find -L . -type f) >"$work/files"
  sort -o "$work/files" "$work/files"
  while IFS= read -r file; do print_file "$1/${file#./}" "$2/${file#./}"; done <"$work/files"
}

# --- etcd
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

# etcd would stop if a snapshot filled its file system
enough_space() {
  needed=$(stat -c %s /var/lib/etcd/member/snap/db | awk '{ print int($1 / 1024) + 262144 }')
  free=$(df -Pk "$state" | awk 'NR == 2 { print $4 }')
  [ "$free" -gt "$needed" ]
}

kind=data etcd_version='' revision=''
if [ ! -e /var/lib/etcd/member ]; then
  kind=none reason=''
elif [ -z "$process" ]; then
  reason='etcd does not run'
elif ! [ -x "$process/root/usr/local/bin/etcdctl" ]; then
  reason='the image of etcd has no etcdctl'
elif ! etcdctl 20 endpoint status >&2; then
  reason='etcd does not answer'
elif ! enough_space; then
  reason="not enough disk space in $state for a snapshot"
elif ! etcdctl 900 snapshot save "$work/snapshot.db" >&2; then
  reason='etcd did not finish a snapshot'
elif ! [ -x "$process/root/usr/local/bin/etcdutl" ]; then
  kind=snapshot reason='not verified: the image of etcd has no etcdutl'
elif ! status=$(limited 900 "$process/root/usr/local/bin/etcdutl" snapshot status "$work/snapshot.db" --write-out=json); then
  reason='etcdutl found a fault in the snapshot'
else
  kind=snapshot reason=''
  revision=$(printf '%s\n' "$status" | sed -n 's/.*"revision": *\([0-9]\{1,\}\).*/\1/p')
fi
if [ "$kind" = snapshot ]; then
  etcd_version=$(limited 10 "$process/root/usr/local/bin/etcd" --version 2>/dev/null | sed -n 's/^etcd Version: *//p') || true
  # what a restore compares with the cluster at that time; of the same revision as the snapshot
  if [ -z "$revision" ] || ! list_keys "$revision" >"$work/etcd-keys.json"; then rm -f "$work/etcd-keys.json"; fi
fi
version=$(limited 10 kubelet --version 2>/dev/null || true)
echo "kubernetes ${version#Kubernetes }"
echo "etcd $kind $reason"
echo "snapshot $etcd_version $revision"
case $kind in
  snapshot)
    exec 3<"$work/snapshot.db"
    size=$(stat -L -c %s "$work/snapshot.db")
    rm -f "$work/snapshot.db" # its content is gone when this script ends, however it ends
    printf 'file %s etcd-snapshot.db\n' "$size"
    head -c "$size" <&3
    exec 3<&-
    count=$((count + 1))
    if [ -e "$work/etcd-keys.json" ]; then print_file etcd-keys.json "$work/etcd-keys.json"; fi
    ;;
  data) print_files etcd-data /var/lib/etcd ;;
esac

# --- certificates, keys, kubeconfigs, manifests, and files that the owner put beside them, such as the key that encrypts etcd's content
if [ -d /etc/kubernetes ]; then print_files kubernetes /etc/kubernetes; fi

# --- the ConfigMap with kubeadm's settings, if the API server answers. A snapshot has it too, in etcd's own format.
if [ "$kind" = snapshot ] && command -v kubectl >/dev/null &&
  limited 20 kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s -n kube-system get configmap kubeadm-config -o yaml >"$work/kubeadm-config.yaml"; then
  print_file kubeadm-config.yaml "$work/kubeadm-config.yaml"
fi
echo "end $count"
