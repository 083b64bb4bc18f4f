"""A pod network from files of the owner."""

from tests.cluster.rules.conftest import Check


class TestFilesMissing:
    """cni-files-missing."""

    def test_manifests_without_files_are_refused(self, check: Check) -> None:
        """The kind needs files."""
        assert ("cni-files-missing", "cni.files") in check({"cni": {"kind": "manifests"}})
        assert check({"cni": {"kind": "manifests", "files": ["a.yaml"], "network_policy": True}}) == {}
