"""Every rule is told of."""

from pathlib import Path

from cluster.rules import offline
from cluster.rules.rule import RULES


def test_every_rule_has_an_explanation_and_a_test_class() -> None:
    """A rule without tests, or without a sentence for docs/reference/problems.md, does not pass here."""
    assert callable(offline.check_spec)  # the import registers the rules
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for rule in RULES:
        assert rule.explanation
        assert f'"""{rule.code}' in tests, rule.code
