"""Upgrades of a real cluster over three versions, under load: no request through a Service fails."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from bundle.layout import image_references
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.releases import RELEASES, KubernetesRelease, minor_text
from lab import hosts
from lab.build.bundle import build_bundle
from lab.spec import cluster_document
from tests.conftest import LAB, CommandLines, MadeCluster, Mode, Workplace, run_id, say
from tests.flows.load import APP, Load, workload

pytestmark = [pytest.mark.long, pytest.mark.lab, pytest.mark.server, pytest.mark.bundle, pytest.mark.timeout(2400)]

MODES = (Mode(StackMode.DUAL_STACK, Family.IPV4), Mode(StackMode.IPV6, Family.IPV6))
FIRST = RELEASES[0]


def block_of(release: KubernetesRelease) -> str:
    """The Artifact bundle block of a release."""
    return f"lab-{minor_text(release.minor).replace('.', '-')}"


@pytest.fixture(scope="module", params=MODES, ids=str)
def cluster(request: pytest.FixtureRequest, workplace: Workplace) -> Iterator[MadeCluster]:
    """A cluster of the oldest release, with a control plane and two workers."""
    mode: Mode = request.param
    for release in RELEASES:
        folder = build_bundle(say, release=release)
        registered = workplace.sixstack("bundle", "register", str(folder), "--name", block_of(release), "--overwrite")
        assert registered.returncode == 0, registered.stdout + registered.stderr
    hosts.up(LAB, hosts=3, families=mode.families, management=mode.families, report=say)
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), mode.stack, mode.primary)
    document |= {"kubernetes_version": FIRST.kubernetes, "bundle": block_of(FIRST)}
    file = workplace.write("upgraded.yaml", document)
    start = time.monotonic()
    with CommandLines() as command_lines:
        created = workplace.sixstack("create", file, own_start=True)
    assert created.returncode == 0, created.stdout + created.stderr
    made = MadeCluster(mode, document, file, workplace, created.stdout, time.monotonic() - start, command_lines)
    yield made
    deleted = workplace.sixstack("delete", made.file, "--confirm", made.name, "--without-copy")
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr


def start_workload(cluster: MadeCluster) -> None:
    """The workload, with both replicas available."""
    file = cluster.place.prefect.root / "load.json"
    items = workload(image_references(FIRST)["probe"])
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}), encoding="utf-8")
    cluster.kubectl("apply", "-f", str(file))
    cluster.kubectl("rollout", "status", f"deployment/{APP}", "--timeout=90s", limit=120)


def versions(cluster: MadeCluster) -> dict[str, str]:
    """The version of each node's running kubelet."""
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in cluster.objects("nodes")["items"]}


def seconds_per_host(cluster: MadeCluster, output: str) -> dict[str, dict[str, float]]:
    """Seconds of each step on each host, from the audit records of a run."""
    records: list[dict[str, Any]] = json.loads(cluster.place.sixstack("audit", run_id(output), "--output", "json").stdout)
    found: dict[str, dict[str, float]] = {}
    for record in records:
        took = datetime.fromisoformat(record["end"]) - datetime.fromisoformat(record["start"])
        of_host = found.setdefault(record["host"], {})
        of_host[record["step"]] = round(of_host.get(record["step"], 0) + took.total_seconds(), 1)
    return found


def use(cluster: MadeCluster, release: KubernetesRelease) -> None:
    """Write a release and its bundle into the cluster file."""
    document = {**cluster.document, "kubernetes_version": release.kubernetes, "bundle": block_of(release)}
    cluster.file = cluster.place.write("upgraded.yaml", document)


def budget(cluster: MadeCluster, available: int) -> None:
    """Let the PodDisruptionBudget keep so many of the two replicas."""
    cluster.kubectl("patch", "poddisruptionbudget", APP, "--type=merge", "-p", json.dumps({"spec": {"minAvailable": available}}))


