"""The fix of a problem removes it, and makes no other problem."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.file.reader import SHAPES, read_document
from cluster.rules.registry import RULES
from cluster.vocabulary.problems import Problem
from tests.cluster.rules.conftest import OUT, changed, good_document
from tests.cluster.rules.json_patch import patched
from tests.fuzz.inputs import changed as damaged

# only text has these, and a patch changes data; test_document.py tests their hints
OF_TEXT = {"syntax", "duplicate-key", "unknown-tag", "saved-under-another-name", "too-many-problems"}
# no program can know the value: what is missing, whom to trust, which machine is meant
DECISIONS: dict[str, dict[str, Any]] = {
    "missing-field": {"name": OUT},
    "missing-value": {"hosts": []},
    "wrong-type": {"cni": []},
    "malformed": {"kubernetes_version": "1.36"},
    "too-long": {"name": "a" * 41},
    "too-deep": {"kubeadm": {"kubelet": {"x": eval("[" * 40 + "]" * 40)}}},
    "host-key-missing": {"hosts[0].ssh.host_key": OUT},
    "malformed-host-key": {"hosts[0].ssh.host_key": "ssh-ed25519 AAAA"},
    "duplicate-ssh-endpoint": {"hosts[1].ssh.address": "198.18.0.11"},
    # an address, or an address and a port
    "malformed-endpoint": {"control_plane": {"endpoint": "fd66::100:6443"}},
    "malformed-san": {"control_plane": {"extra_sans": ["fd66::100:6443"]}},
    "malformed-ssh-address": {"hosts[0].ssh.address": "fd66::100:2222"},
    "malformed-proxy": {"proxy": {"http": "http://fd66::1:3128", "no_proxy": ["fd66::1:3128"]}},
    # the root of the registry API is before the path or behind it
    "malformed-mirror": {"images": {"mirrors": {"docker.io": ["https://a.b/c"]}}},
    "malformed-ca": {"images": {"ca": {"a.b": "x"}}},
    # another mirror may need the authority, or this one may have https
    "ca-unused": {"images": {"ca": {"a.b": "x"}, "mirrors": {"docker.io": ["http://a.b:443"]}}},
    "endpoint-port-differs": {"control_plane": {"endpoint": "api.example.org:8443"}},
    # another range, or another port of the component
    "node-ports-contain-component-port": {"kubeadm": {"kube_proxy": {"healthzBindAddress": "0.0.0.0:30256"}}},
    # another folder, a volume or a file in `kubeadm.files`
    "argument-file-not-mounted": {"kubeadm": {"extra_args": {"apiserver": {"audit-policy-file": "/etc/audit.yaml"}}}},
    "argument-file-not-kept": {"kubeadm": {"extra_args": {"apiserver": {"audit-log-path": "/var/log/audit.log"}}}},
    "volume-conflict": {"kubeadm": {"extra_volumes": {"apiserver": [{"name": "x", "host_path": "/x", "mount_path": "/etc/kubernetes/pki/x"}]}}},
    "secret-in-component-file": {"kubeadm": {"files": {"a.yaml": "kind: EncryptionConfiguration"}}},
    "component-files-too-large": {"kubeadm": {"files": {f"file-{number}": "a" * 65536 for number in range(5)}}},
}  # fmt: skip
LABELS = "hosts[0].labels"
FIXED: dict[str, list[dict[str, Any]]] = {
    "unknown-field": [{"primry_family": "ipv4", "primary_family": OUT}, {"stak": "ipv4"}, {"password": "x"}, {"cni": {"a/b~c": 1}}],
    "missing-value": [{"cni": None}, {"control_plane": {"endpoint": None}, "cni": None}],
    "wrong-type": [
        {"hosts[0].ssh.port": "22"},
        {"hosts[0].ssh.port": "0022"},
        {"hosts[0].labels": {"a": 5}},
        {"prepare": {"swap_off": "true"}},
        {"control_plane": {"extra_sans": "api.example.org"}},
    ],
    "not-in-choices": [{"hosts[0].role": "control-plan"}, {"cni": {"kind": "flanel"}}],
    "out-of-range": [{"cni": {"mtu": 1279}}, {"hosts[0].ssh.port": 70000}],
    "control-character": [{"hosts[0].name": "node-9\x07"}],
    "not-an-address": [{"hosts[0].addresses[1]": "[fd66::11]"}, {"hosts[0].addresses[1]": "fd66::11/64"}],
    "not-a-network": [{"network.services[0]": "10.96.0.0/255.255.0.0"}, {"network.services[0]": "10.96.0.0/016"}],
    "host-bits-set": [{"network.services[0]": "10.96.5.0/16"}],
    "stack-differs": [{"stack": "ipv4"}, {"stack": "ipv6"}, {"stack": "ipv4", "primary_family": OUT, "network.dns_upstreams": ["fd66::53"]}],
    "primary-family-differs": [{"primary_family": "ipv6"}],
    "primary-family-unused": [
        {"primary_family": "ipv6", "stack": "ipv4", "network": {"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"]}}
        | {f"hosts[{index}].addresses": OUT for index in range(3)}
    ],
    "pod-families": [
        {"network.pods": [{"cidr": "10.244.0.0/16"}]},
        {"network.pods": [{"cidr": "fd44::/56"}]},
        {"network.pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "10.243.0.0/16"}]},
        {"network.pods": []},
    ],
    "service-families": [{"network.services": ["10.96.0.0/16"]}, {"network.services": ["10.96.0.0/16", "fd44:0:0:ffff::/112", "10.97.0.0/16"]}],
    "address-families": [{"hosts[1].addresses": ["198.18.0.12"]}],
    "pod-order": [{"network.pods": [{"cidr": "fd44::/56"}, {"cidr": "10.244.0.0/16", "node_mask": 25}]}],
    "service-order": [{"network.services": ["fd44:0:0:ffff::/112", "10.96.0.0/16"]}],
    "address-order": [{"hosts[1].addresses": ["fd66::12", "198.18.0.12"]}],
    "unusable-address": [{"hosts[0].addresses[1]": "fe80::1"}],
    "unusable-range": [{"network.services[0]": "0.0.0.0/1"}, {"network.pods[0].cidr": "127.0.0.0/16"}, {"network.services[1]": "fe80::/112"}],
    "site-local": [{"network.pods[1].cidr": "fec0::/56"}, {"hosts[0].addresses[1]": "fec0::1"}],
    "public-range": [{"network.pods[0].cidr": "200.1.0.0/16"}, {"network.services[1]": "2001:db8::/112"}],
    "duplicate-address": [{"hosts[1].addresses[0]": "198.18.0.11"}],
    "service-range-too-large": [{"network.services[0]": "10.0.0.0/9"}, {"network.services[1]": "fd44::/64"}],
    "service-range-too-small": [{"network.services[0]": "10.96.0.8/29"}],
    "node-mask-too-long": [{"network.pods[0].node_mask": 29}, {"network.pods[0].node_mask": 64}, {"network.pods[1].node_mask": 126}],
    "node-mask-too-short": [{"network.pods[0].node_mask": 8}, {"network.pods[0]": {"cidr": "10.244.0.0/25"}}, {"network.pods[0]": {"cidr": "10.9.9.0/30"}}],
    "node-mask-too-far": [{"network.pods[1].cidr": "fd44::/40"}, {"network.pods[0].node_mask": 28, "network.pods[0].cidr": "10.128.0.0/10"}],
    "pod-range-too-small": [{"network.pods[1].cidr": "fd44::/64"}, {"network.pods[0].cidr": "10.244.0.0/24"}, {"network.pods[0]": {"cidr": "10.9.9.0/28", "node_mask": 28}}],
    "ranges-overlap": [{"network.services[0]": "10.244.0.0/20"}, {"network.pods[1].cidr": "fd44::/48"}],
    "address-in-range": [{"network.pods[0].cidr": "198.18.0.0/16"}, {"network.services[1]": "fd66::/112"}, {"control_plane": {"endpoint": "10.96.0.7"}}],
    "malformed-node-name": [{"hosts[0].name": "Node_01"}, {"hosts[0].name": "a" * 64}, {"hosts[0].name": "NODE-2"}],
    "reserved-node-name": [{"hosts[0].name": "cluster"}],
    "duplicate-node-name": [{"hosts[1].name": "node-1"}],
    "malformed-dns-domain": [{"network.dns_domain": "Cluster.local."}],
    "malformed-interface": [{"hosts[0].interface": "a b"}],
    "reserved-cluster-name": [{"name": "retests"}],
    "no-control-plane": [{"hosts[0].role": "worker"}],
    "control-planes-not-supported-yet": [{"hosts[1].role": "control-plane", "hosts[2].role": "control-plane"}],
    "malformed-endpoint": [{"control_plane": {"endpoint": text}} for text in ("https://x", "fd66:1:2:3:4:5:6:7:6443", "fd66::1:06443")],
    "bind-port-taken": [{"control_plane": fields} for fields in ({"bind_port": 2379}, {"endpoint": "198.18.0.11:10250"}, {"endpoint": "api.example.org:2379", "bind_port": 2379})],
    "endpoint-family": [{"control_plane": {"endpoint": "127.0.0.1"}}],
    "malformed-san": [{"control_plane": {"extra_sans": ["[fd66::1]", "a b"]}}],
    "owned-field": [{"kubeadm": {"kubelet": {"clusterDNS": ["10.96.0.10"]}}}],
    "owned-argument": [{"kubeadm": {"extra_args": {"apiserver": {"bind-address": "::"}}}}],
    "malformed-argument": [{"kubeadm": {"extra_args": {"apiserver": {"--v": "2"}}}}],
    "unknown-argument": [{"kubeadm": {"extra_args": {"apiserver": {"profilin": "true"}}}}],
    "feature-gate-refused": [
        {"kubeadm": {"kubelet": {"featureGates": {"GracefulNodeShutdown": False, "WorkloadWithJob": True}}, "extra_args": {"apiserver": {"feature-gates": "WorkloadWithJob=true"}}}},
        {"kubernetes_version": "1.37.2", "kubeadm": {"extra_args": {"apiserver": {"feature-gates": "SidecarContainers=true,AllAlpha=false"}, "kubelet": {"feature-gates": "SidecarContainers=true"}}, "kubelet": {"featureGates": {"SidecarContainers": True}}}},
    ],
    "argument-value": [{"kubeadm": {"extra_args": {"apiserver": {"profiling": "x"}}}}],
    "malformed-node-port-range": [{"kubeadm": {"extra_args": {"apiserver": {"service-node-port-range": "x"}}}}],
    "node-ports-contain-component-port": [{"kubeadm": {"extra_args": {"apiserver": {"service-node-port-range": "6000-40000"}}}}],
    "max-pods-above-range": [{"kubeadm": {"kubelet": {"maxPods": 300}}}, {"kubeadm": {"extra_args": {"kubelet": {"max-pods": "300"}}}}, {"network.pods[0].node_mask": 26}],
    "malformed-volume": [{"kubeadm": {"extra_volumes": {"apiserver": [{"name": "Audit_Log", "host_path": "/var//log/"}, {"name": "audit-log", "host_path": "/x"}]}}}],
    "volume-conflict": [{"kubeadm": {"extra_volumes": {"apiserver": [{"name": "x", "host_path": "/x"}, {"name": "x", "host_path": "/y"}]}}}, {"kubeadm": {"extra_volumes": {"scheduler": [{"name": "k8s-certs", "host_path": "/x"}]}}}],
    "kube-proxy-mode": [{"kubeadm": {"kube_proxy": {"mode": "ipvs"}}}],
    "cgroup-driver": [{"kubeadm": {"kubelet": {"cgroupDriver": "x"}}}],
    "malformed-preflight-check": [{"kubeadm": {"ignore_preflight": ["a b", "Swapp!", "all", "NumCPU"]}}],
    "unknown-component-field": [{"kubeadm": {"kubelet": {"maxPod": 5, "a/b": 1}}}],
    "component-field-type": [{"kubeadm": {"kubelet": {"maxPods": "x", "logging": {"verbosity": "x"}}}}],
    "component-field-value": [
        {"kubeadm": {"kube_proxy": {"healthzBindAddress": "10256", "nodePortAddresses": ["x", "primary", "10.0.0.0/8"]}}},
        {"kubeadm": {"kubelet": {"evictionHard": {"memory.available": "x", "pid.available": "101%"}, "reservedMemory": [{"limits": {"cpu": 1}}]}}},
        {"kubeadm": {"kubelet": {"allowedUnsafeSysctls": ["vm.x", "kernel.msg*"], "tlsCurvePreferences": [29, 29], "enforceNodeAllocatable": ["pods", "pods", "none"]}}},
    ],
    "component-fields-conflict": [
        {"kubeadm": {"kubelet": {"imageGCHighThresholdPercent": 50}}},
        {"kubeadm": {"kubelet": {"shutdownGracePeriodCriticalPods": "5s", "systemCgroups": "/s", "cgroupsPerQOS": False}}},
        {"kubeadm": {"kubelet": {"logging": {"options": {"text": {"infoBufferSize": 1}}}, "cpuManagerPolicy": "static", "evictionSoft": {"memory.available": "1Gi"}}}},
        {"kubeadm": {"kubelet": {"cpuManagerPolicyOptions": {"align-by-socket": "true"}, "reservedMemory": [{"limits": {"memory": 1}}, {"numaNode": 0, "limits": {"memory": 1}}]}}},
        {"kubernetes_version": "1.37.2", "kubeadm": {"kubelet": {"defaultPodSysctls": {"net.a": "1", "net/a": "1"}}}},
        {"kubeadm": {"kube_proxy": {"nftables": {"syncPeriod": "500ms"}, "detectLocalMode": "BridgeInterface"}}},
    ],
    "malformed-label": [{LABELS: {"a b/c": "x"}}],
    "owned-label": [{LABELS: {"kubernetes.io/os": "x"}}],
    "tkestack-labels-alike": [{"tkestack_labels": True, "hosts[0].addresses[1]": "fd66::1:1:1", "hosts[2].addresses[1]": "fd66::1a1:1"}],
    "malformed-taint": [{"hosts[0].taints": [{"key": "a b", "effect": "NoSchedule"}]}],
    "owned-taint": [{"hosts[0].taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}],
    "duplicate-taint": [{"hosts[0].taints": [{"key": "a", "effect": "NoSchedule"}] * 2}],
    "malformed-ssh-address": [{"hosts[0].ssh.address": text} for text in ("[fd66::1]", "[fd66::1]:2222", "198.18.0.11:2222", "fd66:1:2:3:4:5:6:7:22")],
    "malformed-ssh-user": [{"hosts[0].ssh.user": "a b"}],
    "jump-to-itself": [{"hosts[0].ssh.jump": {"address": "198.18.0.11", "host_key": "trust-on-first-use"}}],
    "kubernetes-version-unsupported": [{"kubernetes_version": "1.20.0"}],
    "unusable-name-server": [{"network.dns_upstreams": ["127.0.0.53"]}],
    "name-server-family": [{"stack": "ipv4", "network": {"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"], "dns_upstreams": ["fd66::53"]}, "primary_family": OUT} | {f"hosts[{index}].addresses": OUT for index in range(3)}],
    "malformed-image-repository": [{"images": {"repository": "https://x/"}}],
    "malformed-mirror": [{"images": {"mirrors": {"docker.io": ["x y", "https://a.b"]}}}, {"images": {"mirrors": {"a b": ["https://a.b"]}}}, {"images": {"mirrors": {"index.docker.io": ["https://a.b"]}}}, {"images": {"mirrors": {"index.docker.io": ["https://a.b"], "docker.io": ["https://c.d"]}}}],
    "duplicate-mirror": [{"images": {"mirrors": {"a.b:5000": ["https://a.b", "https://c.d", "https://a.b"]}}}],
    "malformed-proxy": [{"proxy": {"http": "x y"}}, {"proxy": {"no_proxy": ["a b"]}}, {"proxy": {"http": "http://fd66:1:2:3:4:5:6:7:3128"}}, {"proxy": {"no_proxy": ["10.1.*", "[fd66::1]", "fd66:1:2:3:4:5:6:7:80", "10.0.0.0/255.0.0.0", "10.0.0.0/33", "a/b", "a:x"]}}],
    "secret-in-file": [{"proxy": {"http": "http://u:p@proxy.example.org:1"}}, {"images": {"mirrors": {"docker.io": ["https://u:p@a.b"]}}}],
    "unusable-url-address": [{"proxy": {"http": "http://0.0.0.0:3128"}}, {"images": {"mirrors": {"docker.io": ["https://[ff02::1]", "https://a.b"]}}}],
    "url-family": [{"stack": "ipv4", "proxy": {"http": "http://[fd66::1]:3128"}, "network": {"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"]}, "primary_family": OUT} | {f"hosts[{index}].addresses": OUT for index in range(3)}],
    "registry-without-ipv6": [{"stack": "ipv6", "primary_family": OUT, "images": {"repository": "ghcr.io/x"}, "network": {"pods": [{"cidr": "fd44::/56"}], "services": ["fd45::/112"]}} | {f"hosts[{index}].addresses": OUT for index in range(3)}],
    "vxlan-port-is-node-port": [{"cni": {"vxlan_port": 30000}}],
    "cni-setting-unused": [{"cni": {"kind": "none", "mtu": 1400}}, {"cni": {"kind": "calico", "pools": {"ipv6": {"nat_outgoing": False}}}, "stack": "ipv4", "primary_family": OUT, "network": {"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"]}} | {f"hosts[{index}].addresses": OUT for index in range(3)}],
    "cni-image-unknown": [{"cni": {"images": {"x": "a.b/c:1"}}}],
    "cni-version-unsupported": [{"cni": {"kind": "calico", "version": "3.1.0"}}],
    "network-policy-differs": [{"cni": {"network_policy": True}}],
    "cni-files-missing": [{"cni": {"kind": "manifests"}}],
    "block-size-out-of-range": [{"cni": {"kind": "calico", "pools": {"ipv4": {"block_size": 40}}}}],
    "pool-too-small": [{"cni": {"kind": "calico"}, "network.pods[0]": {"cidr": "10.244.0.0/26", "node_mask": 28}}],
    "pods-need-a-route": [{"cni": {"kind": "calico", "pools": {"ipv4": {"encapsulation": "Never", "nat_outgoing": False}}}}],
}  # fmt: skip
CASES = [(code, changes) for code, listed in FIXED.items() for changes in listed]
# documents above with several faults: code, index -> their number; every other one has one fault
FAULTS = {
    ("pod-families", 2): 2,  # one family twice, the other one missing
    ("service-range-too-large", 1): 2,  # it would also be inside the pods at the right size
    ("node-mask-too-far", 0): 2,
    ("node-mask-too-far", 1): 2,  # a mask in a range, and a mask for so many pods
    ("pod-range-too-small", 2): 2,
    ("malformed-san", 0): 2,
    ("feature-gate-refused", 0): 3,
    ("feature-gate-refused", 1): 3,
    ("malformed-volume", 0): 2,
    ("malformed-preflight-check", 0): 3,
    ("unknown-component-field", 0): 2,
    ("component-field-type", 0): 2,
    ("component-field-value", 0): 3,
    ("component-field-value", 1): 3,
    ("component-field-value", 2): 4,
    ("component-fields-conflict", 1): 3,
    ("component-fields-conflict", 2): 3,
    ("component-fields-conflict", 3): 3,
    ("component-fields-conflict", 4): 2,  # the gate, and one sysctl twice
    ("component-fields-conflict", 5): 2,
    ("malformed-proxy", 3): 7,
    ("pool-too-small", 0): 2,  # for the hosts, and for the pods of a host
    ("pods-need-a-route", 0): 2,
}


def problems_of(document: Any) -> tuple[Problem, ...]:
    """The problems of a document."""
    return read_document(document).problems


def assert_fixes(document: Any, problem: Problem) -> None:
    """The fix removes the problem, and no other code appears."""
    before = problems_of(document)
    after = problems_of(patched(document, problem.as_dict()["fix"]))
    same = [sum((other.code, other.path) == (problem.code, problem.path) for other in problems) for problems in (after, before)]
    # an item that was removed gives its place to the next one
    assert same[0] < same[1] or len(after) < len(before), (problem, after)
    assert {other.code for other in after} <= {other.code for other in before}, (problem, after)


def test_every_code_of_the_file_is_here() -> None:
    """A new code needs a triggering document, and a fix or the reason against one."""
    codes = {*SHAPES, *(rule.code for rule in RULES if not rule.scope.needs_facts)}
    assert codes == {*FIXED, *DECISIONS, *OF_TEXT}


@pytest.mark.parametrize(("code", "changes"), CASES, ids=[f"{code}-{number}" for number, (code, _) in enumerate(CASES)])
def test_a_fix_removes_its_problem(code: str, changes: dict[str, Any]) -> None:
    """Each problem of this code has a fix."""
    document = changed(good_document(), changes)
    found = [problem for problem in problems_of(document) if problem.code == code]
    assert found
    for problem in found:
        assert problem.fix, problem
        assert_fixes(document, problem)


@pytest.mark.parametrize("code", FIXED)
def test_one_fault_is_one_problem(code: str) -> None:
    """No other rule reports what follows from it."""
    for index, changes in enumerate(FIXED[code]):
        found = problems_of(changed(good_document(), changes))
        assert len(found) == FAULTS.get((code, index), 1), (index, found)


@pytest.mark.parametrize("code", DECISIONS)
def test_a_decision_has_no_fix(code: str) -> None:
    """The hint says what to decide."""
    found = [problem for problem in problems_of(changed(good_document(), DECISIONS[code])) if problem.code == code]
    assert found
    assert all(not problem.fix for problem in found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.randoms(use_true_random=False), st.sampled_from(["ipv4", "dual-stack", "ipv6"]), st.sampled_from(["ipv4", "ipv6"]))
def test_fixes_of_damaged_documents_remove_their_problems(random: Random, stack: str, primary: str) -> None:
    """With several faults at once, a fix still removes its own problem. Of a document with hundreds of problems, ten are fixed."""
    document = damaged(random, good_document(stack, primary))
    fixable = [problem for problem in problems_of(document) if problem.fix]
    for problem in random.sample(fixable, min(10, len(fixable))):
        after = problems_of(patched(document, problem.as_dict()["fix"]))
        assert (problem.code, problem.path, problem.message) not in {(other.code, other.path, other.message) for other in after}, problem
