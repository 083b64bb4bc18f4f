"""A pod network out of the owner's files."""

from tests.cluster.rules.conftest import Check


class TestFilesMissing:
    """cni-files-missing."""

    def test_manifests_without_files_are_refused(self, check: Check) -> None:
        """There would be nothing to apply."""
        assert ("cni-files-missing", "cni.files") in check({"cni": {"kind": "manifests"}})
        assert check({"cni": {"kind": "manifests", "files": ["a.yaml"], "network_policy": True}}) == {}
