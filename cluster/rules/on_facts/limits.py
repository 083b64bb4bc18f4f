"""States of the machine that break a cluster late: cgroup v1, no inotify instances, restricted mounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cluster.facts.host_facts import PROBED_INSTANCES, HostFacts, Mount
from cluster.kubeadm.component_settings import is_false, kubelet_setting
from cluster.kubeadm.preflight import REQUIRED_CONTROLLERS, SYSTEM_VERIFICATION, is_ignored, missing_options
from cluster.rules.inspected import Inspected
from cluster.rules.registry import host_rule
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import Host

# A host without a cluster has 4 instances open, a node 18 (measured). With fewer free ones than the facts count, kubelet or containerd does not
# start; a node that runs already needs only those of new pods.
NEEDED_INSTANCES, NEEDED_ON_NODE = PROBED_INSTANCES, 4
# the defaults of the kernel for instances, and for watches on its smallest machines (fs/notify/inotify)
DEFAULT_INSTANCES, DEFAULT_WATCHES = 128, 8192

# folder -> what needs to write there or to run programs from there
_WRITTEN = {
    "/etc/kubernetes": "kubeadm",
    "/etc/cni": "the pod network",
    "/opt/cni/bin": "the pod network",
    "/usr/local/bin": "sixstack, for the programs of the bundle",
    "/var/lib/containerd": "containerd",
    "/var/lib/kubelet": "the kubelet",
    "/var/lib/etcd": "etcd",
    "/var/lib/sixstack": "sixstack",
}
_EXECUTED = ("/usr/local/bin", "/opt/cni/bin")


@host_rule("cgroup-v1")
def cgroups_are_v2(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has cgroup v1. kubelet and kubeadm of Kubernetes 1.35 and newer refuse it unless the file permits it (k0s#7264)."""
    if facts.cgroup_version != 1:
        return
    kubelet_accepts = is_false(kubelet_setting(cluster.spec, "failCgroupV1", "fail-cgroupv1"))
    kubeadm_accepts = is_ignored(cluster.spec, SYSTEM_VERIFICATION)
    if kubelet_accepts and kubeadm_accepts:
        return
    who = " and ".join(name for name, accepts in (("kubelet", kubelet_accepts), ("kubeadm", kubeadm_accepts)) if not accepts)
    hint = (
        "boot with cgroup v2 (kernel argument systemd.unified_cgroup_hierarchy=1), or write "
        f"`kubeadm: {{kubelet: {{failCgroupV1: false}}, ignore_preflight: [{SYSTEM_VERIFICATION}]}}`"
    )
    yield Violation("cgroup", f"the host has cgroup v1, which {who} of Kubernetes {cluster.spec.version} refuses", hint)


