"""Part certificates: what the script prints of the files of a host, and what is read of it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.facts.certificates import CertificateFile, HostCertificates
from cluster.facts.parse import CERTIFICATE_PARTS, parse_certificates
from cluster.facts.parsers.certificates import NO_CERTIFICATE, certificates, read_certificate
from cluster.facts.parsers.kubernetes import ca_hash
from hosts.facts import facts_script
from tests.issued_certificates import NOW, YEAR, Authority, with_version
from tests.linear_time import assert_linear

AUTHORITY = Authority.new()
API, API_KEY = AUTHORITY.issue("kube-apiserver", names=("Node-1", "kubernetes", "10.96.0.1", "fd66:0::1"))
ADMIN, ADMIN_KEY = AUTHORITY.issue("kubernetes-admin", "kubeadm:cluster-admins")


def encoded(text: str) -> str:
    """As in a kubeconfig."""
    return base64.b64encode(text.encode()).decode()


def kubeconfig(certificate: str, key: str) -> str:
    """As kubeadm writes one."""
    return f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {encoded(AUTHORITY.pem)}
    server: https://[fd66::11]:6443
  name: demo
users:
- name: kubernetes-admin
  user:
    client-certificate-data: {encoded(certificate)}
    client-key-data: {encoded(key)}
"""


