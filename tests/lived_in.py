"""A host that its owner has used for years, and how to tell whether it is as before."""

from __future__ import annotations

from lab import hosts

# Everything here must be the same after a cluster has come and gone. Programs and files lie where a cluster puts its own.
LIVE_IN = r"""
set -eu
mkdir -p /opt/own /opt/cni/bin /opt/containerd /etc/cni/net.d /etc/containerd/certs.d/docker.io /etc/containerd/certs.d/own.example \
  /etc/kubernetes/own /etc/systemd/system/kubelet.service.d /etc/cron.d /srv/own
for name in kubectl ctr kubeadm; do printf '#!/bin/sh\necho own %s\n' "$name" >"/usr/local/bin/$name"; chmod 0755 "/usr/local/bin/$name"; done
chown 1234:4321 /usr/local/bin/ctr; chmod 4750 /usr/local/bin/ctr
touch -d '2020-02-02 02:02:02' /usr/local/bin/kubectl
printf 'own runc' >/opt/own/runc; ln -s /opt/own/runc /usr/local/bin/runc
for name in bridge portmap calico own-plugin; do printf 'own %s' "$name" >"/opt/cni/bin/$name"; chmod 0700 "/opt/cni/bin/$name"; done
ln -s nowhere /opt/cni/bin/tuning
chmod 0711 /opt/cni /etc/kubernetes; chown 1234 /opt/cni/bin
printf 'own' >/etc/cni/net.d/README; printf 'own' >/opt/containerd/own
printf 'server = "https://own.example"\n' >/etc/containerd/certs.d/docker.io/hosts.toml; chmod 0640 /etc/containerd/certs.d/docker.io/hosts.toml
printf 'own certificate' >/etc/containerd/certs.d/docker.io/own-ca.crt
printf '# own\n' >/etc/containerd/certs.d/own.example/hosts.toml
printf 'rules: []' >/etc/kubernetes/own/audit-policy.yaml; chmod 0600 /etc/kubernetes/own/audit-policy.yaml; ln -s own/audit-policy.yaml /etc/kubernetes/policy
printf '[Service]\nEnvironment=OWN=1\n' >/etc/systemd/system/kubelet.service.d/20-own.conf
printf '[Swap]\nWhat=/own.swapfile\n' >/etc/systemd/system/own.swap
printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/own.service
systemctl daemon-reload; systemctl --quiet enable --now own.service
printf '* * * * * root true' >/etc/cron.d/own
printf 'net.ipv4.conf.all.log_martians = 1\n' >/etc/sysctl.d/60-own.conf; printf 'tun\n' >/etc/modules-load.d/own.conf
printf '# own\n/dev/own /own ext4 noauto 0 0' >>/etc/fstab; chmod 0600 /etc/fstab
"""

# What no reboot keeps; the lab writes /etc/hosts at each boot.
_UNTIL_REBOOT = r"""
set -eu
printf '\n# no line end, and a tab\t\n192.0.2.9 own.example' >>/etc/hosts; chmod 0664 /etc/hosts; chown 0:4 /etc/hosts
mount -t tmpfs -o size=1m own /srv/own
ip route add 192.0.2.128/25 dev lo; ip -6 route add fd99:1::/64 dev lo; ip rule add to 192.0.2.7 table 77; ip -6 rule add to fd99::7 table 77
nft 'table inet own { chain input { type filter hook input priority 5; tcp dport 9999 drop; }; set s { type ipv4_addr; elements = { 192.0.2.1 }; }; }'
nft 'table ip nat { chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; ip saddr 192.0.2.0/24 masquerade; }; }'
nft 'table ip6 filter { chain FORWARD { type filter hook forward priority filter; policy accept; ip6 saddr fd99::/64 drop; }; }'
"""

