# Runs in a probe pod. stdin: `TRIES SECONDS PORT`, then one probe a line, `ID METHOD 4|6 TARGET`, ended by the line `end`.
# stdout: one line a probe, `ID EXIT_CODE TRIES WHAT_IT_SAID`.
# Needs a POSIX sh, curl, ping (busybox's or iputils'), nc, getent, timeout, grep and ip.
set -f
link=/sys/class/net/eth0/mtu # a pod's own interface has this name with every runtime
web() { # FAMILY URL...: each over a connection of its own
  family=$1
  shift
  # name look-up included: a resolver asks again after two seconds at the earliest
  curl -sS -g --fail --fail-early --noproxy '*' -H 'Connection: close' "-$family" --max-time "$((seconds + 1))" --connect-timeout "$seconds" -w ' %{remote_ip} ' "$@" 2>&1
}
route_mtu() { # FAMILY ADDRESS: what the route itself says, "" where nothing; not what was learnt of the path lately, which expires
  ip "-$1" route get "$2" 2>&1 | grep -v expires | grep -o 'mtu [0-9]*' | grep -o '[0-9]*'
}
path_mtu() { # FAMILY ADDRESS: what the kernel goes by
  ip "-$1" route get "$2" 2>&1 | grep -o 'mtu [0-9]*' | grep -o '[0-9]*'
}
large() { # FAMILY ADDRESS OCTETS: one packet of that size, headers included
  case $1 in 4) headers=28 ;; *) headers=48 ;; esac
  ping -q "-$1" -c 1 -W 1 -s "$(($3 - headers))" "$2" 2>&1
}
passing() { # FAMILY ADDRESS OCTETS...: those sizes that come through, all tried at once
  family=$1 address=$2
  shift 2
  for octets in "$@"; do
    ! large "$family" "$address" "$octets" >/dev/null || echo "$octets" &
  done
  wait
}
mtu_of() { # FAMILY ADDRESS: `OCTETS of WANTED`, the largest packet that came through in one piece
  wanted=$(route_mtu "$1" "$2")
  [ -n "$wanted" ] || wanted=$(cat "$link")
  largest=0
  if large "$1" "$2" "$wanted" >/dev/null; then
    largest=$wanted
  else
    # once more: the first may be lost while neighbours find each other
    for octets in $(passing "$1" "$2" "$wanted" "$((wanted - 20))" "$((wanted - 50))" "$((wanted - 100))" "$((wanted / 2))"); do
      [ "$octets" -le "$largest" ] || largest=$octets
    done
  fi
  # a router that refused one has said how large they may be, and the kernel has cut those that followed
  told=$(path_mtu "$1" "$2")
  [ -z "$told" ] || [ "$told" -ge "$largest" ] || largest=$told
  echo "$largest of $wanted"
  [ "$largest" -ge "$wanted" ]
}
fragments() { # FAMILY: the kernel's counters of this network namespace
  case $1 in 4) grep '^Ip:' /proc/net/snmp ;; *) grep 'Ip6FragCreates' /proc/net/snmp6 ;; esac
}
no_name() { # FAMILY URL: well when the URL's name has no address of that family
  found=$(web "$1" "$2")
  # Debian 12's curl says of a name with addresses of the other family alone that it cannot connect, without naming whom to
  case $found in *"Could not resolve"* | *"(7) Couldn't connect"*) return 0 ;; esac
  echo "$found"
  return 1
}
try_once() { # METHOD FAMILY TARGET
  case $1 in
  ping) ping -q "-$2" -c 1 -W 1 "$3" 2>&1 ;;
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
  until said=$(try_once "$2" "$3" "$4"); do
    code=$?
    if [ "$try" -ge "$tries" ] || [ "$2" = mtu ]; then
      # unquoted: what was said may have several lines, the answer has one
      # shellcheck disable=SC2086
      echo "$1" "$code" "$try" $said
      return
    fi
    # rules of a new service and a cached "no such name" take moments to change
    sleep "$try"
    try=$((try + 1))
  done
  # shellcheck disable=SC2086
  echo "$1" 0 "$try" $said
}
read -r tries seconds port
started=0
while read -r id method family target && [ "$id" != end ]; do
  probe "$id" "$method" "$family" "$target" &
  started=$((started + 1))
  [ $((started % 64)) -ne 0 ] || wait
done
wait