def on(host: int, script: str) -> str:
    """Run a script as root on a host; what it printed."""
    done = hosts.run_in(f"{LAB}-{host}", ["sh", "-c", script], LAB, limit=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cordoned(cluster: MadeCluster) -> list[str]:
    """Names of the nodes that take no pods."""
    return [node["metadata"]["name"] for node in cluster.objects("nodes")["items"] if node["spec"].get("unschedulable")]


def steps_of(cluster: MadeCluster, output: str) -> list[tuple[str, str]]:
    """Step and host of each record of a run, but for the inspection."""
    records = json.loads(cluster.place.sixstack("audit", run_id(output), "--output", "json").stdout)
    return [(record["step"], record["host"]) for record in records if record["host"] != "cluster" and record["step"] != "inspect-host"]


def upgrade(cluster: MadeCluster, release: KubernetesRelease, *options: str, code: int = 0) -> str:
    """`sixstack upgrade` under load: no request fails, whether it succeeds or not. Prints times and failed requests."""
    start = time.monotonic()
    with Load(cluster, hosts.status(LAB)) as load:
        done = cluster.place.sixstack("upgrade", cluster.file, *options, limit=1500)
    say(done.stdout + done.stderr)
    say(f"{cluster.mode}: to v{release.kubernetes} in {time.monotonic() - start:.0f} s")
    for host, steps in seconds_per_host(cluster, done.stdout).items():
        say(f"  {host}: {sum(steps.values()):.0f} s: {steps}")
    for family in cluster.mode.families:
        late = f"at most {load.late[family]:.1f} s late"  # this machine was busy: answers are late then, too
        say(f"  {family}: {len(load.failed[family])} of {load.sent[family]} requests failed ({late}): {load.failed[family][:20]}")
    say(cluster.kubectl("get", "pods", "-A", "-o", "wide"))
    assert done.returncode == code, done.stdout + done.stderr
    assert load.failed == {family: [] for family in cluster.mode.families}
    return done.stdout


def expect_finished(cluster: MadeCluster, release: KubernetesRelease) -> None:
    """Every program has the version, no node is cordoned, and neither create nor upgrade has anything to do."""
    assert set(versions(cluster).values()) == {f"v{release.kubernetes}"}
    # kubeadm's health check leaves a Job for 65 s, whose pod has ended
    pods = [pod for pod in cluster.objects("pods", "-n", "kube-system")["items"] if pod["status"]["phase"] == "Running"]
    held = image_references(release)
    expected = {"etcd", "coredns", "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert {container["image"] for pod in pods for container in pod["spec"]["containers"]} == {held[name] for name in expected}
    assert cordoned(cluster) == []
    planned = cluster.place.sixstack("plan", cluster.file)
    assert "nothing to do" in planned.stdout, planned.stdout + planned.stderr
    repeated = cluster.place.sixstack("upgrade", cluster.file)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert steps_of(cluster, repeated.stdout) == []
    assert on(1, "ls /etc/kubernetes/tmp /var/lib/sixstack | grep -E 'kubeadm-|upgrade\\.' || true") == ""


def kubelet_config(cluster: MadeCluster, text: str) -> None:
    """Replace the kubelet's settings in kubeadm's ConfigMap. Running kubelets do not read it."""
    patch = json.dumps({"data": {"kubelet": text}})
    cluster.kubectl("-n", "kube-system", "patch", "configmap", "kubelet-config", "--type=merge", "-p", patch)


def test_every_reason_is_reported_before_any_host_changes(cluster: MadeCluster) -> None:
    """A worker that does not answer, a skipped minor, and a feature gate that the new version has removed, in one answer."""
    use(cluster, RELEASES[2])
    old: str = cluster.objects("configmap", "kubelet-config", "-n", "kube-system")["data"]["kubelet"]
    kubelet_config(cluster, f"{old.rstrip()}\nfeatureGates: {{SidecarContainers: true}}\n")
    on(3, "systemctl stop ssh")
    try:
        refused = cluster.place.sixstack("upgrade", cluster.file)
    finally:
        on(3, "systemctl start ssh")
        kubelet_config(cluster, old)
    output = refused.stdout + refused.stderr
    assert refused.returncode == 1, output
    assert {"host-not-inspected", "upgrade-skips-a-minor", "running-feature-gate-refused"} <= set(re.findall(r"\[([a-z-]+)\]", output)), (
        output
    )
    assert f"hosts/{LAB}-3" in output
    assert "configmaps/kubelet-config/featureGates/SidecarContainers" in output
    assert steps_of(cluster, refused.stdout) == []


def test_a_blocked_drain_leaves_the_host_as_it_was(cluster: MadeCluster) -> None:
    """create refuses and plan shows the upgrade. The budget stops it at the first worker, which keeps its version and takes pods again."""
    start_workload(cluster)
    use(cluster, RELEASES[1])
    refused = cluster.place.sixstack("create", cluster.file)
    assert refused.returncode == 1
    assert "upgrade-needed" in refused.stdout + refused.stderr
    planned = cluster.place.sixstack("plan", cluster.file)
    say(planned.stdout)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "upgrade-control-plane" in planned.stdout
    budget(cluster, 2)
    output = upgrade(cluster, RELEASES[1], "--limit", "15", code=1)
    assert f"budget {APP}" in output
    assert f"{LAB}-2: FAILED" in output
    assert f"{LAB}-3: not begun" in output
    old, new = f"v{FIRST.kubernetes}", f"v{RELEASES[1].kubernetes}"
    assert versions(cluster) == {f"{LAB}-1": new, f"{LAB}-2": old, f"{LAB}-3": old}
    assert cordoned(cluster) == []
    again = cluster.place.sixstack("create", cluster.file)
    assert "upgrade-needed" in again.stdout + again.stderr


def test_a_second_run_stops_at_a_host_that_fails(cluster: MadeCluster) -> None:
    """The control plane is not touched again. A kubelet that cannot be installed leaves its host cordoned, with the old version."""
    budget(cluster, 1)
    on(3, "mkdir /usr/local/bin/kubelet.sixstack-new")
    output = upgrade(cluster, RELEASES[1], code=1)
    assert f"{LAB}-2: done" in output
    state = f"node Ready, cordoned, running kubelet v{FIRST.kubernetes}; containerd.service is active, kubelet.service is active"
    assert f"{LAB}-3: FAILED" in output
    assert state in output
    node_steps = ["drain-node", "upgrade-node", "upgrade-kubelet", "uncordon-node"]
    steps = steps_of(cluster, output)
    assert [step for step, host in steps if host == f"{LAB}-1"] == []
    assert [step for step, host in steps if host == f"{LAB}-2"] == node_steps
    assert cordoned(cluster) == [f"{LAB}-3"]


def test_a_third_run_continues_there(cluster: MadeCluster) -> None:
    """Finished hosts are not touched. The failed upload has removed its temporary path itself."""
    assert on(3, "ls /usr/local/bin | grep sixstack-new || true") == ""
    output = upgrade(cluster, RELEASES[1])
    assert {host for _, host in steps_of(cluster, output)} == {f"{LAB}-3"}
    expect_finished(cluster, RELEASES[1])


def test_a_control_plane_whose_upgrade_lost_power_is_finished_first(cluster: MadeCluster) -> None:
    """kubeadm had moved etcd's manifest away and not moved the new one in: no API server answers, and nothing could be planned."""
    backup = "/etc/kubernetes/tmp/kubeadm-backup-manifests-2026-01-01-00-00-00"
    on(
        1,
        f"mkdir -p {backup} && mv /etc/kubernetes/manifests/etcd.yaml {backup}/ && rm /var/lib/sixstack/steps/upgrade-control-plane/exit_code",
    )
    on(1, "for n in $(seq 60); do pidof etcd >/dev/null || exit 0; sleep 1; done; exit 1")
    output = upgrade(cluster, RELEASES[1])
    assert steps_of(cluster, output) == [("upgrade-control-plane", f"{LAB}-1")]
    expect_finished(cluster, RELEASES[1])


def test_the_next_version_follows(cluster: MadeCluster) -> None:
    """Every step of the whole upgrade once, under load."""
    use(cluster, RELEASES[2])
    output = upgrade(cluster, RELEASES[2])
    steps = steps_of(cluster, output)
    assert len(steps) == len(set(steps))
    assert ("save-copy", f"{LAB}-1") in steps
    expect_finished(cluster, RELEASES[2])
