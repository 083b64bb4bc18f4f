"""Kubernetes versions of other tools' files."""

from __future__ import annotations

import re

from cluster.vocabulary.releases import NEWEST_MINOR, OLDEST_MINOR, minor_text
from cluster.vocabulary.spec import ClusterSpec
from importers.report import Report

_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,3})\.(\d{1,3})(.*)", re.ASCII | re.DOTALL)


def read_version(written: str, path: str, report: Report, *, builds: str) -> str:
    """The Kubernetes version: the written one inside the supported window, else the cluster file's own default. `builds`: whose builds have a suffix."""
    default = str(ClusterSpec.model_fields["kubernetes_version"].default)
    match = _VERSION.fullmatch(written)
    window = f"v{minor_text(OLDEST_MINOR)} to v{minor_text(NEWEST_MINOR)}"
    if not written:
        return default
    if match is None:
        report.fault("malformed", path, "not a version of three numbers", f"Write a version such as {default}.")
        return default
    numbers = tuple(int(part) for part in match.groups()[:3])
    version = ".".join(str(number) for number in numbers)
    if not OLDEST_MINOR <= numbers[:2] <= NEWEST_MINOR:
        report.changed(path, f"kubernetes_version: {default}", f"v{version} is not supported ({window}); this is the version of the bundle")
        return default
    if match[4]:
        report.changed(path, f"kubernetes_version: {version}", f"the published release; {builds} own builds are not used")
    else:
        report.taken(path, "kubernetes_version")
    report.set_origin("kubernetes_version", path)
    return version
