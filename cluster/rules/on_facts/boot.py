"""Settings that the next boot undoes: kernel settings in other files, and advertisements that ifupdown does not accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from cluster.facts.host_facts import BootSettings, HostFacts, SysctlFile, SysctlLine
from cluster.kubeadm.kernel_settings import SYSCTL_FILE, sysctls
from cluster.rules.inspected import Inspected
from cluster.rules.on_facts.kernel import links_with_advertisements
from cluster.rules.registry import host_rule
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import Host

# two names of one setting
_ALIASES = {"net/ipv4/conf/all/forwarding": "net/ipv4/ip_forward"}
# setting of each link -> its value; IPv6 is forwarded whatever a link's own setting is, if `all` permits it
_OF_LINKS = {Family.IPV4: ("net/ipv4/conf/{}/forwarding", "1"), Family.IPV6: ("net/ipv6/conf/{}/disable_ipv6", "0")}
# a new link gets the settings of wildcards: udev runs systemd-sysctl for it
_LINKS_OF_PODS = ("cni0", "cali0", "veth0")


@host_rule("setting-lost-at-boot")
def settings_survive_a_boot(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A file of the host sets a kernel setting to a value with which the cluster does not work, at the next boot, after or instead of sixstack's
    own file (amazon-eks-ami#746)."""
    spec = cluster.spec
    own = {key.replace(".", "/"): value for key, value in sysctls(spec).items()}
    needed = dict(own)
    if Family.IPV4 in spec.families:
        needed |= {alias: own[key] for alias, key in _ALIASES.items()}
    if Family.IPV6 in spec.families:
        needed |= {f"net/ipv6/conf/{name}/disable_ipv6": "0" for name in ("all", "default", "lo")}
        if spec.prepare.accept_ra:
            own |= {f"net/ipv6/conf/{link}/accept_ra": "2" for link in links_with_advertisements(facts)}
    needed |= own
    links = {link.name for address in cluster.addresses(host) if (link := facts.link_of(address)) is not None}
    for setting in _last_settings(facts.boot, own):
        line = setting.line
        wanted = needed.get(line.key) or _wanted_of_links(spec.families, line.key, links)
        if wanted is not None and not _agrees(line.value, wanted):
            path = setting.file.path + (f" -> {setting.file.target}" if setting.file.target else "")
            message = f"{path} sets {_with_dots(line.key)} to {line.value} at boot, but the cluster needs {wanted}"
            yield Violation("sysctl", message, f"remove {_with_dots(line.key)} from {setting.file.path}, or write {wanted} there")


@host_rule("advertisements-lost-at-boot")
def advertisements_survive_a_boot(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """ifupdown sets accept_ra of a link that depends on router advertisements to 1 when it configures the link, after all files of kernel settings.
    With forwarding on, the kernel then ignores advertisements."""
    if Family.IPV6 not in cluster.spec.families:
        return
    for link in links_with_advertisements(facts):
        if facts.boot.accept_ra.get(link) == 1:
            message = f"/etc/network/interfaces sets accept_ra of {link} to 1 at boot, with which a router ignores advertisements"
            yield Violation("accept_ra", message, f"write `accept_ra 2` below `iface {link} inet6` in /etc/network/interfaces")


class _Setting(NamedTuple):
    file: SysctlFile
    line: SysctlLine


def _last_settings(boot: BootSettings, own: Mapping[str, str]) -> Iterator[_Setting]:
    """The line that counts for each key, with the file that sixstack writes at its place in the order."""
    name = SYSCTL_FILE.rpartition("/")[2]
    written = SysctlFile(SYSCTL_FILE, lines=tuple(SysctlLine(key, value) for key, value in own.items()))
    others = [file for file in boot.files if _name(file) != name]
    files = (*(file for file in others if _name(file) < name), written, *(file for file in others if _name(file) > name), *boot.late_files)
    last = {_ALIASES.get(line.key, line.key): _Setting(file, line) for file in files for line in file.lines if line.value is not None}
    yield from last.values()


def _name(file: SysctlFile) -> str:
    return file.path.rpartition("/")[2]


def _wanted_of_links(families: tuple[Family, ...], key: str, links: set[str]) -> str | None:
    """The value that links of nodes and pods need, if the key is, or matches, a setting of these links."""
    return next(
        (
            value
            for family in families
            for pattern, value in [_OF_LINKS[family]]
            for link in (*links, *_LINKS_OF_PODS)
            if fnmatchcase(pattern.format(link), key)
        ),
        None,
    )


def _agrees(value: str | None, wanted: str) -> bool:
    # each number but 0 enables forwarding
    return value == wanted or (wanted == "1" and value is not None and value.isdecimal() and int(value[:9]) > 0)


def _with_dots(key: str) -> str:
    return key.translate(str.maketrans("./", "/."))
