"""`sixstack delete CLUSTER --confirm NAME [--without-copy] [--leave-out HOST...]`: start delete-cluster/default, follow the run."""

from __future__ import annotations

import argparse
import sys

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.confirmation import not_confirmed
from cli.exit_codes import SUCCESS, USAGE
from cli.following import add_waiting, run_deployment, waiting


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument("--confirm", metavar="NAME", required=True, help="the cluster's name; everything in the cluster is deleted")
    parser.add_argument(
        "--without-copy",
        action="store_true",
        help="do not save etcd's data and PKI; otherwise an encrypted copy goes to the Backup store block, and its place is printed",
    )
    parser.add_argument(
        "--leave-out",
        metavar="HOST",
        nargs="+",
        action="extend",
        default=[],
        help="hosts of the cluster that are not in the file and keep what they have; any other such host stops the run",
    )
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster, manifests=False)
    if isinstance(spec, int):
        return spec
    if not_confirmed(options.confirm, spec.name):
        return USAGE
    authority = _authority(spec.name)
    parameters = {
        "cluster": as_parameter(options.cluster, spec),
        "confirm": options.confirm,
        "without_copy": options.without_copy,
        "leave_out": options.leave_out,
    }
    wait = waiting(options)
    code = run_deployment("delete-cluster/default", parameters, wait)
    if code == SUCCESS and authority and not wait.detach:
        _remove_context(spec.name, authority, as_json=wait.as_json)
    return code


def _authority(cluster: str) -> str:
    """The certificate authority of the saved kubeconfig, which the run removes; "" when there is none."""
    from cli.saved_cluster import NoKubeconfig, saved_kubeconfig
    from cluster.vocabulary.errors import EnvironmentFault
    from kube.kubeconfig import authority_hash, kubeconfig_document

    try:
        text = saved_kubeconfig(cluster).kubeconfig
    except NoKubeconfig:
        return ""
    try:
        return authority_hash(kubeconfig_document(text))
    except EnvironmentFault:  # it is damaged
        return ""


def _remove_context(cluster: str, authority: str, *, as_json: bool) -> None:
    """From the kubeconfig of this person, where `sixstack kubeconfig --merge` wrote it. A fault there does not change the result of the run."""
    from cli.own_kubeconfig import remove
    from cluster.vocabulary.errors import EnvironmentFault

    try:
        for line in remove(cluster, authority):
            print(line, file=sys.stderr if as_json else sys.stdout)
    except EnvironmentFault as fault:
        print(f"sixstack: context {cluster} was not removed: {fault}", file=sys.stderr)
