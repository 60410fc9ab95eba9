"""Progress: how far a loop is, how long it still takes, in words that fit the numbers."""

from __future__ import annotations

import time

import pytest

from conceptrast.base.progress import counted, duration, progress


def test_the_time_left_is_that_of_the_items_left(caplog, monkeypatch):
    clock = iter([0.0, 20.0, 40.0, 45.0, 1000.0, 1000.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with caplog.at_level("INFO"):
        assert list(progress("abcd", "reading", 4, "letters")) == list("abcd")
    assert caplog.messages == [
        "reading: 1 of 4 letters, about 60 s left",
        "reading: 2 of 4 letters, about 40 s left",
        "reading: 4 letters in 1000.0 s",
    ]


def test_a_loop_that_is_left_early_says_nothing_of_its_end(caplog):
    with caplog.at_level("INFO"):
        next(progress("abcd", "reading", 4, "letters"))
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("plural", "one"),
    [("batches", "1 batch"), ("classes", "1 class"), ("boxes", "1 box"), ("images", "1 image"), ("pairs", "1 pair")],
)
def test_one_thing_is_in_the_singular(plural, one):
    assert counted(1, plural) == one
    assert [counted(number, plural) for number in (0, 2)] == [f"0 {plural}", f"2 {plural}"]


def test_long_times_are_in_larger_units():
    assert [duration(seconds) for seconds in (0.4, 119, 120, 7199, 7200)] == [
        "0 s",
        "119 s",
        "2 minutes",
        "120 minutes",
        "2.0 hours",
    ]
