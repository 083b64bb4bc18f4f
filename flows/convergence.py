"""The steps of a plan as a graph: an edge where one step needs another, no barrier where an edge will do."""

from __future__ import annotations

from typing import Any

from prefect import allow_failure
from prefect.futures import PrefectFuture, as_completed

from cluster.plan.plan import Plan
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.spec import ClusterSpec, CniKind
from runs.artifacts import show_progress, start_progress, summary_artifact
from runs.context import RunContext
from runs.outcomes import NotStarted, StepOutcome, fate, fates
from runs.progress import report_progress
from runs.sessions import close_sessions
from tasks.init_control_plane import init_control_plane
from tasks.install_cni import install_cni, wait_network
from tasks.join_worker import join_worker
from tasks.label_node import label_node
from tasks.load_bundle import load_bundle
from tasks.prepare_host import prepare_host
from tasks.publish_kubeconfig import publish_kubeconfig
from tasks.verify_network import verify_network
from tasks.wait_ready import wait_dns, wait_ready

Future = PrefectFuture[Any]


def converge(spec: ClusterSpec, plan: Plan, run: RunContext, *, verify: bool) -> None:
    """Do the steps of a plan; ClusterError says which hosts are in, which are not, and why."""
    try:
        _run_steps(spec, plan, run, verify=verify)
    except BaseException:
        # A cancelled run: at the end of this subflow Prefect waits for the threads of its tasks, which wait for their hosts. The parent
        # flow would close the sessions only after that, and be killed before.
        close_sessions(run)
        raise


def _run_steps(spec: ClusterSpec, plan: Plan, run: RunContext, *, verify: bool) -> None:  # noqa: PLR0912 one a kind of step
    """Each host's chain goes on whatever the others do: prepare -> load bundle -> init or join -> label -> ready. The control plane's first
    files go over the wire before the workers' programs and images do, as everything waits for it; its other images load while kubeadm init runs.
    """
    first, *_ = spec.control_planes
    chains: dict[str, list[Future]] = {host.name: [] for host in spec.hosts}
    loaded: dict[str, list[Future]] = {host.name: [] for host in spec.hosts}
    cluster_wide: dict[str, Future] = {}

    if planned := plan.step("prepare-host", first.name):
        chains[first.name].append(prepare_host.submit(planned, spec, first, run))
    api = chains[first.name][:]  # the last step before the API answers; none: it does already
    for host in spec.workers:
        if planned := plan.step("prepare-host", host.name):
            # kubeadm init gives workers time enough; one that is busy or broken keeps nobody from being prepared
            chains[host.name].append(prepare_host.submit(planned, spec, host, run, wait_for=[allow_failure(one) for one in api]))
    for host in spec.hosts:
        if chains[host.name]:
            loaded[host.name].append(load_bundle.submit(spec, host, run, wait_for=[*chains[host.name], *api]))
    for host in spec.hosts:
        chains[host.name] += loaded[host.name]
    if planned := plan.step("init-control-plane", first.name):
        api = [init_control_plane.submit(planned, first, run, wait_for=api)]
        chains[first.name] += api
    if planned := plan.step("install-cni"):
        cluster_wide["install-cni"] = install_cni.submit(planned, spec, run, wait_for=[*api, *loaded[first.name]])
        # a new node is Ready by flannel alone; a network applied anew, and controllers, say themselves when they run
        if spec.cni.kind is not CniKind.FLANNEL or not plan.step("init-control-plane", first.name):
            cluster_wide["wait-network"] = wait_network.submit(cluster_wide["install-cni"], spec, run)
    if plan.step("publish-kubeconfig"):
        cluster_wide["publish-kubeconfig"] = publish_kubeconfig.submit(spec, run, wait_for=api)
    for host in spec.workers:
        if planned := plan.step("join-worker", host.name):
            chains[host.name].append(join_worker.submit(planned, spec, host, run, wait_for=[*chains[host.name][-1:], *api]))
    for host in spec.hosts:
        if planned := plan.step("label-node", host.name):
            chains[host.name].append(label_node.submit(planned, spec, host, run, wait_for=chains[host.name][-1:] or api))
    if planned := plan.step("wait-ready"):
        network = [cluster_wide["install-cni"]] if "install-cni" in cluster_wide else api
        for host in spec.hosts:
            if host.name in planned.values["nodes"]:
                chains[host.name].append(wait_ready.submit(host, spec, run, wait_for=[*chains[host.name][-1:], *network]))
        cluster_wide["wait-dns"] = wait_dns.submit(spec, run, wait_for=network)

    _show_progress(run, [*(future for chain in chains.values() for future in chain), *cluster_wide.values()])
    hosts = {name: _last_fate(chain) for name, chain in chains.items()}
    rest = fates(cluster_wide)
    nodes_in = [host for host in spec.hosts if hosts[host.name].done]
    if verify and plan.step("verify-network") and nodes_in and all(one.done for one in rest.values()):
        rest["verify-network"] = fate(verify_network.submit(spec, tuple(host.name for host in nodes_in), run))
    _conclude(spec, hosts, rest, run)


def _show_progress(run: RunContext, futures: list[Future]) -> None:
    """Move the run's progress bar as steps end, in whatever order they do."""
    bar = start_progress(run)
    for done, _future in enumerate(as_completed(futures), start=1):
        show_progress(bar, done, len(futures))


def _last_fate(chain: list[Future]) -> StepOutcome:
    """The first failure of a chain, else its last record: why a host is not in is said by the step that failed."""
    ended = [fate(future) for future in chain]
    return next(
        (one for one in ended if not one.done and not isinstance(one.error, NotStarted)),
        ended[-1] if ended else StepOutcome(None, None),
    )


def _conclude(spec: ClusterSpec, hosts: dict[str, StepOutcome], rest: dict[str, StepOutcome], run: RunContext) -> None:
    out = {name: one.why_not for name, one in hosts.items() if one.why_not}
    failed = {name: one.why_not for name, one in rest.items() if one.why_not}
    lines = [f"cluster {spec.name}: {len(hosts) - len(out)} of {len(hosts)} hosts are in"]
    lines += [f"- {name}: in" for name in hosts if name not in out]
    lines += [f"- {name}: NOT in: {why}" for name, why in out.items()]
    lines += [f"- {name} failed: {why}" for name, why in failed.items()]
    if spec.cni.kind is CniKind.NONE:
        lines.append("- no pod network was asked for (cni: none): nodes stay NotReady and CoreDNS Pending until you apply one")
    if out or failed:
        lines.append("Running the flow again does only what is missing.")
    text = "\n".join(lines)
    summary_artifact(run, text)
    report_progress(run, text)
    if out or failed:
        raise ClusterError(text)
