"""kubeadm and kube-apiserver accept every cluster file that sixstack accepts. The files are random, near and over every limit."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import pytest

from bundle.unpack import unpack
from cluster.file.reader import read_document
from cluster.kubeadm.documents import init_documents, join_configuration, upgrade_configuration
from cluster.vocabulary.families import Family
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from templates import render
from tests.bundle.image_files import unpack_from_image

pytestmark = pytest.mark.bundle

PARALLEL = 4
NO_ETCD = "127.0.0.1:1"
CA_HASH = "sha256:" + "5a" * 32
Document = dict[str, Any]


def ipv4_range(chance: random.Random, prefix: int) -> str:
    """Some private range of that length."""
    base = int(IPv4Network(chance.choice(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])).network_address)
    return str(ip_network((base + chance.getrandbits(20) * 16, max(prefix, 9)), strict=False))


def ipv6_range(chance: random.Random, prefix: int) -> str:
    """Some unique local range of that length."""
    return str(IPv6Network(((0xFD << 120) + chance.getrandbits(120), prefix), strict=False))


def document(seed: int) -> Document:
    """A random cluster file: any mode, any order, ranges around their limits. Most are valid, some are not."""
    chance = random.Random(seed)
    stack, primary = chance.choice(["ipv4", "dual-stack", "ipv6"]), chance.choice(["ipv4", "ipv6"])
    families = {"ipv4": ["ipv4"], "ipv6": ["ipv6"]}.get(stack, [primary, "ipv6" if primary == "ipv4" else "ipv4"])
    pods: list[Document] = []
    services: list[str] = []
    node_net = {
        "ipv4": f"100.{chance.randint(64, 127)}.{chance.randint(0, 255)}.",
        "ipv6": f"fd{chance.getrandbits(8):02x}:{chance.getrandbits(16):x}::",
    }
    for family in families:
        if family == "ipv4":
            prefix = chance.randint(12, 26)
            pods.append({"cidr": ipv4_range(chance, prefix), "node_mask": min(30, prefix + chance.randint(-1, 18))})
            services.append(ipv4_range(chance, chance.randint(11, 29)))
        else:
            prefix = chance.randint(40, 110)
            pods.append({"cidr": ipv6_range(chance, prefix), "node_mask": min(126, prefix + chance.randint(-1, 18))})
            services.append(ipv6_range(chance, chance.randint(106, 125)))
        if chance.random() < 0.2:
            del pods[-1]["node_mask"]
    hosts: list[Document] = []
    domain = chance.choice(["", "", ".example.org", ".a-b.c"])
    for number in range(1, chance.randint(1, 5) + 1):
        addresses = [f"{node_net[family]}{number + 10}" for family in families]
        host: Document = {
            "name": f"node-{number}{domain}",
            "role": "worker" if number > 1 else "control-plane",
            "ssh": {
                "address": chance.choice([addresses[0], f"ssh-{number}.example.org", f"198.18.7.{number}"]),
                "host_key": "trust-on-first-use",
            },
            "addresses": addresses,
        }
        if number > 1 and chance.random() < 0.3:
            host["taints"] = [
                {"key": chance.choice(["dedicated", "example.org/x"]), "value": chance.choice(["", "y"]), "effect": "NoSchedule"}
            ]
        hosts.append(host)
    file: Document = {
        "name": chance.choice(["demo", "a", "cluster-7"]),
        "stack": stack,
        "primary_family": primary if stack == "dual-stack" else families[0],
        "hosts": hosts,
        "network": {"pods": pods, "services": services},
        "kubeadm": {"kube_proxy": {"mode": chance.choice(["nftables", "iptables"])}},
    }
    if chance.random() < 0.3:
        file["network"]["dns_domain"] = chance.choice(["cluster.local", "k8s.example.org", "x"])
    if chance.random() < 0.5:
        first = hosts[0]["addresses"][0]
        bracketed = f"[{first}]" if ":" in first else first
        name = "api.example.org"
        file["control_plane"] = {"endpoint": chance.choice([name, f"{name}:8443", f"{bracketed}:6443", f"{bracketed}:7443", first])}
    if chance.random() < 0.3:
        file.setdefault("control_plane", {})["extra_sans"] = chance.sample(["*.example.org", "k8s", "10.1.2.3", "fd00::9", "a.b.c"], 2)
    if chance.random() < 0.2:
        file["images"] = {"repository": chance.choice(["registry.example.org:5000/k8s", "mirror.example.org/a/b"])}
    if chance.random() < 0.2:
        file["kubeadm"]["kubelet"] = {"cgroupDriver": "cgroupfs", "maxPods": chance.randint(10, 200)}
    add_port_and_files(file, chance)
    return file


def add_port_and_files(file: Document, chance: random.Random) -> None:
    """To some files: a bind port, and files and volumes of the components."""
    if chance.random() < 0.2:
        file["kubeadm"]["files"] = {"policy.yaml": "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"}
        file["kubeadm"]["extra_volumes"] = {
            chance.choice(["apiserver", "controller_manager", "scheduler"]): [{"name": "x", "host_path": "/srv/x"}]
        }
    if chance.random() < 0.2:
        file.setdefault("control_plane", {})["bind_port"] = chance.choice([443, 6443, 8443])


def accepted(count: int) -> list[tuple[int, ClusterSpec]]:
    """The first `count` seeds with a valid file."""
    found: list[tuple[int, ClusterSpec]] = []
    for seed in range(count * 20):
        spec = read_document(document(seed)).spec
        if spec is not None:
            found.append((seed, spec))
        if len(found) == count:
            return found
    raise AssertionError(f"only {len(found)} of {count * 20} files were accepted: the generator makes too many wrong ones")


def program(name: str, bundle: Path, folder: Path) -> Path:
    """A binary of the bundle, ready to run."""
    return unpack(bundle, name, folder / name)


def apiserver_of(bundle: Path, folder: Path) -> Path:
    """kube-apiserver out of its image."""
    return unpack_from_image(bundle, "kube-apiserver", "usr/local/bin/kube-apiserver", folder / "kube-apiserver")


def complaint(kubeadm: Path, text: str) -> str:
    """What `kubeadm config validate` says against a text; empty when it accepts it. A warning counts as well, but for the one that
    recommends 127.0.0.1 for kubelet's health port where IPv6 is all there is."""
    # /dev/stdin: thousands of files less
    result = subprocess.run(
        [kubeadm, "config", "validate", "--config", "/dev/stdin"], input=text, capture_output=True, text=True, check=False
    )
    lines = [line for line in result.stderr.splitlines() if not ("healthzBindAddress" in line and line.endswith("is: ::1"))]
    return "" if result.returncode == 0 and not lines else "\n".join(lines)


