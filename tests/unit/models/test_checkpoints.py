"""Checkpoints: what is wrong with one costs time and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from conceptrast.models.checkpoints import Checkpoint


def saved(content: object) -> bytes:
    torch.save(content, path := Path("saved.pt"))
    return path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"not a file of torch",
        [1, 2],
        {"parts": {}},
        {"key": "key"},
        {"key": "key", "parts": {}, "history": []},
        {"key": "key", "history": [], "parts": {"one": {"weight": torch.ones(1, 1)}, "two": {"weight": torch.ones(9)}}},
    ],
)
def test_whatever_is_wrong_training_starts_anew_with_the_weights_it_had(content, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.pt"
    path.write_bytes(content if isinstance(content, bytes) else saved(content))
    parts = {name: nn.Linear(1, 1, bias=False) for name in ("one", "two")}
    before = {name: part.weight.clone() for name, part in parts.items()}
    assert Checkpoint(path, "key", parts).resume() == []
    assert all(torch.equal(part.weight, before[name]) for name, part in parts.items())
    assert "cannot be read and is ignored" in caplog.text


def test_bits_that_turned_in_a_weight_are_noticed(tmp_path, caplog):
    part = nn.Linear(8, 1)
    Checkpoint(tmp_path / "c.pt", "key", {"part": part}).save([{"epoch": 1}])
    content = bytearray((tmp_path / "c.pt").read_bytes())
    content[content.index(part.weight.detach().numpy().tobytes()) + 2] ^= 1
    (tmp_path / "c.pt").write_bytes(bytes(content))
    assert Checkpoint(tmp_path / "c.pt", "key", {"part": part}).resume() == []
    assert "cannot be read and is ignored" in caplog.text


def test_a_checkpoint_of_another_key_is_ignored(tmp_path):
    part = nn.Linear(1, 1)
    Checkpoint(tmp_path / "c.pt", "first", {"part": part}).save([{"epoch": 1}])
    assert Checkpoint(tmp_path / "c.pt", "second", {"part": part}).resume() == []
    assert Checkpoint(tmp_path / "c.pt", "first", {"part": part}).resume() == [{"epoch": 1}]
