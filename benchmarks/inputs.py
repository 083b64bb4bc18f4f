"""The inputs of the shell script: the same bundle, documents and manifests as in the flow, written before the measurement."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.manifest import BundleFile, FileKind, read_manifest
from cluster.kubeadm.documents import join_configuration
from cluster.plan.values import init_values, prepare_values
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host
from kube.pod_networks import network_documents, network_images
from templates import render

# the script replaces this text by the hash of the cluster's new CA
CA_HASH = "@CA_HASH@"

# images that a host needs only after kubelet starts pods, in the order of their use
_LATE_IMAGES = ("flannel-cni-plugin", "flannel", "coredns", "busybox", "probe")
_RUNTIME = ("containerd", "runc", "containerd-shim-runc-v2", "ctr")


def write_inputs(folder: Path, spec: ResolvedSpec, bundle: Path, key_file: Path) -> Path:
    """Write the inputs of benchmarks/by_hand.sh for this cluster into `folder` and return it. The folder contains a join token: mode 0700."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = f"{_random(6)}.{_random(16)}"
    _write(folder / "bundle", f"{bundle}\n")
    _write(folder / "hosts", "".join(f"{host.name} {host.role.value}\n" for host in spec.hosts))
    _write(folder / "ssh_config", _ssh_config(folder, spec, key_file))
    _write(folder / "known_hosts", "".join(f"{_known_as(host)} {host.ssh.host_key}\n" for host in spec.hosts))
    _write(folder / "flannel.yaml", "---\n".join(f"{json.dumps(document)}\n" for document in network_documents(spec)))
    _write(folder / "token-id", f"{token.partition('.')[0]}\n")
    _write(folder / "init.yaml", render("kubeadm/init.yaml.j2", documents=_init_documents(spec, token)))
    manifest = read_manifest(bundle)
    for host in spec.hosts:
        values = prepare_values(spec, host, manifest.images)
        files = manifest.for_host(host.role.value, network_images(spec))
        _write(folder / f"{host.name}.runtime", _listed(file for file in files if file.name in _RUNTIME or file.kind is FileKind.UNIT))
        _write(folder / f"{host.name}.programs", _listed(file for file in _other_files(files)))
        _write(folder / f"{host.name}.images", _listed(_images(files, late=False)))
        _write(folder / f"{host.name}.late-images", _listed(_images(files, late=True)))
        _write(folder / f"{host.name}.settings", _settings(values))
        _write(folder / f"{host.name}.labels", " ".join(f"{key}={value}" for key, value in node_labels(spec, host).items()) + "\n")
        if host in spec.workers:
            document = join_configuration(spec, host, token=token, ca_hash=CA_HASH)
            _write(folder / f"{host.name}.join.yaml", render("kubeadm/join.yaml.j2", document=document))
    return folder


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _random(length: int) -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def _init_documents(spec: ResolvedSpec, token: str) -> list[dict[str, Any]]:
    """kubeadm's documents with one join token for all workers, created in advance; the flow creates one token for each worker."""
    documents: list[dict[str, Any]] = [dict(document) for document in init_values(spec)["documents"]]
    documents[0]["bootstrapTokens"] = [{"token": token, "ttl": "15m0s"}]
    return documents


def _known_as(host: Host) -> str:
    return (
        host.ssh.address
        if host.ssh.port == 22
        else join_host_port(host.ssh.address, host.ssh.port).replace(host.ssh.address, f"[{host.ssh.address}]")
    )


def _ssh_config(folder: Path, spec: ClusterSpec, key_file: Path) -> str:
    hosts = "".join(
        f"Host {host.name}\n  HostName {host.ssh.address}\n  Port {host.ssh.port}\n  User {host.ssh.user}\n" for host in spec.hosts
    )
    return (
        f"{hosts}Host *\n  IdentityFile {key_file}\n  IdentitiesOnly yes\n  IdentityAgent none\n  BatchMode yes\n"
        f"  StrictHostKeyChecking yes\n  UserKnownHostsFile {folder / 'known_hosts'}\n  GlobalKnownHostsFile /dev/null\n"
        # the fastest algorithms on a machine with AES instructions
        f"  Ciphers aes128-gcm@openssh.com\n  KexAlgorithms curve25519-sha256\n  Compression no\n"
        f"  ControlMaster auto\n  ControlPath {folder / '%n.mux'}\n  ControlPersist 600\n"
    )


def _other_files(files: tuple[BundleFile, ...]) -> list[BundleFile]:
    """All programs except the container runtime, in the order of their use: kubeadm and kubelet start first."""
    first = ("kubeadm", "kubelet")
    others = [file for file in files if file.kind in {FileKind.BINARY, FileKind.CNI_PLUGIN} and file.name not in _RUNTIME]
    return sorted(others, key=lambda file: first.index(file.name) if file.name in first else len(first))


def _images(files: tuple[BundleFile, ...], *, late: bool) -> list[BundleFile]:
    images = [file for file in files if file.kind is FileKind.IMAGE and (file.name in _LATE_IMAGES[:2] + _LATE_IMAGES[3:]) is late]
    return sorted(images, key=lambda file: _LATE_IMAGES.index(file.name) if file.name in _LATE_IMAGES else -file.size)


def _listed(files: Any) -> str:
    """One line for each file: stored size, sha256 of the stored file, encoding, mode, target, path in the bundle."""
    return "".join(f"{file.size} {file.sha256} {file.encoding.value} {file.mode:04o} {file.target or '-'} {file.path}\n" for file in files)


def _settings(values: Mapping[str, Any]) -> str:
    """A shell fragment that writes the same configuration as templates/host/prepare.sh.j2."""
    hosts = "".join(f"{address} {values['host']}\n" for address in values["addresses"])
    files = {
        "/etc/sysctl.d/90-sixstack.conf": render("host/sysctl.conf.j2", **values),
        "/etc/containerd/config.toml": render("host/containerd.toml.j2", **values),
    }
    lines = ["mkdir -p /etc/containerd /etc/kubernetes/manifests /opt/cni/bin /etc/cni/net.d"]
    lines += [f"cat >{path} <<'END'\n{text.rstrip()}\nEND" for path, text in files.items()]
    # for a container without CAP_SYS_RESOURCE, as in prepare.sh.j2
    lines.append(
        "(echo -1 >/proc/self/oom_score_adj) 2>/dev/null || "
        "printf '%s\\n' '' \"[plugins.'io.containerd.cri.v1.runtime']\" '  restrict_oom_score_adj = true' >>/etc/containerd/config.toml"
    )
    lines += [f"cat >>/etc/hosts <<'END'\n{hosts.rstrip()}\nEND"]
    lines += [
        f"[ ! -e /proc/sys/{key.replace('.', '/')} ] || echo {value} >/proc/sys/{key.replace('.', '/')}"
        for key, value in values["sysctls"].items()
    ]
    return "\n".join(lines) + "\n"
