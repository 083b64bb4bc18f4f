"""Every rule is documented and tested."""

from pathlib import Path

from cluster.pod_networks.plugins import POD_NETWORKS
from cluster.rules import offline, on_facts
from cluster.rules.registry import RULES, Scope

HERE = Path(__file__).parent


def test_every_rule_has_an_explanation_and_a_test() -> None:
    """Each rule has a docstring for docs/reference/problems.md, and a test."""
    assert callable(offline.check_spec)  # the import registers the rules
    assert callable(on_facts.check_facts)
    of_specs = "".join(path.read_text() for path in [*HERE.glob("test_*.py"), *(HERE.parent / "pod_networks").glob("test_*.py")])
    of_facts = "".join(path.read_text() for path in (HERE / "on_facts").glob("test_*.py"))
    for rule in RULES:
        assert rule.explanation
        wanted, tests = (f'"{rule.code}"', of_facts) if rule.scope.needs_facts else (f'"""{rule.code}', of_specs)
        assert wanted in tests, rule.code


def test_a_rule_of_a_plug_in_is_registered_with_its_scope() -> None:
    """Rules of plug-ins are in the registry."""
    registered = {(rule.code, rule.explanation): rule for rule in RULES}
    for plugin in POD_NETWORKS.values():
        for own in plugin.rules:
            rule = registered[own.code, (own.check.__doc__ or "").strip()]
            assert (rule.severity, rule.scope) == (own.severity, Scope.ITEM if own.items else Scope.SPEC)