class Machine:
    """A folder with the files of a host, on which the real script runs with other paths."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, content: str) -> None:
        """Write a file, at its path on a host."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        os.utime(target, (NOW.timestamp(), NOW.timestamp()))

    def output(self, parts: tuple[str, ...] = CERTIFICATE_PARTS) -> str:
        """What the script prints."""
        script = facts_script(parts)
        for folder in ("/etc/kubernetes", "/var/lib"):
            script = script.replace(folder, f"{self.root}{folder}")
        return subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True).stdout

    def inspect(self) -> HostCertificates:
        """The facts, with the paths of a host."""
        return parse_certificates(self.output().replace(str(self.root), ""), "node-1")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A host without any certificate."""
    return Machine(tmp_path)


def test_the_script_pleases_shellcheck() -> None:
    """As POSIX sh."""
    checked = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "-s", "sh", "-"],
        input=facts_script(CERTIFICATE_PARTS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout + checked.stderr == ""


def test_a_host_without_certificates_has_no_files(machine: Machine) -> None:
    """Every part is known. Processes are those of this machine, where other tests run API servers."""
    found = machine.inspect()
    assert found == HostCertificates("node-1", started=found.started)


def test_every_certificate_of_a_host_is_read(machine: Machine) -> None:
    """With path, subject, issuer, names and term; addresses in their canonical form."""
    machine.write("/etc/kubernetes/pki/ca.crt", AUTHORITY.pem)
    machine.write("/etc/kubernetes/pki/ca.key", "secret")
    machine.write("/etc/kubernetes/pki/apiserver.crt", API)
    machine.write("/etc/kubernetes/pki/etcd/server.crt", API)
    machine.write("/etc/kubernetes/admin.conf", kubeconfig(ADMIN, ADMIN_KEY))
    machine.write("/var/lib/kubelet/pki/kubelet-client-current.pem", ADMIN + ADMIN_KEY)
    reference = f"{machine.root}/var/lib/kubelet/pki/kubelet-client-current.pem"
    machine.write("/etc/kubernetes/kubelet.conf", f"users:\n- name: default-auth\n  user:\n    client-certificate: {reference}\n")
    machine.write("/var/lib/kubelet/pki/kubelet.crt", API + AUTHORITY.pem)
    machine.write("/var/lib/sixstack/owner", "demo\n")
    machine.write("/var/lib/sixstack/renewal/complete", "")
    found = machine.inspect()
    assert found.unknown == ()
    assert found.owner == "demo"
    assert found.unfinished_renewal
    assert found.authority_keys == {"/etc/kubernetes/pki/ca.key"}
    by_path = {file.path: file for file in found.files}
    assert {path: file.certificate.subject for path, file in by_path.items() if file.certificate} == {
        "/etc/kubernetes/pki/ca.crt": "CN=kubernetes",
        "/etc/kubernetes/pki/apiserver.crt": "CN=kube-apiserver",
        "/etc/kubernetes/pki/etcd/server.crt": "CN=kube-apiserver",
        "/etc/kubernetes/admin.conf": "CN=kubernetes-admin,O=kubeadm:cluster-admins",
        "/etc/kubernetes/kubelet.conf": "CN=kubernetes-admin,O=kubeadm:cluster-admins",
        "/var/lib/kubelet/pki/kubelet.crt": "CN=kube-apiserver",
    }
    api = by_path["/etc/kubernetes/pki/apiserver.crt"]
    assert api.certificate is not None
    assert api.certificate.names == ("node-1", "kubernetes", "10.96.0.1", "fd66::1")
    assert api.certificate.issuer == "CN=kubernetes"
    assert api.certificate.valid_until - api.certificate.valid_from == YEAR
    assert (api.changed, api.kubeconfig, api.certificate.authority) == (NOW, False, False)
    authority = by_path["/etc/kubernetes/pki/ca.crt"].certificate
    assert authority is not None
    assert authority.authority
    kubelet = by_path["/etc/kubernetes/kubelet.conf"]
    assert (kubelet.kubeconfig, kubelet.reference) == (True, "/var/lib/kubelet/pki/kubelet-client-current.pem")


TORN = "".join(API.splitlines(keepends=True)[:4])


@pytest.mark.parametrize(
    "content",
    [
        API + API_KEY,
        API_KEY + API,
        TORN + API_KEY,
        TORN + API_KEY + API,
        API_KEY,
        API.replace("-----END CERTIFICATE-----\n", "") + API_KEY,
    ],
    ids=["key after", "key before", "torn, then key", "torn, key, certificate", "key alone", "without an end"],
)
def test_no_line_of_a_private_key_is_printed(machine: Machine, content: str) -> None:
    """Whatever a file has beside certificates, also when a certificate in it is torn."""
    machine.write("/etc/kubernetes/pki/apiserver.crt", content)
    machine.write("/var/lib/kubelet/pki/kubelet-client-current.pem", content)
    machine.write("/etc/kubernetes/admin.conf", kubeconfig(content, API_KEY))
    reference = f"{machine.root}/var/lib/kubelet/pki/kubelet-client-current.pem"
    machine.write("/etc/kubernetes/kubelet.conf", f"users:\n- user:\n    client-certificate: {reference}\n    client-key: {reference}\n")
    printed = machine.output()
    lines = [line for line in API_KEY.splitlines() if not line.startswith("-----")]
    assert [line for line in lines if line in printed or encoded(line).rstrip("=") in printed] == []
    assert "PRIVATE KEY" not in printed
    assert len(machine.inspect().files) == 3


def test_the_other_facts_also_print_no_key_beside_the_authority(machine: Machine) -> None:
    """A torn certificate before a key, and a complete one before a key."""
    for content, known in ((TORN + API_KEY, False), (API + API_KEY, True)):
        machine.write("/etc/kubernetes/pki/ca.crt", content)
        printed = machine.output(("kubernetes",))
        assert "PRIVATE KEY" not in printed
        assert API_KEY.splitlines()[1] not in printed
        assert (ca_hash(printed) is not None) is known


@pytest.mark.parametrize("content", ["", TORN, API_KEY, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0\1\2"])
def test_a_file_without_a_readable_certificate_has_a_fault(machine: Machine, content: str) -> None:
    """And the other files are read."""
    machine.write("/etc/kubernetes/pki/apiserver.crt", content)
    machine.write("/etc/kubernetes/pki/ca.crt", AUTHORITY.pem)
    found = machine.inspect()
    bad = found.file("/etc/kubernetes/pki/apiserver.crt")
    assert bad is not None
    assert bad.certificate is None
    assert bad.fault
    good = found.file("/etc/kubernetes/pki/ca.crt")
    assert good is not None
    assert good.certificate is not None
    assert found.unknown == ()


def test_a_kubeconfig_without_its_certificate_has_a_fault(machine: Machine) -> None:
    """The file that it names does not exist; no user; base64 that is none."""
    machine.write("/etc/kubernetes/kubelet.conf", "users:\n- user:\n    client-certificate: /var/lib/kubelet/pki/gone.pem\n")
    machine.write("/etc/kubernetes/admin.conf", "users: []\n")
    machine.write("/etc/kubernetes/scheduler.conf", "users:\n- user:\n    client-certificate-data: '%%%'\n")
    assert {file.path: file.fault for file in machine.inspect().files} == {
        f"/etc/kubernetes/{name}.conf": NO_CERTIFICATE for name in ("admin", "scheduler", "kubelet")
    }


def test_a_certificate_that_cryptography_refuses_with_an_exception_of_its_own_has_a_fault() -> None:
    """InvalidVersion is no ValueError. Also in the other facts, which then have an unknown part."""
    odd = with_version(AUTHORITY.pem, 9)
    (file,) = certificates(f"file 5 /etc/kubernetes/pki/ca.crt\n{odd}").files
    assert "version" in file.fault
    with pytest.raises(ValueError, match="version"):
        ca_hash(odd)


def test_a_component_has_the_time_of_its_newest_process() -> None:
    """During a restart there may be two; names of 15 characters are complete again."""
    found = certificates("started etcd 100\nstarted kube-controller 1700000000\nstarted kube-controller 1700000009\n")
    assert found.started == {
        "etcd": datetime.fromtimestamp(100, UTC),
        "kube-controller-manager": datetime.fromtimestamp(1700000009, UTC),
    }


def test_the_start_of_a_process_is_read_from_the_kernel(tmp_path: Path) -> None:
    """A process with the name of a component, in the network of the host."""
    program = tmp_path / "kube-scheduler"
    program.symlink_to("/bin/sleep")
    before = datetime.now(UTC)
    with subprocess.Popen([program, "30"]) as process:
        try:
            found = Machine(tmp_path).inspect()
        finally:
            process.kill()
    assert abs(found.started["kube-scheduler"] - before) < timedelta(seconds=3)


@pytest.mark.parametrize("line", ["file x /a", f"file {'9' * 19} /a", "started init 5", "started etcd"])
def test_lines_that_the_script_cannot_have_printed_make_the_part_unknown(machine: Machine, line: str) -> None:
    """And raise nothing."""
    printed = machine.output().replace("@@ sixstack end", f"{line}\n@@ sixstack end")
    assert [unknown.part for unknown in parse_certificates(printed, "node-1").unknown] == ["certificates"]


def test_control_characters_of_a_host_are_replaced() -> None:
    """In paths, subjects and names."""
    pem, _ = AUTHORITY.issue("a\x1b[31mb\u202e")
    assert read_certificate(pem).subject.isprintable()
    (file,) = certificates(f"file 5 /etc/kubernetes/pki/\x1b[31m.crt\n{pem}").files
    assert file.path.isprintable()


def test_long_output_is_read_in_linear_time() -> None:
    """A host prints what it likes."""
    assert_linear(certificates, lambda length: "file 5 /a\n-----BEGIN CERTIFICATE-----\n" * (length // 40), 40_000)
    assert_linear(certificates, lambda length: "-----BEGIN CERTIFICATE-----\n" * (length // 28), 40_000)


def test_a_file_is_found_by_its_path() -> None:
    """None for another one."""
    file = CertificateFile("/a", None, "fault")
    assert HostCertificates("node-1", files=(file,)).file("/a") == file
    assert HostCertificates("node-1", files=(file,)).file("/b") is None
