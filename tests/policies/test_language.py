"""The language: text to policy and back, nothing evaluated, errors that say what to write."""

import contextlib
import datetime as dt
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import PolicyError, PolicySyntaxError, PolicyTypeError
from holdfast.policies import (
    WORDS,
    AnyPreservationPolicy,
    BestN,
    CalendarN,
    CustomSteps,
    EveryNSeconds,
    EveryNSteps,
    EveryNStepsClosest,
    LatestBytes,
    LatestDuration,
    LatestN,
    PreserveAll,
    Within,
    after,
    at,
    before,
    best,
    closest,
    daily,
    every,
    everything,
    has,
    hourly,
    latest,
    latest_duration,
    log_spaced,
    parse,
    spaced,
    where,
    within,
)


@pytest.mark.parametrize(
    ("word", "made"),
    [
        (latest(3), LatestN(3)),
        (latest(), LatestN(None)),
        (latest(bytes="500GB"), LatestBytes(500 * 10**9)),
        (every(steps=1000, keep=5), EveryNSteps(1000, max_to_keep=5)),
        (spaced(steps=1000), EveryNSteps(1000, exact_interval=False)),
        (spaced(hours=6), EveryNSeconds(21600)),
        (spaced(days=1, hours=12), EveryNSeconds(dt.timedelta(days=1.5))),
        (closest(steps=1000), EveryNStepsClosest(1000)),
        (latest_duration("7d"), LatestDuration(dt.timedelta(days=7))),
        (within("7d"), Within(dt.timedelta(days=7))),
        (within(days=7), within("1w")),
        (at(1, 2), CustomSteps((2, 1))),
        (best(2, "a", mode="min"), BestN(get_metric_fn="a", reverse=True, n=2)),
        (best(2, "a", mode="max"), BestN(get_metric_fn="a", n=2)),
        (everything(), PreserveAll()),
        (daily(7), CalendarN("day", 7)),
        (latest(1) | latest(2), AnyPreservationPolicy([LatestN(1), LatestN(2)])),
    ],
)
def test_language_and_class_are_two_spellings_of_one_object(word, made):
    assert made == word
    assert made == parse(str(word))


@pytest.mark.parametrize(
    "text",
    [
        'latest(3) | every(steps=1000) | best(2, "eval/loss", mode="min") | daily(7) | at(500, 1500)',
        "before(step=1000) & every(steps=50) | every(steps=1000)",
        'every(steps=1000) & best(2, "eval/loss", mode="min")',
        "(at(1) | at(2)) & latest(3)",
        "~(at(1) & at(2)) & ~at(3) & latest(3)",
        "at(1) & (latest(3) | daily(2))",
        "spaced(steps=100, keep=5)",
        "spaced(minutes=90)",
        "spaced(seconds=0.5)",
        "closest(steps=100, keep=5)",
        'hourly(24, tz="Europe/Berlin")',
        'latest(bytes="2GiB")',
        "latest(bytes=123)",
        'within("1d12h")',
        'latest_duration("0s")',
        'best(None, "a", mode="max", unmeasured="drop")',
        'has("eval/loss") & latest(2)',
        "at()",
        "latest(0)",
        "log_spaced(3)",
        "everything()",
    ],
)
def test_the_canonical_text_is_what_is_printed(text):
    assert text == str(parse(text))


def test_lines_comments_and_spaces_do_not_matter():
    text = """
        latest(3)            # resume from these
        | every(steps = 1000)
        # the best one
        | best(1, 'loss', mode='min')
    """
    assert latest(3) | every(steps=1000) | best(1, "loss", mode="min") == parse(text)


