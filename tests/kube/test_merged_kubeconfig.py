"""Entries of clusters in a person's own kubeconfig: nothing of the person's is lost or changed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.kubeconfig import named_after
from kube.merged_kubeconfig import KubeconfigText, Refused

OWN = """\
apiVersion: v1
kind: Config
preferences: {}
clusters:
- {name: work, cluster: {server: "https://work.example", insecure-skip-tls-verify: true}}
users:
- name: work
  user: {token: 0123, auth-provider: {name: x, config: {expiry: 2026-11-26, on: yes}}}
contexts:
- name: work
  context: {cluster: work, user: work}
current-context: work
"""


def admin(cluster: str, token: str = "secret") -> dict[str, Any]:
    """A kubeconfig as kubeadm writes it, named after the cluster."""
    document = {
        "clusters": [{"name": "kubernetes", "cluster": {"server": "https://[fd00::1]:6443", "certificate-authority-data": "Q0E="}}],
        "users": [{"name": "kubernetes-admin", "user": {"token": token}}],
        "contexts": [{"name": "kubernetes-admin@kubernetes", "context": {"cluster": "kubernetes", "user": "kubernetes-admin"}}],
        "current-context": "kubernetes-admin@kubernetes",
    }
    return named_after(document, cluster)


def merged(text: str, cluster: str, authority: str = "sha256:1", token: str = "secret") -> str:
    """The text with the entries of a cluster."""
    changed = KubeconfigText(text, "config")
    changed.put(admin(cluster, token), cluster, authority)
    return str(changed)


def names(text: str) -> dict[str, list[str]]:
    """The names of all entries."""
    document = yaml.safe_load(text)
    return {kind: [entry["name"] for entry in document[kind]] for kind in ("clusters", "users", "contexts")}


def test_two_clusters_share_no_user() -> None:
    """kubeadm names every user kubernetes-admin: each context must have the key of its own cluster."""
    text = merged(merged("", "one", token="key-of-one"), "two", token="key-of-two")
    assert names(text) == {kind: ["one", "two"] for kind in ("clusters", "users", "contexts")}
    document = yaml.safe_load(text)
    assert [entry["user"]["token"] for entry in document["users"]] == ["key-of-one", "key-of-two"]
    assert [entry["context"]["user"] for entry in document["contexts"]] == ["one", "two"]


def test_entries_of_the_person_keep_their_spelling() -> None:
    """`0123`, `2026-11-26` and `yes` are strings for some readers and numbers, dates and booleans for others."""
    before, after = yaml.load(OWN, yaml.BaseLoader), yaml.load(merged(OWN, "demo"), yaml.BaseLoader)
    for kind in ("clusters", "users", "contexts"):
        assert after[kind][0] == before[kind][0]
    assert yaml.safe_load(merged(OWN, "demo"))["clusters"][0] == yaml.safe_load(OWN)["clusters"][0]
    assert after["current-context"] == "work"


def test_removal_restores_every_value() -> None:
    """Also the lists that were empty before."""
    changed = KubeconfigText(merged(OWN, "demo"), "config")
    changed.remove("demo")
    assert yaml.load(str(changed), yaml.BaseLoader) == yaml.load(OWN, yaml.BaseLoader)


def test_an_entry_of_the_person_is_not_ours() -> None:
    """With the name of a cluster; removal leaves it."""
    changed = KubeconfigText(OWN, "config")
    assert changed.owner_of("work") == {"clusters": False, "users": False, "contexts": False}
    changed.remove("work")
    assert names(str(changed)) == names(OWN)


def test_a_second_merge_replaces_the_keys_and_keeps_the_namespace() -> None:
    """The namespace of our context is the person's."""
    changed = KubeconfigText(
        merged(OWN, "demo", token="old").replace("cluster: demo\n    user", "namespace: mine\n    cluster: demo\n    user"), "config"
    )
    changed.put(admin("demo", "new"), "demo", "sha256:2")
    document = yaml.safe_load(str(changed))
    assert [entry["user"].get("token") for entry in document["users"] if entry["name"] == "demo"] == ["new"]
    assert KubeconfigText(str(changed), "config").authority_of("demo") == "sha256:2"


@pytest.mark.parametrize("text", ["[]", "text", "{a: [", "clusters: {a: b}", "a: 1\n---\nb: 2\n", "[" * 300])
def test_what_is_no_kubeconfig_is_refused(text: str) -> None:
    """It stays as it is."""
    with pytest.raises(Refused):
        merged(text, "demo")


@settings(deadline=None)  # other processes use this machine too
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1), unique=True, max_size=6))
def test_any_names_survive_a_merge_and_a_removal(others: list[str]) -> None:
    """Names with quotes, colons, spaces or other scripts."""
    entries = [{"name": name, "cluster": {"server": name}} for name in others if name != "demo"]
    text = yaml.safe_dump({"clusters": entries, "users": None, "contexts": []}, allow_unicode=True)
    changed = KubeconfigText(merged(text, "demo"), "config")
    assert names(str(changed))["clusters"] == [*(name for name in others if name != "demo"), "demo"]
    changed.remove("demo")
    assert yaml.safe_load(str(changed))["clusters"] == entries
