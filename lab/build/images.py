"""The content of each image, with the names and paths that the manifests of kubeadm, flannel and Calico expect."""

from __future__ import annotations

from dataclasses import dataclass

from bundle.manifest import PROBE
from lab.build.debian import BUSYBOX_PACKAGES, NETWORK_PACKAGES, PROBE_PACKAGES, SUPERVISOR_PACKAGES

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """One image: an optional base of Debian packages, and a layer with our own files."""

    commands: tuple[tuple[str, str], ...]  # (path in the image, name of the built command)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  # (path, target)
    folders: tuple[tuple[str, int], ...] = ()  # (path, mode)
    sources: tuple[tuple[str, str], ...] = ()  # (path in the image, path in the source of `source_module`)
    source_module: tuple[str, str] = ("", "")  # (folder below modules/, module)
    environment: tuple[str, ...] = ()
    user: str = ""

    def config(self, architecture: str, diff_ids: list[str]) -> dict[str, object]:
        """The configuration document of the image."""
        run: dict[str, object] = {"Env": [_PATH, *self.environment]}
        if self.entrypoint:
            run["Entrypoint"] = list(self.entrypoint)
        if self.command:
            run["Cmd"] = list(self.command)
        if self.user:
            run["User"] = self.user
        return {
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "sixstack"} for _ in diff_ids],
        }


def _server(name: str) -> ImageRecipe:
    """An image with one static binary, which kubeadm's static pod calls by name."""
    return ImageRecipe(((f"usr/local/bin/{name}", name),), entrypoint=(f"/usr/local/bin/{name}",), folders=(("tmp", 0o1777),))


# Debian's alternatives are not configured in an unpacked base. These are the nft variants, which every lab host's kernel supports.
_IPTABLES = tuple(
    (f"usr/sbin/{family}tables{action}", "xtables-nft-multi") for family in ("ip", "ip6") for action in ("", "-save", "-restore")
)
# no applet that resolves names: these crash in Debian's static busybox (wget ended with a segmentation fault in pods)
_APPLETS = "cat cp date echo env grep head hostname id ls mkdir ps rm sed seq sleep tail timeout true wc"
_SERVICES = ("allocate-tunnel-addrs", "cni", "complete-startup", "felix", "monitor-addresses", "node-status-reporter")
_SHELL = tuple((f"bin/{applet}", "busybox") for applet in _APPLETS.split())

RECIPES = {
    "kube-apiserver": _server("kube-apiserver"),
    "kube-controller-manager": _server("kube-controller-manager"),
    "kube-scheduler": _server("kube-scheduler"),
    # the same packages as flannel, so that hosts store the layer once
    "kube-proxy": ImageRecipe(
        (("usr/local/bin/kube-proxy", "kube-proxy"),), packages=(*NETWORK_PACKAGES, *BUSYBOX_PACKAGES), links=_IPTABLES
    ),
    "etcd": ImageRecipe(
        (("usr/local/bin/etcd", "etcd"), ("usr/local/bin/etcdctl", "etcdctl"), ("usr/local/bin/etcdutl", "etcdutl")),
    ),
    "coredns": ImageRecipe((("coredns", "coredns"),), entrypoint=("/coredns",)),
    "pause": ImageRecipe((("pause", "pause"),), entrypoint=("/pause",), user="65535:65535"),
    # a shell and sleep, as in the published image (based on alpine): the manifest's command uses them
    "flannel": ImageRecipe(
        (("opt/bin/flanneld", "flanneld"), ("opt/bin/install-conf", "install-conf")),
        entrypoint=("/opt/bin/flanneld",),
        packages=(*NETWORK_PACKAGES, *BUSYBOX_PACKAGES),
        links=(*_IPTABLES, ("bin/sh", "busybox"), ("bin/sleep", "busybox")),
    ),
    # flannel's init container runs `cp -f /flannel /opt/cni/bin/flannel`
    "flannel-cni-plugin": ImageRecipe((("flannel", "flannel"),), packages=BUSYBOX_PACKAGES, links=(("bin/cp", "busybox"),)),
    # `install` copies the files beside it to the host. The reference plug-ins are omitted, because hosts have those of the bundle
    "calico-cni": ImageRecipe(
        (("opt/cni/bin/calico", "calico"), ("opt/cni/bin/install", "calico-install")),
        command=("/opt/cni/bin/install",),
        links=(("opt/cni/bin/calico-ipam", "calico"),),
    ),
    # start_runit and its services are Calico's own files; the manifest's command uses a shell, sleep, cp and rm
    "calico-node": ImageRecipe(
        (("bin/calico-node", "calico-node"),),
        command=("start_runit",),
        packages=(*NETWORK_PACKAGES, *BUSYBOX_PACKAGES, *SUPERVISOR_PACKAGES),
        links=(
            *_IPTABLES,
            *((f"bin/{applet}", "busybox") for applet in ("cat", "cp", "env", "mkdir", "mv", "rm", "sh", "sleep")),
            ("usr/bin/which", "/bin/busybox"),
        ),
        source_module=("calico", "github.com/projectcalico/calico"),
        sources=(
            ("usr/sbin/start_runit", "node/filesystem/sbin/start_runit"),
            ("etc/rc.local", "node/filesystem/etc/rc.local"),
            ("etc/calico/felix.cfg", "node/filesystem/etc/calico/felix.cfg"),
            *((f"etc/service/available/{name}/run", f"node/filesystem/etc/service/available/{name}/run") for name in _SERVICES),
        ),
        # FELIX_DebugSkipCTLBCleanup: without cgo, felix ends when it searches for remains of an eBPF data plane
        environment=("SVDIR=/etc/service/enabled", "FELIX_DebugSkipCTLBCleanup=true"),
    ),
    "calico-kube-controllers": ImageRecipe(
        tuple((f"usr/bin/{name}", name) for name in ("check-status", "kube-controllers", "wrapper")),
        entrypoint=("/usr/bin/wrapper", "/usr/bin/kube-controllers"),
        folders=(("profiles", 0o1777), ("status", 0o1777), ("tmp", 0o1777)),
        user="999",
    ),
    PROBE: ImageRecipe(
        (("agnhost", "agnhost"),),
        entrypoint=("/agnhost",),
        command=("pause",),
        packages=PROBE_PACKAGES,
        # dash, because busybox's shell prefers its own applets (ping, nc, wget) to the programs with these names
        links=(*_SHELL, ("bin/sh", "dash"), ("bin/nc", "nc.openbsd")),
        folders=(("tmp", 0o1777), ("uploads", 0o755)),
    ),
}
