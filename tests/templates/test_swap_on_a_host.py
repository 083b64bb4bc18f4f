"""`prepare.swap_off` on a real host with stand-ins for what belongs to the whole machine: a file over /proc/swaps, and swapoff and swapon first in PATH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.plan import values as step_values
from cluster.vocabulary.resolved_spec import ResolvedSpec
from templates import render
from tests.templates.test_host_scripts_on_a_host import Machine, changes, machine

__all__ = ["machine"]  # the fixture

pytestmark = [pytest.mark.lab, pytest.mark.bundle]

# One unit is in /etc/systemd/system, where a mask needs its place; the other is a package's.
SWAP = r"""
set -e; touch /run/swap-device
printf 'Filename Type Size Used Priority\n/run/swap-device file 1 0 100\n' >/run/swaps; mount --bind /run/swaps /proc/swaps
printf '#!/bin/sh\nhead -n 1 /run/swaps >/run/swaps.one; cat /run/swaps.one >/run/swaps; rm /run/swaps.one\n' >/usr/local/sbin/swapoff
printf '#!/bin/sh\necho "$1 file 1 0 100" >>/run/swaps\n' >/usr/local/sbin/swapon
chmod 755 /usr/local/sbin/swapoff /usr/local/sbin/swapon
unit='[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n'
printf "$unit" >/etc/systemd/system/zramswap.service; chmod 0640 /etc/systemd/system/zramswap.service
printf "$unit" >/usr/lib/systemd/system/dphys-swapfile.service
printf '# own\nUUID=1 none swap sw 0 0' >>/etc/fstab
systemctl daemon-reload; systemctl --quiet enable --now zramswap.service dphys-swapfile.service
"""
NO_SWAP = r"""
systemctl --quiet disable --now zramswap.service dphys-swapfile.service
rm -f /etc/systemd/system/zramswap.service /usr/lib/systemd/system/dphys-swapfile.service /usr/local/sbin/swapoff /usr/local/sbin/swapon
umount /proc/swaps; rm -f /run/swaps* /run/swap-device; sed -i '/^# own$/d; /^UUID=1 /d' /etc/fstab; systemctl daemon-reload
"""
STATE = (
    "systemctl is-active zramswap dphys-swapfile; systemctl is-enabled zramswap dphys-swapfile; wc -l </proc/swaps; sha256sum /etc/fstab"
)


@pytest.fixture
def swapping(machine: Machine) -> Iterator[Machine]:
    """A host with swap from two units and /etc/fstab."""
    machine.reset()
    machine.run(SWAP)
    yield machine
    machine.reset()
    machine.run(NO_SWAP)


def prepare(host: Machine) -> str:
    """Prepare the host with `prepare.swap_off`; what the script printed."""
    document = host.spec.model_dump()
    document["prepare"]["swap_off"] = True
    spec = ResolvedSpec.model_validate(document)
    return host.run(render("host/prepare.sh.j2", **step_values.prepare_values(spec, spec.hosts[0]))).stdout


def test_the_units_behind_swap_are_masked_and_come_back(swapping: Machine) -> None:
    """With the owner's unit file, its mode and its enablement. A second run changes nothing, and a boot would not enable swap."""
    state, before = swapping.run(STATE, ok=False).stdout, swapping.look()
    swapping.prepare()
    printed = prepare(swapping)
    assert {line for line in printed.splitlines() if "swap" in line} == {
        "masked zramswap.service",
        "masked dphys-swapfile.service",
        "disabled swap",
        "commented out swap in /etc/fstab",
    }
    found = swapping.run(STATE, ok=False).stdout.splitlines()
    assert found[:5] == ["inactive", "inactive", "masked", "masked", "1"]
    assert prepare(swapping) == ""
    swapping.reset()
    assert swapping.run(STATE, ok=False).stdout == state
    assert changes(before, swapping.look()) == []
