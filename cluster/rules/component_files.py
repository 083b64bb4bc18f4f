"""Files and volumes of the components: arguments that name files, and what the containers of the control plane see of the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from cluster.kubeadm.volumes import COMPONENTS, FILES_FOLDER, KUBEADM_MOUNTS, OWN_VOLUMES, Mount, mount_of, mounts_of
from cluster.rules.kubeadm import argument_owner
from cluster.rules.registry import spec_rule
from cluster.vocabulary.partial import join_path, readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, Volume

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def _names(listed: dict[str, str]) -> dict[str, frozenset[str]]:
    return {component: frozenset(names.split()) for component, names in listed.items()}


_SERVING = "allow-metric-labels-manifest client-ca-file requestheader-client-ca-file tls-cert-file tls-private-key-file tls-sni-cert-key "
# arguments whose value is a file that must exist when the component starts
READ = _names(
    {
        "apiserver": _SERVING
        + (
            "admission-control-config-file audit-policy-file audit-webhook-config-file authentication-config "
            "authentication-token-webhook-config-file authorization-config authorization-policy-file authorization-webhook-config-file "
            "egress-selector-config-file encryption-provider-config etcd-cafile etcd-certfile etcd-keyfile kubelet-certificate-authority "
            "kubelet-client-certificate kubelet-client-key oidc-ca-file peer-ca-file proxy-client-cert-file proxy-client-key-file "
            "service-account-key-file service-account-signing-endpoint service-account-signing-key-file token-auth-file tracing-config-file"
        ),
        "controller_manager": _SERVING
        + (
            "authentication-kubeconfig authorization-kubeconfig cloud-config cluster-signing-cert-file cluster-signing-key-file "
            "cluster-signing-kube-apiserver-client-cert-file cluster-signing-kube-apiserver-client-key-file "
            "cluster-signing-kubelet-client-cert-file cluster-signing-kubelet-client-key-file cluster-signing-kubelet-serving-cert-file "
            "cluster-signing-kubelet-serving-key-file cluster-signing-legacy-unknown-cert-file cluster-signing-legacy-unknown-key-file "
            "kubeconfig leader-migration-config pv-recycler-pod-template-filepath-hostpath pv-recycler-pod-template-filepath-nfs "
            "root-ca-file service-account-private-key-file"
        ),
        "scheduler": _SERVING + "authentication-kubeconfig authorization-kubeconfig config kubeconfig",
        "etcd": (
            "cert-file client-cert-file client-crl-file client-key-file discovery-cacert discovery-cert discovery-key key-file "
            "peer-cert-file peer-client-cert-file peer-client-key-file peer-crl-file peer-key-file peer-trusted-ca-file trusted-ca-file"
        ),
        "kubelet": (
            "bootstrap-kubeconfig client-ca-file config config-dir image-credential-provider-bin-dir image-credential-provider-config "
            "kubeconfig pod-manifest-path resolv-conf tls-cert-file tls-private-key-file"
        ),
    }
)
# arguments whose value is a file or folder that the component writes
WRITTEN = _names(
    {
        "apiserver": "audit-log-path cert-dir debug-socket-path",
        "controller_manager": "cert-dir",
        "scheduler": "cert-dir write-config-to",
        "etcd": "data-dir log-outputs wal-dir",
        "kubelet": "cert-dir lock-file root-dir volume-plugin-dir",
    }
)
# values that are no files
_STREAMS = ("-", "default", "stdout", "stderr", "systemd/journal")
_MOST_CONTENT = 262_144


@spec_rule("argument-file-not-mounted")
def files_of_arguments_are_in_the_container(spec: ClusterSpec) -> Iterator[Violation]:
    """An argument names a file that the container of the component does not see, or cannot write. The component would not start, and kubeadm init
    would wait for it until its time limit (kubernetes#101521)."""
    for component, name, path, at in _paths(spec, READ):
        if not path.startswith("/"):
            yield Violation(at, f"{quoted(path)} is not an absolute path", "write the absolute path of the file")
        elif component != "kubelet" and mount_of(path, mounts_of(spec, component)) is None:
            yield Violation(at, f"kubeadm does not mount {quoted(path)} in the container", _mount_hint(component, name, path))
        elif (file := _own_file(path)) is not None and file not in spec.kubeadm.files:
            yield Violation(at, f"kubeadm.files has no file {quoted(file)}", f"add kubeadm.files: {file}, with the content of the file")
    for component, name, path, at in _paths(spec, WRITTEN):
        mount = mount_of(path, mounts_of(spec, component)) if component != "kubelet" else None
        if not path.startswith("/"):
            yield Violation(at, f"{quoted(path)} is not an absolute path", "write the absolute path of the file")
        elif mount is not None and mount.read_only:
            yield Violation(at, f"{quoted(mount.path)} is mounted read-only", _volume_hint(component, path, read_only=False))
        elif mount is None and name == "wal-dir":
            yield Violation(at, f"{quoted(path)} would be lost with the container of etcd", "use a folder in /var/lib/etcd")


@spec_rule("argument-file-not-kept", Severity.WARNING)
def written_files_outlive_the_container(spec: ClusterSpec) -> Iterator[Violation]:
    """A component writes a file, such as the audit log, into its container. The file is lost when the container restarts."""
    for component, name, path, at in _paths(spec, WRITTEN):
        if component == "kubelet" or name == "wal-dir" or not path.startswith("/"):
            continue
        if mount_of(path, mounts_of(spec, component)) is None:
            hint = _volume_hint(component, path, read_only=False) if component in COMPONENTS else "use a folder in /var/lib/etcd"
            yield Violation(at, f"{quoted(path)} is lost when the container of the component restarts", hint)


@spec_rule("malformed-volume")
def volumes_are_named_paths(spec: ClusterSpec) -> Iterator[Violation]:
    """The name of an extra volume is not a lowercase RFC 1123 label, or a path is not absolute and normal (kubelet, validation of static pods)."""
    for _, volume, at in _volumes(spec):
        if volume.has("name") and not _NAME.fullmatch(volume.name):
            yield Violation(f"{at}.name", f"{quoted(volume.name)} is not a lowercase RFC 1123 label", "write a name such as audit-log")
        for field in ("host_path", "mount_path"):
            path = getattr(volume, field) if volume.has(field) else None
            if path is not None and (hint := _path_hint(path, inside=field == "mount_path")) is not None:
                yield Violation(f"{at}.{field}", f"{quoted(path)} is not the path of a volume", hint)


@spec_rule("volume-conflict")
def volumes_do_not_conflict(spec: ClusterSpec) -> Iterator[Violation]:
    """Two volumes of a component have the same name or the same path in the container, or a volume replaces one that kubeadm or sixstack mounts."""
    for component in COMPONENTS:
        names: set[str] = set()
        paths: set[str] = set()
        for of_component, volume, at in _volumes(spec):
            if of_component != component or not all(volume.has(field) for field in ("name", "host_path", "mount_path")):
                continue
            own = next((mount.path for mount in _fixed_mounts(component) if mount.contains(volume.inside)), None)
            if volume.name in OWN_VOLUMES:
                yield Violation(f"{at}.name", f"kubeadm or sixstack has a volume {volume.name}", "use another name")
            elif volume.name in names:
                yield Violation(f"{at}.name", f"the component has two volumes {quoted(volume.name)}", "give each volume its own name")
            if own is not None:
                yield Violation(f"{at}.mount_path", f"kubeadm or sixstack mounts {own} in the container", "use another path")
            elif volume.inside in paths:
                yield Violation(f"{at}.mount_path", f"the component has two volumes at {quoted(volume.inside)}", "keep one of the two")
            names.add(volume.name)
            paths.add(volume.inside)


@spec_rule("secret-in-component-file")
def component_files_hold_no_secret(spec: ClusterSpec) -> Iterator[Violation]:
    """A file in `kubeadm.files` contains a secret: a key, a token, a password or an EncryptionConfiguration. The cluster file becomes flow
    parameters, which the Prefect UI shows."""
    # imported here to keep `sixstack check` fast: few files have this section
    from cluster.vocabulary.redaction import redact

    for name, content in spec.kubeadm.files.items():
        if "EncryptionConfiguration" in content or redact(content) != content:
            yield Violation(
                join_path("kubeadm.files", name),
                "the file contains a secret",
                "put it on the control plane yourself, readable by root only, and mount it with kubeadm.extra_volumes",
            )


@spec_rule("component-files-too-large")
def component_files_are_small(spec: ClusterSpec) -> Iterator[Violation]:
    """The files in `kubeadm.files` have more than 256 KiB together. They are part of every flow run."""
    total = sum(len(content.encode()) for content in spec.kubeadm.files.values())
    if total > _MOST_CONTENT:
        message = f"the files have {total} bytes together, but at most {_MOST_CONTENT} are possible"
        yield Violation("kubeadm.files", message, "put large files on the hosts yourself, and mount them with kubeadm.extra_volumes")


def _paths(spec: ClusterSpec, arguments: dict[str, frozenset[str]]) -> Iterator[tuple[str, str, str, str]]:
    """Component, argument, path and place of every file that an argument names; rule owned-argument reports those of kubeadm."""
    for component, given in spec.kubeadm.extra_args.items():
        for name, value in given.items():
            if name in arguments[component] and argument_owner(component, name) is None:
                for path in _files_in(name, value):
                    yield component, name, path, join_path(f"kubeadm.extra_args.{component}", name)


def _files_in(name: str, value: str) -> tuple[str, ...]:
    if name == "tls-sni-cert-key":  # certificate,key:name,name
        return tuple(value.partition(":")[0].split(","))
    if name == "log-outputs":
        return tuple(path for path in value.split(",") if path not in _STREAMS)
    return (value,) if value and value not in _STREAMS and not value.startswith("@") else ()


def _mount_hint(component: str, name: str, path: str) -> str:
    if component not in COMPONENTS:
        return f"put it into one of the folders that kubeadm mounts: {', '.join(mount.path for mount in KUBEADM_MOUNTS[component])}"
    by_volume = _volume_hint(component, path, read_only=True)
    if name == "encryption-provider-config":  # has keys
        return by_volume
    file = f"{FILES_FOLDER}/{PurePosixPath(path).name}"
    return f"write its content as kubeadm.files: {PurePosixPath(path).name}, and {file} here; or {by_volume}"


def _volume_hint(component: str, path: str, *, read_only: bool) -> str:
    """The volume that makes a path usable, for a file that exists on the control plane."""
    host_path = path if read_only else str(PurePosixPath(path).parent)
    options = "" if read_only else ", path_type: DirectoryOrCreate, read_only: false"
    return f"add kubeadm.extra_volumes.{component}: [{{name: {_volume_name(host_path)}, host_path: {host_path}{options}}}]"


def _volume_name(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:63].strip("-") or "files"


def _volumes(spec: ClusterSpec) -> Iterator[tuple[str, Volume, str]]:
    for component, volumes in spec.kubeadm.extra_volumes.items():
        for index, volume in readable(volumes):
            yield component, volume, f"kubeadm.extra_volumes.{component}[{index}]"


def _fixed_mounts(component: str) -> tuple[Mount, ...]:
    return (*KUBEADM_MOUNTS[component], Mount(FILES_FOLDER, read_only=True))


def _own_file(path: str) -> str | None:
    """The name of a file of `kubeadm.files`; None for a path outside of their folder."""
    return path.removeprefix(f"{FILES_FOLDER}/") if path.startswith(f"{FILES_FOLDER}/") else None


def _path_hint(path: str, *, inside: bool) -> str | None:
    if not path.startswith("/") or path == "/":
        return "write an absolute path below /"
    normal = str(PurePosixPath("/", *(part for part in path.split("/") if part not in ("", "."))))
    if ".." in path.split("/"):
        return "write the path without .."
    if inside and ":" in path:
        return "write a path without a colon"
    return None if normal == path else f"write {normal}"
