"""The host scripts on a real host, with the real bundle: each does its part, twice is harmless, and reset leaves what was there before."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from bundle.manifest import BundleFile, FileKind, read_manifest
from bundle.unpack import unpack
from cluster.file.reader import read_document
from cluster.kubeadm.documents import join_check_configuration
from cluster.kubeadm.preflight import refusals
from cluster.plan import values as step_values
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.families import Family, StackMode, family_of
from cluster.vocabulary.problems import errors_in
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Host
from hosts.facts import gather
from hosts.session import Output, Session
from hosts.upload import import_images, upload_files
from kube.pod_networks import network_documents, network_images
from lab import hosts
from lab.spec import cluster_document
from lab.state import LabHost
from tasks.load_bundle import is_runtime_file
from templates import render
from tests.conftest import BOTH, LAB
from tests.lab.faults import advertised, link_to_a_router
from tests.lived_in import LOOK

pytestmark = [pytest.mark.lab, pytest.mark.bundle]

LIMIT = timedelta(minutes=5)


@dataclass(frozen=True)
class Machine:
    """The one host of this module's lab, the cluster file that names it, and a session."""

    spec: ResolvedSpec
    session: Session
    bundle: Path

    @property
    def host(self) -> Host:
        """The host, a control plane alone."""
        return self.spec.hosts[0]

    def run(self, script: str, *, ok: bool = True) -> Output:
        """Run a script; unless told otherwise it must end well."""
        done = self.session.run(script, limit=LIMIT)
        assert not ok or done.exit_code == 0, done.stdout + done.stderr
        return done

    def look(self) -> list[str]:
        """What the host is like."""
        return self.run(LOOK).stdout.splitlines()

    def claim(self) -> None:
        """Write down whose host it is."""
        self.run(render("host/claim.sh.j2", **step_values.claim_values(self.spec, self.host)))

    def prepare(self) -> Output:
        """Claim, upload what the container runtime needs, and prepare, as prepare-host does."""
        self.claim()
        upload_files(self.session, self.bundle, [file for file in self.files() if is_runtime_file(file)])
        return self.run(render("host/prepare.sh.j2", **step_values.prepare_values(self.spec, self.host)))

    def programs(self) -> None:
        """Install the bundle's other programs, as load-bundle does."""
        others = [file for file in self.files() if file.kind is not FileKind.IMAGE and not is_runtime_file(file)]
        upload_files(self.session, self.bundle, others)

    def images(self) -> None:
        """Import the bundle's images."""
        import_images(self.session, self.bundle, [file for file in self.files() if file.kind is FileKind.IMAGE])

    def files(self) -> list[BundleFile]:
        """What the bundle has for the host."""
        return list(read_manifest(self.bundle).for_host(self.host.role.value, network_images(self.spec)))

    def init(self, *, ok: bool = True) -> Output:
        """kubeadm init."""
        return self.run(render("host/init.sh.j2", **step_values.init_values(self.spec)), ok=ok)

    def reset(self, *, ok: bool = True) -> Output:
        """Take the cluster off, and forget it."""
        done = self.run(render("host/reset.sh.j2", **step_values.reset_values(self.spec, self.host)), ok=ok)
        self.run(render("host/remove-step-state.sh.j2", **step_values.remove_step_state_values(self.spec.name)))
        return done


@pytest.fixture(scope="module")
def machine(lab_hosts: tuple[LabHost, ...], bundle_folder: Path) -> Iterator[Machine]:  # noqa: ARG001
    """A bare dual-stack host."""
    found = hosts.up(LAB, families=BOTH, management=BOTH)
    lab = hosts.lab_of(LAB)
    reading = read_document(cluster_document(lab, found[:1], StackMode.DUAL_STACK, Family.IPV6))
    assert reading.spec is not None, reading.problems
    key = Credential(private_key=lab.key_file.read_text())
    session = Session.open(found[0].name, reading.spec.hosts[0].ssh, lambda _name: key)
    yield Machine(ResolvedSpec.of(reading.spec), session, bundle_folder)
    session.close()


@pytest.fixture
def bare(machine: Machine) -> Iterator[Machine]:
    """The host without anything of ours, before and after the test."""
    machine.reset()
    yield machine
    machine.reset()


