"""The commands that are built from source, with the versions they report."""

from __future__ import annotations

from bundle.layout import CONTROL_PLANE_IMAGES
from bundle.targets import CNI_PLUGINS, CONTAINERD_BINARIES, KUBERNETES_BINARIES
from cluster.vocabulary.releases import KubernetesRelease, minor_text
from lab.build.golang import GoCommand

# the commit of the version's tag, because the pseudo-version of the module does not name a release
CALICO_COMMIT = "b1f3c43f8437"


def go_commands(release: KubernetesRelease) -> dict[str, GoCommand]:
    """Every Go command by its name, in the order of the build: short builds last."""
    minor = minor_text(release.minor)
    plugins = "github.com/containernetworking/plugins"
    build_version = f"{plugins}/pkg/utils/buildversion.BuildVersion"
    found = [
        *(_kubernetes(name, f"cmd/{name}", release) for name in (*KUBERNETES_BINARIES, *CONTROL_PLANE_IMAGES, "kube-proxy")),
        *(_containerd(name, release) for name in CONTAINERD_BINARIES),
        GoCommand("coredns", f"{minor}/coredns", "github.com/coredns/coredns"),
        GoCommand("etcd", f"{minor}/etcd", "go.etcd.io/etcd/server/v3"),
        GoCommand("etcdctl", f"{minor}/etcd", "go.etcd.io/etcd/etcdctl/v3"),
        GoCommand("etcdutl", f"{minor}/etcd", "go.etcd.io/etcd/etcdutl/v3"),
        GoCommand(
            "flanneld",
            "flannel",
            "github.com/flannel-io/flannel",
            (("github.com/flannel-io/flannel/pkg/version.Version", f"v{release.flannel}"),),
            # without cgo, the udp backend does not compile on amd64
            cgo=True,
        ),
        GoCommand("install-conf", "flannel", "github.com/flannel-io/flannel/cmd/install_conf"),
        # the plug-in's current repository is not available as a module: this is its previous repository, with CNI library 1.3.0
        GoCommand("flannel", "flannel-cni-plugin", f"{plugins}/plugins/meta/flannel", ((build_version, "v0.9.1-cni1.3.0"),)),
        *(_calico(name, package, release) for name, package in _CALICO_PACKAGE.items()),
        GoCommand("runc", "runc", "github.com/opencontainers/runc", cgo=True, tags=("seccomp",)),
        _kubernetes("agnhost", "test/images/agnhost", release),
        *(
            GoCommand(
                name, "cni-plugins", f"{plugins}/plugins/{_PLUGIN_FOLDER[name]}/{name}", ((build_version, f"v{release.cni_plugins}"),)
            )
            for name in CNI_PLUGINS
        ),
    ]
    return {command.name: command for command in found}


_PLUGIN_FOLDER = {
    "bandwidth": "meta",
    "bridge": "main",
    "firewall": "meta",
    "host-local": "ipam",
    "loopback": "main",
    "portmap": "meta",
    "ptp": "main",
    "tuning": "meta",
}


_CALICO_PACKAGE = {
    "calico": "cni-plugin/cmd/calico",
    "calico-install": "cni-plugin/cmd/install",
    "calico-node": "node/cmd/calico-node",
    "check-status": "kube-controllers/cmd/check-status",
    "kube-controllers": "kube-controllers/cmd/kube-controllers",
    "wrapper": "kube-controllers/cmd/wrapper",
}


def _calico(name: str, package: str, release: KubernetesRelease) -> GoCommand:
    """A Calico command, built without cgo, because the eBPF data plane needs a newer libbpf than Debian's."""
    root = "github.com/projectcalico/calico"
    values = {"Version": f"v{release.calico}", "GitRevision": CALICO_COMMIT, "BuildDate": "1970-01-01T00:00:00+0000"}
    return GoCommand(name, "calico", f"{root}/{package}", tuple((f"{root}/pkg/buildinfo.{key}", value) for key, value in values.items()))


def _kubernetes(name: str, package: str, release: KubernetesRelease) -> GoCommand:
    """A Kubernetes command. Without these variables, kubeadm reports v0.0.0 and requests other images."""
    major, minor, _ = release.kubernetes.split(".")
    values = {
        "gitVersion": f"v{release.kubernetes}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    variables = tuple((f"{package}.{key}", value) for package in packages for key, value in values.items())
    return GoCommand(name, f"{minor_text(release.minor)}/kubernetes", f"k8s.io/kubernetes/{package}", variables)


def _containerd(name: str, release: KubernetesRelease) -> GoCommand:
    package = "github.com/containerd/containerd/v2"
    return GoCommand(name, "containerd", f"{package}/cmd/{name}", ((f"{package}/version.Version", f"v{release.containerd}"),))
