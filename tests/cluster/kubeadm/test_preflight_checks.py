"""Every preflight check of kubeadm has a rule of `sixstack plan`, or a reason to have none: create-cluster then finds nothing that plan did not say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.cache import cache_folder
from cluster.kubeadm import preflight
from cluster.kubeadm.documents import NO_TOKEN
from cluster.rules import on_facts as _on_facts
from cluster.rules.registry import RULES, Scope
from cluster.vocabulary.releases import RELEASES, KubernetesRelease

_SOURCE = "cmd/kubeadm/app/preflight"
# the functions that list the checks of init and join. RunUpgradeChecks repeats two of them for upgrade-cluster
_LISTS = (
    *("RunRootCheckOnly", "InitNodeChecks", "JoinNodeChecks", "addCommonChecks", "RunPullImagesCheck"),
    *("addIPv4Checks", "addIPv6Checks", "addSwapCheck", "addExecChecks"),
)
# the minors whose sources were compared with the table; a new one needs its sources here once
COMPARED = ("1.35", "1.36", "1.37")


@dataclass(frozen=True, slots=True)
class Covered:
    """How a check is covered. `prints`: its name in kubeadm's output."""

    prints: str
    rules: tuple[str, ...] = ()
    why: str = ""  # no rule is needed


_WARNS = "kubeadm only warns"
_OURS = "prepare-host installs it and sets it, and fails when that is not possible"
_NO_EXTERNAL_ETCD = "a cluster file has no external etcd"
_MEMBER_FILES = ("host-has-another-cluster", "leftovers")