@pytest.mark.parametrize("files", [100, pytest.param(1000, marks=pytest.mark.long)])
def test_kubeadm_accepts_the_documents_of_every_accepted_file(files: int, bundle_folder: Path, tmp_path: Path) -> None:
    """`kubeadm config validate` accepts the init and join documents of many accepted files without warnings."""
    kubeadm = program("kubeadm", bundle_folder, tmp_path)

    def check(item: tuple[int, ClusterSpec]) -> list[str]:
        seed, spec = item
        texts = [
            render("kubeadm/init.yaml.j2", documents=documents)
            for documents in (init_documents(ResolvedSpec.of(spec)), [upgrade_configuration(spec)])
        ]
        texts += [
            render(
                "kubeadm/join.yaml.j2",
                document=join_configuration(ResolvedSpec.of(spec), host, token="abcdef.0123456789abcdef", ca_hash=CA_HASH),
            )
            for host in spec.workers[:1]
        ]
        return [f"seed {seed}: {lines}\n{text}" for text in texts if (lines := complaint(kubeadm, text))]

    with ThreadPoolExecutor(PARALLEL) as pool:
        complaints = [line for lines in pool.map(check, accepted(files)) for line in lines]
    assert complaints == []


def test_the_comparison_can_fail(bundle_folder: Path, tmp_path: Path) -> None:
    """kubeadm refuses a document with a service range of 2^24 addresses, and the test notices it."""
    documents = init_documents(ResolvedSpec.of(accepted(1)[0][1]))
    documents[1]["networking"]["serviceSubnet"] = "10.0.0.0/8"
    assert "10.0.0.0/8" in complaint(program("kubeadm", bundle_folder, tmp_path), render("kubeadm/init.yaml.j2", documents=documents))