def changes(before: list[str], after: list[str]) -> list[str]:
    """Lines that went or came."""
    return sorted([f"- {line}" for line in set(before) - set(after)] + [f"+ {line}" for line in set(after) - set(before)])


def test_a_host_of_another_cluster_is_not_touched(bare: Machine) -> None:
    """Each script ends with 64, names the other cluster and changes nothing."""
    bare.run("mkdir -p /var/lib/sixstack && echo other >/var/lib/sixstack/owner")
    before = bare.look()
    try:
        for template, values in (
            ("host/claim.sh.j2", step_values.claim_values(bare.spec, bare.host)),
            ("host/prepare.sh.j2", step_values.prepare_values(bare.spec, bare.host)),
            ("host/init.sh.j2", step_values.init_values(bare.spec)),
            ("host/join.sh.j2", step_values.join_values(bare.spec, bare.host)),
            ("host/reset.sh.j2", step_values.reset_values(bare.spec, bare.host)),
        ):
            done = bare.run(render(template, **values), ok=False)
            assert done.exit_code == 64, template
            assert "belongs to cluster other" in done.stderr
        assert changes(before, bare.look()) == []
    finally:
        bare.run("rm -r /var/lib/sixstack")


def test_a_host_with_somebody_elses_files_is_not_claimed(bare: Machine) -> None:
    """A kubelet.conf or a containerd configuration that is not ours: 64, and no owner is written."""
    for path in ("/etc/kubernetes/kubelet.conf", "/etc/containerd/config.toml"):
        bare.run(f"mkdir -p {path.rpartition('/')[0]} && echo theirs >{path}")
        done = bare.run(render("host/claim.sh.j2", **step_values.claim_values(bare.spec, bare.host)), ok=False)
        assert (done.exit_code, path in done.stderr) == (64, True)
        assert bare.run(f"cat {path}; rm -r {path.rpartition('/')[0]}; ls /var/lib").stdout.startswith("theirs")
        assert "sixstack" not in bare.run("ls /var/lib").stdout


def test_preparing_again_changes_nothing(bare: Machine) -> None:
    """The second time prints nothing, and containerd is not started anew."""
    assert "wrote /etc/containerd/config.toml" in bare.prepare().stdout
    before = bare.look()
    started = bare.run("systemctl show -p ActiveEnterTimestampMonotonic containerd").stdout
    assert bare.run(render("host/prepare.sh.j2", **step_values.prepare_values(bare.spec, bare.host))).stdout == ""
    assert bare.run("systemctl show -p ActiveEnterTimestampMonotonic containerd").stdout == started
    assert changes(before, bare.look()) == []


def test_the_file_of_the_lab_fits_its_hosts_and_another_one_is_refused_by_the_plan(bare: Machine) -> None:
    """`lab spec` writes what the hosts need. Without it, on a machine with cgroup v1, the plan names the setting before kubeadm does."""
    facts = {bare.host.name: gather(bare.session, bare.host)}

    def codes(spec: ResolvedSpec) -> set[str]:
        return {problem.code for problem in errors_in(check_facts(spec, facts, bundle_architecture=architecture, bundle_size=2**30))}

    architecture = read_manifest(bare.bundle).architecture.value
    assert codes(bare.spec) == set()
    plain = ResolvedSpec.model_validate({**bare.spec.model_dump(), "kubeadm": {}})
    assert codes(plain) == ({"cgroup-v1"} if facts[bare.host.name].cgroup_version == 1 else set())


