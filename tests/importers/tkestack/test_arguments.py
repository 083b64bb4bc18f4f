"""Extra arguments of the components."""

from tests.importers.tkestack.samples import changed, faults, imported, ipv6_cluster, told


def test_arguments_that_kubernetes_still_has_are_taken() -> None:
    """With and without dashes, of every component."""
    result = imported(
        changed(
            ipv6_cluster(),
            kubeletExtraArgs={"--max-pods": "100"},
            apiServerExtraArgs={"profiling": "false"},
            controllerManagerExtraArgs={"terminated-pod-gc-threshold": "50"},
            schedulerExtraArgs={"profiling": "false"},
            etcd={"local": {"dataDir": "/data/etcd", "extraArgs": {"quota-backend-bytes": "8589934592"}}},
        )
    )
    assert faults(result) == {}
    assert result.document is not None
    assert result.document["kubeadm"]["extra_args"] == {
        "kubelet": {"max-pods": "100"},
        "apiserver": {"profiling": "false"},
        "controller_manager": {"terminated-pod-gc-threshold": "50"},
        "scheduler": {"profiling": "false"},
        "etcd": {"quota-backend-bytes": "8589934592"},
    }
    assert "not taken over" in told(result)["a.json: spec.etcd.local.dataDir"]


def test_arguments_with_another_owner_and_those_of_old_are_not() -> None:
    """Each with its reason."""
    old = {"node-ip": "fd00::1", "network-plugin": "cni", "feature-gates": "IPv6DualStack=true"}
    said = told(imported(changed(ipv6_cluster(), kubeletExtraArgs=old)))
    for name, word in {"node-ip": "`hosts[].addresses`", "network-plugin": "no such argument", "feature-gates": "one version"}.items():
        assert word in said[f"a.json: spec.kubeletExtraArgs.{name}"]


def test_a_value_that_the_component_cannot_read_names_the_document() -> None:
    """The rules find it in the cluster file."""
    result = imported(changed(ipv6_cluster(), apiServerExtraArgs={"profiling": "maybe"}))
    (problem,) = [problem for problem in result.problems if problem.code == "argument-value"]
    assert "a.json: spec.apiServerExtraArgs.profiling" in problem.message
