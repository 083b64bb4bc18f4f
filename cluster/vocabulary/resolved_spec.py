"""The resolved cluster spec, in which every host has its addresses."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.vocabulary.errors import Bug
from cluster.vocabulary.families import Address, family_of
from cluster.vocabulary.spec import ClusterSpec, Cni


class ResolvedSpec(ClusterSpec):
    """A cluster spec in which every host has one address per family in use, primary family first.

    Planners, templates and kube/ accept only this type. cluster/plan/resolution.py creates it from a spec and facts.
    """

    @classmethod
    def of(cls, spec: ClusterSpec, addresses: Mapping[str, tuple[Address, ...]] | None = None, cni: Cni | None = None) -> ResolvedSpec:
        """`spec` with `addresses` by host name and these settings of the pod network. Other hosts keep their addresses.

        Raises Bug when a host then does not have one address per family.
        """
        by_host = addresses or {}
        hosts = tuple(host.model_copy(update={"addresses": by_host.get(host.name, host.addresses)}) for host in spec.hosts)
        for host in hosts:
            if tuple(family_of(address) for address in host.addresses) != spec.families:
                raise Bug(
                    f"host {host.name} has the addresses {[*map(str, host.addresses)]}, the cluster's families are {[*spec.families]}"
                )
        fields = {name: getattr(spec, name) for name in ClusterSpec.model_fields}
        # the values were validated as parts of `spec`
        return cls.model_construct(spec.model_fields_set, **{**fields, "hosts": hosts, "cni": cni or spec.cni})
