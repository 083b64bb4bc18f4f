"""The demo: a verified cluster on new lab hosts, the user cases of the IPv6 proposal, and the removal of both."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from bundle.fetch import fetch_default_bundle, reachable
from bundle.manifest import manifest_sha256, read_manifest
from bundle.unpack import unpack
from cluster.vocabulary.cni_kinds import IN_BUNDLES
from cluster.vocabulary.families import Family, StackMode, families_of
from demo.cases import CASES
from demo.cases.environment import CaseEnvironment
from demo.local_prefect import SIXSTACK, LocalPrefect
from lab import hosts
from lab.build.bundle import build_bundle
from lab.packages import NEEDED, install_missing
from lab.spec import cluster_document, cluster_file

LAB = "demo"
CNI = "flannel"
CASES_LAB = "cases"  # a lab of its own: a case does not take the hosts of the demo's cluster
BOTH = (Family.IPV4, Family.IPV6)
PODS = "jsonpath={range .items[*]}{.spec.nodeName}{'\\t'}{.metadata.namespace}/{.metadata.name}{'\\t'}{.status.podIPs[*].ip}{'\\n'}{end}"
_CHECKOUT = Path(__file__).parent.parent


def run_demo(prefect: LocalPrefect, stack: StackMode, primary: Family) -> int:
    """Create the demo's cluster and show it; the exit code of the create run."""
    started = time.monotonic()
    install_missing(_report, NEEDED)  # before both threads begin: two calls of apt-get would meet
    # server and hosts do not need the bundle, and take over a minute on two cores in the first run
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_server_and_hosts, prefect, stack, primary)
        bundle = _bundle(networks=(CNI,))
        file = waiting.result()
    _register(prefect, bundle, LAB)
    _report(f"cluster file: {file}")
    exit_code = _create(prefect, file)
    if exit_code:
        return exit_code
    _show(prefect)
    _report(f"\ndone after {time.monotonic() - started:.0f} s. Also:")
    _report(f"  .venv/bin/sixstack kubeconfig {LAB}          # the admin kubeconfig")
    _report(f"  .venv/bin/sixstack kubectl {LAB} -- get pods -A")
    _report(f"  {prefect.ui}          # the Prefect UI: runs, artifacts, blocks; it asks for a password")
    _report(f"  grep -m1 auth_string {prefect.settings.file.name}          # the password of the UI: the text between the quotes")
    _report(f"  .venv/bin/sixstack delete .sixstack/demo.yaml --confirm {LAB}   # first saves a copy of etcd and PKI in {prefect.copies},")
    _report(f"                           # encrypted: only {prefect.identity} (created by this demo) decrypts it")
    _report("  make clean-demo          # removes the cluster, the hosts, the server and the worker")
    return 0


def run_case(prefect: LocalPrefect, number: int) -> int:
    """Run a case of the proposal from beginning to end and keep its clusters; ClusterError from a step that differs from the proposal."""
    bundle = _bundle()
    prefect.start(_report)
    started = time.monotonic()
    hosts.up(CASES_LAB, hosts=3, families=BOTH, management=BOTH, report=_report)
    _register(prefect, bundle, CASES_LAB)
    case = CASES[number]
    _report(f"\nCase {number}: {case.__doc__}")
    for step in case(CaseEnvironment(prefect, CASES_LAB, read_manifest(bundle).probe_image)):
        _report(f"\n== {step.title}")
        _report(step.run())
    _report(
        f"\nCase {number} matches the proposal, after {time.monotonic() - started:.0f} s. `make clean-demo` removes clusters and hosts."
    )
    return 0


def clean(prefect: LocalPrefect) -> int:
    """Remove the clusters with their hosts, the server and the worker; always 0."""
    for lab in (LAB, CASES_LAB):
        hosts.down(lab, report=_report)
    prefect.stop(_report)
    prefect.remove(_report)
    return 0


def _report(line: str) -> None:
    print(line, flush=True)


