"""Files and volumes of the components: arguments that name files, and what the containers of the control plane see of the host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from pathlib import PurePosixPath

from cluster.kubeadm.volumes import COMPONENTS, FILES_FOLDER, KUBEADM_MOUNTS, OWN_VOLUMES, Mount, Mounts, mounts_of
from cluster.rules.kubeadm import argument_owner
from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import Fix, replace_by
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
# longer paths do not appear in hints
_LONGEST = 200


@spec_rule("argument-file-not-mounted")
def files_of_arguments_are_in_the_container(spec: ClusterSpec) -> Iterator[Violation]:
    """An argument names a file that the container of the component does not see, or cannot write. The component would not start, and kubeadm init
    would wait for it until its time limit (kubernetes#101521)."""
    mounts = _mounts(spec)
    for component, name, path, at in _paths(spec, READ):
        if not path.startswith("/"):
            yield Violation(at, f"{quoted(path)} is not an absolute path", "write the absolute path of the file")
        elif component != "kubelet" and mounts[component].of(path) is None:
            yield Violation(at, f"kubeadm does not mount {quoted(path)} in the container", _mount_hint(component, name, path))
        elif (file := _own_file(path)) is not None and file not in spec.kubeadm.files:
            hint = f"add kubeadm.files: {_shown(file, 'NAME')}, with the content of the file"
            yield Violation(at, f"kubeadm.files has no file {quoted(file)}", hint)
    for component, name, path, at in _paths(spec, WRITTEN):
        mount = mounts[component].of(path) if component != "kubelet" else None
        if not path.startswith("/"):
            yield Violation(at, f"{quoted(path)} is not an absolute path", "write the absolute path of the file")
        elif mount is not None and mount.read_only:
            yield Violation(at, f"{quoted(mount.path)} is mounted read-only", _volume_hint(component, path, read_only=False))
        elif mount is None and name == "wal-dir":
            yield Violation(at, f"{quoted(path)} would be lost with the container of etcd", "use a folder in /var/lib/etcd")


@spec_rule("argument-file-not-kept", Severity.WARNING)
def written_files_outlive_the_container(spec: ClusterSpec) -> Iterator[Violation]:
    """A component writes a file, such as the audit log, into its container. The file is lost when the container restarts."""
    mounts = _mounts(spec)
    for component, name, path, at in _paths(spec, WRITTEN):
        if component == "kubelet" or name == "wal-dir" or not path.startswith("/"):
            continue
        if mounts[component].of(path) is None:
            hint = _volume_hint(component, path, read_only=False) if component in COMPONENTS else "use a folder in /var/lib/etcd"
            yield Violation(at, f"{quoted(path)} is lost when the container of the component restarts", hint)


@spec_rule("malformed-volume")
def volumes_are_named_paths(spec: ClusterSpec) -> Iterator[Violation]:
    """The name of an extra volume is not a lowercase RFC 1123 label, or a path is not absolute and normal (kubelet, validation of static pods)."""
    names = _volume_names(spec)
    for component, volume, at in _volumes(spec):
        if volume.has("name") and not _NAME.fullmatch(volume.name):
            fix = replace_by(_free_name(volume.name, names[component]), f"{at}.name")
            message = f"{quoted(volume.name)} is not a lowercase RFC 1123 label"
            yield Violation(f"{at}.name", message, "write a name such as audit-log", fix)
        for field in ("host_path", "mount_path"):
            path = getattr(volume, field) if volume.has(field) else None
            if path is not None and (wrong := _path_fault(path, f"{at}.{field}", inside=field == "mount_path")) is not None:
                yield Violation(f"{at}.{field}", f"{quoted(path)} is not the path of a volume", *wrong)


@spec_rule("volume-conflict")
def volumes_do_not_conflict(spec: ClusterSpec) -> Iterator[Violation]:
    """Two volumes of a component have the same name or the same path in the container, or a volume replaces one that kubeadm or sixstack mounts."""
    all_names = _volume_names(spec)
    for component in COMPONENTS:
        fixed = Mounts(_fixed_mounts(component))
        names: set[str] = set()
        paths: set[str] = set()
        for of_component, volume, at in _volumes(spec):
            if of_component != component or not all(volume.has(field) for field in ("name", "host_path", "mount_path")):
                continue
            own = fixed.of(volume.inside)
            if volume.name in OWN_VOLUMES or volume.name in names:
                message = f"the component has two volumes {quoted(volume.name)}"
                if volume.name in OWN_VOLUMES:
                    message = f"kubeadm or sixstack has a volume {volume.name}"
                # a malformed name has a problem of its own
                free = _free_name(volume.name, all_names[component]) if _NAME.fullmatch(volume.name) else None
                hint = f"give each volume its own name, such as {free}" if free is not None else "give each volume its own name"
                yield Violation(f"{at}.name", message, hint, replace_by(free, f"{at}.name") if free is not None else ())
            if own is not None:
                yield Violation(f"{at}.mount_path", f"kubeadm or sixstack mounts {own.path} in the container", "use another path")
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


def _mounts(spec: ClusterSpec) -> dict[str, Mounts]:
    return {component: Mounts(mounts_of(spec, component)) for component in KUBEADM_MOUNTS}


def _shown(path: str, placeholder: str = "/PATH") -> str:
    """The path in a hint, which is short."""
    return path if len(path) <= _LONGEST else placeholder


def _mount_hint(component: str, name: str, path: str) -> str:
    if component not in COMPONENTS:
        return f"put it into one of the folders that kubeadm mounts: {', '.join(mount.path for mount in KUBEADM_MOUNTS[component])}"
    by_volume = _volume_hint(component, path, read_only=True)
    if name == "encryption-provider-config":  # has keys
        return by_volume
    file = _shown(PurePosixPath(path).name, "NAME")
    return f"write its content as kubeadm.files: {file}, and {FILES_FOLDER}/{file} here; or {by_volume}"


def _volume_hint(component: str, path: str, *, read_only: bool) -> str:
    """The volume that makes a path usable, for a file that exists on the control plane."""
    host_path = _shown(path if read_only else str(PurePosixPath(path).parent))
    options = "" if read_only else ", path_type: DirectoryOrCreate, read_only: false"
    return f"add kubeadm.extra_volumes.{component}: [{{name: {_volume_name(host_path)}, host_path: {host_path}{options}}}]"


def _volume_name(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:63].strip("-") or "files"


def _volumes(spec: ClusterSpec) -> Iterator[tuple[str, Volume, str]]:
    for component, volumes in spec.kubeadm.extra_volumes.items():
        for index, volume in readable(volumes):
            yield component, volume, f"kubeadm.extra_volumes.{component}[{index}]"


def _volume_names(spec: ClusterSpec) -> dict[str, set[str]]:
    """The names that a new volume of each component cannot have."""
    names = {component: set(OWN_VOLUMES) for component in COMPONENTS}
    for component, volume, _ in _volumes(spec):
        if volume.has("name"):
            names[component].add(volume.name)
    return names


def _free_name(text: str, taken: Set[str]) -> str:
    """The string as the name of a volume that no other volume has."""
    name = _volume_name(text)
    numbered = (f"{name[:55].rstrip('-')}-{number}" for number in range(2, len(taken) + 3))
    return next(free for free in (name, *numbered) if free not in taken)


def _fixed_mounts(component: str) -> tuple[Mount, ...]:
    return (*KUBEADM_MOUNTS[component], Mount(FILES_FOLDER, read_only=True))


def _own_file(path: str) -> str | None:
    """The name of a file of `kubeadm.files`; None for a path outside of their folder."""
    return path.removeprefix(f"{FILES_FOLDER}/") if path.startswith(f"{FILES_FOLDER}/") else None


def _path_fault(path: str, at: str, *, inside: bool) -> tuple[str, Fix] | None:
    """Hint and fix of a path that is not one of a volume; None for a path that is."""
    if not path.startswith("/") or path == "/":
        return "write an absolute path below /", ()
    normal = str(PurePosixPath("/", *(part for part in path.split("/") if part not in ("", "."))))
    if ".." in path.split("/"):
        return "write the path without ..", ()
    if inside and ":" in path:
        return "write a path without a colon", ()
    return None if normal == path else (f"write {_shown(normal)}", replace_by(normal, at) if normal != "/" else ())
