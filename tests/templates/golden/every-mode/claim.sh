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
# In $before: `paths`, the content of the cluster's folders at the claim; `remembered`, every file that the cluster wrote; `files`, copies of what
# was there; `edited`, copies of files in which the cluster only has lines.
before=/var/lib/sixstack/before

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# duplicate FROM TO: replaces TO by a copy of a file or link with content, mode, owner, times and attributes, in one rename
duplicate() {
  mkdir -p "${2%/*}" && rm -rf -- "$2.sixstack-new" && cp -a -T -- "$1" "$2.sixstack-new" || return 1
  if ! [ -L "$1" ]; then sync "$2.sixstack-new" || return 1; fi
  mv -T -- "$2.sixstack-new" "$2"
}

# keep PATH FOLDER: copies PATH into a folder of $before, once
keep() {
  if exists "$1" && ! exists "$before/$2$1"; then duplicate "$1" "$before/$2$1"; fi
}

# remember PATH: to be called before the first change of a file; keeps what is there
remember() {
  if ! [ -e "$before/paths" ]; then
    echo "refused: $before/paths is missing, so this host's own files are not known" >&2
    exit 64
  fi
  # a host that an earlier version claimed may have our own file here
  if ! [ -e "$before/every-level" ] || grep -qsxF -- "$1" "$before/remembered"; then return 0; fi
  if [ -d "$1" ] && ! [ -L "$1" ]; then
    echo "refused: $1 is a folder, and the cluster needs a file there" >&2
    exit 64
  fi
  rm -rf -- "$before/files$1" # of the claim: the owner may have changed the file since
  keep "$1" files
  printf '%s\n' "$1" >>"$before/remembered"
  sync "$before/remembered"
}

# replace FILE: moves FILE.sixstack-new, which has the attributes of FILE, to FILE. A mount (/etc/hosts in a container) can only be written in place.
replace() {
  sync "$1.sixstack-new"
  if ! mv -T -- "$1.sixstack-new" "$1" 2>/dev/null; then
    cat "$1.sixstack-new" >"$1"
    rm -f -- "$1.sixstack-new"
  fi
}
# a unit of an earlier run outlives its run, such as a reset
for lock in "$state"/steps/*/lock; do
  if [ -e "$lock" ] && ! flock -s -w 50 "$lock" true; then
    step=${lock%/lock}
    echo "step ${step##*/} of an earlier run is still running" >&2
    exit 75
  fi
done
# Records the owner of this host, and what the host has, before any other change, so that every later change can be undone.
if [ -z "$owner" ]; then
  for found in /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/pki/ca.crt; do
    if [ -e "$found" ]; then refuse "$found belongs to another cluster"; fi
  done
  if [ -e /etc/containerd/config.toml ] && ! head -n 1 /etc/containerd/config.toml | grep -q sixstack; then
    refuse "sixstack did not write the existing /etc/containerd/config.toml"
  fi
  for folder in /var/lib/cni /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/lib/kube-proxy; do
    found=$(find "$folder/" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit 2>/dev/null || true)
    if [ -n "$found" ]; then refuse "$found is the data of another program"; fi
  done
elif ! [ -e "$before/paths" ]; then
  refuse "$before/paths is missing, so this host's own files are not known"
fi
mkdir -p "$state"
chmod 0700 "$state"
if [ -z "$owner" ]; then
  # a reset forgets the owner first; when it is killed right after this, the rest of that cluster's state is still here
  rm -rf "$before" "$state/bundle" "$state/unfinished" "$state/unfinished.new" "$state/renewal" "$state/renewal.new" "$state/restore"
  rm -f "$state/prepared" "$state/written" "$state/written.new" "$state/init.yaml" "$state/initializing" "$state/restoring" "$state/initialized" "$state/restored" "$state/joining" "$state/joined" "$state/authority" "$state/pods" "$state/kubelet-renewal" 
  mkdir -p "$before"
  for folder in /etc/cni/net.d /etc/cni /etc/kubernetes /opt/cni/bin /opt/cni /opt/containerd /usr/libexec/kubernetes; do
    if ! [ -d "$folder" ]; then continue; fi
    find "$folder/" ! -type d | while IFS= read -r path; do
      if [ -f "$path" ] || [ -L "$path" ]; then keep "$path" files; fi
    done
  done
  for folder in /etc/cni/net.d /etc/cni /etc/kubernetes /opt/cni/bin /opt/cni /opt/containerd /usr/libexec/kubernetes /var/lib/cni /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/lib/kube-proxy /run/containerd /run/nri /var/log/containers /var/log/pods /run/calico /run/flannel /var/lib/calico /var/log/calico /etc/containerd/sixstack-ca /etc/containerd/certs.d /etc/containerd /etc/systemd/system/containerd.service.d /etc/systemd/system/kubelet.service.d; do
    if [ -d "$folder" ]; then stat -L -c '%a %u %g %n' -- "$folder"; fi
  done >"$before/modes"
  for folder in /etc/cni/net.d /etc/cni /etc/kubernetes /opt/cni/bin /opt/cni /opt/containerd /usr/libexec/kubernetes; do
    if [ -d "$folder" ]; then find "$folder/" -mindepth 1 -type d -exec stat -c '%a %u %g %n' {} +; fi
  done >>"$before/modes"
  : >"$before/every-level"
  for folder in /etc/cni/net.d /etc/cni /etc/kubernetes /opt/cni/bin /opt/cni /opt/containerd /usr/libexec/kubernetes /var/lib/cni /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/lib/kube-proxy /run/containerd /run/nri /var/log/containers /var/log/pods /run/calico /run/flannel /var/lib/calico /var/log/calico /etc/containerd/sixstack-ca /etc/containerd/certs.d /etc/containerd /etc/systemd/system/containerd.service.d /etc/systemd/system/kubelet.service.d; do
    if [ -e "$folder" ]; then echo "$folder"; fi
    find "$folder/" -mindepth 1 2>/dev/null || true
  done >"$before/paths.new"
  mv "$before/paths.new" "$before/paths"
  sync "$before"/* "$before"
  echo "$cluster" >"$state/owner.new"
  sync "$state/owner.new"
  mv "$state/owner.new" "$state/owner"
  sync "$state"
fi
mkdir -p "$state/bundle" "$state/steps"
mkdir -p /usr/local/bin /opt/cni/bin /etc/cni/net.d /etc/containerd /etc/kubernetes/manifests
