"""Causes 4, 5, 6 and 12 where networks are opened: what they give, their weights, class names and sizes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch

from ..case import Case, Preparation, conceptrast, nothing
from .preparations import link, pipe, subfolder, written

GIVEN = "--input-size 16 --class-names names.json"


def opened(factory: str, words: str = GIVEN) -> Callable[[], None]:
    """Open a factory's network by asking for a map of one picture."""
    return conceptrast(f"saliency --factory networks:{factory} {words} --image pictures/red-0.png --out out")


def refused(name: str, factory: str, *says: str, cause: int = 5, words: str = GIVEN) -> Case:
    """A network that is refused when it is opened, in one line, before anything is written."""
    return Case(name=name, action=opened(factory, words), says=says, lines=2, cause=cause, absent=["out/saliency.png"])


def names(content: object) -> Preparation:
    """Write other class names."""
    return written("names.json", content if isinstance(content, str) else json.dumps(content))


def weights(name: str, content: Callable[[], object] | bytes) -> Callable[[Path], None]:
    """Write a file of weights: bytes as they are, or what a function makes."""

    def prepare(folder: Path) -> None:
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            torch.save(content(), folder / name)

    return prepare


def convolutions(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weights of the factory ``convolutions``."""
    state = {"0.weight": torch.ones(3, 3, 3, 3), "0.bias": torch.zeros(3)}
    return state | {name.replace("_", "."): value for name, value in changes.items()}


def flipped(folder: Path) -> None:
    """A checkpoint with one bit turned, among the numbers of its first tensor."""
    torch.save(convolutions(), folder / "weights.pth")
    content = bytearray((folder / "weights.pth").read_bytes())
    content[content.index(b"\x00\x00\x80\x3f" * 8) + 2] ^= 1
    (folder / "weights.pth").write_bytes(bytes(content))


def cut(folder: Path) -> None:
    """A checkpoint of which the second half is missing."""
    torch.save(convolutions(), folder / "weights.pth")
    content = (folder / "weights.pth").read_bytes()
    (folder / "weights.pth").write_bytes(content[: len(content) // 2])


class Planted:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch planted",)


def of_file(name: str, prepare: Callable[[Path], None], *says: str, **options: object) -> Case:
    """Weights in a file that are refused."""
    words = f"--weights weights.pth {GIVEN}"
    return Case(
        name=name, action=opened("convolutions", words), prepare=prepare, says=says, lines=2, cause=5, **options
    )


def of_names(name: str, content: object, *says: str, **options: object) -> Case:
    """Class names that are refused."""
    return Case(name=name, action=opened("colours"), prepare=names(content), says=says, lines=2, cause=6, **options)


ANSWERS = [
    refused("a network that gives a tuple", "tuples", "tuple of 2", "logits"),
    refused("a network that gives a dictionary", "dictionaries", "dict of 'logits'", "logits"),
    refused("a network that gives nothing", "nothing", "gives nothing", "logits"),
    refused("a network that gives maps", "maps", "maps [2, 3, 8, 8]", "pooling"),
    refused("a network that gives infinity", "infinite", "NaN or infinity", "weights are finite"),
    refused("a network that gives NaN", "not_numbers", "NaN or infinity", "weights are finite"),
    refused("a network whose weights are NaN", "broken_weights", "'0.weight'", "9 of 81 values"),
    refused("a network that answers otherwise each time", "changing", "is random, or depends"),
    refused(
        "a network that looks at the other pictures of a batch", "looking_around", "other logits when it sees it again"
    ),
    refused("a network that takes no picture alone", "squeezed", "[3] for 1 picture, not logits [1, classes]"),
    refused("a network with one output", "one_output", "one output", cause=4),
    refused("a network that joins its pictures", "one_picture", "[1, 3] for 2 pictures"),
    refused("a network that gives classes and no logits", "whole_numbers", "[2] for 2 pictures"),
    refused("a factory that calls exit", "ends", "ended the program"),
    refused("a factory that exits with 3", "ends_with_three", "ended the program (exit 3)"),
    refused("a factory that fails", "fails", "RuntimeError: no network today"),
    refused("a factory that returns a number", "no_network", "returned int"),
    refused("a factory that needs an argument", "wants_arguments", "missing 1 required positional argument: 'depth'"),
    refused("a factory that does not exist", "colour", "nearest: colours"),
    refused("an untraceable network without a layer", "untraceable", "cannot be traced", "name the layer"),
    Case(
        name="an untraceable network with a layer",
        action=opened("untraceable", f"{GIVEN} --layer relu"),
        exit=0,
        says=["cannot be traced", "by a hook"],
        cause=5,
        seconds=20,
    ),
    Case(
        name="outputs are not those of the last registered layer",
        action=opened("tuple_layer"),
        exit=0,
        never=["8 outputs"],
        cause=5,
        seconds=20,
    ),
    Case(
        name="a module of factories that does not exist",
        cause=5,
        lines=2,
        action=conceptrast(f"layers --factory nowhere:colours {GIVEN}"),
        says=["importing nowhere failed"],
    ),
    Case(
        name="a module of factories with an error",
        cause=5,
        lines=2,
        prepare=written("networks.py", "def colours(:\n"),
        action=conceptrast(f"layers --factory networks:colours {GIVEN}"),
        says=["importing networks failed"],
    ),
    Case(
        name="a module of factories that exits",
        cause=5,
        lines=2,
        prepare=written("networks.py", "import sys\nsys.exit(0)\n"),
        action=conceptrast(f"layers --factory networks:colours {GIVEN}"),
        says=["importing networks failed"],
    ),
]

FILES = [
    of_file("weights: an empty file", weights("weights.pth", b""), "weights.pth", "empty (0 bytes)"),
    of_file("weights: a text", weights("weights.pth", b"<html>not found</html>"), "no torch checkpoint"),
    of_file("weights: noise", weights("weights.pth", bytes(range(256)) * 9), "no torch checkpoint"),
    of_file("weights: a zip that is none", weights("weights.pth", b"PK\x03\x04" + bytes(99)), "weights.pth"),
    of_file("weights: half a file", cut, "weights.pth", "cannot be read"),
    of_file("weights: one bit turned", flipped, "weights.pth", "damaged", "checksum"),
    of_file(
        "weights: code in a pickle",
        weights("weights.pth", lambda: {"a": Planted()}),
        "no plain torch checkpoint",
        absent=["planted"],
    ),
    of_file("weights: a list", weights("weights.pth", lambda: [torch.ones(2)]), "list, not tensors by name"),
    of_file("weights: a pickle without a beginning", weights("weights.pth", b"\x80\x02u."), "cannot be read"),
    of_file("weights: no tensors", weights("weights.pth", lambda: {"epoch": 3}), "holds no tensors"),
    of_file(
        "weights: of another network",
        weights("weights.pth", lambda: {"fc.weight": torch.ones(3, 3)}),
        "do not fit",
        "unexpected (fc.weight)",
    ),
    of_file(
        "weights: of another shape",
        weights("weights.pth", lambda: convolutions(**{"0_weight": torch.ones(3, 1, 3, 3)})),
        "(3, 1, 3, 3) instead of (3, 3, 3, 3)",
    ),
    of_file(
        "weights: one is missing",
        weights("weights.pth", lambda: {"0.weight": torch.ones(3, 3, 3, 3)}),
        "1 missing (0.bias)",
    ),
    of_file(
        "weights: NaN in a file",
        weights("weights.pth", lambda: convolutions(**{"0_bias": torch.tensor([1, float("nan"), 1])})),
        "'0.bias'",
        "1 of 3 values",
    ),
    of_file(
        "weights: infinity in a file",
        weights("weights.pth", lambda: convolutions(**{"0_bias": torch.tensor([1, float("inf"), 1])})),
        "'0.bias'",
    ),
    of_file("weights: a folder", subfolder("weights.pth"), "is a folder, not a file"),
    of_file("weights: a pipe", pipe("weights.pth"), "is a pipe, not a file"),
    of_file("weights: a link to nothing", link("weights.pth", "gone.pth"), "does not exist"),
    of_file("weights: no file", nothing, "weights.pth does not exist"),
]

SAFETENSORS = [
    Case(
        name=f"safetensors: {name}",
        lines=2,
        says=["weights.safetensors", *says],
        cause=5,
        prepare=weights("weights.safetensors", content),
        action=opened("convolutions", f"--weights weights.safetensors {GIVEN}"),
    )
    for name, content, says in [
        ("an empty file", b"", ["empty (0 bytes)"]),
        ("noise", bytes(range(256)), ["cannot be read"]),
        ("a header longer than the file", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", ["cannot be read"]),
        ("a header that is no JSON", b"\x08\x00\x00\x00\x00\x00\x00\x00notjson!", ["cannot be read"]),
        ("a torch checkpoint of that name", b"PK\x03\x04" + bytes(200), ["cannot be read"]),
    ]
]

CLASS_NAMES = [
    of_names("two class names for three outputs", ["red", "green"], "3 outputs", "2 class names", "--class-names"),
    of_names("four class names for three outputs", ["red", "green", "blue", "x"], "3 outputs", "4 class names"),
    of_names("a class name twice", ["red", "green", "red"], "'red' twice", "outputs 0 and 2", "--class-names"),
    of_names("no class names", [], "--class-names"),
    of_names("class names that are numbers", [1, 2, 3], "JSON list of class names"),
    of_names("class names in an object", {"0": "red"}, "JSON list of class names"),
    of_names("class names that are no JSON", "red, green, blue", "not JSON"),
    of_names("class names with an empty name", ["red", "", "blue"], "empty"),
    Case(
        name="class names in a file that is not UTF-8",
        action=opened("colours"),
        lines=2,
        cause=6,
        says=["names.json", "UTF-8"],
        prepare=written("names.json", b'["r\xff", "g", "b"]'),
    ),
    Case(
        name="no file of class names",
        action=opened("colours", "--input-size 16 --class-names none.json"),
        lines=2,
        says=["none.json does not exist"],
        cause=6,
    ),
    Case(
        name="class names in a pipe",
        action=opened("colours", "--input-size 16 --class-names pipe.json"),
        lines=2,
        prepare=pipe("pipe.json"),
        says=["pipe.json is a pipe"],
        cause=6,
    ),
    Case(
        name="class names in a folder",
        action=opened("colours", "--input-size 16 --class-names pictures"),
        lines=2,
        says=["pictures is a folder"],
        cause=6,
    ),
    Case(
        name="a network without class names",
        action=opened("colours", "--input-size 16"),
        lines=2,
        says=["--class-names"],
        never=["`class_names`"],
        cause=6,
    ),
]

SIZES = [
    refused(
        "an input of 100000 pixels",
        "colours",
        "GiB",
        "--input-size",
        cause=12,
        words="--input-size 100000 --class-names names.json",
    ),
    refused(
        "an input of a billion pixels",
        "colours",
        "GiB",
        "--input-size",
        cause=12,
        words="--input-size 1000000000 --class-names names.json",
    ),
    refused("an input of 1 pixel", "colours", "kernel", cause=12, words="--input-size 1 --class-names names.json"),
    refused("no size of the input", "colours", "--input-size", cause=12, words="--class-names names.json"),
    refused(
        "an input of 0 pixels",
        "colours",
        "--input-size must be at least 1",
        cause=12,
        words="--input-size 0 --class-names names.json",
    ),
    Case(
        name="an input of 7 pixels for a network that is made for 96",
        cause=4,
        seconds=20,
        says=["7 pixels", "224"],
        action=conceptrast("layers --model resnet18 --input-size 7"),
        exit=0,
    ),
    Case(
        name="a published name with an input of 100000 pixels",
        cause=12,
        lines=2,
        says=["GiB", "--input-size"],
        action=conceptrast("layers --model resnet18 --input-size 100000"),
    ),
]

CASES = [*ANSWERS, *FILES, *SAFETENSORS, *CLASS_NAMES, *SIZES]
