"""Batches that are made ready in a thread are the same, in the same order, and errors reach the caller."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from conceptrast.base.errors import DataError
from conceptrast.models.batches import one_ahead, pinned, prepared

Batch = tuple[np.ndarray, torch.Tensor]


def batches(number: int) -> Iterator[Batch]:
    for start in range(number):
        yield np.array([start, 9]), torch.full((2, 3), float(start))


def assert_same(left: list[Batch], right: list[Batch]) -> None:
    assert [ids.tolist() for ids, _ in left] == [ids.tolist() for ids, _ in right]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(left, right, strict=True))


@pytest.mark.parametrize("number", [0, 1, 5])
def test_order_and_values_stay(number: int) -> None:
    assert_same(list(one_ahead(batches(number))), list(batches(number)))


def test_the_next_is_made_while_one_is_in_use() -> None:
    second_was_taken = threading.Event()

    def source() -> Iterator[tuple[str]]:
        yield ("first",)
        second_was_taken.set()
        yield ("second",)

    stream = one_ahead(source())
    assert next(stream) == ("first",)
    assert second_was_taken.wait(timeout=60)
    assert list(stream) == [("second",)]


def test_an_error_reaches_the_caller_behind_the_batches_before_it() -> None:
    def source() -> Iterator[Batch]:
        yield from batches(2)
        raise DataError("picture 7 cannot be read")

    stream = one_ahead(source())
    assert_same([next(stream), next(stream)], list(batches(2)))
    with pytest.raises(DataError, match="picture 7 cannot be read"):
        next(stream)


def test_a_caller_that_stops_early_leaves_no_thread() -> None:
    taken = []

    def source() -> Iterator[tuple[int]]:
        for number in range(100):
            taken.append(number)
            yield (number,)

    before = set(threading.enumerate())
    stream = one_ahead(source())
    assert next(stream) == (0,)
    stream.close()
    assert set(threading.enumerate()) <= before
    assert taken == [0, 1]


def test_on_a_cpu_no_thread_takes_part() -> None:
    threads = []

    def source() -> Iterator[Batch]:
        threads.append(threading.current_thread())
        yield from batches(3)

    assert_same(list(prepared(source(), torch.device("cpu"))), list(batches(3)))
    assert threads == [threading.current_thread()]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="memory is pinned for a GPU")
def test_tensors_are_pinned_and_arrays_stay() -> None:
    stream = list(pinned(batches(2)))
    assert_same(stream, list(batches(2)))
    assert all(tensor.is_pinned() for _, tensor in stream)
