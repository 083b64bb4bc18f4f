"""Parts sixstack, bundle, packages, units, programs, leftovers and kubernetes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from cluster.facts.host_facts import Conflict, StepState
from cluster.facts.parsers.foreign import foreign_conflicts, packages, programs, units
from cluster.facts.parsers.kubernetes import kubernetes
from cluster.facts.parsers.own_state import installed_files, own_state
from cluster.facts.parsers.sections import sections_of
from hosts.facts import facts_script

Recorded = Callable[[str], str]


def test_the_state_of_steps_is_read() -> None:
    """A unit of this step and attempt: running. An exit code: ended. Neither: power failure."""
    text = """owner demo
prepared 12ab
step init-control-plane attempt=2 exit=
step import-images attempt=1 exit=0
step join-worker attempt=3 exit=
unit sixstack-init-control-plane-demo-2"""
    state = own_state(text)
    assert (state.owner, state.prepared) == ("demo", "12ab")
    assert state.steps == (
        StepState("init-control-plane", 2, True, None),
        StepState("import-images", 1, False, 0),
        StepState("join-worker", 3, False, None),
    )


def test_a_changed_file_is_not_intact() -> None:
    """A file whose size or time differs from its marker is not intact, but is no conflict."""
    text = """marker aa /usr/local/bin/kubelet 100 1700000000
marker bb /usr/local/bin/kubeadm 100 1700000000
marker cc /opt/cni/bin/bridge 100 1700000000
marker dd
file /usr/local/bin/kubelet 100 1700000000
file /usr/local/bin/kubeadm 100 1700000099"""
    installed = installed_files(text)
    assert installed.intact == {"aa"}
    assert installed.paths == {"/usr/local/bin/kubelet", "/usr/local/bin/kubeadm", "/opt/cni/bin/bridge"}


def foreign(text: str, *, owned: bool = False, installed: frozenset[str] = frozenset()) -> tuple[Conflict, ...]:
    """The conflicts in sections of output."""
    parts = sections_of(text)
    return foreign_conflicts(
        owned=owned,
        installed=installed,
        from_packages=packages(parts.get("packages", "")),
        from_units=units(parts.get("units", "")),
        from_programs=programs(parts.get("programs", "")),
        from_leftovers=(),
    )


DOCKER = """@@ sixstack packages
deb docker-ce 5:28.0
deb containerd.io 1.7.27
@@ sixstack units
Id=docker.service
LoadState=loaded
ActiveState=active
FragmentPath=/usr/lib/systemd/system/docker.service

Id=containerd.service
LoadState=loaded
ActiveState=active
FragmentPath=/usr/lib/systemd/system/containerd.service