@host_rule("cgroup-controller-missing")
def cgroups_have_the_controllers(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host lacks a cgroup controller that kubeadm demands (SystemVerification)."""
    if facts.cgroup_version is None or facts.cgroup_controllers is None or is_ignored(cluster.spec, SYSTEM_VERIFICATION):
        return
    missing = [name for name in REQUIRED_CONTROLLERS[facts.cgroup_version] if name not in facts.cgroup_controllers]
    if missing:
        boot = "cgroup_enable=memory" if "memory" in missing else f"without cgroup_disable={missing[0]}"
        hint = f"boot with the kernel argument {boot}, or another kernel, or write {_IGNORED}"
        yield Violation("cgroup", f"the host has no cgroup controller {', '.join(missing)}, which kubeadm demands", hint)


@host_rule("kernel-option-missing")
def kernel_has_the_options(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The kernel was built without an option that kubeadm demands (SystemVerification)."""
    options = facts.kernel_options.options
    if options is None or facts.cgroup_version is None or is_ignored(cluster.spec, SYSTEM_VERIFICATION):
        return
    if missing := missing_options(options, facts.cgroup_version):
        names = ", ".join(f"CONFIG_{name}" for name in missing)
        message = f"the kernel does not have {names}, which kubeadm demands, according to {facts.kernel_options.configuration}"
        yield Violation("kernel", message, f"use a kernel with these options, or write {_IGNORED}")


@host_rule("kernel-configuration-missing")
def kernel_configuration_can_be_read(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """kubeadm finds no configuration of the kernel, and refuses the host (SystemVerification)."""
    if facts.kernel_options.configuration == "" and not is_ignored(cluster.spec, SYSTEM_VERIFICATION):
        message = "kubeadm finds no configuration of the kernel: neither /proc/config.gz nor /boot/config-VERSION exists"
        yield Violation("kernel", message, f"install the package of the kernel, which has /boot/config-VERSION, or write {_IGNORED}")


_IGNORED = f"`kubeadm: {{ignore_preflight: [{SYSTEM_VERIFICATION}]}}`"


@host_rule("cgroup-v1-oom-setting")
def oom_setting_fits_cgroups(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The file sets singleProcessOOMKill to false, which the kubelet refuses on cgroup v1."""
    if facts.cgroup_version == 1 and cluster.spec.kubeadm.kubelet.get("singleProcessOOMKill") is False:
        hint = "remove kubeadm.kubelet.singleProcessOOMKill, or boot with cgroup v2"
        yield Violation("cgroup", "the host has cgroup v1, with which the kubelet refuses singleProcessOOMKill: false", hint)


@host_rule("inotify-exhausted")
def inotify_instances_are_free(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """Other programs use almost all inotify instances of root, so kubelet or containerd would not start (k0s#8113, kubespray#13075). On nodes of the
    cluster, where both run, this is a warning."""
    member = cluster.is_member(facts)
    needed = NEEDED_ON_NODE if member else NEEDED_INSTANCES
    if facts.inotify.free is not None and facts.inotify.free < needed:
        severity = Severity.WARNING if member else Severity.ERROR
        yield Violation("inotify", _inotify_message(facts, needed), _INOTIFY_HINT, severity=severity)


_INOTIFY_HINT = "write `fs.inotify.max_user_instances = 8192` to /etc/sysctl.d/60-inotify.conf, and run `sysctl --system`"


def _inotify_message(facts: HostFacts, needed: int) -> str:
    limit = f" of {facts.inotify.instances}" if facts.inotify.instances is not None else ""
    return f"root has {facts.inotify.free} free inotify instances{limit}, but a node needs {needed} or more"


@host_rule("inotify-limit-low", Severity.WARNING)
def inotify_limits_are_the_default_at_least(_cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A limit of inotify is below the kernel's default. Pods that watch files then fail with "too many open files" (kubespray#13075)."""
    for name, found, least in (
        ("max_user_instances", facts.inotify.instances, DEFAULT_INSTANCES),
        ("max_user_watches", facts.inotify.watches, DEFAULT_WATCHES),
    ):
        if found is not None and found < least:
            hint = f"write `fs.inotify.{name} = {64 * least}` to /etc/sysctl.d/60-inotify.conf, and run `sysctl --system`"
            yield Violation("inotify", f"fs.inotify.{name} is {found}, below the kernel's default of {least}", hint)


@host_rule("mount-read-only")
def folders_can_be_written(_cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A folder that the cluster writes to is on a file system that is mounted read-only."""
    for mount, folders in _by_mount(facts, "ro", tuple(_WRITTEN)).items():
        users = ", ".join(f"{folder} ({_WRITTEN[folder]})" for folder in folders)
        yield Violation(
            "mounts",
            f"{mount} is mounted read-only, but these folders are written: {users}",
            f"run `mount -o remount,rw {mount}`, and change /etc/fstab",
        )


@host_rule("mount-noexec")
def programs_can_run(_cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A folder with programs of the cluster is on a file system that is mounted noexec."""
    for mount, folders in _by_mount(facts, "noexec", _EXECUTED).items():
        message = f"{mount} is mounted noexec, but the cluster runs programs from {', '.join(folders)}"
        yield Violation("mounts", message, f"run `mount -o remount,exec {mount}`, and change /etc/fstab")


@host_rule("mount-restricts-volumes", Severity.WARNING)
def volumes_are_not_restricted(_cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """/var/lib/kubelet is mounted noexec or nosuid. Volumes of pods (emptyDir) inherit this, so pods cannot run programs from them. Containers'
    own file systems are not affected."""
    for option in ("noexec", "nosuid"):
        for mount in _by_mount(facts, option, ("/var/lib/kubelet",)):
            undo = option.removeprefix("no")
            message = f"{mount} is mounted {option}, and volumes of pods below /var/lib/kubelet inherit this"
            yield Violation(
                "mounts",
                message,
                f"run `mount -o remount,{undo} {mount}` and change /etc/fstab, or mount another file system at /var/lib/kubelet",
            )


def _by_mount(facts: HostFacts, option: str, folders: tuple[str, ...]) -> dict[str, list[str]]:
    """The mount points with this option, each with the folders that are on it."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        mount = _mount_of(facts, folder)
        if mount is not None and option in mount.options:
            found[mount.point].append(folder)
    return found


def _mount_of(facts: HostFacts, folder: str) -> Mount | None:
    above = (mount for mount in facts.mounts if f"{folder}/".startswith(f"{mount.point.rstrip('/')}/"))
    return max(above, key=lambda mount: len(mount.point), default=None)