def test_kubeadm_checks_a_prepared_host_and_changes_nothing(bare: Machine) -> None:
    """It accepts the host in a second, for init and for join. It refuses leftovers and a busy port, and names the check of each."""

    def check(command: str) -> Output:
        values = step_values.preflight_values(bare.spec, bare.host)
        if command == "join":
            values = {**values, "command": "join", "documents": [join_check_configuration(bare.spec, bare.host)]}
        return bare.run(render("host/check-preflight.sh.j2", **values, seconds=40), ok=False)

    assert check("init").exit_code == 64
    bare.claim()
    assert check("init").exit_code == 65
    bare.prepare()
    bare.programs()
    before = bare.look()
    for command in ("init", "join"):
        done = check(command)
        assert (done.exit_code, done.seconds < 5) == (0, True), done
        print(f"preflight of {command}: {done.seconds:.2f} s")
    assert changes(before, bare.look()) == []
    bare.run(
        "mkdir -p /etc/kubernetes/manifests /var/lib/etcd; cd /etc/kubernetes; touch bootstrap-kubelet.conf manifests/etcd.yaml /var/lib/etcd/x"
    )
    with closing(
        bare.session.hold(
            "exec perl -MIO::Socket -e '$socket = IO::Socket::INET->new(Listen => 1, LocalPort => 10250) or die; $| = 1; print qq(up\\n); sleep 20'",
            limit=timedelta(minutes=1),
        )
    ) as held:
        assert held.first_line == "up"
        found = {command: {refusal.check for refusal in refusals(check(command).stdout)} for command in ("init", "join")}
    assert found["init"] == {"FileAvailable--etc-kubernetes-manifests-etcd.yaml", "DirAvailable--var-lib-etcd", "Port-10250"}
    assert found["join"] == {"FileAvailable--etc-kubernetes-bootstrap-kubelet.conf", "Port-10250"}
    bare.run("touch /var/lib/sixstack/joining")
    assert check("join").exit_code == 0
    bare.run("rm /var/lib/sixstack/joining; rm -r /etc/kubernetes/* /var/lib/etcd/x")


def test_mirrors_and_proxy_come_and_go_with_the_file(bare: Machine) -> None:
    """A mirror's hosts.toml and the proxy's drop-in are written, and removed when the file names them no more; a foreign one stays."""
    bare.prepare()
    theirs = "/etc/containerd/certs.d/theirs.example"
    bare.run(f"mkdir -p {theirs}; echo '# by hand' >{theirs}/hosts.toml")
    document = bare.spec.model_dump()
    document["images"]["mirrors"] = {"docker.io": ("https://m.example",)}
    document["proxy"]["http"] = "http://p.example:3128/a%20b"
    spec = ResolvedSpec.model_validate(document)
    bare.run(render("host/prepare.sh.j2", **step_values.prepare_values(spec, spec.hosts[0])))
    assert '[host."https://m.example"]' in bare.run("cat /etc/containerd/certs.d/docker.io/hosts.toml").stdout
    assert "HTTP_PROXY=http://p.example:3128/a%20b" in bare.run("systemctl show -p Environment containerd").stdout
    bare.run(render("host/prepare.sh.j2", **step_values.prepare_values(bare.spec, bare.host)))
    assert bare.run("ls /etc/containerd/certs.d").stdout.split() == ["theirs.example"]
    assert "PROXY" not in bare.run("systemctl show -p Environment containerd").stdout
    bare.run(f"rm -r {theirs}")


def test_a_file_of_the_owner_comes_back_with_the_end_of_a_mirror_and_is_the_owners_again(bare: Machine) -> None:
    """While the file names a mirror, the owner's hosts.toml is kept. Afterwards a change by the owner is not undone by the reset."""
    theirs = "/etc/containerd/certs.d/docker.io/hosts.toml"
    bare.run(f"mkdir -p {theirs.rpartition('/')[0]}; echo theirs >{theirs}; chmod 0640 {theirs}")
    try:
        document = bare.spec.model_dump()
        document["images"]["mirrors"] = {"docker.io": ("https://m.example",)}
        spec = ResolvedSpec.model_validate(document)
        bare.prepare()
        bare.run(render("host/prepare.sh.j2", **step_values.prepare_values(spec, spec.hosts[0])))
        assert "m.example" in bare.run(f"cat {theirs}").stdout
        bare.run(render("host/prepare.sh.j2", **step_values.prepare_values(bare.spec, bare.host)))
        assert bare.run(f"cat {theirs}; stat -c %a {theirs}").stdout.split() == ["theirs", "640"]
        bare.run(f"echo changed >{theirs}")
        bare.reset()
        assert bare.run(f"cat {theirs}; ls /etc/containerd/certs.d/docker.io").stdout.split() == ["changed", "hosts.toml"]
    finally:
        bare.reset()
        bare.run("rm -rf /etc/containerd")


