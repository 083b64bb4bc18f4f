#!/bin/bash
# Creates a dual-stack cluster on three bare hosts over OpenSSH, as fast as possible. benchmarks/create_flow.py compares the create flow with it.
# Usage: by_hand.sh FOLDER, with the inputs from benchmarks/inputs.py.
#
# Why it is fast: It uses one connection for each host and one stream for each purpose. Files are verified, decoded and written (or imported)
# while they arrive. The container runtime comes first, so that images are imported while other files are sent. The control plane comes before
# the workers, which wait for it. Images that only pods need are sent while kubeadm waits. The join token is created in advance.
set -euo pipefail
cd "$1"
bundle=$(<bundle)
begin=${EPOCHREALTIME/./}
mark() { printf '%s %d.%03d\n' "$1" $(((${EPOCHREALTIME/./} - begin) / 1000000)) $(((${EPOCHREALTIME/./} - begin) / 1000 % 1000)) >>marks; }
: >marks
rm -f -- *.filled
on() { ssh -F ssh_config "$@"; }

# The receiver on a host: verifies the sha256 of every file while it decodes it to its target or imports it.
receive='
set -euo pipefail
sums=$(mktemp -d)
declare -A unpack=([probe.tar]=--no-unpack) # only the network check may use it: containerd unpacks it then, as after the flow
receive() { # SIZE SHA256 ENCODING MODE TARGET PATH
  local sum=$sums/${6//\//_}
  if [ "$5" = - ]; then
    head -c "$1" | tee -p >(sha256sum >"$sum") | ctr -n k8s.io images import ${unpack[${6##*/}]-} - >/dev/null 2>"$sum.output" || {
      cat "$sum.output" >&2
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
  if [ "$found" != "$2" ]; then echo "$6: sha256 is $found, expected $2" >&2; exit 1; fi
}
'

# send HOST LIST [COMMANDS]: sends the bundle files of a list in one stream; COMMANDS run on the host after the last file
send() {
  local paths
  paths=$(awk -v bundle="$bundle" '{print bundle "/" $6}' "$1.$2")
  # shellcheck disable=SC2086 # one word for each path
  cat $paths | on "$1" "$receive $(sed 's/^/receive /' "$1.$2")
${3:-}"
}

start_runtime='
systemctl daemon-reload
systemctl --quiet enable kubelet.service containerd.service
systemctl start containerd.service'

filled() { # HOST...: waits until these hosts have all inputs of kubeadm
  local host
  for host in "$@"; do until [ -e "$host.filled" ]; do sleep 0.05; done; done
}

fill() { # HOST [AFTER]: sends everything that kubeadm needs, after host AFTER has everything
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
# shellcheck disable=SC2046 # one word for each process
trap 'kill $(jobs -p) 2>/dev/null || true; for host in "$control_plane" "${workers[@]}"; do ssh -F ssh_config -O exit "$host" 2>/dev/null || true; done' EXIT

# one connection for each host, shared by all later commands
opening=()
for host in "$control_plane" "${workers[@]}"; do
  on "$host" true &
  opening+=($!)
done
for process in "${opening[@]}"; do wait "$process"; done

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
# kubeadm join may end before kubelet has registered the node
label() { kubectl wait --for=create "node/$1" --timeout=60s '>/dev/null && kubectl' label --overwrite node "$1" "$(<"$1.labels")" >/dev/null; }

initialize &
init=$!
declare -A filling
for host in "${workers[@]}"; do
  fill "$host" "$control_plane" &
  filling[$host]=$!
done
# the images that only pods need, while kubeadm waits for its control plane
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
# a join that reads cluster-info before it is signed for its token retries only after 5 s
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
