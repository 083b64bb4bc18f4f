"""The manual actions that change an existing cluster in place."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubeadm.documents import kube_proxy_configuration, kubelet_configuration
from cluster.kubeadm.kernel_settings import sysctls
from cluster.migration.difference import Difference, by_family, changes
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.families import Family
from cluster.vocabulary.migration import (
    BACKUP,
    DUAL_STACK,
    NODE_RANGES,
    NODE_UPDATES,
    NOTHING,
    RECONFIGURE,
    SERVICE_RANGE_UPDATES,
    SERVICE_RANGES,
    WITH_KUBEADM,
    Action,
)

MANIFESTS = "/etc/kubernetes/manifests"


def in_place(difference: Difference) -> Iterator[Action]:
    """The actions in an order in which no action needs a later one."""
    control_plane = difference.seed
    yield Action(
        f"back up: a snapshot of etcd, and a copy of /etc/kubernetes ({control_plane} has the only one)",
        (control_plane,),
        NOTHING,
        "the next actions edit files by hand",
        BACKUP,
    )
    if difference.added:
        yield _host_addresses(difference, difference.added)
    if difference.removed or difference.services_changed:
        yield from _services_to_single_stack(difference)
    yield from _configuration(difference)
    yield from _api_server(difference)
    if not difference.affects_all_nodes:
        yield from _controller_manager(difference)
    yield from _kubelets(difference)
    if difference.affects_all_nodes:
        yield from _nodes_at_once(difference)
    elif difference.added:
        yield from _nodes_one_by_one(difference, difference.added)
    yield from _proxy(difference)
    yield from _pod_network(difference)
    yield _create(difference)
    if difference.added or difference.affects_all_nodes:
        yield _pods(difference)
    if difference.added or difference.services_changed:
        yield _services_to_dual_stack(difference)


def _host_addresses(difference: Difference, family: Family) -> Action:
    settings = {name: value for name, value in sysctls(difference.new).items() if name not in sysctls(difference.old)}
    return Action(
        f"give every host a stable address of {family}, and set {', '.join(f'{name}={value}' for name, value in settings.items())}"
        + ("; if its default route comes from router advertisements, set accept_ra=2 first" if family is Family.IPV6 else ""),
        tuple(f"{host.name} {difference.node_address(host, family)}" for host in difference.new.hosts),
        NOTHING,
        "nodes need an address of each family and must forward its packets",
        WITH_KUBEADM,
    )


def _services_to_single_stack(difference: Difference) -> Iterator[Action]:
    family = difference.removed or difference.services_changed[0]
    yield Action(
        f"set ipFamilyPolicy: SingleStack on every Service that has an address of {family}; delete and recreate those with {family} first",
        ("Services of all namespaces",),
        f"nothing; clients lose the {family} addresses of Services",
        f"no Service may use {by_family(difference.old.service_ranges)[family]} when that range is removed; "
        "the first family of a Service is immutable",
        DUAL_STACK,
    )


def _configuration(difference: Difference) -> Iterator[Action]:
    pods, services = (",".join(map(str, ranges)) for ranges in (difference.new.pod_ranges, difference.new.service_ranges))
    yield Action(
        f"edit kubeadm's ConfigMap: podSubnet {pods}, serviceSubnet {services}, "
        "certSANs and controllerManager.extraArgs as in the actions below",
        ("ConfigMap kube-system/kubeadm-config",),
        NOTHING,
        "the next kubeadm upgrade and the phases below read this ConfigMap",
        RECONFIGURE,
    )
    changed = changes(kubelet_configuration(difference.old), kubelet_configuration(difference.new))
    if changed:
        yield Action(
            f"edit kubelet's ConfigMap: {changed}",
            ("ConfigMap kube-system/kubelet-config",),
            NOTHING,
            "hosts that join later, and kubeadm upgrade, read this ConfigMap",
            RECONFIGURE,
        )
    if difference.new_names:
        yield Action(
            f"renew the API server's certificate with {', '.join(difference.new_names)} among its names: move apiserver.crt and apiserver.key away, "
            "then kubeadm init phase certs apiserver",
            (difference.seed,),
            "the API server, in the next action",
            "clients verify the address of the API server",
            RECONFIGURE,
        )


def _api_server(difference: Difference) -> Iterator[Action]:
    where = (f"{difference.seed} {MANIFESTS}/kube-apiserver.yaml",)
    restarts = "the API server: no API for about a minute, because there is one control plane; pods keep running"
    wanted = ",".join(map(str, difference.new.service_ranges))
    if difference.removed or difference.services_changed:
        yield Action(
            f"the API server's arguments: --service-cluster-ip-range={difference.service_range}",
            where,
            restarts,
            "the API server then has one service range",
            SERVICE_RANGES,
        )
        yield Action(
            f"create a ServiceCIDR of another name with {difference.service_range}, delete ServiceCIDR `kubernetes`, wait until the API server has "
            "created it again, delete the other one",
            ("ServiceCIDR kubernetes",),
            NOTHING,
            "a ServiceCIDR can grow from one range to two and never shrink; its finalizer waits until another ServiceCIDR contains the addresses in use",
            SERVICE_RANGE_UPDATES,
        )
    if difference.added or difference.services_changed:
        yield Action(
            f"the API server's arguments: --service-cluster-ip-range={wanted}",
            where,
            restarts,
            "Services can then have addresses of both families; ServiceCIDR `kubernetes` gets the second range automatically",
            SERVICE_RANGES,
        )


def _controller_manager(difference: Difference) -> Iterator[Action]:
    name = difference.seed
    stay = "Existing Nodes keep their ranges" + (", of one family" if difference.added else "")
    yield Action(
        f"the controller manager's arguments: {difference.manager_arguments}",
        (f"{name} {MANIFESTS}/kube-controller-manager.yaml",),
        "the controller manager",
        f"the controller manager assigns the pod ranges of new Nodes from these ranges. {stay}",
        DUAL_STACK,
    )
    yield from _scheduler(difference)


def _scheduler(difference: Difference) -> Iterator[Action]:
    if difference.scheduler_arguments:
        yield Action(
            f"the scheduler's arguments: {difference.scheduler_arguments}",
            (f"{difference.seed} {MANIFESTS}/kube-scheduler.yaml",),
            "the scheduler",
            "the listen address of its health and metrics ports",
            RECONFIGURE,
        )


def _kubelets(difference: Difference) -> Iterator[Action]:
    if difference.old.families == difference.new.families:
        return
    hostnet = (
        "pods with hostNetwork then have the second address"
        if difference.added
        else "pods with hostNetwork have the old addresses until they are recreated"
    )
    configuration = changes(kubelet_configuration(difference.old), kubelet_configuration(difference.new))
    yield Action(
        "--node-ip in /var/lib/kubelet/kubeadm-flags.env: the addresses of this list; "
        + ("kubeadm upgrade node phase kubelet-config; " if configuration else "")
        + "then systemctl restart kubelet, one host after another",
        tuple(f"{host.name} --node-ip={difference.node_ip(host)}" for host in difference.new.hosts),
        f"kubelet on each host; pods keep running, and {hostnet}",
        "kubelet reports these addresses of the Node, in this order; kube-proxy reads them at its restart below",
        DUAL_STACK,
    )


def _nodes_one_by_one(difference: Difference, family: Family) -> Iterator[Action]:
    hosts = [host.name for host in (*difference.new.workers, *difference.new.control_planes)]
    yield Action(
        "one node after another, workers first: kubectl drain, kubectl delete node, systemctl restart kubelet on the host, wait until it is "
        "Ready; on the control plane also kubeadm init phase mark-control-plane",
        tuple(hosts),
        "every pod of the drained node" + ("; there is no other node for them" if len(hosts) == 1 else ""),
        f"Node.spec.podCIDRs is immutable: only a newly registered Node gets a range of {family}. Labels and taints of the old "
        "Node are deleted with it",
        NODE_UPDATES,
    )


def _nodes_at_once(difference: Difference) -> Iterator[Action]:
    name = difference.seed
    reason = (
        f"a second range of {difference.removed}"
        if difference.removed
        else f"a range outside of {', '.join(map(str, difference.new.pod_ranges))}"
    )
    yield Action(
        f"all nodes together: move kube-controller-manager.yaml out of {MANIFESTS}, wait until the controller manager has ended, kubectl delete node for each, restart every kubelet, "
        f"kubeadm init phase mark-control-plane, then put the manifest back with {difference.manager_arguments}",
        (f"{name} {MANIFESTS}/kube-controller-manager.yaml", *(host.name for host in difference.new.hosts)),
        "the controller manager, every kubelet, and finally every pod: nodes get new ranges, and no controller runs in the meantime",
        f"Node.spec.podCIDRs is immutable, and the controller manager does not start while a Node has {reason}",
        NODE_RANGES,
    )
    yield from _scheduler(difference)


def _proxy(difference: Difference) -> Iterator[Action]:
    if changed := changes(kube_proxy_configuration(difference.old), kube_proxy_configuration(difference.new)):
        yield Action(
            f"edit kube-proxy's configuration: {changed}; then kubectl rollout restart daemonset kube-proxy",
            ("ConfigMap kube-system/kube-proxy", "DaemonSet kube-system/kube-proxy"),
            "kube-proxy on every node; open connections stay",
            "kube-proxy recognizes the cluster's packets by these ranges, and reads the Node's addresses only at its start",
            RECONFIGURE,
        )


def _pod_network(difference: Difference) -> Iterator[Action]:
    """Changes of the pod network that `sixstack create` does not make."""
    gone = [network for network in difference.old.pod_ranges if network not in difference.new.pod_ranges]
    yield from pod_network(difference.new).migration(
        difference.new, gone, ranges_changed=bool(difference.added or difference.removed or difference.pods_changed)
    )


def _create(difference: Difference) -> Action:
    kind = difference.new.cni.kind
    networked = pod_network(difference.new).installed
    return Action(
        "sixstack create with the new file: settings of the hosts"
        + (f", {kind.value} with {', '.join(map(str, difference.new.pod_ranges))}" if networked else "")
        + ", labels, and the network check",
        tuple(host.name for host in difference.new.hosts),
        f"{kind.value} on every node; existing pods keep their addresses" if networked else NOTHING,
        "the run refuses and lists old values in kubeadm's ConfigMap or in a host's kubelet"
        + ("; a dual-stack pod network has no route to nodes without a range of each family" if difference.added and networked else ""),
        pod_network(difference.new).source,
    )


def _pods(difference: Difference) -> Action:
    what = f"that needs an address of {difference.added}" if difference.added and not difference.affects_all_nodes else "of the cluster"
    return Action(
        f"kubectl rollout restart every Deployment, StatefulSet and DaemonSet {what}, including CoreDNS; recreate pods without a controller",
        ("pods of all namespaces",),
        "those pods",
        "the addresses of a pod are immutable",
        DUAL_STACK,
    )


def _services_to_dual_stack(difference: Difference) -> Action:
    return Action(
        "set ipFamilyPolicy: PreferDualStack on every Service that needs both families, including kube-system/kube-dns; "
        "default/kubernetes stays single-stack",
        ("Services of all namespaces",),
        NOTHING,
        f"existing Services stay SingleStack, with their {difference.primary} address, until you patch them; their first address never changes",
        DUAL_STACK,
    )