def test_files_of_components_and_authorities_are_for_root_and_go_with_the_cluster(bare: Machine) -> None:
    """A component's file has mode 0600 in a folder of mode 0700, and /etc/kubernetes stays readable. An authority goes with the cluster file,
    a component's file with the cluster, because a running component may need it."""
    before = bare.look()
    bare.prepare()
    document = bare.spec.model_dump()
    document["kubeadm"]["files"] = {"policy.yaml": "kind: Policy\nrules: []\n"}
    document["images"]["ca"] = {"m.example:5000": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"}
    spec = ResolvedSpec.model_validate(document)
    script = render("host/prepare.sh.j2", **step_values.prepare_values(spec, spec.hosts[0]), file_contents=step_values.file_contents(spec))
    bare.run(script)
    paths = "/etc/kubernetes /etc/kubernetes/sixstack /etc/kubernetes/sixstack/policy.yaml /etc/containerd/sixstack-ca/m.example:5000.crt"
    assert bare.run(f"stat -c %a {paths}").stdout.split() == ["755", "700", "600", "644"]
    assert bare.run("cat /etc/kubernetes/sixstack/policy.yaml").stdout == "kind: Policy\nrules: []\n"
    assert bare.run(script).stdout == ""
    bare.run(render("host/prepare.sh.j2", **step_values.prepare_values(bare.spec, bare.host)))
    assert bare.run("ls /etc/kubernetes/sixstack").stdout.split() == ["policy.yaml"]
    assert "m.example" not in bare.run("ls -R /etc/containerd").stdout
    bare.reset()
    assert changes(before, bare.look()) == []


def test_a_half_prepared_host_is_reset_whole(bare: Machine) -> None:
    """Only claimed; claimed and with files: both leave nothing. A second reset says that there is nothing."""
    before = bare.look()
    bare.claim()
    bare.reset()
    assert changes(before, bare.look()) == []
    bare.claim()
    files = read_manifest(bare.bundle).for_host("worker", ())
    upload_files(bare.session, bare.bundle, [file for file in files if file.kind is not FileKind.IMAGE][:3])
    bare.reset()
    assert changes(before, bare.look()) == []
    assert bare.spec.name in bare.reset().stdout


def test_a_default_route_learnt_by_router_advertisement_survives(bare: Machine) -> None:
    """accept_ra becomes 2 on that link before forwarding is switched on, and what it was after reset; a link with 0 keeps it."""
    host = hosts.machine_of(bare.host.name, LAB)
    with link_to_a_router(host):
        with advertised(host):
            bare.run("until ip -6 route show default dev ra0 | grep -q 'proto ra'; do sleep 0.1; done")
        assert "set accept_ra of ra0 to 2" in bare.prepare().stdout
        assert bare.run("cat /proc/sys/net/ipv6/conf/ra0/accept_ra /proc/sys/net/ipv6/conf/all/forwarding").stdout.split() == ["2", "1"]
        assert "proto ra" in bare.run("ip -6 route show default dev ra0").stdout
        assert "net/ipv6/conf/ra0/accept_ra = 2" in bare.run("cat /etc/sysctl.d/90-sixstack.conf").stdout
        assert bare.run("cat /proc/sys/net/ipv6/conf/host0/accept_ra").stdout.strip() == "0"
        bare.reset()
        assert bare.run("cat /proc/sys/net/ipv6/conf/ra0/accept_ra").stdout.strip() == "1"


def test_an_address_learnt_by_router_advertisement_survives(bare: Machine) -> None:
    """The router is no default router: accept_ra becomes 2 all the same, so that the address is renewed while forwarding is on."""
    lifetime = "ip -6 -o address show dev ra0 scope global | sed -n 's/.*valid_lft \\([0-9]*\\)sec.*/\\1/p'"
    host = hosts.machine_of(bare.host.name, LAB)
    with link_to_a_router(host):
        with advertised(host, "0", "fd88::"):
            bare.run("until ip -6 address show dev ra0 scope global | grep -q fd88; do sleep 0.1; done")
            assert "set accept_ra of ra0 to 2" in bare.prepare().stdout
            bare.run("sleep 3")
            assert int(bare.run(lifetime).stdout) >= 3599  # renewed three times a second
        bare.reset()
        assert bare.run("cat /proc/sys/net/ipv6/conf/ra0/accept_ra").stdout.strip() == "1"


@dataclass(frozen=True)
class WithFlannel:
    """A control plane with flannel and with kube-proxy in iptables mode, and what its host was like before."""

    node: Machine
    before: list[str]
    own: dict[Family, object]  # the node's address of each family
    annotations: dict[str, str]  # of the node


@pytest.fixture(scope="module", params=[Family.IPV4, pytest.param(Family.IPV6, marks=pytest.mark.long)], ids=str)
def with_flannel(machine: Machine, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithFlannel]:
    """The host's link has a second permanent IPv6 address, added later, and a second IPv4 address before the node's own. For the last tests."""
    machine.reset()
    found = hosts.up(LAB, families=BOTH, management=BOTH)[:1]
    document = cluster_document(hosts.lab_of(LAB), found, StackMode.DUAL_STACK, request.param)
    document["kubeadm"] = {**document["kubeadm"], "kube_proxy": {**document["kubeadm"].get("kube_proxy", {}), "mode": "iptables"}}
    reading = read_document(document)
    assert reading.spec is not None, reading.problems
    node = replace(machine, spec=ResolvedSpec.of(reading.spec))
    own = {family_of(address): address for address in node.host.addresses}
    v4 = hosts.lab_of(LAB).network.range(Family.IPV4).prefixlen
    gateway = hosts.lab_of(LAB).network.gateway(Family.IPV4)
    # deleted and added again, so that it comes after the other one
    node.run(
        f"""
        ip -6 address add fd77::5/64 dev host0 nodad
        ip address add 198.19.77.5/24 dev host0
        ip address del {own[Family.IPV4]}/{v4} dev host0; ip address add {own[Family.IPV4]}/{v4} dev host0; ip route replace default via {gateway} dev host0
        """
    )
    before = node.look()
    try:
        node.prepare()
        node.programs()
        node.images()
        node.init()
        folder = tmp_path_factory.mktemp("flannel")
        config, kubectl = folder / "admin.conf", folder / "kubectl"
        config.write_text(node.run("cat /etc/kubernetes/admin.conf").stdout)
        unpack(node.bundle, "kubectl", kubectl)
        command = [str(kubectl), f"--kubeconfig={config}"]
        manifest = yaml.safe_dump_all(network_documents(node.spec))
        subprocess.run([*command, "apply", "-f", "-"], input=manifest, text=True, check=True, timeout=60, capture_output=True)
        subprocess.run([*command, "-n", "kube-flannel", "rollout", "status", "daemonset", "--timeout=90s"], check=True, timeout=120)
        shown = subprocess.run(
            [*command, "get", "node", node.host.name, "-o", "json"], capture_output=True, text=True, check=True, timeout=60
        )
        yield WithFlannel(node, before, dict(own), json.loads(shown.stdout)["metadata"]["annotations"])
    finally:
        node.reset()
        node.run("ip -6 address del fd77::5/64 dev host0; ip address del 198.19.77.5/24 dev host0")


def test_flannel_uses_the_addresses_of_the_node_among_others_of_its_link(with_flannel: WithFlannel) -> None:
    """flannel-io/flannel#2081. The links, routes and settings of the node are those of its cluster."""
    node = with_flannel.node
    assert with_flannel.annotations["flannel.alpha.coreos.com/public-ip"] == str(with_flannel.own[Family.IPV4])
    assert with_flannel.annotations["flannel.alpha.coreos.com/public-ipv6"] == str(with_flannel.own[Family.IPV6])
    facts = gather(node.session, node.host)
    assert check_facts(node.spec, {facts.host: facts}, bundle_architecture=facts.architecture, bundle_size=1) == ()


def test_reset_borrows_what_the_host_lacks_from_a_pod(with_flannel: WithFlannel) -> None:
    """kube-proxy in iptables mode, and a host with neither iptables nor nft: its chains go all the same, and the tables with them."""
    node = with_flannel.node
    node.run(
        "until nft list chain ip nat KUBE-SERVICES >/dev/null 2>&1 && nft list chain ip6 nat KUBE-SERVICES >/dev/null 2>&1; do sleep 0.2; done"
    )
    node.run("! command -v iptables && mv /usr/sbin/nft /usr/sbin/nft.hidden")
    try:
        node.reset()
    finally:
        node.run("mv /usr/sbin/nft.hidden /usr/sbin/nft")
    assert changes(with_flannel.before, node.look()) == []