Id=crio.service
LoadState=masked
ActiveState=inactive
FragmentPath=/etc/systemd/system/crio.service
@@ sixstack programs
binary containerd /usr/bin/containerd
binary dockerd /usr/bin/dockerd
process dockerd /usr/bin/dockerd
process containerd /usr/bin/containerd
"""


def test_a_packaged_runtime_is_reported_as_packages() -> None:
    """Its unit, binary and process are not reported again. Masked units are ignored."""
    assert foreign(DOCKER) == (
        Conflict("package", "docker-ce", "deb docker-ce 5:28.0"),
        Conflict("package", "containerd.io", "deb containerd.io 1.7.27"),
    )


def test_a_runtime_without_package_is_reported_as_unit_and_binary(recorded: Recorded) -> None:
    """Its process is not reported again."""
    assert foreign(recorded("foreign-kubelet")) == (
        Conflict("unit", "kubelet.service", "/etc/systemd/system/kubelet.service"),
        Conflict("binary", "kubelet", "/usr/local/bin/kubelet"),
    )


def test_network_manager_is_no_runtime() -> None:
    """Part units shows it for another purpose."""
    unit = "Id=NetworkManager.service\nLoadState=loaded\nActiveState=active\nFragmentPath=/lib/systemd/system/NetworkManager.service"
    assert foreign(f"@@ sixstack units\n{unit}\n") == ()
    assert foreign(f"@@ sixstack units\n{unit.replace('NetworkManager', 'crio')}\n") != ()


def test_files_in_the_folders_of_a_claimed_host_are_no_conflict(recorded: Recorded) -> None:
    """After a power failure a file can lack its marker. Packages are always conflicts."""
    assert foreign(recorded("foreign-kubelet"), owned=True) == ()
    assert (
        foreign(recorded("foreign-kubelet"), installed=frozenset({"/usr/local/bin/kubelet", "/etc/systemd/system/kubelet.service"})) == ()
    )
    assert [thing.kind for thing in foreign(DOCKER, owned=True)] == ["package", "package"]


def test_a_process_of_a_deleted_binary_is_reported() -> None:
    """The binary was deleted, but the process is running."""
    assert foreign("@@ sixstack programs\nprocess k3s /opt/k3s (deleted)\n") == (Conflict("process", "k3s", "/opt/k3s"),)


def test_a_foreign_cluster_is_known_by_its_certificate_authority(recorded: Recorded) -> None:
    """The hash of the public key, as `openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256sum` printed it."""
    text = recorded("other-cluster")
    state = kubernetes(sections_of(text)["kubernetes"])
    assert state.ca_hash == "sha256:8e083685d9188d06a79f99934a9e16fb768fa2b337edc552ab9e9f5c9eec4e40"
    assert (state.admin_config, state.kubelet_config, state.endpoint) == (True, False, "https://[fd00::9]:6443")


def test_the_port_of_the_api_server_is_in_its_static_pod() -> None:
    """None before init, and in answers without it."""
    text = "have kube-apiserver.yaml\nkube-apiserver secure-port=7443\nkube-apiserver service-cluster-ip-range=10.96.0.0/16\n"
    assert (kubernetes(text).api_port, kubernetes("").api_port) == (7443, None)


def test_no_recorded_answer_holds_a_secret(recorded: Recorded) -> None:
    """On that host, ca.crt also had the private key, and admin.conf a client key. Neither is in the output."""
    for name in ("other-cluster", "control-plane"):
        text = recorded(name)
        assert "PRIVATE KEY" not in text
        assert "SECRETKEYDATA" not in text
        assert "key-data" not in text


def test_data_of_etcd_and_private_keys_are_found() -> None:
    """What a deletion must copy; a worker has neither."""
    both = kubernetes("have etcd-data\nhave private-keys\nhave kubelet.conf")
    assert (both.etcd_data, both.private_keys, both.kubelet_config) == (True, True, True)
    worker = kubernetes("have kubelet.conf")
    assert (worker.etcd_data, worker.private_keys) == (False, False)


def test_the_versions_that_a_host_runs_are_read() -> None:
    """Images of static pods by component, and programs whose file was replaced while they run."""
    state = kubernetes(
        "image etcd registry.k8s.io/etcd:3.6.6-0\nimage kube-apiserver r.example:5000/k8s/kube-apiserver:v1.35.4\nreplaced kubelet"
    )
    assert state.static_images == {"etcd": "registry.k8s.io/etcd:3.6.6-0", "kube-apiserver": "r.example:5000/k8s/kube-apiserver:v1.35.4"}
    assert state.replaced == ("kubelet",)
    assert (kubernetes("").static_images, kubernetes("").replaced) == ({}, ())


def test_files_that_others_changed_are_named() -> None:
    """And the lines of the cluster in /etc/hosts."""
    state = own_state("owner demo\nprepared 5a\nchanged /etc/containerd/config.toml\nchanged /etc/a b\nhosts-entry fd66::1 node-1")
    assert state.changed_files == ("/etc/containerd/config.toml", "/etc/a b")
    assert state.hosts_entries == ("fd66::1 node-1",)


def test_a_unit_that_is_not_enabled_is_told_from_one_of_which_this_is_unknown() -> None:
    """A unit file that was removed while the unit runs has no state."""
    blocks = ["UnitFileState=enabled", "UnitFileState=disabled", "UnitFileState="]
    found = units("\n\n".join(f"Id=containerd.service\nLoadState=loaded\nActiveState=active\n{block}" for block in blocks))
    assert [unit.enabled for unit in found] == [True, False, None]


def test_the_name_of_the_node_is_read_if_it_is_not_the_host_name(tmp_path: Path) -> None:
    """kubeadm writes both flags into one line."""
    flags = tmp_path / "var/lib/kubelet/kubeadm-flags.env"
    flags.parent.mkdir(parents=True)
    script = facts_script(("kubernetes",)).replace("/var/lib/kubelet", str(flags.parent))

    def found(arguments: str) -> tuple[str | None, list[str]]:
        flags.write_text(f'KUBELET_KUBEADM_ARGS="{arguments}"\n', encoding="ascii")
        done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
        state = kubernetes(sections_of(done.stdout)["kubernetes"])
        return state.node_name, [str(address) for address in state.node_ips]

    assert found("--hostname-override=node-1.example --node-ip=192.0.2.1,fd00::1") == ("node-1.example", ["192.0.2.1", "fd00::1"])
    assert found("--node-ip=192.0.2.1") == (None, ["192.0.2.1"])
