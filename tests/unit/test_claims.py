"""Every sentence of the documents that states a result of a run has its claims, and every claim has its sentence.

A result stands in the paragraphs that follow a table of a run, or is a sentence elsewhere that sounds like one. What
such a paragraph holds beside results (reasons, and what a result does not show) is listed in ``no_results.txt``.
Captions, and sentences that begin with "In the figure", describe the picture that they stand beside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conceptrast.verification.check import CLAIMS
from conceptrast.verification.claims import read_claims, verdicts_of
from conceptrast.verification.results import commit_of, results_at

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "docs/results.md")
NO_RESULTS = Path(__file__).with_name("no_results.txt")

NOT_PROSE = re.compile(r"^```.*?^```$|^<!-- table: [\w-]+ -->$.*?^<!-- end -->$", re.DOTALL | re.MULTILINE)
CAPTION = re.compile(r"\*[^*\s].*[^*\s]\*", re.DOTALL)
HEADLINE = re.compile(r"\*\*[^*]+[.?]\*\*")
ITEM = re.compile(r"^(?:- |\d+\. )", re.MULTILINE)
SOUNDS_LIKE_A_RESULT = re.compile(
    r"\d %(?! interval)|\bnearly (all|every)\b|\bhardly\b|\b(better|worse|higher|lower|more|less|fewer)\b.* than\b"
    r"|\b(all|every|none|no)\b.* (found|matched|swapped|recognised)\b|\bby chance\b|\bcoincidence\b",
    re.IGNORECASE,
)


def sentences(paragraph: str) -> Iterator[str]:
    """Sentences of a paragraph or a list, with their whitespace collapsed."""
    for item in ITEM.split(paragraph):
        text = " ".join(item.split())
        headline = HEADLINE.match(text)
        if headline:
            yield headline[0]
            text = text[headline.end() :].strip()
        yield from filter(None, re.split(r"(?<=[.?!])\s+", text))


def paragraphs(document: str) -> Iterator[tuple[str, str]]:
    """What each paragraph of a document is, and its text: a table, a break, or prose.

    Headings, figures and paragraphs with a bold headline are breaks: there a new question begins.
    """
    text = NOT_PROSE.sub(lambda block: "\n\n|\n\n" if block[0].startswith("<!--") else "", document)
    for paragraph in filter(str.strip, re.split(r"\n\s*\n", text)):
        if paragraph.startswith(("|", "#", "![")):
            yield "table" if paragraph.startswith("|") else "break", ""
        elif HEADLINE.match(paragraph):
            yield "break", paragraph
        elif not paragraph.startswith(("    ", "<!--")) and not CAPTION.fullmatch(paragraph):
            yield "prose", paragraph


def result_sentences(document: str) -> list[str]:
    """Sentences of a document that state a result: those after tables, and others that sound like one.

    Of several paragraphs between two tables, the last introduces the second table.
    """
    after_table: list[str] = []
    others: list[str] = []
    waiting: list[str] | None = None
    for kind, text in [*paragraphs(document), ("break", "")]:
        if kind == "prose":
            (others if waiting is None else waiting).append(text)
            continue
        if waiting is not None:
            if kind == "table" and len(waiting) > 1:
                others.append(waiting.pop())
            after_table += waiting
        others.append(text)
        waiting = [] if kind == "table" else None
    results = [sentence for paragraph in after_table for sentence in sentences(paragraph)]
    results += [
        sentence for paragraph in others for sentence in sentences(paragraph) if SOUNDS_LIKE_A_RESULT.search(sentence)
    ]
    return [sentence for sentence in results if not sentence.startswith("In the figure")]


@pytest.fixture(scope="module")
def documents() -> str:
    return "\n\n# \n\n".join((ROOT / name).read_text() for name in DOCUMENTS)


@pytest.fixture(scope="module")
def no_results() -> list[str]:
    """Sentences that state no result, though they stand where results stand."""
    return [line for line in NO_RESULTS.read_text().splitlines() if line and not line.startswith("#")]


def test_every_result_has_a_claim(documents: str, no_results: list[str]) -> None:
    known = {claim.sentence for claim in read_claims(ROOT / CLAIMS)} | set(no_results)
    without = [sentence for sentence in result_sentences(documents) if sentence not in known]
    assert without == [], "state a claim in docs/claims.csv; what states no result goes into tests/unit/no_results.txt"


def test_every_claim_has_its_sentence(documents: str) -> None:
    written = {sentence for _, paragraph in paragraphs(documents) for sentence in sentences(paragraph)}
    gone = dict.fromkeys(claim.sentence for claim in read_claims(ROOT / CLAIMS) if claim.sentence not in written)
    assert list(gone) == [], "these sentences of docs/claims.csv stand in no document"


def test_no_claim_is_made_twice() -> None:
    claims = read_claims(ROOT / CLAIMS)
    assert len({(claim.run, claim.sentence, claim.metric, claim.relation, claim.bound) for claim in claims}) == len(
        claims
    )


def test_the_list_of_what_is_no_result_is_up_to_date(documents: str, no_results: list[str]) -> None:
    assert [line for line in no_results if line not in result_sentences(documents)] == []
    assert not {claim.sentence for claim in read_claims(ROOT / CLAIMS)} & set(no_results)


@pytest.mark.parametrize("run", sorted({claim.run for claim in read_claims(ROOT / CLAIMS)}))
def test_committed_runs_bear_their_claims_out(run: str) -> None:
    verdicts = verdicts_of(read_claims(ROOT / CLAIMS), run, results_at(ROOT, run, "HEAD"))
    assert len(commit_of(ROOT, "HEAD")) == 40
    assert [
        (verdict.claim.metric.text, verdict.reason, verdict.margin) for verdict in verdicts if not verdict.holds
    ] == []


DOCUMENT = """# A question

All is defined here. Nearly all classes are matched.

<!-- table: one -->
| a |
| b |
<!-- end -->

The first result. In the figure, a colour.

This paragraph introduces the next table.

<!-- table: two -->
<!-- end -->

- The second result is
  long. The third?

*A caption. It tells of a picture.*

**A headline.** A definition.
"""


def test_a_result_is_recognised_where_it_stands() -> None:
    assert result_sentences(DOCUMENT) == [
        "The first result.",
        "The second result is long.",
        "The third?",
        "Nearly all classes are matched.",
    ]


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("The trained ResNet names", "A new result without a claim."),
        ("Grad-CAM maps show where the model looks.", "It is better than a random map."),
        ("**The network.**", "It is right for 97 % of the pictures."),
    ],
)
def test_a_new_result_without_a_claim_is_seen(documents: str, before: str, sentence: str) -> None:
    assert before in documents
    added = documents.replace(before, f"{sentence} {before}" if "**" not in before else f"{before} {sentence}", 1)
    assert set(result_sentences(added)) - set(result_sentences(documents)) == {sentence}
