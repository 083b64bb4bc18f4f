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
# Replaces certificates of this control plane. kubeadm works on a copy of /etc/kubernetes, which only it sees there. Then each new file replaces
# the old one. A script that is killed before the copy is complete has changed nothing; after that, the next run puts the same files in place.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
staged=$state/renewal
preparing=$state/renewal.new

# a file with a private key is readable for root alone all the time
umask 077

# in_place FILE: the file that a path leads to; an owner may keep keys on another volume
in_place() { readlink -f -- "$1" || echo "$1"; }

# put_in_place: every staged file that differs
put_in_place() {
  (cd "$staged" && find . -type f) | while IFS= read -r file; do
    target=$(in_place "/etc/kubernetes/${file#./}")
    if cmp -s "$staged/$file" "$target"; then continue; fi
    cp -a -T -- "$staged/$file" "$target.sixstack-new"
    touch "$target.sixstack-new" # a process that was started before now has not read it
    sync "$target.sixstack-new"
    mv -T -- "$target.sixstack-new" "$target"
    echo "replaced $target"
  done
  sync -f /etc/kubernetes
  # one rename: a part of the staged files must not be put in place over later ones
  rm -rf "$preparing"
  mv -T "$staged" "$preparing"
  sync "$state"
  rm -rf "$preparing"
}

if [ -e "$staged" ]; then
  echo "an earlier renewal did not finish: its certificates are put in place"
  put_in_place
fi
rm -rf "$preparing"
