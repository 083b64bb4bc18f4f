#!/bin/sh
# launch.sh LINK CGROUP... -- PROGRAM ARGUMENT...
# Runs PROGRAM (systemd-nspawn) in the cgroups, and again after each reboot of the host: with --keep-unit, systemd-nspawn does not
# reboot the host itself but ends with exit code 133.
main() {
  link=$1
  shift
  while :; do
    # systemd-nspawn creates a new link; the old link disappears some time after its network namespace
    ip link delete "$link" 2>/dev/null
    # a separate shell enters the cgroups: on cgroup v2 no other process may be beside the cgroups that systemd-nspawn creates in them
    # shellcheck disable=SC2016
    sh -c 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"' enter "$@"
    [ $? -eq 133 ] || return
  done
}
main "$@" # sh reads a script while it runs: at this line the whole file has been read, so later changes of the file have no effect
exit
