"""What the kernel and its mounts allow: parts kernel-modules, cgroups, inotify and mounts."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.facts.host_facts import Inotify, KernelOptions, Mount
from cluster.facts.parsers.sections import value, values, whole_number

# module -> its option in the kernel's configuration
_OPTIONS = {"overlay": "CONFIG_OVERLAY_FS", "br_netfilter": "CONFIG_BRIDGE_NETFILTER", "vxlan": "CONFIG_VXLAN"}


@dataclass(frozen=True, slots=True)
class KernelModules:
    """Whether each module is loaded, built in or loadable (None: unknown), and the modules that modprobe.d disables."""

    available: dict[str, bool | None] = field(default_factory=dict)
    off: tuple[str, ...] = ()


def kernel_modules(text: str, netfilter: str = "") -> KernelModules:
    """Part kernel-modules, with the kernel's configuration from part netfilter."""
    present = set(values(text, "present"))
    config = dict(entry.partition("=")[::2] for entry in values(netfilter, "config") if "=" in entry)
    answers = dict(entry.partition(" ")[::2] for entry in values(text, "modprobe"))
    available: dict[str, bool | None] = {}
    off = []
    for module, option in _OPTIONS.items():
        # modprobe prints nothing for a module that is built in or loaded
        answer = answers.get(module)
        if module in present or config.get(option) == "y" or answer == "":
            available[module] = True
        elif answer is not None:
            available[module] = answer.startswith("insmod ")
            if answer.startswith("install "):
                off.append(module)
        else:  # without modprobe no module can be loaded
            available[module] = False if values(netfilter, "config") else None
    return KernelModules(available, tuple(off))


def cgroup_version(text: str) -> int | None:
    """Part cgroups: 2 only with the unified hierarchy, as in kubelet (IsCgroup2UnifiedMode)."""
    kind = value(text, "file-system")
    return None if kind is None else 2 if kind == "cgroup2fs" else 1


def cgroup_controllers(text: str) -> frozenset[str] | None:
    """Part cgroups: the controllers of the hierarchy at /sys/fs/cgroup, or those of cgroup v1 that are enabled."""
    return frozenset(values(text, "controller")) or None


def kernel_options(netfilter: str) -> KernelOptions:
    """The kernel's configuration in part netfilter."""
    found = value(netfilter, "configuration")
    if found in (None, "loadable"):
        return KernelOptions()
    if found == "missing":
        return KernelOptions("")
    options = (entry.partition("=")[0] for entry in values(netfilter, "config") if "=" in entry)
    return KernelOptions(found, frozenset(option.removeprefix("CONFIG_") for option in options))


def inotify(text: str) -> Inotify:
    """Part inotify: the limits of instances and of watches, and how many instances could be opened."""
    limits = [whole_number(digits) for digits in values(text, "limit") if digits.isdecimal()]
    instances, watches = limits if len(limits) == 2 else (None, None)
    free = value(text, "free")
    return Inotify(instances, watches, whole_number(free) if free is not None and free.isdecimal() else None)


def mounts(text: str) -> tuple[Mount, ...]:
    """Part mounts. Of several mounts on one point, the last one hides the others."""
    entries = (entry.split(" ") for entry in values(text, "mount"))
    return tuple({point: Mount(point, frozenset(options.split(","))) for point, options in entries}.values())
