"""lint: which laws a policy obeys, and a smallest counter-example where it does not."""

import json

import pytest

from holdfast.errors import PolicyTypeError
from holdfast.policies import LintReport, best, latest, lint, parse, where


def law(report, name):
    return next(found for found in report.laws if found.name == name)


@pytest.mark.parametrize(
    "text",
    [
        "latest(3)",
        "latest(3) | every(steps=1000)",
        'best(2, "eval/loss", mode="min") | daily(7)',
        'every(steps=1000) & best(2, "eval/loss", mode="min")',
        'within("7d") | log_spaced(2)',
        "closest(steps=1000)",
        '~has("a") & latest(20)',
    ],
)
def test_a_path_independent_policy_has_nothing_against_it(text):
    report = lint(parse(text))
    assert report.ok
    assert all(found.holds for found in report.laws)
    assert text == report.policy


@pytest.mark.parametrize(
    ("text", "breaks", "most"),
    [
        ("spaced(steps=100)", {"path independence"}, 3),
        ("spaced(hours=6)", {"path independence"}, 3),
        ("latest(3) | spaced(steps=100, keep=2)", {"path independence", "append stability"}, 5),
        ("latest(bytes=1000)", {"path independence"}, 3),
        ("closest(steps=1000, keep=2)", {"path independence"}, 5),
        ('best(2, "a", mode="min", unmeasured="drop")', {"path independence", "append stability"}, 4),
        ('latest_duration("7d")', {"path independence"}, 2),
    ],
)
def test_a_law_that_is_broken_has_a_small_counter_example(text, breaks, most):
    report = lint(parse(text))
    assert breaks == {found.name for found in report.laws if found.holds is False}
    for name in breaks:
        example = law(report, name).counter_example
        assert len(example.history) <= most
        assert set(example.first) | set(example.later) == {c.name for c in example.history}
        assert example.once != example.twice
    assert not report.ok
    assert any("guards" in note for note in report.notes)


def test_the_counter_example_is_printed_for_a_person():
    text = str(lint(parse("spaced(steps=100)")))
    assert "path independence: does not hold" in text
    assert "append stability: holds" in text
    assert "pruned once, at the end:" in text
    assert "step 150" in text
    assert " B" not in text, "sizes do not matter to it"


def test_the_report_is_plain_and_the_same_every_time():
    policy = parse('latest_duration("7d") | best(1, "a", mode="max", unmeasured="drop")')
    once, again = lint(policy), lint(policy)
    assert once == again
    assert json.loads(json.dumps(once.to_plain(), allow_nan=False)) == again.to_plain()
    assert {"path independence", "append stability", "moving clock"} == {found.name for found in once.laws}


def test_what_is_not_promised_and_not_refuted_is_said():
    assert "not promised" in str(law(lint(parse('every(steps=2) & latest_duration("1h")')), "moving clock"))


@pytest.mark.parametrize("text", ["latest(0)", "every(steps=0)", "at()"])
def test_a_policy_that_can_keep_nothing_has_a_note(text):
    report = lint(parse(text))
    assert report.notes
    assert not report.ok


def test_a_user_s_own_class_is_examined_as_it_is():
    class Odd:
        """Keeps every second one: what is second depends on what was pruned before."""

        def should_preserve(self, checkpoints, *, context):
            return [i % 2 == 0 for i in range(len(checkpoints))]

    report = lint(Odd())
    assert isinstance(report, LintReport)
    assert len(law(report, "append stability").counter_example.history) <= 3


def test_a_function_of_any_metric_is_examined():
    assert lint(best(1, lambda metrics: metrics["whatever"], mode="min")).ok
    assert lint(where(lambda checkpoint: checkpoint.step > 3) & latest(1)).ok


def test_a_wrong_declaration_is_found_out(monkeypatch):
    """If a rule that is not path independent said that it were, lint would show the counter-example."""
    policy = parse("spaced(steps=100)")
    facts = policy._facts()
    monkeypatch.setattr(type(policy), "_facts", lambda self: type(facts)())
    assert law(lint(policy), "path independence").declared
    assert law(lint(policy), "path independence").holds is False


def test_what_is_no_policy_is_refused():
    with pytest.raises(PolicyTypeError):
        lint("latest(3)")
