"""Migration help: the manual actions for a change of families or ranges of an existing cluster, in order, and what each action restarts.

create-cluster refuses such a change (immutable-field). The order follows the documentation of Kubernetes 1.36, and its code where the documentation has no answer.
"""

from __future__ import annotations

from cluster.migration.difference import Difference
from cluster.migration.in_place import in_place
from cluster.migration.recreate import recreate
from cluster.vocabulary.migration import Action, Migration
from cluster.vocabulary.spec import ClusterSpec

__all__ = ["Action", "Migration", "migration"]


def migration(old: ClusterSpec, new: ClusterSpec) -> Migration | None:
    """The actions from the old cluster to the new one; None when families and ranges stay. Either spec may lack addresses of hosts."""
    difference = Difference(old, new)
    if difference.is_empty:
        return None
    change = f"from {_shape(old)} to {_shape(new)}"
    if difference.obstacles:
        verdict = f"not possible in place: {'; '.join(difference.obstacles)}. Replace this cluster by a second one"
        return Migration(change, False, verdict, tuple(recreate(difference)))
    if difference.affects_all_nodes:
        verdict = "possible by hand, with an interruption of the whole cluster; a second cluster avoids the interruption"
    else:
        verdict = "possible by hand, one node after another; create-cluster does none of it"
    return Migration(change, True, verdict, tuple(in_place(difference)))


def _shape(spec: ClusterSpec) -> str:
    mode = f"{spec.stack} ({spec.families[0]} first)" if len(spec.families) > 1 else spec.stack.value
    pods = ", ".join(f"{pods.cidr} (node mask /{pods.mask})" for pods in spec.network.pods)
    return f"{mode} with pods {pods} and services {', '.join(map(str, spec.service_ranges))}"
