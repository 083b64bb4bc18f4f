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
# Restarts the static pod kube-apiserver unless its process is younger than the files that it reads, and waits until it is healthy.
# The kubelet replaces a static pod when an annotation in its manifest changes. A process that is killed instead would wait for the kubelet's
# back-off (10 s, then 20 s, ...) when it was restarted within the last minutes.
if [ -z "$owner" ]; then refuse "this host is not prepared for cluster $cluster"; fi
manifest=/etc/kubernetes/manifests/kube-apiserver.yaml
annotation=sixstack.io/restarted
export KUBECONFIG=/dev/null
if ! [ -e "$manifest" ]; then missing "$manifest does not exist"; fi
if ! systemctl is-active --quiet kubelet.service; then missing "the kubelet does not run, so it cannot restart kube-apiserver"; fi

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# started: when the newest process of the component was started, in seconds since 1970; 0 without one
started() {
  newest=0
  boot=$(sed -n 's/^btime //p' /proc/stat)
  ticks=$(getconf CLK_TCK)
  for entry in /proc/[0-9]*; do
    name=
    { read -r name <"$entry/comm"; } 2>/dev/null || continue
    if [ "$name" = kube-apiserver ] && [ "$entry/ns/net" -ef /proc/self/ns/net ] && { IFS= read -r line <"$entry/stat"; } 2>/dev/null; then
      # shellcheck disable=SC2086 # words; field 22 is the time
      set -- ${line##*) }
      if [ $((boot + ${20} / ticks)) -gt "$newest" ]; then newest=$((boot + ${20} / ticks)); fi
    fi
  done
  echo "$newest"
}

# field PATH: a value of the manifest, without the API server
field() { kubectl annotate --local -f "$manifest" --overwrite "$annotation=" -o jsonpath="{.spec.containers[0]$1}"; }

# The kubelet's own probe of the component: URL of its server, and path. The path of readiness if there is one.
for probe in readinessProbe livenessProbe; do
  path=$(field ".$probe.httpGet.path")
  if [ -n "$path" ]; then break; fi
done
if [ -z "$path" ]; then missing "$manifest has no HTTP probe"; fi
port=$(field ".$probe.httpGet.port")
case $port in *[!0-9]*) port=$(field ".ports[?(@.name==\"$port\")].containerPort") ;; esac
host=$(field ".$probe.httpGet.host")
case $host in *:*) host="[$host]" ;; esac
scheme=$(field ".$probe.httpGet.scheme" | tr '[:upper:]' '[:lower:]')
url="${scheme:-http}://${host:-localhost}:$port"
healthy() { kubectl --server "$url" --insecure-skip-tls-verify=true --request-timeout=2s get --raw "$path" >/dev/null 2>&1; }

newest=0
for file in /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key /etc/kubernetes/pki/apiserver-kubelet-client.crt /etc/kubernetes/pki/apiserver-kubelet-client.key /etc/kubernetes/pki/apiserver-etcd-client.crt /etc/kubernetes/pki/apiserver-etcd-client.key /etc/kubernetes/pki/front-proxy-client.crt /etc/kubernetes/pki/front-proxy-client.key; do
  if [ -e "$file" ] && [ "$(stat -L -c %Y "$file")" -gt "$newest" ]; then newest=$(stat -L -c %Y "$file"); fi
done
before=$(started)
if [ "$before" -gt "$newest" ]; then
  until healthy; do sleep 0.2; done
  echo "already restarted: healthy at $url$path"
  exit 0
fi
# a second has to pass: the kernel's time of a process is as coarse
while [ "$(date +%s)" -le $((newest + 1)) ]; do sleep 0.2; done

# beside the folder: the kubelet would start a second manifest inside it
temporary=/etc/kubernetes/kube-apiserver.yaml.sixstack-new
(umask 077 && kubectl annotate --local -f "$manifest" --overwrite "$annotation=$(date +%s)" -o yaml >"$temporary")
sync "$temporary"
begin=$(milliseconds)
mv -T -- "$temporary" "$manifest"
until [ "$(started)" -gt "$newest" ] && healthy; do sleep 0.1; done
echo "restarted, healthy after $(($(milliseconds) - begin)) ms"
