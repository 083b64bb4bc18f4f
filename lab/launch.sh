#!/bin/sh
# launch.sh LINK CGROUP... -- PROGRAM ARGUMENT...
# Runs PROGRAM (systemd-nspawn) inside the cgroups, again and again while the host asks to be rebooted: with --keep-unit systemd-nspawn
# leaves that to whoever started it, and says so with exit code 133.
main() {
  link=$1
  shift
  while :; do
    # systemd-nspawn makes the link anew; the old one goes some time after its network namespace
    ip link delete "$link" 2>/dev/null
    # a shell of its own enters the cgroups: on cgroup v2 nothing may stay beside what systemd-nspawn makes in them
    # shellcheck disable=SC2016
    sh -c 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"' enter "$@"
    [ $? -eq 133 ] || return
  done
}
main "$@" # sh reads a script as it runs it: all of it has been read here, whatever happens to the file
exit
