"""The pod network of a node that starts: nothing that happens meanwhile leaves the node without its configuration."""

from __future__ import annotations

import pytest

from cluster.vocabulary.families import Family
from tests.conftest import MODES, MadeCluster
from tests.flows.conftest import on

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.parametrize("made", MODES[:1], indirect=True, ids=str)]

CONFIGURATION = "/etc/cni/net.d/10-flannel.conflist"
# flannel asks the API server through its Service address, whose packets are still as flannel sent them here; the kubelet does not
HOLD = "nft add table inet held; nft 'add chain inet held output {{ type filter hook output priority raw; }}'; nft add rule inet held output {} daddr {} drop"


def test_a_kubelet_that_restarts_while_flannel_starts_leaves_no_node_without_its_configuration(made: MadeCluster) -> None:
    """A kubelet does not repeat a postStart hook that its predecessor began: the node would never be Ready again."""
    worker = str(made.document["hosts"][-1]["name"])
    address = made.objects("service/kubernetes")["spec"]["clusterIP"]
    old = on(worker, "pgrep -x flanneld").strip()
    on(worker, HOLD.format("ip" if made.mode.primary is Family.IPV4 else "ip6", address))
    try:
        on(worker, f"rm /run/flannel/subnet.env {CONFIGURATION}")
        made.kubectl("delete", "pod", "-n", "kube-flannel", "--field-selector", f"spec.nodeName={worker}", limit=80)
        on(worker, f"timeout 60 sh -c 'until pgrep -x flanneld | grep -vx {old}; do sleep 0.1; done'; systemctl restart kubelet")
        assert on(worker, "ls /run/flannel") == ""
    finally:
        on(worker, "nft delete table inet held")
    made.kubectl("rollout", "status", "daemonset/kube-flannel-ds", "-n", "kube-flannel", "--timeout=120s", limit=140)
    on(worker, f"timeout 60 sh -c 'until [ -s {CONFIGURATION} ]; do sleep 0.2; done'")
    made.kubectl("wait", f"node/{worker}", "--for=condition=Ready", "--timeout=60s", limit=80)
