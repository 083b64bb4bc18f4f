"""`sixstack kubectl CLUSTER -- ARGS`: kubectl through the control plane's SSH connection, without a route to the API server."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from cli.cluster_argument import add_cluster, cluster_name
from cluster.vocabulary.errors import EnvironmentFault


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser, file="its file")
    parser.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="arguments for kubectl, after --")


def run(options: argparse.Namespace) -> int:
    """kubectl's own exit code."""
    from cli.saved_cluster import control_plane_session, saved_kubeconfig
    from cluster.vocabulary.hostport import join_host_port, split_host_port
    from hosts.forward import forwarded
    from kube.kubeconfig import kubeconfig_document, named_after

    name = cluster_name(options.cluster)
    if isinstance(name, int):
        return name
    access = saved_kubeconfig(name)
    arguments = [word for index, word in enumerate(options.arguments) if not (index == 0 and word == "--")]
    document = named_after(kubeconfig_document(access.kubeconfig), name)
    if access.ssh is None:
        return _run(document, arguments)
    api_host, api_port = split_host_port(access.api, 6443)
    with control_plane_session(access) as session, forwarded(session, str(api_host), api_port) as (host, port):
        for entry in document["clusters"]:
            entry["cluster"] |= {"server": f"https://{join_host_port(host, port)}", "tls-server-name": "kubernetes"}
        return _run(document, arguments)


def _run(kubeconfig: object, arguments: list[str]) -> int:
    """Run kubectl with a kubeconfig in memory: a file would stay after SIGTERM, SIGHUP or SIGKILL.

    It cannot be changed, so `kubectl config set-context` and its like fail: kubectl finds no folder for its lock file `/proc/self/fd/N.lock`.
    """
    import yaml

    descriptor = os.memfd_create("kubeconfig", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(descriptor, "wb") as memory:
        os.fchmod(descriptor, 0o600)
        memory.write(yaml.safe_dump(kubeconfig).encode())
        memory.flush()
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        # of kubectl, and of a plug-in that it runs: neither needs the password of the Prefect server
        environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_AUTH_STRING"}
        environment["KUBECONFIG"] = f"/proc/self/fd/{descriptor}"
        return subprocess.run([_kubectl(), *arguments], env=environment, pass_fds=[descriptor], check=False).returncode


def _kubectl() -> str:
    of_the_demo = Path(".sixstack/bin/kubectl")
    found = os.environ.get("SIXSTACK_KUBECTL") or shutil.which("kubectl") or (str(of_the_demo.absolute()) if of_the_demo.exists() else None)
    if not found:
        raise EnvironmentFault("kubectl was not found: add it to the PATH, or set SIXSTACK_KUBECTL to its path")
    return found
