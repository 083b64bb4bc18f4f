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
# Restarts the process of static pod kube-apiserver unless it is younger than the files that it reads, and waits until it and the API server are healthy.
# The kubelet starts a container that has ended again, at once or after its back-off: 10 s for the third time within ten minutes, then 20 s.
# A changed manifest has no back-off, but before it starts the new pod, the kubelet waits up to 34 s for an answer about the old one (measured), and
# without etcd the API server gives none.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
manifests=/etc/kubernetes/manifests
export KUBECONFIG=/dev/null
for name in kube-apiserver kube-apiserver; do
  if ! [ -e "$manifests/$name.yaml" ]; then missing "$manifests/$name.yaml does not exist"; fi
done
if ! systemctl is-active --quiet kubelet.service; then missing "the kubelet does not run, so nothing would start kube-apiserver again"; fi

milliseconds() { echo $(($(date +%s%N) / 1000000)); }
boot=$(sed -n 's/^btime //p' /proc/stat)
ticks=$(getconf CLK_TCK)

# find_process: the newest process of the component and when it was started, in seconds since 1970; 0 without one
find_process() {
  process=0 started=0
  for entry in /proc/[0-9]*; do
    name=
    { read -r name <"$entry/comm"; } 2>/dev/null || continue
    if [ "$name" = kube-apiserver ] && [ "$entry/ns/net" -ef /proc/self/ns/net ] && { IFS= read -r line <"$entry/stat"; } 2>/dev/null; then
      # shellcheck disable=SC2086 # words; field 22 is the time
      set -- ${line##*) }
      if [ $((boot + ${20} / ticks)) -gt "$started" ]; then process=${entry#/proc/} started=$((boot + ${20} / ticks)); fi
    fi
  done
}

# field MANIFEST PATH: a value of the manifest, without the API server
field() { kubectl annotate --local -f "$manifests/$1.yaml" --overwrite sixstack.io/none= -o jsonpath="{.spec.containers[0]$2}"; }

# probe MANIFEST: the URL of the server and the path that the kubelet asks, that of readiness if there is one
probe() {
  for kind in readinessProbe livenessProbe; do
    path=$(field "$1" ".$kind.httpGet.path")
    if [ -n "$path" ]; then break; fi
  done
  if [ -z "$path" ]; then missing "$manifests/$1.yaml has no HTTP probe"; fi
  port=$(field "$1" ".$kind.httpGet.port")
  case $port in *[!0-9]*) port=$(field "$1" ".ports[?(@.name==\"$port\")].containerPort") ;; esac
  host=$(field "$1" ".$kind.httpGet.host")
  case $host in *:*) host="[$host]" ;; esac
  scheme=$(field "$1" ".$kind.httpGet.scheme" | tr '[:upper:]' '[:lower:]')
  echo "${scheme:-http}://${host:-localhost}:$port $path"
}

# answers URL PATH; without a certificate, kubectl would ask for a name
client=/etc/kubernetes/pki/apiserver-kubelet-client
answers() {
  kubectl --server "$1" --insecure-skip-tls-verify=true --client-certificate "$client.crt" --client-key "$client.key" --request-timeout=2s \
    get --raw "$2" >/dev/null 2>&1
}
own=$(probe kube-apiserver)
api=$(probe kube-apiserver)
# shellcheck disable=SC2086 # URL and path
healthy() { answers $own && answers $api; }

newest=0
for file in /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key /etc/kubernetes/pki/apiserver-kubelet-client.crt /etc/kubernetes/pki/apiserver-kubelet-client.key /etc/kubernetes/pki/apiserver-etcd-client.crt /etc/kubernetes/pki/apiserver-etcd-client.key /etc/kubernetes/pki/front-proxy-client.crt /etc/kubernetes/pki/front-proxy-client.key; do
  if [ -e "$file" ] && [ "$(stat -L -c %Y "$file")" -gt "$newest" ]; then newest=$(stat -L -c %Y "$file"); fi
done
find_process
if [ "$started" -gt "$newest" ]; then
  until healthy; do sleep 0.2; done
  echo "already restarted: $own answers"
  exit 0
fi
# a second has to pass: the kernel's time of a process is as coarse
while [ "$(date +%s)" -le $((newest + 1)) ]; do sleep 0.2; done

begin=$(milliseconds)
old=$process
# After SIGTERM, etcd and the API server refuse requests at once, and wait for the end of watches, which do not end. etcd has synced every
# answered write.
if [ "$old" != 0 ]; then
  kill -s TERM "$old" 2>/dev/null || true
  while [ -e "/proc/$old" ]; do
    if [ $(($(milliseconds) - begin)) -gt 1500 ]; then kill -s KILL "$old" 2>/dev/null || true; fi
    sleep 0.05
  done
fi
until find_process && [ "$started" -gt "$newest" ] && healthy; do sleep 0.1; done
echo "restarted, healthy after $(($(milliseconds) - begin)) ms"
