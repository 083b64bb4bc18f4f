"""`sixstack demo`: everything from nothing to a verified cluster on lab hosts, and the way back (`make demo`, `make clean-demo`).

With `--case` it plays a user case of the IPv6 proposal instead, step by step (`make case-1`, `make case-2`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from cli.exit_codes import GOOD
from cluster.vocabulary.families import Family, StackMode
from demo.local_prefect import SIXSTACK

if TYPE_CHECKING:
    from demo.local_prefect import LocalPrefect

LAB = "demo"
CNI = "flannel"
CASES_LAB = "cases"  # hosts of their own: a case must not take those of the demo's cluster away
PODS = "jsonpath={range .items[*]}{.spec.nodeName}{'\\t'}{.metadata.namespace}/{.metadata.name}{'\\t'}{.status.podIPs[*].ip}{'\\n'}{end}"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("--stack", type=StackMode, choices=list(StackMode), default=StackMode.DUAL_STACK, metavar="{ipv4,dual-stack,ipv6}")
    parser.add_argument("--primary", type=Family, choices=list(Family), default=Family.IPV4, metavar="{ipv4,ipv6}")
    parser.add_argument(
        "--case", type=int, choices=(1, 2), help="play this user case of the IPv6 proposal instead, on three hosts of its own"
    )
    parser.add_argument("--clean", action="store_true", help="remove the demo's clusters, hosts, server and worker")


def run(options: argparse.Namespace) -> int:
    """Exit code of the create run."""
    from demo.local_prefect import LocalPrefect

    prefect = LocalPrefect(Path.cwd())
    if options.clean:
        return _clean(prefect)
    started = time.monotonic()
    if options.case:
        bundle = _bundle()
        prefect.start(_say)
        return _play(prefect, options.case, bundle)
    _install_packages()
    # neither needs the bundle, and on two cores they take over a minute when everything is new
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_server_and_hosts, prefect, options.stack, options.primary)
        bundle = _bundle(networks=(CNI,))
        waiting.result()
    _register(prefect, bundle, LAB)
    file = prefect.state / "demo.yaml"
    _say(f"cluster file: {file}")
    done = _create(prefect, file)
    if done:
        return done
    _show(prefect)
    _say(f"\ndone after {time.monotonic() - started:.0f} s. Also:")
    print(f"  .venv/bin/sixstack kubeconfig {LAB}          # the admin kubeconfig")
    print(f"  .venv/bin/sixstack kubectl {LAB} -- get pods -A")
    print(f"  {prefect.ui}          # the Prefect UI: runs, artifacts, blocks")
    print("  make clean-demo          # removes the cluster, the hosts, the server and the worker")
    return GOOD


def _say(line: str) -> None:
    print(line, flush=True)


def _install_packages() -> None:
    """The Debian packages of the lab and of the build: at once, as two calls of apt-get at a time would meet."""
    from lab.build.debian import BUILDER_PACKAGES
    from lab.packages import NEEDED, install_missing

    install_missing(_say, {**NEEDED, **BUILDER_PACKAGES})


def _server_and_hosts(prefect: LocalPrefect, stack: StackMode, primary: Family) -> None:
    """All that runs before the cluster does."""
    prefect.start(_say)
    _hosts(prefect, stack, primary)


def _bundle(networks: Collection[str] | None = None) -> Path:
    """The published releases when they answer within 5 s, else the lab's own build, with the images of `networks` (default: all)."""
    from bundle.fetch import fetch_default_bundle, reachable
    from lab.build.bundle import NETWORKS, build_bundle

    if reachable():
        return fetch_default_bundle(_say)
    return build_bundle(_say, networks=NETWORKS if networks is None else networks)


