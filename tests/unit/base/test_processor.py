"""What a processor can do, from lists as Linux gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptrast.base import processor
from conceptrast.base.processor import multiplies_small_bfloat16, processor_flags


def test_the_flags_of_the_first_core_are_read(tmp_path: Path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16\nvmx flags\t: ept\nflags\t\t: fpu\n")
    assert processor_flags(file) == {"fpu", "avx512_bf16"}
    file.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    processor_flags.cache_clear()
    assert processor_flags(file) == frozenset()


@pytest.mark.parametrize(
    ("flags", "answer"),
    [({"fpu", "avx512_bf16"}, True), ({"avx512_bf16", "amx_bf16"}, False), ({"avx512f"}, False), (set(), False)],
)
def test_small_products_of_bfloat16_need_vectors_and_no_tiles(monkeypatch, flags: set[str], answer: bool):
    monkeypatch.setattr(processor, "processor_flags", lambda: frozenset(flags))
    assert multiplies_small_bfloat16() is answer