# by the Go expression, without what differs between releases
CHECKS = {
    "IsPrivilegedUserCheck": Covered("IsPrivilegedUser", ("not-root",)),
    "NumCPUCheck": Covered("NumCPU", ("too-few-cpus",)),
    "MemCheck": Covered("Mem", ("too-little-memory",)),
    "KubernetesVersionCheck": Covered("KubernetesVersion", why=_WARNS),
    "FirewalldCheck": Covered("Firewalld", ("firewall-closed",), "kubeadm only warns, and the rule reads the rules of firewalld"),
    "PortOpenCheck int(cfg.LocalAPIEndpoint.BindPort)": Covered("Port-6443", ("port-busy",)),
    "PortOpenCheck KubeSchedulerPort": Covered("Port-10259", ("port-busy",)),
    "PortOpenCheck KubeControllerManagerPort": Covered("Port-10257", ("port-busy",)),
    "PortOpenCheck EtcdListenClientPort": Covered("Port-2379", ("port-busy",)),
    "PortOpenCheck EtcdListenPeerPort": Covered("Port-2380", ("port-busy",)),
    "PortOpenCheck KubeletPort": Covered("Port-10250", ("port-busy",)),
    "FileAvailableCheck GetStaticPodFilepath(KubeAPIServer, manifestsDir)": Covered(
        "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml", _MEMBER_FILES
    ),
    "FileAvailableCheck GetStaticPodFilepath(KubeControllerManager, manifestsDir)": Covered(
        "FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml", _MEMBER_FILES
    ),
    "FileAvailableCheck GetStaticPodFilepath(KubeScheduler, manifestsDir)": Covered(
        "FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml", _MEMBER_FILES
    ),
    "FileAvailableCheck GetStaticPodFilepath(Etcd, manifestsDir)": Covered(
        "FileAvailable--etc-kubernetes-manifests-etcd.yaml", _MEMBER_FILES
    ),
    "FileAvailableCheck filepath.Join(KubernetesDir, KubeletKubeConfigFileName)": Covered(
        "FileAvailable--etc-kubernetes-kubelet.conf", _MEMBER_FILES
    ),
    "FileAvailableCheck filepath.Join(KubernetesDir, KubeletBootstrapKubeConfigFileName)": Covered(
        "FileAvailable--etc-kubernetes-bootstrap-kubelet.conf", _MEMBER_FILES
    ),
    "FileAvailableCheck cfg.CACertPath": Covered("FileAvailable--etc-kubernetes-pki-ca.crt", _MEMBER_FILES),
    "DirAvailableCheck cfg.Etcd.Local.DataDir": Covered("DirAvailable--var-lib-etcd", ("leftovers",)),
    "FileExistingCheck cfg.Etcd.External.CAFile": Covered("ExternalEtcdClientCertificates", why=_NO_EXTERNAL_ETCD),
    "FileExistingCheck cfg.Etcd.External.CertFile": Covered("ExternalEtcdClientCertificates", why=_NO_EXTERNAL_ETCD),
    "FileExistingCheck cfg.Etcd.External.KeyFile": Covered("ExternalEtcdClientCertificates", why=_NO_EXTERNAL_ETCD),
    "ExternalEtcdVersionCheck": Covered("ExternalEtcdVersion", why=_NO_EXTERNAL_ETCD),
    "HTTPProxyCheck": Covered("HTTPProxy", why=_WARNS),
    "HTTPProxyCIDRCheck": Covered("HTTPProxyCIDR", why="kubeadm only warns; rules of the file check the ranges"),
    "ContainerRuntimeCheck": Covered("CRI", ("foreign-runtime",), _OURS),
    "ContainerRuntimeVersionCheck": Covered("ContainerRuntimeVersion", ("foreign-runtime",), _OURS),
    "SwapCheck": Covered("Swap", ("swap-on",), "kubeadm only warns, and the kubelet refuses"),
    "InPathCheck conntrack": Covered("FileExisting-conntrack", why="only before Kubernetes 1.32"),
    "InPathCheck losetup": Covered("FileExisting-losetup", ("command-missing",)),
    "InPathCheck mount": Covered("FileExisting-mount", ("command-missing",)),
    "InPathCheck cp": Covered("FileExisting-cp", ("command-missing",)),
    "SystemVerificationCheck": Covered(
        "SystemVerification",
        ("cgroup-v1", "cgroup-controller-missing", "kernel-option-missing", "kernel-configuration-missing"),
        "it only warns about an old kernel, and the facts are those of Linux",
    ),
    "HostnameCheck": Covered("Hostname", ("malformed-node-name",), "kubeadm only warns, and prepare-host writes the name to /etc/hosts"),
    "KubeletVersionCheck": Covered("KubeletVersion", ("foreign-runtime", "kubernetes-version-unsupported"), "all programs are those of the bundle"),
    "ServiceCheck kubelet": Covered("Service-kubelet", why=_WARNS),
    "FileContentCheck ipv4Forward": Covered("FileContent--proc-sys-net-ipv4-ip_forward", why=_OURS),
    "FileContentCheck ipv6DefaultForwarding": Covered("FileContent--proc-sys-net-ipv6-conf-default-forwarding", why=_OURS),
    "ImagePullCheck": Covered("ImagePull", why="the bundle has the images; a missing one is the warning image-not-in-bundle"),
}  # fmt: skip


def sources(release: KubernetesRelease) -> Path:
    """The sources of a release in the module cache; the test is skipped without them."""
    folder = (cache_folder() / "go-mod") / f"k8s.io/kubernetes@v{release.kubernetes}"
    if not folder.exists():
        pytest.skip(f"no sources of Kubernetes {release.kubernetes} in {folder.parent}")
    return folder


def function(text: str, name: str) -> str:
    """The body of a Go function."""
    found = re.search(rf"^func {name}\(.*?^}}", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no function {name}"
    return found[0]


def checks(folder: Path) -> Iterator[str]:
    """Every check that init and join of a release make."""
    text = "".join((folder / _SOURCE / name).read_text() for name in ("checks.go", "checks_linux.go"))
    for name in _LISTS:
        for kind, arguments in re.findall(r"\b(\w+Check)\{([^}]*)", function(text, name)):
            argument = re.search(r"\b(?:Path|port|Service|executable): ((?:[^,(]|\([^)]*\))+)", arguments)
            subject = argument[1].strip().strip('"').replace("kubeadmconstants.", "") if argument else ""
            yield f"{kind} {subject}".strip()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.kubernetes)
