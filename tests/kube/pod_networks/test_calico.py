"""Calico's documents, one golden file per stack mode, valid for Kubernetes' own schema, and the bundle's images in them."""

from __future__ import annotations

import json
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from bundle.layout import image_references
from cluster.pod_networks.calico import Calico
from cluster.vocabulary.releases import DEFAULT_RELEASE
from kube.client import Document
from kube.pod_networks import network_documents
from tests.cluster.pod_networks.specs import MODES
from tests.cluster.pod_networks.specs import calico_spec_of as spec_of

GOLDEN = Path(__file__).parent / "golden"
CALICO = Calico()


def shown(documents: list[Document]) -> list[Document]:
    """Without definitions and rights, which are the same in every mode: those of the first mode stand for all."""
    return [document for document in documents if document["kind"] in ("IPPool", "DaemonSet", "Deployment")]


@pytest.mark.parametrize("mode", MODES)
def test_the_documents_are_those_of_the_golden_file(mode: str) -> None:
    """The documents equal the golden files. To update a golden file, delete it and run the test."""
    documents = network_documents(spec_of(mode))
    text = yaml.safe_dump_all(documents if mode == "ipv4" else shown(documents), sort_keys=False, width=120)
    golden = GOLDEN / f"calico-{mode}.yaml"
    if not golden.exists():
        golden.write_text(text, encoding="utf-8")
        pytest.fail(f"{golden.name} was missing and is written: look at it and commit it")
    assert text == golden.read_text(encoding="utf-8")


def test_definitions_and_rights_are_the_same_in_every_mode() -> None:
    """So one golden file shows them."""
    first, *others = ([document for document in network_documents(spec_of(mode)) if document not in shown([document])] for mode in MODES)
    assert all(other == first for other in others)


@pytest.mark.parametrize("mode", MODES)
def test_every_document_is_valid(mode: str) -> None:
    """Strictly, against the OpenAPI schema, pools excepted: a misspelt field is a fault."""
    for document in network_documents(spec_of(mode)):
        if document["kind"] != "IPPool":
            kubernetes_validate.validate(document, "1.36", strict=True)


def test_images_are_those_of_the_bundle_unless_the_file_names_others() -> None:
    """An image that the bundle has under another name would be pulled."""
    held = image_references(DEFAULT_RELEASE)
    assert CALICO.images(spec_of("ipv4")) == {name: held[name] for name in held if name.startswith("calico")}
    found = CALICO.images(spec_of("ipv4", {"version": "3.31.2", "images": {"calico-cni": "mirror.example.org/calico/cni:v1"}}))
    assert found == {
        "calico-cni": "mirror.example.org/calico/cni:v1",
        "calico-kube-controllers": "quay.io/calico/kube-controllers:v3.31.2",
        "calico-node": "quay.io/calico/node:v3.31.2",
    }
    used = json.dumps(network_documents(spec_of("ipv4")))
    assert all(reference in used for reference in CALICO.images(spec_of("ipv4")).values())
