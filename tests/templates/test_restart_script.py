"""The script that restarts a static pod, with the real kubectl, on this machine: what is a kubelet there starts a process that has ended again.

It runs in a mount namespace in which /etc, /var/lib and /usr/local/sbin are folders of the test. A component is a process with its name.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from bundle.unpack import unpack
from cluster.plan.expiry import KUBE_APISERVER, MANAGED, SCHEDULER
from cluster.plan.values import restart_values
from templates import render
from tests.issued_certificates import Authority
from tests.templates.test_host_scripts import spec_of

pytestmark = [pytest.mark.bundle, pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")]

SPEC = spec_of("dual-stack")
READ = [managed for managed in MANAGED if SCHEDULER in managed.components]
SCRIPT = render("host/restart-static-pod.sh.j2", **restart_values(SPEC, SPEC.hosts[0], SCHEDULER, READ))
_INSIDE = "mount --bind {root}/etc /etc; mount --bind {root}/lib /var/lib; mount --bind {root}/sbin /usr/local/sbin; exec sh {root}/script"


@dataclass
class Node:
    """A folder with the files of a control plane, its scheduler, and a server that answers the probes of both components."""

    root: Path
    server: ThreadingHTTPServer
    ignores_sigterm: bool = False
    unhealthy_until: float = 0.0  # of time.monotonic(): the API server does not answer before
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    _end: threading.Event = field(default_factory=threading.Event)

    def write(self, path: str, content: str) -> Path:
        """Write a file, at its path on a host."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        return target

    def start(self) -> None:
        """Start the scheduler."""
        trap = "trap '' TERM; " if self.ignores_sigterm else ""
        self.processes.append(subprocess.Popen(["sh", "-c", f"{trap}exec {self.root}/kube-scheduler 300"]))

    def be_a_kubelet(self) -> None:
        """Start the scheduler again half a second after its end, until the test ends."""
        while not self._end.wait(0.1):
            if self.processes[-1].poll() is not None:
                time.sleep(0.5)
                self.start()

    def stop(self) -> None:
        """End everything."""
        self._end.set()
        for process in self.processes:
            process.kill()
            process.wait()

    def restart(self) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        self.write("script", SCRIPT)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _INSIDE.format(root=self.root)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def node(tmp_path: Path, bundle_folder: Path) -> Iterator[Node]:
    """A control plane with a scheduler that was started just now, and certificates from before."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]  # kubectl adds its timeout
            healthy = time.monotonic() > machine.unhealthy_until or path != "/api"
            machine.asked.add(path)
            self.send_response(200 if healthy else 503)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        machine = Node(tmp_path, server)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        (tmp_path / "kube-scheduler").symlink_to("/bin/sleep")
        machine.write("lib/sixstack/owner", "demo\n")
        for name, path, probe in ((SCHEDULER, "/scheduler", "livenessProbe"), (KUBE_APISERVER, "/api", "readinessProbe")):
            get = {"host": "127.0.0.1", "path": path, "port": "probe-port", "scheme": "HTTP"}
            container = {
                "name": name,
                "image": name,
                "ports": [{"name": "probe-port", "containerPort": server.server_port}],
                probe: {"httpGet": get},
            }
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}
            machine.write(f"etc/kubernetes/manifests/{name}.yaml", yaml.safe_dump(pod))
        certificate, key = Authority.new().issue("client")
        machine.write("etc/kubernetes/pki/apiserver-kubelet-client.crt", certificate)
        machine.write("etc/kubernetes/pki/apiserver-kubelet-client.key", key)
        os.utime(machine.write("etc/kubernetes/scheduler.conf", ""), (1, 1))
        machine.write("sbin/systemctl", "#!/bin/sh\nexit 0\n").chmod(0o755)
        unpack(bundle_folder, "kubectl", tmp_path / "sbin/kubectl")
        machine.start()
        kubelet = threading.Thread(target=machine.be_a_kubelet)
        kubelet.start()
        try:
            yield machine
        finally:
            machine.stop()
            kubelet.join()
            server.shutdown()
            serving.join()


def test_a_process_that_is_younger_than_its_files_is_left_alone(node: Node) -> None:
    """The step was done before; it is only waited for."""
    done = node.restart()
    assert (done.returncode, done.stdout.splitlines()[-1][:17]) == (0, "already restarted"), done.stderr
    assert len(node.processes) == 1
    assert node.asked == {"/scheduler", "/api"}


@pytest.mark.parametrize("ignores_sigterm", [False, True])
def test_an_older_process_is_replaced(node: Node, ignores_sigterm: bool) -> None:
    """Also one that ignores SIGTERM. A second run leaves the new one alone, and the API server is waited for."""
    if ignores_sigterm:
        node.ignores_sigterm = True
        node.processes[-1].kill()
        deadline = time.monotonic() + 10
        while len(node.processes) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    before, old = len(node.processes), node.processes[-1]
    time.sleep(1.1)
    os.utime(node.root / "etc/kubernetes/scheduler.conf")
    node.unhealthy_until = time.monotonic() + 8
    done = node.restart()
    assert done.returncode == 0, done.stderr
    assert time.monotonic() > node.unhealthy_until
    assert done.stdout.startswith("restarted, healthy after ")
    assert len(node.processes) == before + 1
    assert old.poll() == (-9 if ignores_sigterm else -15)
    assert node.restart().stdout.startswith("already restarted")
    assert len(node.processes) == before + 1


def test_nothing_is_ended_while_no_kubelet_runs(node: Node) -> None:
    """Nothing would start it again."""
    os.utime(node.root / "etc/kubernetes/scheduler.conf", (time.time() + 60, time.time() + 60))
    node.write("sbin/systemctl", "#!/bin/sh\nexit 3\n")
    done = node.restart()
    assert done.returncode == 65
    assert "the kubelet does not run" in done.stderr
    assert node.processes[0].poll() is None