def test_the_table_has_every_check_of_each_release(release: KubernetesRelease) -> None:
    """A check that a release adds or drops is a difference. Needs the sources, from which the lab builds the release."""
    assert sorted(set(checks(sources(release)))) == sorted(CHECKS)


def test_each_release_was_compared_with_the_table() -> None:
    """Where the sources are not: a release that nobody compared is found too."""
    assert {".".join(map(str, release.minor)) for release in RELEASES} <= set(COMPARED)


def test_each_check_is_covered_by_a_rule_or_has_a_reason_without_one() -> None:
    """The rules exist and are errors, unless kubeadm only warns."""
    assert _on_facts
    codes = {rule.code for rule in RULES}
    for name, covered in CHECKS.items():
        assert covered.rules or covered.why, name
        assert set(covered.rules) <= codes, name
    facts = {rule.code for rule in RULES if rule.scope in (Scope.HOST, Scope.CLUSTER)}
    assert {code for covered in CHECKS.values() for code in covered.rules} - facts == {
        "malformed-node-name",
        "kubernetes-version-unsupported",
    }


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.kubernetes)
def test_the_demands_on_the_kernel_are_those_of_each_release(release: KubernetesRelease) -> None:
    """Options and controllers, in the version of k8s.io/system-validators that the release needs; no other validator."""
    folder = sources(release)
    text = "".join((folder / _SOURCE / name).read_text() for name in ("checks.go", "checks_linux.go"))
    assert set(re.findall(r"&system\.(\w+)Validator\{", text)) == {"Kernel", "OS", "Cgroups"}
    version = re.search(r"k8s\.io/system-validators (v[\d.]+)", (folder / "go.mod").read_text())
    assert version
    spec = ((cache_folder() / "go-mod") / f"k8s.io/system-validators@{version[1]}/validators/types_unix.go").read_text()

    def listed(name: str) -> str:
        found = re.search(rf"^(\t+){name}: +\[\]\w+\{{(?:([^\n]+)\}},$|\n(.*?)\n\1\}},$)", spec, re.MULTILINE | re.DOTALL)
        assert found, name
        return found[2] or found[3]

    for cgroups in (1, 2):
        required = re.findall(r'\{Name: "(\w+)"', listed("Required") + listed(f"RequiredCgroupsV{cgroups}"))
        assert preflight.missing_options((), cgroups) == tuple(required)
        controllers = set(re.findall(r'"(\w+)"', listed("Cgroups" if cgroups == 1 else "CgroupsV2")))
        implicit = {"devices", "freezer"} if cgroups == 2 else set()
        assert set(preflight.REQUIRED_CONTROLLERS[cgroups]) == controllers - implicit
    aliases = re.findall(r'Name: "(\w+)", Aliases: \[\]string\{"(\w+)"\}', listed("Required"))
    for name, alias in aliases:
        assert name not in preflight.missing_options((alias,), 2)
    assert {alias for _, alias in aliases} <= set(preflight.KERNEL_OPTIONS)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.kubernetes)
def test_the_dry_run_of_a_join_ends_after_the_checks(release: KubernetesRelease) -> None:
    """kubeadm's made-up cluster is signed with another token of the id of ours, and the script knows the words with which kubeadm refuses it.

    With another id kubeadm waits for five seconds; with the same secret it asks the API server of that cluster, at 192.168.0.101.
    """
    folder = sources(release) / "cmd/kubeadm/app"
    number, secret = NO_TOKEN.split(".")
    text = (folder / "discovery/token/token.go").read_text()
    assert re.search(rf'tokenID += "{number}"', text)
    assert not re.search(rf'tokenSecret += "{secret}"', text)
    words = re.search(r"couldn't [^\"]*", (folder / "discovery/discovery.go").read_text())
    assert words
    assert words[0] in (Path(__file__).parents[3] / "templates/host/check-preflight.sh.j2").read_text()
    join = (folder / "cmd/phases/join/preflight.go").read_text()
    assert join.index("RunJoinNodeChecks(") < join.index("j.InitCfg()")
