"""Readers with random and with slightly changed content. Each case tries as many as its seconds allow.

A reader may refuse any content with an error of the package; it must not end with another one, nor take longer than a
second. A content that did is printed as base64, so that it can become a case of its own.
"""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..case import Action, Case
from ..material import picture

SECONDS = 20
"""How long each reader is tried."""

LONGEST = 1
"""Seconds that a reader may take for a few thousand bytes."""

Reader = Callable[[Path], object]


def changed(content: bytes, draw: np.random.Generator) -> bytes:
    """Content with bytes flipped, cut out, repeated or put in."""
    values = bytearray(content)
    for _ in range(int(draw.integers(1, 8))):
        place = int(draw.integers(0, len(values) + 1))
        length = int(draw.integers(1, 40))
        change = int(draw.integers(0, 5))
        if change == 0 and place < len(values):
            values[place] ^= 1 << int(draw.integers(0, 8))
        elif change == 1:
            del values[place : place + length]
        elif change == 2:
            values[place:place] = values[place : place + length]
        elif change == 3:
            values[place:place] = draw.bytes(length)
        else:
            values[place : place + 4] = draw.choice(
                [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"-1e9", b"nan,"]
            )
    return bytes(values)


def contents(samples: list[bytes], seed: int) -> Iterator[bytes]:
    """Changed samples without end."""
    draw = np.random.default_rng(seed)
    while True:
        yield changed(samples[int(draw.integers(0, len(samples)))], draw)


def tried(reader: Reader, name: str, samples: Callable[[], list[bytes]], seconds: float) -> Action:
    """Try a reader on changed samples, and end with 1 at the first one that it does not take well."""

    def act() -> None:
        from conceptrast.base.errors import ConceptrastError

        signal.signal(signal.SIGALRM, too_long)
        end = time.monotonic() + seconds
        count = 0
        for content in contents(samples(), seed=0):
            Path(name).write_bytes(content)
            signal.setitimer(signal.ITIMER_REAL, LONGEST * 10)
            try:
                reader(Path(name))
            except (ConceptrastError, MemoryError):
                pass
            except BaseException as error:
                encoded = base64.b64encode(content[:3000]).decode()
                sys.exit(f"{type(error).__name__}: {error}\n{encoded}")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            count += 1
            if time.monotonic() > end:
                break
        print(f"{count} contents read")

    return act


def too_long(*_: object) -> None:
    """The reader takes too long.

    Raises:
        TimeoutError: always.
    """
    raise TimeoutError("it takes too long")


def read_picture(path: Path) -> object:
    from conceptrast.data.decoding import open_rgb

    return open_rgb(path)


def read_checkpoint(path: Path) -> object:
    from conceptrast.models.weights import read_state

    return read_state(path)


def read_decoder_file(path: Path) -> object:
    from conceptrast.counterfactual.decoder import read_decoder

    return read_decoder(path)


def read_classes(path: Path) -> object:
    from conceptrast.data.image_folder import labels_from_file

    return labels_from_file(path, ["red", "green"], None)


def read_wordnet(path: Path) -> object:
    from conceptrast.data.imagenet import read_synsets

    return read_synsets(path)


def read_names(path: Path) -> object:
    from conceptrast.models.opening import read_class_names

    return read_class_names(path)


def read_configuration(path: Path) -> object:
    import yaml

    from conceptrast.plan.plan import Plan

    try:
        config = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError):  # Snakemake reads the file and says where it is wrong
        return None
    return Plan.read(config if isinstance(config, dict) else {}, SOURCE)


def read_records(path: Path) -> object:
    from conceptrast.base.artifacts import changes_in

    (Path("run") / "hashes").mkdir(parents=True, exist_ok=True)
    os.replace(path, "run/hashes/a.json")
    return changes_in(Path("run"))


def read_claims_file(path: Path) -> object:
    from conceptrast.verification.claims import read_claims

    return read_claims(path)


REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "src" / "conceptrast"


def pictures() -> list[bytes]:
    """A small picture in each format."""
    samples = []
    for form in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm"):
        stream = io.BytesIO()
        picture(1, 4).save(stream, form)
        samples.append(stream.getvalue())
    return samples


def checkpoints() -> list[bytes]:
    """A checkpoint of torch in both formats."""
    import torch

    samples = []
    for new in (True, False):
        stream = io.BytesIO()
        torch.save({"state_dict": {"0.weight": torch.ones(4, 3)}}, stream, _use_new_zipfile_serialization=new)
        samples.append(stream.getvalue())
    return samples


def safetensors() -> list[bytes]:
    """Tensors, and a decoder."""
    import torch
    from safetensors.torch import save

    return [save({"0.weight": torch.ones(4, 3)}), save({"a": torch.ones(2)}, {"layer": "1", "channels": "3"})]


READERS: list[tuple[str, Reader, str, Callable[[], list[bytes]]]] = [
    ("pictures", read_picture, "picture", pictures),
    ("checkpoints", read_checkpoint, "weights.pth", checkpoints),
    ("safetensors", read_checkpoint, "weights.safetensors", safetensors),
    ("decoders", read_decoder_file, "decoder.safetensors", safetensors),
    (
        "class files in csv",
        read_classes,
        "classes.csv",
        lambda: [b"folder,class\nred,1\ngreen,0\n", b'folder,class\n"red",2\n'],
    ),
    ("class files in JSON", read_classes, "classes.json", lambda: [b'{"red": 1, "green": 0}']),
    ("synsets", read_wordnet, "synsets.txt", lambda: [b"n01440764 tench, Tinca tinca\nn01443537 goldfish\n"]),
    ("class names", read_names, "names.json", lambda: [b'["red", "green"]', json.dumps(["ä"] * 9).encode()]),
    ("configurations", read_configuration, "config.yaml", lambda: [(REPOSITORY / "config" / "tiny.yaml").read_bytes()]),
    ("records of hashes", read_records, "a.json", lambda: [b'{"rule": "index", "files": {"a.csv": "00"}}']),
    ("claims", read_claims_file, "claims.csv", lambda: [(REPOSITORY / "docs" / "claims.csv").read_bytes()[:900]]),
]

CASES = [
    Case(
        name=f"random content: {name}",
        action=tried(reader, file, samples, SECONDS),
        exit=0,
        says=["contents read"],
        seconds=SECONDS + 30,
        quick=False,
    )
    for name, reader, file, samples in READERS
]
