# Runs in a probe pod. stdin: one probe a line, `ID ping|http 4|6 TARGET`, ended by the line `end`.
# stdout: one line a probe, `ID EXIT_CODE TRIES WHAT_IT_SAID`. Needs a POSIX sh, curl and ping (busybox's or iputils').
set -f
try_once() { # METHOD FAMILY TARGET
  case $1 in
  ping) ping -q "-$2" -c 1 -W 1 "$3" 2>&1 ;;
  # name look-up included: a resolver asks again after two seconds at the earliest
  http) curl -sS -g --fail --noproxy '*' "-$2" --max-time 4 --connect-timeout 3 -w ' %{remote_ip}' "$3" 2>&1 ;;
  esac
}
probe() { # ID METHOD FAMILY TARGET
  tries=1
  until said=$(try_once "$2" "$3" "$4"); do
    code=$?
    if [ "$tries" -ge 3 ]; then
      # unquoted: what was said may have several lines, the answer has one
      # shellcheck disable=SC2086
      echo "$1" "$code" "$tries" $said
      return
    fi
    # rules of a new service and a cached "no such name" take moments to change
    sleep "$tries"
    tries=$((tries + 1))
  done
  # shellcheck disable=SC2086
  echo "$1" 0 "$tries" $said
}
started=0
while read -r id method family target && [ "$id" != end ]; do
  probe "$id" "$method" "$family" "$target" &
  started=$((started + 1))
  [ $((started % 32)) -ne 0 ] || wait
done
wait
