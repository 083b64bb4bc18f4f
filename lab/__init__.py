"""The lab: real Debian hosts under systemd-nspawn on one Linux machine, and the bundle builder."""
