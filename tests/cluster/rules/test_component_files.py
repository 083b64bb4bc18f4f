"""Files and volumes of the components."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from cluster.rules.component_arguments import ARGUMENTS
from cluster.rules.component_files import READ, WRITTEN
from cluster.rules.kubeadm import argument_owner
from cluster.vocabulary.problems import Severity
from tests.cluster.rules.conftest import Check

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
  - level: None
    users: ["system:kube-proxy"]
    verbs: ["watch"]
    resources: [{group: "", resources: ["endpoints", "services"]}]
  # secrets, config maps and token reviews can have secrets: only their metadata
  - level: Metadata
    resources:
      - {group: "", resources: ["secrets", "configmaps", "serviceaccounts/token"]}
      - {group: authentication.k8s.io, resources: ["tokenreviews"]}
  - level: Metadata
"""
ADMISSION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: PodSecurity
    configuration: {apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, defaults: {enforce: baseline}}
"""
AUTHENTICATION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
  - issuer: {url: "https://issuer.example.org", audiences: [demo], certificateAuthority: "-----BEGIN CERTIFICATE-----\\nMIIB\\n"}
    claimMappings: {username: {claim: sub, prefix: "oidc:"}}
"""
ENCRYPTION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources: [{resources: [secrets], providers: [{aescbc: {keys: [{name: key1, secret: c2VjcmV0IGlzIHNlY3VyZQ==}]}}, {identity: {}}]}]
"""
# arguments with a name like that of a file, and another value
_NO_FILES = {
    "auth-token",  # type of tokens
    "authorization-always-allow-paths",  # of URLs
    "client-cert-allowed-hostname",
    "client-cert-auth",
    "config-dir",
    "flex-volume-plugin-dir",  # looked for, and not needed
    "log-rotation-config-json",
    "peer-cert-allowed-cn",
    "peer-cert-allowed-hostname",
    "peer-client-cert-auth",
    "runtime-config",
    "runtime-config-emulation-forward-compatible",
    "experimental-mounter-path",  # of kubelet's own programs
    "encryption-provider-config-automatic-reload",
    "boot-id-file",  # of cAdvisor: a missing file is skipped
    "machine-id-file",
    "file-check-frequency",
    "self-signed-cert-validity",
}


@pytest.mark.parametrize("component", ARGUMENTS)
def test_every_argument_that_looks_like_a_file_is_known(component: str) -> None:
    """A new argument of a component is read, written, or listed here as something else. No name in the tables is misspelt."""
    looks = {name for name in ARGUMENTS[component] if re.search(r"(^|-)(\w*file|path|dir|config|kubeconfig|cert|crl|cacert)(-|$)", name)}
    assert looks - READ[component] - WRITTEN[component] - _NO_FILES == set()
    assert (READ[component] | WRITTEN[component]) <= set(ARGUMENTS[component])


class TestArgumentFileNotMounted:
    """argument-file-not-mounted."""

    @pytest.mark.parametrize(
        ("component", "name"),
        [
            (component, name)
            for component in ("apiserver", "controller_manager", "scheduler", "etcd")
            for name in sorted(READ[component])
            if argument_owner(component, name) is None
        ],
    )
    def test_a_file_outside_of_the_mounts_is_refused(self, check: Check, component: str, name: str) -> None:
        """kubeadm init waits for the component until its time limit (kubernetes#101521)."""
        found = check({"kubeadm.extra_args": {component: {name: "/etc/kubernetes/policy.yaml"}}})
        assert [code for code, _ in found] == ["argument-file-not-mounted"]

    @pytest.mark.parametrize(
        ("component", "name", "value"),
        [
            ("apiserver", "audit-policy-file", "/etc/kubernetes/pki/policy.yaml"),
            ("apiserver", "oidc-ca-file", "/etc/ssl/certs/ca.crt"),
            ("apiserver", "tls-sni-cert-key", "/etc/kubernetes/pki/a.crt,/etc/kubernetes/pki/a.key:*.example.org,example.org"),
            ("apiserver", "service-account-signing-endpoint", "@signer"),
            ("controller_manager", "cluster-signing-kubelet-client-cert-file", "/etc/kubernetes/pki/other.crt"),
            ("etcd", "peer-crl-file", "/etc/kubernetes/pki/etcd/crl.pem"),
            ("etcd", "wal-dir", "/var/lib/etcd/wal"),
            ("etcd", "log-outputs", "stderr"),
            ("kubelet", "resolv-conf", "/run/systemd/resolve/resolv.conf"),
            ("apiserver", "audit-log-path", "-"),
        ],
    )
    def test_files_that_kubeadm_mounts_are_accepted(self, check: Check, component: str, name: str, value: str) -> None:
        """Certificates; the data of etcd. The kubelet has no container."""
        assert check({"kubeadm.extra_args": {component: {name: value}}}) == {}

    @pytest.mark.parametrize(
        ("component", "name", "value"),
        [
            ("apiserver", "tls-sni-cert-key", "/etc/kubernetes/pki/a.crt,/root/a.key"),
            ("scheduler", "config", "/etc/kubernetes/pki/scheduler.yaml"),
            ("etcd", "peer-crl-file", "/etc/kubernetes/pki/crl.pem"),
            ("etcd", "wal-dir", "/wal"),
            ("apiserver", "audit-log-path", "/etc/kubernetes/pki/audit.log"),
            ("apiserver", "audit-policy-file", "policy.yaml"),
            ("apiserver", "audit-policy-file", "/etc/kubernetes/pkix/policy.yaml"),
            ("kubelet", "resolv-conf", "resolv.conf"),
            ("kubelet", "image-credential-provider-config", "/etc/kubernetes/sixstack/absent.yaml"),
        ],
    )
    def test_each_component_has_its_own_mounts(self, check: Check, component: str, name: str, value: str) -> None:
        """The scheduler has no certificates, etcd only its own, and kubeadm's mounts are read-only."""
        assert [code for code, _ in check({"kubeadm.extra_args": {component: {name: value}}})] == ["argument-file-not-mounted"]

    def test_both_hints_are_accepted(self, check: Check) -> None:
        """A file of the cluster file, and a volume with a file of the control plane."""
        arguments = {"kubeadm.extra_args": {"apiserver": {"audit-policy-file": "/root/Policy_1.yaml"}}}
        hint = check(arguments)["argument-file-not-mounted", "kubeadm.extra_args.apiserver.audit-policy-file"].hint
        name, path = re.findall(r"kubeadm\.files: (\S+), and (\S+) here", hint)[0]
        assert check({"kubeadm.files": {name: POLICY}, "kubeadm.extra_args": {"apiserver": {"audit-policy-file": path}}}) == {}
        volumes = yaml.safe_load(hint.partition("kubeadm.extra_volumes.apiserver: ")[2])
        assert check({**arguments, "kubeadm.extra_volumes": {"apiserver": volumes}}) == {}

    def test_a_file_with_keys_is_not_proposed_for_the_cluster_file(self, check: Check) -> None:
        """Only a volume, because the cluster file is no place for secrets."""
        arguments = {"kubeadm.extra_args": {"apiserver": {"encryption-provider-config": "/etc/kubernetes/enc.yaml"}}}
        assert "kubeadm.files" not in next(iter(check(arguments).values())).hint


class TestArgumentFileNotKept:
    """argument-file-not-kept: a warning."""

    def test_an_audit_log_in_the_container_gives_a_warning(self, check: Check) -> None:
        """The hint is accepted: a folder of the control plane, because the log is rotated."""
        arguments = {"kubeadm.extra_args": {"apiserver": {"audit-log-path": "/var/log/kubernetes/audit.log"}}}
        (((code, _), problem),) = check(arguments).items()
        assert (code, problem.severity) == ("argument-file-not-kept", Severity.WARNING)
        volumes = yaml.safe_load(problem.hint.partition("kubeadm.extra_volumes.apiserver: ")[2])
        assert check({**arguments, "kubeadm.extra_volumes": {"apiserver": volumes}}) == {}

    def test_etcd_has_no_volumes(self, check: Check) -> None:
        """kubeadm has no field for them."""
        problem = check({"kubeadm.extra_args": {"etcd": {"log-outputs": "stderr,/var/log/etcd.log"}}})
        assert "/var/lib/etcd" in problem["argument-file-not-kept", "kubeadm.extra_args.etcd.log-outputs"].hint


class TestMalformedVolume:
    """malformed-volume."""

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "Audit"},
            {"name": "a.b"},
            {"name": ""},
            {"host_path": "var/log"},
            {"host_path": "/"},
            {"host_path": "/var/../etc"},
            {"host_path": "/var//log"},
            {"host_path": "/var/log/"},
            {"mount_path": "/a:b"},
            {"mount_path": "log"},
        ],
    )
    def test_other_texts_are_refused(self, check: Check, change: Mapping[str, str]) -> None:
        """The kubelet would not start the static pod."""
        volume = {"name": "audit", "host_path": "/var/log/kubernetes", **change}
        assert [code for code, _ in check({"kubeadm.extra_volumes": {"apiserver": [volume]}})] == ["malformed-volume"]

    def test_volumes_are_accepted(self, check: Check) -> None:
        """With and without their own path in the container, in each component."""
        volumes = [{"name": "a", "host_path": "/srv/a"}, {"name": "b", "host_path": "/srv/a", "mount_path": "/b", "path_type": "Directory"}]
        assert check({"kubeadm.extra_volumes": dict.fromkeys(("apiserver", "controller_manager", "scheduler"), volumes)}) == {}

    @pytest.mark.parametrize("change", [{"path_type": "Dir"}, {"mountPath": "/x"}, {"read_only": "no"}])
    def test_unknown_types_and_fields_are_refused(self, check: Check, change: Mapping[str, Any]) -> None:
        """By the reader."""
        assert check({"kubeadm.extra_volumes": {"apiserver": [{"name": "a", "host_path": "/a", **change}]}}) != {}
        assert check({"kubeadm.extra_volumes": {"etcd": []}}) != {}


