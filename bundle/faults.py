"""The error of an invalid bundle."""

from __future__ import annotations

from cluster.vocabulary.errors import SpecError

# code -> meaning, of the problems that `sixstack bundle` and every run report about a folder, its manifest or a sources file
BUNDLE_PROBLEMS = {
    "bundle-manifest": "The manifest is not valid.",
    "bundle-target-forbidden": "A file would be installed at a path where a bundle may not write.",
    "bundle-mode-forbidden": "A file would be installed with another mode than its target has.",
    "bundle-manifest-changed": "The manifest has another digest than the Artifact bundle block: it was changed after `sixstack bundle register`.",
    "bundle-file-missing": "A file of the manifest is not in the bundle's folder.",
    "bundle-file-differs": "A file has another size or digest than in the manifest.",
    "bundle-content-differs": "A compressed file decodes to something else than the manifest says, or an archive has other images.",
    "bundle-sources": "The sources file of a fetch is not valid.",
}


class BundleFault(SpecError):
    """A bundle, its manifest or its sources are invalid; `problems` lists all problems."""

    headline = "the bundle has problems"
