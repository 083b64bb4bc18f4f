# Runs in a probe pod. stdin: `TRIES SECONDS PORT`, then a line for each probe, `ID METHOD 4|6 TARGET`, then the line `end`.
# stdout: a line for each probe, `ID EXIT_CODE TRIES OUTPUT`.
# Needs a POSIX sh, curl, ping (of busybox or iputils), nc, getent, timeout, grep and ip.
set -f
link=/sys/class/net/eth0/mtu # every runtime uses this name for the interface of a pod
web() { # FAMILY URL...: each URL over a separate connection; in a subshell, which curl replaces
  family=$1
  shift
  # the time includes the name resolution: a resolver retries after two seconds at the earliest
  exec curl -sS -g --fail --fail-early --noproxy '*' -H 'Connection: close' "-$family" --max-time "$((seconds + 1))" --connect-timeout "$seconds" -w ' %{remote_ip} ' "$@" 2>&1
}
route_mtu() { # FAMILY ADDRESS: the MTU of the route itself, or ""; not the path MTU that the kernel has learned, which expires
  ip "-$1" route get "$2" 2>&1 | grep -v expires | grep -o 'mtu [0-9]*' | grep -o '[0-9]*'
}
path_mtu() { # FAMILY ADDRESS: the MTU that the kernel uses now
  ip "-$1" route get "$2" 2>&1 | grep -o 'mtu [0-9]*' | grep -o '[0-9]*'
}
large() { # FAMILY ADDRESS BYTES: one packet of that size, headers included
  case $1 in 4) headers=28 ;; *) headers=48 ;; esac
  ping -q "-$1" -c 1 -W 1 -s "$(($3 - headers))" "$2" 2>&1
}
passing() { # FAMILY ADDRESS BYTES...: the sizes of the packets that arrive, all sent in parallel
  family=$1 address=$2
  shift 2
  for size in "$@"; do
    ! large "$family" "$address" "$size" >/dev/null || echo "$size" &
  done
  wait
}
mtu_of() { # FAMILY ADDRESS: `BYTES of WANTED`, the size of the largest packet that arrived unfragmented
  wanted=$(route_mtu "$1" "$2")
  [ -n "$wanted" ] || wanted=$(cat "$link")
  largest=0
  if large "$1" "$2" "$wanted" >/dev/null; then
    largest=$wanted
  else
    # again, because the first packet may be lost during neighbour discovery
    for size in $(passing "$1" "$2" "$wanted" "$((wanted - 20))" "$((wanted - 50))" "$((wanted - 100))" "$((wanted / 2))"); do
      [ "$size" -le "$largest" ] || largest=$size
    done
  fi
  # a router that refused a packet has reported its MTU, and the kernel has fragmented the packets after it
  current=$(path_mtu "$1" "$2")
  [ -z "$current" ] || [ "$current" -ge "$largest" ] || largest=$current
  echo "$largest of $wanted"
  [ "$largest" -ge "$wanted" ]
}
fragments() { # FAMILY: the kernel's counters of this network namespace
  case $1 in 4) grep '^Ip:' /proc/net/snmp ;; *) grep 'Ip6FragCreates' /proc/net/snmp6 ;; esac
}
no_name() { # FAMILY URL: succeeds if the URL's name has no address of that family
  found=$(web "$1" "$2")
  # for a name with addresses of the other family only, curl of Debian 12 reports that it cannot connect, without a target
  case $found in *"Could not resolve"* | *"(7) Couldn't connect"*) return 0 ;; esac
  echo "$found"
  return 1
}
try_once() { # METHOD FAMILY TARGET
  case $1 in
  ping) exec ping -q "-$2" -c 1 -W 1 "$3" 2>&1 ;;
  http) web "$2" "$3" ;;
  absent) no_name "$2" "$3" ;;
  affinity) web "$2" "$3" "$3" "$3" "$3" ;;
  reverse) timeout "$((seconds + 1))" getent hosts "$3" 2>&1 ;;
  source) echo clientip | nc -u "-$2" -w 1 "$3" "$port" 2>&1 | grep . ;;
  mtu) mtu_of "$2" "$3" ;;
  fragments) fragments "$2" ;;
  esac
}
probe() { # ID METHOD FAMILY TARGET
  try=1
  until output=$(try_once "$2" "$3" "$4"); do
    code=$?
    if [ "$try" -ge "$tries" ] || [ "$2" = mtu ]; then
      # unquoted, because the output may have several lines and the answer has one
      # shellcheck disable=SC2086
      echo "$1" "$code" "$try" $output
      return
    fi
    # the rules of a new service and a cached "no such name" change after a moment
    sleep "$try"
    try=$((try + 1))
  done
  # shellcheck disable=SC2086
  echo "$1" 0 "$try" $output
}
read -r tries seconds port
started=0
while read -r id method family target && [ "$id" != end ]; do
  probe "$id" "$method" "$family" "$target" &
  started=$((started + 1))
  [ $((started % 64)) -ne 0 ] || wait
done
wait