class TestVolumeConflict:
    """volume-conflict."""

    @pytest.mark.parametrize(
        ("volumes", "field"),
        [
            ([{"name": "k8s-certs", "host_path": "/x"}], "[0].name"),
            ([{"name": "sixstack-files", "host_path": "/x"}], "[0].name"),
            ([{"name": "a", "host_path": "/x"}, {"name": "a", "host_path": "/y"}], "[1].name"),
            ([{"name": "a", "host_path": "/x"}, {"name": "b", "host_path": "/y", "mount_path": "/x"}], "[1].mount_path"),
            ([{"name": "a", "host_path": "/etc/ssl/certs"}], "[0].mount_path"),
            ([{"name": "a", "host_path": "/x", "mount_path": "/etc/kubernetes/pki/x"}], "[0].mount_path"),
            ([{"name": "a", "host_path": "/x", "mount_path": "/etc/kubernetes/sixstack"}], "[0].mount_path"),
        ],
    )
    def test_a_second_volume_in_a_place_is_refused(self, check: Check, volumes: list[dict[str, str]], field: str) -> None:
        """An extra volume with a name of kubeadm replaces kubeadm's; a path of the container has one mount."""
        found = check({"kubeadm.extra_volumes": {"apiserver": volumes}})
        assert list(found) == [("volume-conflict", f"kubeadm.extra_volumes.apiserver{field}")]

    def test_components_do_not_share_their_volumes(self, check: Check) -> None:
        """The same name in two pods; certificates for the scheduler, which has none."""
        volume = {"name": "a", "host_path": "/x"}
        certificates = {"name": "b", "host_path": "/etc/ssl/certs", "path_type": "Directory"}
        assert check({"kubeadm.extra_volumes": {"apiserver": [volume], "scheduler": [volume, certificates]}}) == {}