def _server_and_hosts(prefect: LocalPrefect, stack: StackMode, primary: Family) -> Path:
    """Start what the cluster needs beside the bundle; the path of its cluster file."""
    prefect.start(_report)
    return _cluster_file(prefect, stack, primary)


def _bundle(networks: Collection[str] = IN_BUNDLES) -> Path:
    """The published releases if they answer within 5 s, else the lab's own build, with the images of these pod networks."""
    return fetch_default_bundle(_report) if reachable() else build_bundle(_report, networks=networks)


def _cluster_file(prefect: LocalPrefect, stack: StackMode, primary: Family) -> Path:
    """Boot the demo's hosts and write their cluster file; a cluster of another stack is removed with its hosts first."""
    file = prefect.state / "demo.yaml"
    wanted = {"stack": str(stack), "primary_family": str(families_of(stack, primary)[0])}
    if file.exists():
        present = yaml.safe_load(file.read_text(encoding="utf-8"))
        if {key: present[key] for key in wanted} != wanted:
            _report(f"the demo's cluster is {present['stack']}, {present['primary_family']} first: removing the cluster and its hosts")
            hosts.down(LAB, report=_report)
            file.unlink()
    # the hosts of an IPv6-only cluster have no IPv4 address
    families = (Family.IPV6,) if stack is StackMode.IPV6 else BOTH
    hosts.up(LAB, hosts=3, families=families, management=families, report=_report)
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), stack, primary, cni=CNI)
    file.write_text(cluster_file(document), encoding="utf-8")
    return file


def _register(prefect: LocalPrefect, bundle: Path, name: str) -> None:
    """Register block types, deployments and the blocks of a lab; nothing is done when all of them are registered as they are now."""
    key_file = hosts.lab_of(name).key_file
    stamp = prefect.state / f"registered-{name}"
    digests = [manifest_sha256(bundle), _digest_of_deployments()]
    state = json.dumps([prefect.api, str(bundle), str(key_file), key_file.stat().st_mtime_ns, *digests])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == state:
        return
    prefect.deploy(_report)
    unpack(bundle, "kubectl", prefect.state / "bin" / "kubectl")  # where `sixstack kubectl` finds it
    prefect.register(bundle=bundle, credential=f"lab-{name}", key_file=key_file, audit=prefect.state / "audit")
    stamp.write_text(state, encoding="utf-8")


def _digest_of_deployments() -> str:
    """Of the files that decide what `prefect deploy` and `prefect block register` store."""
    sources = [path for package in ("blocks", "flows", "cluster/vocabulary") for path in sorted((_CHECKOUT / package).glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in (_CHECKOUT / "deployments" / "prefect.yaml", *sources))).hexdigest()


def _create(prefect: LocalPrefect, file: Path) -> int:
    """Run the deployment as its users do, and follow the run."""
    _report(f"running: sixstack params {file.relative_to(prefect.root)} | prefect deployment run create-cluster/default --params -")
    command = [*SIXSTACK, "params", str(file)]
    parameters = subprocess.run(command, cwd=prefect.root, capture_output=True, text=True, check=True, timeout=60).stdout
    return _sixstack(prefect, "follow", prefect.run_deployment("create-cluster/default", parameters))


def _show(prefect: LocalPrefect) -> None:
    """Nodes, the addresses of the pods, and the table of the network check."""
    _report("\n== nodes")
    _sixstack(prefect, "kubectl", LAB, "--", "get", "nodes", "-o", "wide")
    _report("\n== pods (node, pod, addresses)")
    _sixstack(prefect, "kubectl", LAB, "--", "get", "pods", "-A", "-o", PODS)
    _report("\n== network check")
    _sixstack(prefect, "audit", LAB, "--network")


def _sixstack(prefect: LocalPrefect, *arguments: str) -> int:
    return subprocess.run([*SIXSTACK, *arguments], cwd=prefect.root, env=prefect.environment(), check=False).returncode