def _play(prefect: LocalPrefect, number: int, bundle: Path) -> int:
    """A case of the proposal, from beginning to end; the clusters stay, to look at. ClusterError from the step that is not as it should be."""
    from bundle.manifest import read_manifest
    from demo.cases import CASES
    from demo.cases.place import Place
    from lab import hosts

    started = time.monotonic()
    both = (Family.IPV4, Family.IPV6)
    hosts.up(CASES_LAB, hosts=3, families=both, management=both, say=_say)
    _register(prefect, bundle, CASES_LAB)
    case = CASES[number]
    _say(f"\nCase {number}: {case.__doc__}")
    for step in case(Place(prefect, CASES_LAB, read_manifest(bundle).probe_image)):
        _say(f"\n== {step.title}")
        _say(step.do())
    _say(
        f"\nCase {number} is as the proposal shows it, after {time.monotonic() - started:.0f} s. `make clean-demo` removes clusters and hosts."
    )
    return GOOD


def _hosts(prefect: LocalPrefect, stack: StackMode, primary: Family) -> None:
    """The demo's hosts for that stack, and their cluster file; another stack's cluster and hosts are removed first."""
    from cluster.vocabulary.families import families_of
    from lab import hosts
    from lab.spec import cluster_document, cluster_file

    file = prefect.state / "demo.yaml"
    wanted = {"stack": str(stack), "primary_family": str(families_of(stack, primary)[0])}
    if file.exists():
        import yaml

        before = yaml.safe_load(file.read_text(encoding="utf-8"))
        if {key: before[key] for key in wanted} != wanted:
            _say(f"the demo's cluster is {before['stack']}, {before['primary_family']} first: removing it and its hosts")
            hosts.down(LAB, say=_say)
            file.unlink()
    # IPv6-only means hosts without any IPv4 address
    families = (Family.IPV6,) if stack is StackMode.IPV6 else (Family.IPV4, Family.IPV6)
    hosts.up(LAB, hosts=3, families=families, management=families, say=_say)
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), stack, primary, cni=CNI)
    file.write_text(cluster_file(document), encoding="utf-8")


def _register(prefect: LocalPrefect, bundle: Path, name: str) -> None:
    """Block types, deployments and the blocks of the lab of that name; once for each state of this checkout's registration."""
    from bundle.unpack import unpack
    from lab import hosts

    lab = hosts.lab_of(name)
    stamp = prefect.state / f"registered-{name}"
    key = json.dumps([str(bundle), str(lab.key_file), prefect.registration(), lab.key_file.stat().st_mtime_ns])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == key:
        return
    prefect.deploy(_say)
    unpack(bundle, "kubectl", prefect.state / "bin" / "kubectl")  # where `sixstack kubectl` finds it
    prefect.register(bundle=bundle, credential=f"lab-{name}", key_file=lab.key_file, audit=prefect.state / "audit")
    stamp.write_text(key, encoding="utf-8")


def _create(prefect: LocalPrefect, file: Path) -> int:
    """Run the deployment as its users do, and follow the run."""
    _say(f"running: sixstack params {file.relative_to(prefect.root)} | prefect deployment run create-cluster/default --params -")
    command = [*SIXSTACK, "params", str(file)]
    params = subprocess.run(command, cwd=prefect.root, capture_output=True, text=True, check=True, timeout=60).stdout
    return _in_demo(prefect, "follow", prefect.run_deployment("create-cluster/default", params))


def _in_demo(prefect: LocalPrefect, *arguments: str) -> int:
    command = [*SIXSTACK, *arguments]
    return subprocess.run(command, cwd=prefect.root, env=prefect.environment(), check=False).returncode


def _show(prefect: LocalPrefect) -> None:
    """Nodes, the pods' addresses, the network check's table."""
    for title, arguments in (
        ("nodes", ["get", "nodes", "-o", "wide"]),
        ("pods (node, pod, addresses)", ["get", "pods", "-A", "-o", PODS]),
    ):
        _say(f"\n== {title}")
        _in_demo(prefect, "kubectl", LAB, "--", *arguments)
    _say("\n== network check")
    _in_demo(prefect, "audit", LAB, "--network")


def _clean(prefect: LocalPrefect) -> int:
    from lab import hosts

    for name in (LAB, CASES_LAB):
        hosts.down(name, say=_say)
    prefect.stop(_say)
    prefect.remove(_say)
    return GOOD
