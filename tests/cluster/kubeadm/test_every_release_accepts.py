"""The programs of every supported release accept the documents of sixstack, and have the arguments of its tables."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.unpack import unpack
from cluster.kubeadm.documents import init_documents, join_configuration, upgrade_configuration
from cluster.rules.component_arguments import ARGUMENTS, arguments_of
from cluster.vocabulary.releases import RELEASES, KubernetesRelease
from cluster.vocabulary.resolved_spec import ResolvedSpec
from lab.build.bundle import build_bundle
from templates import render
from tests.bundle.image_files import unpack_from_image
from tests.cluster.kubeadm.test_kubeadm_accepts import CA_HASH, accepted, apiserver_flags, complaint, refusal
from tests.conftest import say

pytestmark = [pytest.mark.long, pytest.mark.bundle, pytest.mark.timeout(2400)]

SPECS = 60
PROGRAMS = {
    "apiserver": "kube-apiserver",
    "controller_manager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "etcd": "etcd",
}


@dataclass(frozen=True)
class Programs:
    """The unpacked programs of one release's bundle."""

    release: KubernetesRelease
    bundle: Path
    folder: Path

    def of(self, name: str) -> Path:
        """A program of the bundle or of one of its images, ready to run."""
        if name in PROGRAMS.values():
            return unpack_from_image(self.bundle, name, f"usr/local/bin/{name}", self.folder / name)
        return unpack(self.bundle, name, self.folder / name)


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: str(release.kubernetes))
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """Each release of the table. Builds its bundle if it does not exist."""
    release: KubernetesRelease = request.param
    return Programs(release, build_bundle(say, release=release, networks=("flannel",)), tmp_path_factory.mktemp("programs"))


def test_kubeadm_accepts_our_documents(programs: Programs) -> None:
    """`kubeadm config validate` accepts the init and join documents of accepted files of this version without warnings."""
    kubeadm = programs.of("kubeadm")
    texts = []
    for _, some in accepted(SPECS):
        spec = ResolvedSpec.of(some.model_copy(update={"kubernetes_version": programs.release.kubernetes}))
        texts += [
            render("kubeadm/init.yaml.j2", documents=documents) for documents in (init_documents(spec), [upgrade_configuration(spec)])
        ]
        texts += [
            render("kubeadm/join.yaml.j2", document=join_configuration(spec, host, token="abcdef.0123456789abcdef", ca_hash=CA_HASH))
            for host in spec.workers[:1]
        ]
    with ThreadPoolExecutor(2) as pool:
        assert [message for message in pool.map(lambda text: complaint(kubeadm, text), texts) if message] == []


def test_the_api_server_starts_with_our_flags(programs: Programs, tmp_path: Path) -> None:
    """kube-apiserver accepts the arguments that kubeadm creates from accepted files."""
    kubeadm, apiserver = programs.of("kubeadm"), programs.of("kube-apiserver")
    for seed, some in accepted(6):
        spec = some.model_copy(update={"kubernetes_version": programs.release.kubernetes})
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert refusal(apiserver, apiserver_flags(kubeadm, spec, folder)) == "", f"seed {seed}"


@pytest.mark.parametrize("component", ARGUMENTS)
def test_the_argument_tables_match_help(programs: Programs, component: str) -> None:
    """Compare the table of arguments and its history with the program."""
    program = programs.of(PROGRAMS.get(component, component))
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False, timeout=60)
    printed = set(re.findall(r"^\s*(?:-\w, )?--([a-z0-9-]+)", done.stdout + done.stderr, re.MULTILINE)) - {"help", "version"}
    assert printed == set(arguments_of(component, programs.release.minor))
