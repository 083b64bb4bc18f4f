"""The scripts and kubeadm documents of each stack mode, as they are sent: kept as files, so that a change is read before it is made.

What is the same text in every mode is kept once, in golden/every-mode; the four cluster files have one name for that.
After a change that is meant: SIXSTACK_WRITE_GOLDEN=1 pytest tests/templates, then read the difference.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from cluster.file.reader import read_text
from cluster.kubeadm.documents import join_configuration
from cluster.plan import expiry, values
from cluster.plan.copies import CopySettings
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Volume, VolumeType
from templates import render

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
MODES = ("ipv4", "dual-stack", "dual-stack-ipv6-first", "ipv6")
EVERY_MODE = "every-mode"
SOURCE = values.RestoreSource("default", "20261126T020000000000Z.cp-1", "/root/identity.txt")
CA_HASH = "sha256:" + "5a" * 32


def spec_of(mode: str) -> ResolvedSpec:
    """The cluster file of a mode, read as a user's file is."""
    reading = read_text((HERE / "clusters" / f"{mode}.yaml").read_text())
    assert reading.spec is not None, reading.problems
    return ResolvedSpec.of(reading.spec)


def rendered(spec: ResolvedSpec) -> dict[str, str]:
    """Every text that goes to the hosts of a cluster, by a file name."""
    control_plane, worker = spec.control_planes[0], spec.workers[0]
    join = join_configuration(spec, worker, token="abcdef.0123456789abcdef", ca_hash=CA_HASH)
    return {
        "claim.sh": render("host/claim.sh.j2", **values.claim_values(spec, control_plane)),
        "prepare.sh": render(
            "host/prepare.sh.j2",
            **values.prepare_values(spec, worker, ["registry.k8s.io/pause:3.10.2"]),
            file_contents=values.file_contents(spec),
        ),
        "init.sh": render("host/init.sh.j2", **values.init_values(spec)),
        "check-preflight-of-init.sh": render("host/check-preflight.sh.j2", **values.preflight_values(spec, control_plane), seconds=40),
        "check-preflight-of-join.sh": render("host/check-preflight.sh.j2", **values.preflight_values(spec, worker), seconds=40),
        "static-pods.sh": render("host/static-pods.sh.j2", **values.static_pod_values(spec, control_plane, spec.version)),
        "join.sh": render("host/join.sh.j2", **values.join_values(spec, worker)),
        "rejoin.sh": render("host/join.sh.j2", **values.join_values(spec, worker, recreate=True)),
        "join.yaml": render("kubeadm/join.yaml.j2", document=join),
        "renew-certificates.sh": render(
            "host/renew-certificates.sh.j2", **values.issue_values(spec, control_plane, expiry.MANAGED[1:], expiry.MANAGED[:1])
        ),
        "finish-renewal.sh": render("host/renew-certificates.sh.j2", **values.issue_values(spec, control_plane, (), ())),
        "restart-static-pod.sh": render(
            "host/restart-static-pod.sh.j2", **values.restart_values(spec, control_plane, expiry.KUBE_APISERVER, expiry.MANAGED[:4])
        ),
        "renew-kubelet-certificate.sh": render("host/renew-kubelet-certificate.sh.j2", **values.kubelet_renewal_values(spec, worker)),
        "save-copy.sh": render("host/save-copy.sh.j2", **values.copy_values(spec, control_plane, CopySettings("default"))),
        "upgrade-control-plane.sh": render(
            "host/upgrade-control-plane.sh.j2", **values.upgrade_control_plane_values(spec, control_plane, seed=True)
        ),
        "upgrade-joining-control-plane.sh": render(
            "host/upgrade-control-plane.sh.j2", **values.upgrade_control_plane_values(spec, control_plane, seed=False)
        ),
        "upgrade-control-plane-node.sh": render("host/upgrade-node.sh.j2", **values.upgrade_node_values(spec, control_plane)),
        "upgrade-worker-node.sh": render("host/upgrade-node.sh.j2", **values.upgrade_node_values(spec, worker)),
        "restart-kubelet.sh": render("host/restart-kubelet.sh.j2", **values.restart_kubelet_values(spec, worker)),
        "restart-control-plane-kubelet.sh": render("host/restart-kubelet.sh.j2", **values.restart_kubelet_values(spec, control_plane)),
        "stop-kubelet.sh": render("host/stop-kubelet.sh.j2", cluster=spec.name),
        "restore.sh": render("host/restore.sh.j2", **values.restore_values(spec, SOURCE), run="run"),
        "receive-snapshot.sh": render(
            "host/receive-snapshot.sh.j2", **values.restore_values(spec, SOURCE), run="run", size=3_000_000, kib=268_000
        ),
        "list-etcd-keys.sh": render("host/list-etcd-keys.sh.j2", cluster=spec.name),
        "reset.sh": render("host/reset.sh.j2", **values.reset_values(spec, worker)),
        "remove-step-state.sh": render("host/remove-step-state.sh.j2", **values.remove_step_state_values(spec.name)),
    }


def golden(folder: str) -> dict[str, str]:
    """The golden files of a folder, by name."""
    return {path.name: path.read_text() for path in sorted((GOLDEN / folder).iterdir())}


def write_golden() -> None:
    """Write all golden files: one file for a text that is the same in every mode, else one file per mode."""
    texts = {mode: rendered(spec_of(mode)) for mode in MODES}
    shutil.rmtree(GOLDEN)
    for mode, of_mode in texts.items():
        for name, text in of_mode.items():
            common = all(other[name] == text for other in texts.values())
            path = GOLDEN / (EVERY_MODE if common else mode) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@pytest.mark.parametrize("mode", MODES)