texts = st.text(min_size=1, max_size=12)
counts = st.integers(1, 10**20)
spans = st.timedeltas(dt.timedelta(0), dt.timedelta(days=10_000))
filters = st.one_of(
    st.builds(at) | st.builds(at, st.integers(-5, 10**20), st.integers(0, 9)),
    st.builds(every, steps=counts),
    st.builds(before, st.integers(-9, 10**20)),
    st.builds(after, st.integers(-9, 10**20)),
    st.builds(has, texts),
    st.builds(everything),
)
filters = st.recursive(
    filters,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=4,
)
choosers = st.one_of(
    st.builds(latest, st.none() | st.integers(0, 9)),
    st.builds(lambda size: latest(bytes=size), st.integers(0, 10**18)),
    st.builds(every, steps=counts, keep=counts),
    st.builds(spaced, steps=counts, keep=st.none() | counts),
    st.builds(EveryNSeconds, spans | st.floats(0, 1e9)),
    st.builds(closest, steps=counts, keep=st.none() | counts),
    st.builds(log_spaced, st.integers(2, 99)),
    st.builds(
        best,
        st.none() | st.integers(0, 9),
        texts,
        mode=st.sampled_from(["min", "max"]),
        unmeasured=st.sampled_from(["keep", "drop"]),
    ),
    st.builds(within, spans),
    st.builds(latest_duration, spans),
    st.builds(hourly, st.integers(1, 99), tz=st.sampled_from(["UTC", "Asia/Tokyo"])),
)
policies = st.recursive(
    filters | choosers,
    lambda inner: st.one_of(st.builds(lambda a, b: a | b, inner, inner), st.builds(lambda f, p: f & p, filters, inner)),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(policy=policies)
def test_whatever_is_printed_is_read_back(policy):
    assert policy == parse(str(policy))


@settings(max_examples=300, deadline=None)
@given(text=st.text() | st.text(alphabet="latest(3)|&~,.=\"'#\n \\stepsbyn0_", max_size=40))
def test_any_text_is_a_policy_or_a_policy_error(text):
    with contextlib.suppress(PolicyError):
        assert parse(text) == parse(str(parse(text)))


def fails(text):
    with pytest.raises(PolicySyntaxError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("latst(3)", 0, "did you mean 'latest'"),
        ("latest(3) | evry(steps=10)", 12, "did you mean 'every'"),
        ("every(step=100)", 6, "did you mean 'steps'"),
        ("every(1000)", 0, "every(steps=1000)"),
        ("every()", 0, "every(steps=1000)"),
        ("latest(-1)", 0, "0 or more"),
        ("latest(1.5)", 0, "whole number"),
        ('best(2, "x")', 0, "mode"),
        ('best(2, "x", mode="lowest")', 0, 'mode="min"'),
        ("best(2, loss, mode='min')", 8, '"loss"'),
        ("latest", 0, "latest(3)"),
        ("LatestN(3)", 0, "latest(3)"),
        ("EveryNSteps(1000)", 0, "every(steps=1000)"),
        ("latest(3) or at(1)", 0, "|"),
        ("latest(3) + at(1)", 0, "|"),
        ("latest(3) - at(1)", 0, "|, & and ~"),
        ("not at(1)", 0, "~"),
        ("latest(3), at(1)", 11, "not by commas"),
        ("latest(3) & latest(2)", 0, "latest(3) | latest(2)"),
        ("~latest(2)", 0, "only a filter"),
        ('within("7x")', 0, "'7d'"),
        ('within("-7d")', 0, "'7d'"),
        ("within()", 0, 'within("7d")'),
        ("within(years=1)", 7, "weeks"),
        ('latest(bytes="5 parsecs")', 0, "GiB"),
        ('latest(3, bytes="5GB")', 0, "latest(3) | latest(bytes=...)"),
        ("spaced()", 0, "spaced(hours=6)"),
        ("spaced(hours=6, keep=3)", 0, "daily"),
        ('daily(7, tz="Mars/Olympus")', 0, "Europe/Berlin"),
        ("daily(0)", 0, "1 or more"),
        ("latest(3", 0, "never closed"),
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("# nothing", 0, "empty"),
        ("latest(3)) | (at(1)", 0, "rules joined by |"),
        ("where(f)", 0, "Python"),
        ("latest(n=none)", 9, "None"),
        ("at(*[1])", 3, "a number"),
        ("latest(**{})", 9, "one by one"),
        ("latest(3)(4)", 0, "a word with parentheses"),
        ("a.latest(3)", 0, "a word with parentheses"),
        ("latest(2+1)", 7, "a number"),
        ("[latest(3)]", 0, "a word with parentheses"),
        ("latest(3) | 5", 12, "a word with parentheses"),
        ("lambda: 1", 0, "a word with parentheses"),
        ("__import__('os').system('true')", 0, "a word with parentheses"),
        ("latest(True)", 0, "whole number"),
        ("x=latest(3)", 0, "rules joined by |"),
        ("é | latest(3) | evry(steps=1)", 0, "unknown rule 'é'"),
        ("has('é') | evry(steps=1)", 11, "did you mean 'every'"),
    ],
)
def test_an_error_points_at_the_place_and_says_what_to_write(text, column, words):
    error = fails(text)
    assert words in str(error)
    assert column == error.column
    assert error.exit_code == 2


def test_the_pointer_stands_under_the_word():
    assert str(fails("latest(3) | evry(steps=10)")).endswith("\n  latest(3) | evry(steps=10)\n              ^")


def test_the_pointer_shows_the_line_of_several():
    error = fails("latest(3) |\n  evry(steps=10)")
    assert ("  evry(steps=10)", 2) == (error.text, error.column)


def test_a_syntax_error_can_be_pickled():
    assert str(fails("latst(3)")) == str(pickle.loads(pickle.dumps(fails("latst(3)"))))


@pytest.mark.parametrize(
    "text",
    ["(" * 3000 + ")" * 3000, "~" * 5000 + "at(1)", "at(1)|" * 1600 + "at(1)", "at(" + "9" * 5000 + ")", "a" * 20_000],
)
def test_a_hostile_text_is_an_ordinary_error(text):
    with contextlib.suppress(PolicySyntaxError):
        parse(text)


@pytest.mark.parametrize("text", ["latest(3)\x00", "\ud800", "latest('\ud800')", "'\\x'", "has('\\d')|at(1)|"])
def test_odd_characters_are_ordinary_errors(text):
    fails(text)


@pytest.mark.parametrize("text", [None, 3, b"latest(3)", latest(3)])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(PolicyTypeError):
        parse(text)


class Mine:
    def should_preserve(self, checkpoints, *, context):
        return [True] * len(checkpoints)


@pytest.mark.parametrize(
    "policy", [where(str), best(1, len, mode="min"), latest(2) | Mine(), AnyPreservationPolicy([latest(1)])]
)
def test_what_the_language_cannot_spell_prints_and_is_refused_when_read(policy):
    fails(str(policy))


def test_every_word_has_its_example_in_the_message():
    for word in WORDS:
        text = word + "(nonsense=1)"
        assert "has no 'nonsense'" in str(fails(text))
        assert "needs parentheses" in str(fails(word))
