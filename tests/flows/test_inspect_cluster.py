"""inspect-cluster on real hosts: no drift on a new cluster; changes by hand are found, and only they; create repairs those that it says it repairs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import hosts
from tests.conftest import LAB, MODES, MadeCluster, run_id
from tests.flows.conftest import on

pytestmark = [
    pytest.mark.lab,
    pytest.mark.server,
    pytest.mark.parametrize("made", [MODES[1], pytest.param(MODES[3], marks=pytest.mark.long)], indirect=True, ids=str),
]
STRANGER = "stranger"


def diff(made: MadeCluster, code: int) -> dict[str, Any]:
    """The report of `sixstack diff`, which must exit with this code."""
    done = made.place.sixstack("diff", made.file, "--output", "json")
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    report["run"] = run_id(done.stderr)
    return dict(report)


@contextmanager
def unplugged(host: str) -> Iterator[None]:
    """While inside, nothing reaches a host. A power failure would also end what its owner set until the next boot (tests/lived_in.py)."""
    link = hosts.machine_of(host, LAB).link
    subprocess.run(["ip", "link", "set", link, "down"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "set", link, "up"], check=True)


def found(report: dict[str, Any]) -> dict[str, str]:
    """Who repairs each difference, by path."""
    return {each["path"]: each["repair"] for each in report["differences"]}


def change(made: MadeCluster) -> dict[str, str]:
    """Change hosts and the API by hand: who repairs each change, by path."""
    seed, first, second = (str(host["name"]) for host in made.document["hosts"])
    label = "node.sixstack.io/ipv6"
    made.kubectl("label", "node", first, f"{label}-")
    made.kubectl("taint", "node", second, "example.org/theirs=x:PreferNoSchedule")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": STRANGER}, "spec": {"taints": [{"key": "x", "effect": "NoExecute"}]}}
    made.kubectl("apply", "-f", made.place.write("stranger.yaml", node))
    patch = json.dumps({"data": {"cni-conf.json": "{}"}})
    made.kubectl("-n", "kube-flannel", "patch", "configmap", "kube-flannel-cfg", "--type=merge", "-p", patch)
    made.kubectl("delete", "clusterrolebinding", "flannel")
    on(
        seed,
        """
        file=/etc/kubernetes/manifests/kube-scheduler.yaml
        text=$(sed 's/^    - --leader-elect=true$/&\\n    - --v=3/' $file); printf '%s\\n' "$text" >$file # no other file for the kubelet
        sed -i '/# sixstack$/d' /etc/hosts
        """,
    )
    on(
        first,
        """
        echo '# by hand' >>/etc/containerd/config.toml
        echo '# by hand' >>/etc/containerd/certs.d/docker.io/hosts.toml
        systemctl --quiet disable kubelet.service
        echo 0 >/proc/sys/net/ipv6/conf/default/forwarding
        printf x >>/opt/cni/bin/ptp
        """,
    )
    on(
        second,
        """
        echo '# by hand' >>/etc/sysctl.d/90-sixstack.conf
        rm /etc/modules-load.d/sixstack.conf 2>/dev/null || true
        touch -r /opt/cni/bin/bandwidth /run/time
        printf x | dd of=/opt/cni/bin/bandwidth bs=1 seek=1000 conv=notrunc status=none
        touch -r /run/time /opt/cni/bin/bandwidth; rm /run/time
        sed -i 's/^maxPods: .*/maxPods: 50/; t; $ a maxPods: 50' /var/lib/kubelet/config.yaml
        """,
    )
    return {
        f"hosts/{first}/labels/{label}": "create",
        f"hosts/{second}/taints/example.org/theirs:PreferNoSchedule": "owner",
        f"nodes/{STRANGER}": "owner",
        "pod-network/ConfigMap kube-flannel/kube-flannel-cfg/data.cni-conf.json": "create",
        "pod-network/ClusterRoleBinding flannel": "create",
        f"hosts/{seed}/static-pods/kube-scheduler/argument.v": "owner",
        f"hosts/{seed}/files/etc/hosts": "create",
        f"hosts/{first}/files/etc/containerd/config.toml": "create",
        f"hosts/{first}/files/etc/containerd/certs.d/docker.io/hosts.toml": "create",
        f"hosts/{first}/units/kubelet.service": "create",
        f"hosts/{first}/sysctls/net.ipv6.conf.default.forwarding": "create",
        f"hosts/{first}/files/opt/cni/bin/ptp": "create",
        f"hosts/{second}/files/etc/sysctl.d/90-sixstack.conf": "create",
        f"hosts/{second}/files/opt/cni/bin/bandwidth": "owner",
        f"hosts/{second}/kubelet/config/maxPods": "owner",
        **({f"hosts/{second}/files/etc/modules-load.d/sixstack.conf": "create"} if _has_modules(first) else {}),
    }


def _has_modules(host: str) -> bool:
    """prepare-host writes the file where modprobe works."""
    return "yes" in on(host, "if [ -e /etc/modules-load.d/sixstack.conf ]; then echo yes; fi")


def repair_by_hand(made: MadeCluster, report: dict[str, Any]) -> None:
    """What an owner does; on hosts, the commands of the report."""
    seed, _, second = (str(host["name"]) for host in made.document["hosts"])
    made.kubectl("delete", "node", STRANGER)
    made.kubectl("taint", "node", second, "example.org/theirs:PreferNoSchedule-")
    file = "/etc/kubernetes/manifests/kube-scheduler.yaml"
    on(seed, f"text=$(sed '/--v=3/d' {file}); printf '%s\\n' \"$text\" >{file}")
    for each in report["differences"]:
        if each["repair"] == "owner" and (command := re.match(r"`(.*?)` on (\S+?),?(?: |$)", each["command"])):
            on(command[2], command[1])


def test_a_new_cluster_has_no_drift(made: MadeCluster) -> None:
    """Exit code 0, a green page, and nothing changed."""
    report = diff(made, 0)
    assert (report["drift"], report["complete"], report["differences"], report["notes"]) == (False, True, [], [])
    pages = made.place.api("/artifacts/filter", {"limit": 200, "sort": "CREATED_DESC"})
    (page,) = [page["data"] for page in pages if page["flow_run_id"] == report["run"] and page["key"] == f"{made.name}-drift"]
    assert page.startswith("## 🟢")
    known = {row["cluster"]: row for row in json.loads(made.place.sixstack("clusters", "--output", "json").stdout)}[made.name]
    assert known["drift"].startswith("no drift 20")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", known["next_expiry"])


def test_changes_by_hand_are_found_and_only_they(made: MadeCluster) -> None:
    """create repairs those that it says it repairs. A host that is off hides nothing of the others."""
    changes = change(made)
    report = diff(made, 1)
    assert found(report) == changes, report["differences"]
    plan = json.loads(made.place.sixstack("plan", made.file, "--output", "json").stdout)
    assert {each["step"] for each in report["differences"] if each["step"]} <= {step["id"] for step in plan["steps"]}

    repair_by_hand(made, report)
    created = made.place.sixstack("create", made.file, "--no-verify")
    assert created.returncode == 0, created.stdout + created.stderr

    off = str(made.document["hosts"][2]["name"])
    pods = made.objects("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]
    has_dns = any(pod["spec"].get("nodeName") == off for pod in pods)
    with unplugged(off):
        report = diff(made, 3)
    assert report["complete"] is False
    assert [each["path"] for each in report["uninspected"]] == [f"hosts/{off}"]
    # Kubernetes may have noticed already, and then CoreDNS lacks a pod of this host
    not_ready = {f"hosts/{off}/ready"}
    assert set(found(report)) in (set(), not_ready, not_ready | ({"cluster-dns"} if has_dns else set()))
    made.kubectl("wait", "node", off, "--for=condition=Ready", "--timeout=90s", limit=100)
    assert found(diff(made, 0)) == {}