def test_what_goes_to_the_hosts_is_what_was_read_and_agreed_on(mode: str) -> None:
    """Each text equals its golden file, and no golden file is left over."""
    if os.environ.get("SIXSTACK_WRITE_GOLDEN"):
        write_golden()
    assert dict(sorted(rendered(spec_of(mode)).items())) == dict(sorted((golden(EVERY_MODE) | golden(mode)).items()))


def test_a_text_that_every_mode_has_in_common_is_kept_once() -> None:
    """A file that is kept for each mode differs in one of them at least, and none of them is kept for every mode too."""
    of_modes = [golden(mode) for mode in MODES]
    assert [name for name in of_modes[0] if len({texts.get(name) for texts in of_modes}) == 1] == []
    assert [name for name in golden(EVERY_MODE) if any(name in texts for texts in of_modes)] == []


@pytest.mark.parametrize("mode", MODES)
def test_the_scripts_please_shellcheck(mode: str, tmp_path: Path) -> None:
    """shellcheck finds nothing in any script of any mode, as POSIX sh."""
    scripts = [name for name in rendered(spec_of(mode)) if name.endswith(".sh")]
    for name in scripts:
        (tmp_path / name).write_text(rendered(spec_of(mode))[name])
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run([shellcheck, "-s", "sh", *scripts], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.stdout == ""
    assert checked.returncode == 0


def test_a_value_with_shell_in_it_stays_a_value(tmp_path: Path) -> None:
    """Quotes, dollars and newlines of a cluster file reach no shell: the script prints them as they are."""
    evil = "http://$(touch oops)'\"`touch oops`\nSIXSTACK_EOF\ntouch oops"
    spec = spec_of("ipv4").model_copy(update={"proxy": spec_of("ipv4").proxy.model_copy(update={"http": evil})})
    script = render("host/prepare.sh.j2", **values.prepare_values(spec, spec.hosts[0]))
    # every command of the script becomes a word list, nothing is run: sh -n parses, and `place` shows what the file would get
    place = next(line for line in script.split("\n# ") if 'place "$proxy_conf"' in line)
    call = place[place.index('place "$proxy_conf"') :].split("\numask")[0]
    shown = subprocess.run(
        ["sh", "-c", f"place() {{ printf '%s' \"$2\"; }}\n{call}"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "$(touch oops)" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_of_a_volume_ends_the_preparation_of_a_control_plane(tmp_path: Path) -> None:
    """Before any change of the host, and not four minutes into kubeadm init. A worker needs no volumes."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    def answer(name: str, kind: VolumeType, host: int = 0) -> tuple[int, str]:
        volume = Volume(name="x", host_path=f"{tmp_path}/{name}", path_type=kind)
        kubeadm = spec_of("ipv4").kubeadm.model_copy(update={"extra_volumes": {"apiserver": (volume,)}})
        spec = spec_of("ipv4").model_copy(update={"kubeadm": kubeadm})
        script = render("host/prepare.sh.j2", **values.prepare_values(spec, spec.hosts[host]))
        tests = "\n".join(line for line in script.splitlines() if str(tmp_path) in line)
        shell = f'missing() {{ echo "$*"; exit 65; }}\n{tests}'
        done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert answer("file", VolumeType.FILE) == answer("folder", VolumeType.DIRECTORY) == (0, "")
    assert answer("absent", VolumeType.DIRECTORY_OR_CREATE) == answer("absent", VolumeType.FILE, host=1) == (0, "")
    assert answer("folder", VolumeType.FILE)[0] == answer("file", VolumeType.SOCKET)[0] == 65
    code, message = answer("absent", VolumeType.FILE)
    assert code == 65
    assert f"{tmp_path}/absent" in message


def test_a_missing_value_is_an_error_and_no_empty_word() -> None:
    """The renderer refuses a template whose value was not given."""
    with pytest.raises(UndefinedError):
        render("host/join.sh.j2", cluster="demo")


def test_arguments_that_the_new_kubelet_lacks_are_removed_from_its_flags(tmp_path: Path) -> None:
    """Those of cAdvisor are gone in 1.37; others stay as they are, and so does a file without any of them."""
    spec = spec_of("ipv4").model_copy(update={"kubernetes_version": "1.37.2"})
    script = render("host/upgrade-node.sh.j2", **values.upgrade_node_values(spec, spec.workers[0]))
    flags = tmp_path / "kubeadm-flags.env"
    part = script[script.index("flags=") : script.index("# kubeadm's copies")].replace("/var/lib/kubelet/kubeadm-flags.env", str(flags))
    kept = 'KUBELET_KUBEADM_ARGS="--containerd-other=1 --node-ip=198.18.0.11 --v=2"\n'
    flags.write_text(kept.replace("--node-ip", "--containerd=/x --log-cadvisor-usage=true --node-ip"))
    subprocess.run(["sh", "-eu", "-c", part], check=True)
    assert flags.read_text() == kept
    before = flags.stat().st_mtime_ns
    subprocess.run(["sh", "-eu", "-c", part], check=True)
    assert (flags.read_text(), flags.stat().st_mtime_ns) == (kept, before)
    assert "flags=" not in render(
        "host/upgrade-node.sh.j2", **{**values.upgrade_node_values(spec, spec.workers[0]), "removed_arguments": []}
    )
