#!/bin/bash
# Three bare hosts -> a dual-stack cluster, by hand over OpenSSH, as fast as it gets: the rival that benchmarks/create_flow.py measures
# the create flow against. Usage: by_hand.sh FOLDER, which benchmarks/inputs.py has filled.
#
# What makes it fast: one connection a host and one stream a purpose; bytes are checked, decoded and placed (or imported) while they
# arrive; the container runtime comes first, so that images are imported while the rest is still being sent; the control plane goes before
# the workers, as all wait for it; images that only pods need come while kubeadm waits; the join token is known beforehand.
set -euo pipefail
cd "$1"
bundle=$(<bundle)
begin=${EPOCHREALTIME/./}
mark() { printf '%s %d.%03d\n' "$1" $(((${EPOCHREALTIME/./} - begin) / 1000000)) $(((${EPOCHREALTIME/./} - begin) / 1000 % 1000)) >>marks; }
: >marks
rm -f -- *.filled
on() { ssh -F ssh_config "$@"; }

# What a host does with a stream: every file is checked against its sha256 while it is decoded to its place or imported.
receive='
set -euo pipefail
sums=$(mktemp -d)
declare -A unpack=([probe.tar]=--no-unpack) # only the network check may ever start it: containerd unpacks it then, as after the flow
receive() { # SIZE SHA256 ENCODING MODE TARGET PATH
  local sum=$sums/${6//\//_}
  if [ "$5" = - ]; then
    head -c "$1" | tee -p >(sha256sum >"$sum") | ctr -n k8s.io images import ${unpack[${6##*/}]-} - >/dev/null 2>"$sum.said" || {
      cat "$sum.said" >&2
      exit 1
    }
  else
    mkdir -p "${5%/*}"
    if [ "$3" = gzip ]; then head -c "$1" | tee >(sha256sum >"$sum") | gzip -dc >"$5.new"; else head -c "$1" | tee >(sha256sum >"$sum") >"$5.new"; fi
    chmod "$4" "$5.new"
    mv "$5.new" "$5"
  fi
  until [ -s "$sum" ]; do sleep 0.01; done
  read -r found _ <"$sum"
  if [ "$found" != "$2" ]; then echo "$6: sha256 $found, not $2" >&2; exit 1; fi
}
'

# send HOST LIST [COMMANDS]: the bundle files of a list in one stream; COMMANDS run on the host after the last one
send() {
  local paths
  paths=$(awk -v bundle="$bundle" '{print bundle "/" $6}' "$1.$2")
  # shellcheck disable=SC2086 # a word a path
  cat $paths | on "$1" "$receive $(sed 's/^/receive /' "$1.$2")
${3:-}"
}

start_runtime='
systemctl daemon-reload
systemctl --quiet enable kubelet.service containerd.service
systemctl start containerd.service'

filled() { # HOST...: waits until these hosts have what kubeadm needs
  local host
  for host in "$@"; do until [ -e "$host.filled" ]; do sleep 0.05; done; done
}

fill() { # HOST [AFTER]: everything that kubeadm needs; only when host AFTER has got all
  local host=$1 after=("${@:2}")
  filled "${after[@]}"
  {
    send "$host" runtime "$(<"$host.settings")$start_runtime"
    send "$host" images
  } &
  local images=$!
  send "$host" programs
  wait $images
  mark "prepared $host"
  touch "$host.filled"
}

control_plane=$(awk '$2 == "control-plane" {print $1}' hosts)
mapfile -t workers < <(awk '$2 == "worker" {print $1}' hosts)
# shellcheck disable=SC2046 # a word a process
trap 'kill $(jobs -p) 2>/dev/null || true; for host in "$control_plane" "${workers[@]}"; do ssh -F ssh_config -O exit "$host" 2>/dev/null || true; done' EXIT

# one connection a host, which everything else shares
opening=()
for host in "$control_plane" "${workers[@]}"; do
  on "$host" true &
  opening+=($!)
done
for one in "${opening[@]}"; do wait "$one"; done

initialize() {
  fill "$control_plane"
  on "$control_plane" 'umask 077; cat >/root/init.yaml; kubeadm init --config /root/init.yaml --skip-token-print >/root/init.log 2>&1 || { cat /root/init.log >&2; exit 1; }
    openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum' <init.yaml >ca
  mark init
}

join() { # HOST
  sed "s/@CA_HASH@/sha256:$(cut -d ' ' -f 1 ca)/" "$1.join.yaml" |
    on "$1" 'umask 077; cat >/root/join.yaml; kubeadm join --config /root/join.yaml >/root/join.log 2>&1 || { cat /root/join.log >&2; exit 1; }; rm /root/join.yaml'
  mark "joined $1"
  label "$1"
}

kubectl() { on "$control_plane" "export KUBECONFIG=/etc/kubernetes/admin.conf; kubectl $*"; }
# kubeadm join may be over before its kubelet has registered the node
label() { kubectl wait --for=create "node/$1" --timeout=60s '>/dev/null && kubectl' label --overwrite node "$1" "$(<"$1.labels")" >/dev/null; }

initialize &
init=$!
declare -A filling
for host in "${workers[@]}"; do
  fill "$host" "$control_plane" &
  filling[$host]=$!
done
# what only pods need, while kubeadm waits for its control plane
late=()
for host in "${workers[@]}" "$control_plane"; do
  {
    filled "$host"
    send "$host" late-images
    mark "late images $host"
  } &
  late+=($!)
done
wait $init
jobs=()
kubectl apply --server-side -f - <flannel.yaml >/dev/null && mark cni &
jobs+=($!)
# a join that looks before cluster-info is signed for its token waits 5 s for its next look
kubectl -n kube-public wait configmap/cluster-info "--for=jsonpath={.data.jws-kubeconfig-$(<token-id)}" --timeout=60s >/dev/null
mark signed
for host in "${workers[@]}"; do
  wait "${filling[$host]}"
  join "$host" &
  jobs+=($!)
done
label "$control_plane"
for job in "${jobs[@]}" "${late[@]}"; do wait "$job"; done
mark joined
kubectl wait --for=condition=Ready node --all --timeout=180s >/dev/null
mark ready
kubectl -n kube-system wait --for=condition=Available deployment/coredns --timeout=180s >/dev/null
mark 'dns available'
