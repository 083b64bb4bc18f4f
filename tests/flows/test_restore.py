"""A backup and a restore of a real cluster: what was there is there again, and what is newer than the copy is reported."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from ipaddress import ip_address
from typing import Any

import pytest

from bundle.layout import image_references
from cluster.plan.values import REVISION_BUMP
from cluster.vocabulary.families import family_of
from cluster.vocabulary.releases import DEFAULT_RELEASE
from lab import hosts
from tests.conftest import LAB, MODES, MadeCluster, run_id
from tests.flows.test_convergence import engine_of

pytestmark = [
    pytest.mark.lab,
    pytest.mark.server,
    pytest.mark.parametrize("made", [MODES[3], pytest.param(MODES[1], marks=pytest.mark.long)], indirect=True, ids=str),
]

SECRET = "canary-of-a-secret"
ON_HOST = r"""
ls -d /var/lib/sixstack/restore /var/lib/sixstack/restoring /var/lib/sixstack/unfinished /var/lib/sixstack/steps/*/work 2>/dev/null
find /var/lib/sixstack /run/sixstack -name '*.db' -o -name '*.tar'
grep sixstack/restore /proc/self/mountinfo
if [ -e /var/lib/etcd/member ]; then # a control plane
  stat -c '%a %n' /etc/kubernetes/pki/ca.key /etc/kubernetes/pki/sa.key /etc/kubernetes/pki/etcd/ca.key /var/lib/etcd | grep -v -e '^600 ' -e '^700 /var/lib/etcd'
fi
true
"""


OBJECTS = ("deployment/kept", "service/kept", "secret/kept", "configmap/changed-later", "configmap/deleted-later")


def on(host: str, script: str) -> str:
    """Run a script as root inside a host; what it printed."""
    done = hosts.run_in(host, ["sh", "-c", script], LAB, limit=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def expect_nothing_to_do(made: MadeCluster) -> None:
    """The cluster is as its file says, once kubelet has started the pods of CoreDNS again."""
    start = time.monotonic()
    while (steps := json.loads(made.place.sixstack("plan", made.file, "--output", "json").stdout)["steps"]) != []:
        assert {step["kind"] for step in steps} <= {"wait-dns", "wait-ready", "verify-network"}, steps
        assert time.monotonic() < start + 60, steps
    print(f"nothing to do after {time.monotonic() - start:.1f} s")


def workload(made: MadeCluster) -> dict[str, Any]:
    """A Deployment with its Service, a Secret and two ConfigMaps."""
    pod = {
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "pause", "image": image_references(DEFAULT_RELEASE)["pause"], "imagePullPolicy": "IfNotPresent"}],
    }
    labels = {"app": "kept"}
    service = {"selector": labels, "ports": [{"port": 80}], "ipFamilyPolicy": "PreferDualStack"}
    deployment = {"replicas": 3, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    items = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "kept"}, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kept"}, "spec": service},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kept"}, "stringData": {"key": SECRET}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "changed-later"}, "data": {"key": "before"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "deleted-later"}, "data": {"key": "before"}},
    ]
    made.kubectl("apply", "-f", made.place.write("workload.yaml", {"apiVersion": "v1", "kind": "List", "items": items}))
    made.kubectl("rollout", "status", "deployment/kept", "--timeout=60s", limit=80)
    return state(made)


def state(made: MadeCluster) -> dict[str, Any]:
    """What must be the same before and after."""
    deployment, service, secret = made.objects("deployment/kept"), made.objects("service/kept"), made.objects("secret/kept")
    nodes = made.objects("nodes")["items"]
    return {
        "uids": [found["metadata"]["uid"] for found in (deployment, service, secret, *nodes)],
        "service addresses": [service["spec"]["clusterIPs"], made.objects("service/kubernetes")["spec"]["clusterIPs"]],
        "DNS": made.objects("service/kube-dns", "-n", "kube-system")["spec"]["clusterIPs"],
        "secret": base64.b64decode(secret["data"]["key"]).decode(),
        "pod ranges": {node["metadata"]["name"]: node["spec"]["podCIDRs"] for node in nodes},
        "labels": {node["metadata"]["name"]: node["metadata"]["labels"] for node in nodes},
    }


def copies(made: MadeCluster) -> list[dict[str, Any]]:
    """The copies of this cluster, oldest first."""
    done = made.place.sixstack("backups", made.file, "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    return list(json.loads(done.stdout))


def restore(made: MadeCluster, *options: str) -> str:
    """Restore the cluster; what was printed."""
    identity = str(made.place.prefect.identity)
    done = made.place.sixstack("restore", made.file, "--confirm", made.name, "--identity", identity, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_backup_is_verified_and_listed(made: MadeCluster) -> None:
    """With etcd's version and revision; the copy has everything that a restore needs, encrypted."""
    before = len(copies(made))
    done = made.place.sixstack("backup", made.file)
    assert done.returncode == 0, done.stdout + done.stderr
    *earlier, copy = copies(made)
    assert len(earlier) == before
    assert copy["location"] in done.stdout
    assert (copy["reason"], copy["etcd"], copy["etcd_reason"]) == ("backup", "snapshot", "")
    assert (copy["kubernetes_version"], copy["etcd_version"]) == (f"v{DEFAULT_RELEASE.kubernetes}", DEFAULT_RELEASE.etcd)
    assert copy["revision"] > 100
    table = made.place.sixstack("backups", made.file).stdout
    assert copy["name"] in table


def test_a_cluster_is_restored_with_its_workload_and_its_addresses(made: MadeCluster) -> None:
    """Objects, ClusterIPs of each family, Secrets and Nodes are as at the time of the copy. What was newer is reported and gone."""
    before = workload(made)
    done = made.place.sixstack("backup", made.file)
    assert done.returncode == 0, done.stdout + done.stderr
    name = copies(made)[-1]["name"]
    made.kubectl("create", "configmap", "created-later")
    made.kubectl("delete", "configmap", "deleted-later")
    made.kubectl("patch", "configmap", "changed-later", "--patch", '{"data": {"key": "after"}}')
    made.kubectl("scale", "deployment/kept", "--replicas=1")
    start = time.monotonic()
    printed = restore(made, "--copy", name, *([] if made.mode == MODES[1] else ["--no-verify"]))
    print(f"restored in {time.monotonic() - start:.1f} s")

    # the report
    for line in (
        "- created, removed by the restore: configmaps default/created-later",
        "- deleted, restored: configmaps default/deleted-later",
        "- changed, earlier state restored: configmaps default/changed-later",
        "- changed, earlier state restored: deployments default/kept",
    ):
        assert line in printed
    assert f"is restored from the copy {name}" in printed
    assert copies(made)[-1]["reason"] == "before restore"
    assert copies(made)[-1]["location"] in printed

    # what was there
    assert state(made) == before
    found = {item["metadata"]["name"]: item.get("data") for item in made.objects("configmaps")["items"]}
    assert (found["changed-later"], found["deleted-later"], "created-later" in found) == ({"key": "before"}, {"key": "before"}, False)
    made.kubectl("rollout", "status", "deployment/kept", "--timeout=60s", limit=80)
    pods = made.objects("pods", "-l", "app=kept")["items"]
    assert len(pods) == 3
    for pod in pods:
        assert {family_of(ip_address(entry["ip"])) for entry in pod["status"]["podIPs"]} == set(made.mode.families)

    # new objects have revisions that no watcher has seen
    created = json.loads(made.kubectl("create", "configmap", "created-after", "-o", "json"))
    assert int(created["metadata"]["resourceVersion"]) > REVISION_BUMP

    # nothing of the copy stays on a host, and no key or Secret is in records or logs
    for host in made.document["hosts"]:
        left = hosts.run_in(host["name"], ["sh", "-c", ON_HOST], LAB).stdout
        assert left == "", f"{host['name']}:\n{left}"
    identity = made.place.prefect.identity.read_text().split()[-1]
    logs = json.dumps(made.place.api("/logs/filter", {"logs": {"flow_run_id": {"any_": [run_id(printed)]}}, "limit": 200}))
    records = made.place.sixstack("audit", run_id(printed), "--output", "json").stdout
    run = json.dumps(made.place.api(f"/flow_runs/{run_id(printed)}"))
    for secret in (identity, SECRET):
        assert secret not in logs + records + run + printed

    expect_nothing_to_do(made)
    made.kubectl("delete", *OBJECTS, "configmap/created-after")


@pytest.mark.long
def test_a_destroyed_cluster_is_restored_by_the_run_after_a_killed_one(made: MadeCluster) -> None:
    """etcd's data is gone, and a worker was reset by hand. The first run is killed when the control plane is there again: both workers must still
    join again, although their Nodes in the restored etcd are those of the copy."""
    before = workload(made)
    done = made.place.sixstack("backup", made.file)
    assert done.returncode == 0, done.stdout + done.stderr
    seed, worker, reset = (host["name"] for host in made.document["hosts"])
    on(seed, "systemctl stop kubelet && kill $(pidof etcd) && rm -rf /var/lib/etcd/member")
    on(reset, "kubeadm reset --force >/dev/null 2>&1")
    joins = {name: on(name, "cat /var/lib/sixstack/steps/join-worker/attempt") for name in (worker, reset)}

    parameters = {"cluster": made.document, "confirm": made.name, "identity": str(made.place.prefect.identity), "verify": False}
    run = made.place.start("restore-cluster/default", parameters, own_start=True)
    deadline = time.monotonic() + 180
    while on(seed, "cd /var/lib/sixstack && test -e initialized && cat restored || true") != run:
        assert time.monotonic() < deadline, made.place.api(f"/flow_runs/{run}")["state"]
        time.sleep(0.2)
    engine = engine_of(run)
    assert engine is not None
    os.kill(engine, signal.SIGKILL)

    printed = restore(made, "--no-verify")
    assert "the cluster was restored after this copy was made" in printed
    for name, attempt in joins.items():
        assert int(on(name, "cat /var/lib/sixstack/steps/join-worker/attempt")) > int(attempt), printed
    assert state(made) == before
    made.kubectl("rollout", "status", "deployment/kept", "--timeout=60s", limit=80)
    expect_nothing_to_do(made)
    made.kubectl("delete", *OBJECTS)
