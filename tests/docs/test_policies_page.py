"""What docs/policies.md shows is what the rules do: every block, fact and spelling of the page is made anew here.

``HOLDFAST_GOLDEN=write`` puts what the rules say now into the page; read the difference before you commit it.
"""

import datetime
import os
import re
from pathlib import Path

import pytest

import holdfast
from holdfast import policies
from holdfast.checkpoint import Checkpoint, Run, Status, TimeSource
from holdfast.errors import PolicyError, RefusedError, UsageError
from holdfast.history import History
from holdfast.plan import plan
from holdfast.policies import ALL_POLICIES, WORDS, Needs, PreservationContext, judge, needs_of, parse
from holdfast.policies.base import facts_of
from holdfast.units import parse_duration, parse_size

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"
TEXT = PAGE.read_text(encoding="utf-8")
NOW = datetime.datetime(2026, 3, 4, 12, tzinfo=datetime.UTC)
NAMESPACE = {**vars(holdfast.preservation_policies), **{n: getattr(policies, n) for n in policies.__all__}} | {
    "timedelta": datetime.timedelta,
    "function": bool,
}


def section(title):
    return re.split(rf"^##+ {re.escape(title)}\n", TEXT, flags=re.MULTILINE)[1].split("\n## ")[0]


def rows(text):
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in table[1:]]


def history():
    """The history that the page tells of, oldest first."""
    for step, saved, loss, size in rows(section("The history on this page")):
        yield Checkpoint(
            name=f"step_{step}",
            step=int(step),
            time=datetime.datetime.strptime(f"2026-{saved}Z", "%Y-%m-%d %a %H:%M%z"),
            time_source=TimeSource.RECORDED,
            metrics=None if loss == "not yet" else {"eval/loss": float(loss)},
            size=parse_size(size),
            status=Status.COMPLETE,
        )


HISTORY = tuple(history())
RUN = Run(root="/runs/llama", layout="orbax", template="{step}", checkpoints=HISTORY, atomic=True)
BLOCKS = re.findall(r"```text\n(policy .*?)```\n", TEXT, re.DOTALL)
REFUSALS = re.findall(r"```text\n(refused: .*?)```\n", TEXT, re.DOTALL)
FACTS = re.findall(r"^(Reads .*)\n\n```text\npolicy (.*)\n", TEXT, re.MULTILINE)


def worked(first_line):
    """The block: the policy, and each checkpoint with its reasons, newest first."""
    policy = parse(first_line.removeprefix("policy "))
    verdicts = judge(policy, History.of(HISTORY), PreservationContext(now=NOW))
    yield first_line
    for i in reversed(range(len(HISTORY))):
        mark = "● keep" if verdicts.kept[i] else "○ drop"
        yield f"  {mark}  {HISTORY[i].step:>3}  {' · '.join(verdicts.reasons(i))}"


def refused(first_line):
    """The block: what is refused, when it is written or when a plan is made of it, and what is said then."""
    text = first_line.removeprefix("refused: ")
    yield first_line
    with pytest.raises((UsageError, RefusedError)) as caught:
        plan(RUN, text, now=NOW)
    message = str(caught.value).split("\n  ")[0]
    yield f"    {message}"


def made_anew(text):
    firsts = [line for line in text.splitlines() if re.match("policy |refused: ", line)]
    blocks = ["\n".join((worked if f.startswith("policy ") else refused)(f)) for f in firsts]
    return "\n".join(blocks) + "\n"


def facts(policy):
    told = facts_of(policy)
    reads = ["steps", *(n.name.lower() for n in Needs if n in needs_of(policy))]
    stable = ", but stable while checkpoints arrive in order" if told.append_stable and not told.clocked else ""
    path = "Path independent." if told.path_independent else f"Not path independent{stable}."
    kind = " A filter." if told.is_filter else ""
    return f"Reads {', '.join(reads)}. {path}{kind}"


def rewritten(text):
    text = re.sub(
        r"```text\n((?:policy|refused:) .*?)```\n",
        lambda m: f"```text\n{made_anew(m[1])}```\n",
        text,
        flags=re.DOTALL,
    )
    return re.sub(
        r"^Reads.*(\n\n```text\npolicy (.*)\n)",
        lambda m: facts(parse(m[2])) + m[1],
        text,
        flags=re.MULTILINE,
    )


def test_the_page_made_anew_is_the_page():
    anew = rewritten(TEXT)
    if os.environ.get("HOLDFAST_GOLDEN") == "write":
        PAGE.write_text(anew, encoding="utf-8")
        return
    assert anew == TEXT


@pytest.mark.parametrize("block", [*BLOCKS, *REFUSALS], ids=lambda b: b.splitlines()[0])
def test_a_block_of_the_page_is_what_the_rules_say(block):
    assert made_anew(block) == block


@pytest.mark.parametrize(("line", "policy"), FACTS, ids=lambda text: text)
def test_what_a_rule_reads_and_obeys_is_what_it_declares(line, policy):
    assert facts(parse(policy)) == line


def test_each_rule_has_its_facts_and_its_worked_plan():
    shown = "\n".join(policy for _, policy in FACTS)
    assert [w for w in WORDS if f"{w}(" not in shown] == []
    assert [kind.__name__ for kind in ALL_POLICIES if f"`{kind.__name__}" not in TEXT] == []


SPELLINGS = [row[:2] for row in rows(section("All rules"))]


@pytest.mark.parametrize(("language", "reference"), SPELLINGS, ids=lambda code: code)
def test_both_spellings_of_a_rule_are_one_object(language, reference):
    one, other = (eval(code.strip("`"), dict(NAMESPACE)) for code in (language, reference))
    assert one == other
    if isinstance(one, policies.Where):
        return
    assert str(other) == language.strip("`")
    assert parse(str(other)) == other


def test_every_word_and_every_class_is_in_the_table():
    words = {re.match(r"`(\w+)", language)[1] for language, _ in SPELLINGS if language[1] not in "~("}
    assert set(WORDS) | {"where"} == words
    classes = {re.match(r"`(\w+)", reference)[1] for _, reference in SPELLINGS}
    assert {kind.__name__ for kind in ALL_POLICIES} == classes


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL), ids=lambda c: c.splitlines()[0])
def test_the_python_of_the_page_runs(code):
    exec(compile(code, PAGE.name, "exec"), {"history": list(HISTORY)})


def test_the_durations_and_sizes_of_the_page_are_read_as_it_says():
    for written, meant in rows(section("Durations and sizes")):
        for text in re.findall("`([^`]+)`", written):
            if meant == "refused":
                for read in (parse_duration, parse_size):
                    with pytest.raises(PolicyError):
                        read(text)
            else:
                value = eval(meant.strip("`"), dict(NAMESPACE))
                assert (parse_size if isinstance(value, int) else parse_duration)(text) == value