def apiserver_flags(kubeadm: Path, spec: ClusterSpec, folder: Path) -> list[str]:
    """The flags that kubeadm itself writes into the API server's static pod for a spec, its certificates under `folder`."""
    config = folder / "kubeadm.yaml"
    documents = init_documents(ResolvedSpec.of(spec))
    documents[1]["certificatesDir"] = str(folder / "pki")
    config.write_text(render("kubeadm/init.yaml.j2", documents=documents))
    manifests = folder / "manifests"
    for phase in (["certs", "all"], ["control-plane", "apiserver"]):
        dry = ["--dry-run"] if phase[0] == "control-plane" else []
        subprocess.run(
            [kubeadm, "init", "phase", *phase, "--config", str(config), *dry],
            check=True,
            capture_output=True,
            env={**os.environ, "KUBEADM_INIT_DRYRUN_DIR": str(manifests)},
        )
    text = next(manifests.rglob("kube-apiserver.yaml")).read_text()
    return re.findall(r"^\s+- (--\S+)$", text, re.MULTILINE)


def refusal(apiserver: Path, flags: list[str]) -> str:
    """The errors of kube-apiserver about its arguments; empty when it accepts them and connects to etcd, where the test stops it."""
    kept = [flag for flag in flags if not flag.startswith(("--etcd-servers=", "--secure-port="))]
    with socket.socket(socket.AF_INET6) as holder:
        # a port that this server can have and nobody else
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("::", 0))
        kept += [f"--etcd-servers=https://{NO_ETCD}", f"--secure-port={holder.getsockname()[1]}", "--permit-port-sharing"]
        return _said_before_etcd(["timeout", "--signal=KILL", "300", apiserver, *kept])


def _said_before_etcd(command: list[str | Path]) -> str:
    lines: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        assert server.stderr is not None
        try:
            for line in server.stderr:
                lines.append(line)
                if NO_ETCD in line:
                    return ""
        finally:
            server.terminate()
    return "".join(lines[-3:])


def test_the_api_server_starts_with_the_flags_of_every_mode(bundle_folder: Path, tmp_path: Path) -> None:
    """kube-apiserver accepts the arguments that kubeadm creates from two dozen accepted files of every stack mode."""
    kubeadm, apiserver = program("kubeadm", bundle_folder, tmp_path), apiserver_of(bundle_folder, tmp_path)
    specs = accepted(24)
    assert {spec.families for _, spec in specs} == {(Family.IPV4,), (Family.IPV6,), (Family.IPV4, Family.IPV6), (Family.IPV6, Family.IPV4)}

    def check(item: tuple[int, ClusterSpec]) -> str:
        seed, spec = item
        folder = tmp_path / str(seed)
        folder.mkdir()
        refused = refusal(apiserver, apiserver_flags(kubeadm, spec, folder))
        return f"seed {seed}: {refused}" if refused else ""

    with ThreadPoolExecutor(2) as pool:
        assert [line for line in pool.map(check, specs) if line] == []


def test_the_comparison_of_api_server_arguments_can_fail(bundle_folder: Path, tmp_path: Path) -> None:
    """The first service range of another family than the advertise address: refused."""
    kubeadm, apiserver = program("kubeadm", bundle_folder, tmp_path), apiserver_of(bundle_folder, tmp_path)
    spec = next(spec for _, spec in accepted(24) if spec.families == (Family.IPV4,))
    flags = [flag for flag in apiserver_flags(kubeadm, spec, tmp_path) if not flag.startswith("--service-cluster-ip-range=")]
    assert "service" in refusal(apiserver, [*flags, "--service-cluster-ip-range=fd00::/64"])