MOVE_OUT = r"""
systemctl --quiet disable --now own.service; rm -f /etc/systemd/system/own.service /etc/systemd/system/own.swap; systemctl daemon-reload
rm -rf /opt/own /opt/cni /opt/containerd /etc/cni /etc/containerd /etc/kubernetes /etc/systemd/system/kubelet.service.d /etc/cron.d/own \
  /etc/sysctl.d/60-own.conf /etc/modules-load.d/own.conf
rm -f /usr/local/bin/kubectl /usr/local/bin/ctr /usr/local/bin/kubeadm /usr/local/bin/runc
umount /srv/own; rmdir /srv/own
sed -i '/own/d; /^$/d' /etc/hosts /etc/fstab; chmod 0644 /etc/hosts /etc/fstab; chown 0:0 /etc/hosts
ip route del 192.0.2.128/25 dev lo; ip -6 route del fd99:1::/64 dev lo; ip rule del table 77; ip -6 rule del table 77
nft delete table inet own; nft delete table ip nat; nft delete table ip6 filter
"""

# What a cluster changes on a host: files (content, mode, owner), links, addresses, routes, rules, packet filter, units, mounts, kernel settings, cgroups.
LOOK = r"""
export LC_ALL=C
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/systemd \) -prune \
  -o -printf '%p %y %m %U %G %l\n' | sort
find /etc /usr/local /opt /root /srv -xdev -type f -exec sha256sum {} + | sort
find /usr/local/bin /opt -type f -printf '%p %T@\n' | sort
find /run /var/lib/kubelet /var/lib/containerd /var/lib/etcd -mindepth 1 -maxdepth 1 ! -name 'systemd*' ! -name xtables.lock ! -name sixstack | sort
ip -o link | cut -d: -f2 | cut -d@ -f1
ip -o address | awk '{print $2, $4}' | sort
ip -4 route; ip -6 route; ip -4 rule; ip -6 rule
nft list ruleset
systemctl list-unit-files --no-legend --no-pager --plain
systemctl list-units --all --no-legend --plain 'kube*' 'containerd*' 'own*' '*.swap' | awk '{print $1, $2, $3}'
ps -eo comm= | grep -E '^(containerd|kube|etcd|flannel|coredns|pause)' || true
awk '{print $5}' /proc/self/mountinfo | sort
find /sys/fs/cgroup -maxdepth 2 -name 'kube*'
for setting in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/forwarding \
  /proc/sys/net/ipv6/conf/*/accept_ra /proc/sys/net/ipv4/conf/all/route_localnet /proc/sys/net/bridge/*; do
  echo "$setting $(cat "$setting")"
done
"""


def look(lab: str) -> dict[str, list[str]]:
    """What every host of a lab is like."""
    return {host.name: hosts.run_in(host.name, ["sh", "-c", LOOK], lab).stdout.splitlines() for host in hosts.status(lab)}


def live_in(lab: str) -> None:
    """Give every host of a lab files, rules, units and mounts of its own."""
    _everywhere(lab, LIVE_IN + _UNTIL_REBOOT)


def live_on(host: str, lab: str) -> None:
    """Give a host that was rebooted what it had."""
    _run(host, lab, _UNTIL_REBOOT)


def move_out(lab: str) -> None:
    """Take them away again."""
    _everywhere(lab, MOVE_OUT)


def _everywhere(lab: str, script: str) -> None:
    for host in hosts.status(lab):
        _run(host.name, lab, script)


def _run(host: str, lab: str, script: str) -> None:
    done = hosts.run_in(host, ["sh", "-c", script], lab)
    assert done.returncode == 0, done.stdout + done.stderr


# What Debian's PAM and sudo write when somebody logs in.
_OF_A_LOGIN = ("/run/motd.dynamic", "/home/ops/.sudo_as_admin_successful")


def changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """What is there on one look and not on the other, host by host; but for what a login itself writes."""
    return [f"{name}: {line}" for name in before for line in sorted({*before[name]} ^ {*after[name]}) if not line.startswith(_OF_A_LOGIN)]