class TestSecretInComponentFile:
    """secret-in-component-file."""

    @pytest.mark.parametrize("content", [POLICY, ADMISSION, AUTHENTICATION, "a\tb\n"])
    def test_configuration_is_accepted(self, check: Check, content: str) -> None:
        """Over several lines, with words such as secrets and tokens."""
        assert check({"kubeadm.files": {"file.yaml": content}}) == {}

    @pytest.mark.parametrize(
        "content",
        [
            ENCRYPTION,
            "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0IGlz\n-----END EC PRIVATE KEY-----\n",
            "users: [{name: x, user: {token: c2VjcmV0IGlz}}]\n",
            "users:\n- user:\n    client-key-data: c2VjcmV0IGlz\n",
            "users:\n- user:\n    password: c2VjcmV0IGlz\n",
        ],
    )
    def test_a_secret_is_refused_and_not_repeated(self, check: Check, content: str) -> None:
        """The Prefect UI shows flow parameters."""
        (((code, path), problem),) = check({"kubeadm.files": {"file.yaml": content}}).items()
        assert (code, path) == ("secret-in-component-file", 'kubeadm.files["file.yaml"]')
        assert "c2VjcmV0" not in str(problem)

    @pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "a b", "-x"])
    def test_a_file_name_has_no_folder(self, check: Check, name: str) -> None:
        """It is a name below /etc/kubernetes/sixstack."""
        assert {code for code, _ in check({"kubeadm.files": {name: "x"}})} <= {"malformed", "missing-value"} != set()
        assert check({"kubeadm.files": {name: "x"}}) != {}


class TestComponentFilesTooLarge:
    """component-files-too-large."""

    def test_the_files_have_a_limit_together(self, check: Check) -> None:
        """64 KiB each, 256 KiB in all."""
        files = {f"f{number}": "x" * 65536 for number in range(4)}
        assert check({"kubeadm.files": files}) == {}
        assert ("component-files-too-large", "kubeadm.files") in check({"kubeadm.files": {**files, "more": "x"}})
        assert [code for code, _ in check({"kubeadm.files": {"a": "x" * 65537}})] == ["too-long"]
