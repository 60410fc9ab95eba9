"""What readers have to do with any content. Hypothesis looks for contents with which they do not, and shortens them.

A reader may refuse a content with an error of the package. It must not end with another error, and must not take longer
than :data:`LONGEST`. What it accepts has to be sound, as each property says.
"""

from __future__ import annotations

import copy
import csv
import io
import itertools
import json
import logging
import os
import resource
import shutil
import signal
import stat
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.files import read_table, write_table
from conceptrast.counterfactual.decoder import Decoder, read_decoder, write_decoder
from conceptrast.data.decoding import open_rgb
from conceptrast.data.image_folder import ImageFolder, labels_from_file
from conceptrast.data.imagenet import read_synsets
from conceptrast.data.midog_annotations import category_names, cells_by_slide, read_annotations
from conceptrast.data.tiff_regions import read_region, tiff_size
from conceptrast.models.checkpoints import Checkpoint
from conceptrast.models.opening import read_class_names
from conceptrast.models.weights import fit, read_state
from conceptrast.plan.plan import Plan
from conceptrast.plan.run_folder import release_stale_lock
from conceptrast.verification.claims import read_claims

from .material import picture

LONGEST = 10
"""Seconds of processor time that a reader may take for a few thousand bytes."""

MEMORY = 4 * 2**30
"""Bytes of addresses that the process may have."""

ROUND = 100
"""Contents that are tried before the clock is looked at."""

OPTIONS = settings(
    max_examples=ROUND,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=False,
)

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src" / "conceptrast"


# How a property is tried.


def tried(name: str, seconds: float) -> None:
    """Try a property for some seconds, and end with 1 at the first content that breaks it.

    Args:
        name: name of a function of this module.
        seconds: how long contents are tried.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _too_long)
    warnings.simplefilter("ignore")
    logging.disable()
    holds = OPTIONS(globals()[name])
    end = time.monotonic() + seconds
    for number in itertools.count():
        try:
            seed(number)(holds)()
        except Exception as error:
            notes = "\n".join(getattr(error, "__notes__", []))
            sys.exit(f"{type(error).__name__}: {error}\n{notes}")
        if time.monotonic() > end:
            print(f"{ROUND * (number + 1)} contents tried")
            return


@contextmanager
def refusing() -> Iterator[None]:
    """Let a reader refuse what it gets, and stop it if it takes too long."""
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        yield
    except (ConceptrastError, MemoryError):
        pass
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_long(*_: object) -> None:
    """The reader takes too long.

    Raises:
        TimeoutError: always.
    """
    raise TimeoutError("it takes too long")


# Contents.

PLACES = st.integers(0, 2**16)
PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"-1e9", b"nan", b"\n", b'"', b"\\u0000"]),
)
EDITS = st.lists(st.tuples(st.sampled_from(["flip", "cut", "repeat", "insert", "overwrite"]), PLACES, PIECES))


def edited(content: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    """Content in which bits are turned, and bytes cut out, repeated, put in or overwritten."""
    values = bytearray(content)
    for kind, number, piece in edits:
        place = number % (len(values) + 1)
        if kind == "flip" and place < len(values):
            values[place] ^= 1 << (number % 8)
        elif kind == "cut":
            del values[place : place + len(piece)]
        elif kind == "repeat":
            values[place:place] = values[place : place + len(piece)]
        elif kind == "insert":
            values[place:place] = piece
        elif kind == "overwrite":
            values[place : place + len(piece)] = piece
    return bytes(values)


NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, -1, 10**400, 2**63, 1e308]))
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=12))
JSON = st.recursive(
    PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4))
)
CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.integers(-5, 2000).map(str),
    st.sampled_from(["red", "green", "NA", "nan", "null", "None", "true", "", " ", "1e3", "٣", "²", "9" * 5000]),
)


def _formats() -> dict[str, bytes]:
    """A small picture in each format."""
    samples = {}
    for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm"):
        stream = io.BytesIO()
        picture(1, 4).save(stream, kind)
        samples[kind] = stream.getvalue()
    return samples


FORMATS = _formats()


# Pictures.


@given(st.sampled_from(sorted(FORMATS)), EDITS)
def pictures(kind: str, edits: list[tuple[str, int, bytes]]) -> None:
    """What is decoded is an RGB picture."""
    Path("picture").write_bytes(edited(FORMATS[kind], edits))
    with refusing():
        image = open_rgb("picture")
        assert image.mode == "RGB"
        assert np.asarray(image).dtype == np.uint8


@given(EDITS, st.tuples(*[st.integers(0, 20)] * 4))
def slides(edits: list[tuple[str, int, bytes]], window: tuple[int, int, int, int]) -> None:
    """What is read of a TIFF has the size that was asked for."""
    Path("slide.tiff").write_bytes(edited(FORMATS["tiff"], edits))
    top, left, height, width = window
    with refusing():
        tiff_size(Path("slide.tiff"))
        pixels = read_region(Path("slide.tiff"), top=top, left=left, height=height + 1, width=width + 1)
        assert pixels.shape == (height + 1, width + 1, 3)


# The index.

SEGMENTS = st.one_of(
    st.text(st.characters(exclude_characters="/\0.", exclude_categories=["Cs"]), min_size=1, max_size=8),
    st.sampled_from(["train", "val", "test", "NA", "null", "nan", "1", ".hidden", "a\udcffb", "a\nb", "a,b", '"']),
)
SUFFIXES = st.sampled_from(["", ".png", ".JPG", ".tif", ".txt"])
ENTRIES = st.tuples(
    st.lists(SEGMENTS, min_size=1, max_size=3),
    SUFFIXES,
    st.sampled_from(["picture", "picture", "noise", "empty", "pipe", "link", "folder", "closed", "hard"]),
    PLACES,
)


def _make_tree(root: Path, entries: list[tuple[list[str], str, str, int]]) -> None:
    """Put into a folder what a draw says; what the system refuses is left out."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    made = [root]
    for segments, suffix, kind, number in entries:
        path = root.joinpath(*segments).with_name(segments[-1] + suffix)
        with suppress(OSError, ValueError):
            if os.path.lexists(path):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            before = made[number % len(made)]
            if kind == "picture":
                path.write_bytes(list(FORMATS.values())[number % len(FORMATS)])
            elif kind in ("noise", "empty"):
                path.write_bytes(b"noise" if kind == "noise" else b"")
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind == "link":
                path.symlink_to(before.absolute())
            elif kind == "hard":
                path.hardlink_to(before)
            else:
                path.mkdir(mode=0o755 if kind == "folder" else 0)
            made.append(path)


@given(st.lists(ENTRIES, max_size=8), st.sampled_from([0.0, 0.5]))
def folders(entries: list[tuple[list[str], str, str, int]], train_share: float) -> None:
    """Every listed file is in the index or rejected, once; the tables come back from the disk as they were."""
    root = Path("tree")
    _make_tree(root, entries)
    with refusing():
        dataset = ImageFolder(root, train_share=train_share)
        index = dataset.build_index()
        dataset.fingerprint()
        assert len(dataset.listed()) == len(index.table) + len(index.rejected)
        for row in index.table.itertuples():
            assert stat.S_ISREG((root / row.path).stat().st_mode)
            assert dataset.class_names[row.label] == row.label_name
            assert dataset.picture(row).mode == "RGB"
        for name, table in (("index.parquet", index.table), ("rejected.csv", index.rejected)):
            write_table(table, name)
            if len(table):
                pd.testing.assert_frame_equal(read_table(name), table, check_dtype=False)


# Configurations.

CONFIGS = [yaml.safe_load(file.read_text()) for file in sorted((REPOSITORY / "config").glob("*.yaml"))]


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a configuration has values, at any depth."""
    if place:
        yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield from _places(part, (*place, name))


ALL_PLACES = [list(_places(config)) for config in CONFIGS]
WORDS = sorted({part for places in ALL_PLACES for place in places for part in place if isinstance(part, str)})
YAML = st.recursive(
    st.one_of(PLAIN, st.dates(), st.binary(max_size=4), st.sampled_from(WORDS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text(max_size=5), st.integers()), inner, max_size=4),
    ),
)
CHANGES = st.lists(
    st.tuples(PLACES, st.sampled_from(["replace", "delete", "rename", "add", "copy"]), YAML, st.sampled_from(WORDS)),
    min_size=1,
    max_size=4,
)


def _holder(config: Any, place: tuple[Any, ...]) -> Any:
    for part in place[:-1]:
        config = config[part]
    return config


def _changed(number: int, changes: list[tuple[int, str, Any, str]]) -> dict[str, Any]:
    """One of the configurations with other values, and with keys deleted, renamed, added or copied."""
    config = copy.deepcopy(CONFIGS[number])
    places = ALL_PLACES[number]
    for drawn, kind, value, word in changes:
        place = places[drawn % len(places)]
        with suppress(LookupError, TypeError, AttributeError):  # an earlier change has taken the place away
            holder = _holder(config, place)
            if kind == "replace":
                holder[place[-1]] = value
            elif kind == "delete":
                del holder[place[-1]]
            elif kind == "rename":
                holder[word] = holder.pop(place[-1])
            elif kind == "add":
                holder[word] = value
            else:
                holder[place[-1]] = copy.deepcopy(_holder(config, (*places[(drawn * 7) % len(places)], None)))
    return config


def _plan_whole(config: Any) -> None:
    """Plan a run, and whatever Snakemake asks of a plan before it opens pictures."""
    plan = Plan.read(config, SOURCE)
    # What is accepted can be written down as JSON without NaN and infinity, as the settings of steps are.
    json.dumps(plan.resolved, allow_nan=False)
    for kind in ("figures", "manifests", "pages"):
        plan.files(kind)
    assert plan.tables
    assert plan.folders
    plan.run_code()
    for analysis in plan.active:
        for name in plan.names(analysis.name):
            if analysis.entries:
                plan.datasets_of(**{analysis.wildcard: name})
                plan.files_of(**{analysis.wildcard: name})


@given(st.integers(0, len(CONFIGS) - 1), CHANGES)
def configurations(number: int, changes: list[tuple[int, str, Any, str]]) -> None:
    """A configuration is refused, or a run of it can be planned."""
    config = _changed(number, changes)
    with refusing():
        _plan_whole(config)


TEXTS = [file.read_bytes() for file in sorted((REPOSITORY / "config").glob("*.yaml"))]


@given(st.sampled_from(TEXTS), EDITS)
def configuration_files(text: bytes, edits: list[tuple[str, int, bytes]]) -> None:
    """The same for files whose text is changed anywhere."""
    with suppress(yaml.YAMLError, ValueError):  # Snakemake reads the file and says where it is wrong
        config = yaml.safe_load(edited(text, edits))
        if isinstance(config, dict):  # Snakemake refuses the others
            with refusing():
                _plan_whole(config)


# Checkpoints and decoders.

TENSORS = st.builds(
    lambda shape, kind: torch.ones(shape).to(kind),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64]),
)
STATES = st.recursive(
    st.one_of(TENSORS, PLAIN),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from(["state_dict", "model", "module.weight", "weight", "bias"]), st.integers()),
            inner,
            max_size=4,
        ),
    ),
)


@given(STATES, st.booleans(), EDITS)
def checkpoints(state: Any, zipped: bool, edits: list[tuple[str, int, bytes]]) -> None:
    """What is read is tensors by name, and they fit a network or are refused."""
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=zipped)
    Path("weights.pth").write_bytes(edited(stream.getvalue(), edits))
    layer = torch.nn.Linear(3, 2)
    with refusing():
        tensors = read_state("weights.pth")
        assert tensors
        assert all(isinstance(value, torch.Tensor) for value in tensors.values())
        fit(layer, tensors, "a layer", "weights.pth")


@given(EDITS)
def unfinished_trainings(edits: list[tuple[str, int, bytes]]) -> None:
    """What a damaged checkpoint of a training restores is what was saved, or nothing."""
    saved = torch.nn.Linear(3, 2)
    history = [{"epoch": 1, "loss": 0.5}]
    Path("training.pt").unlink(missing_ok=True)
    Checkpoint(Path("training.pt"), "key", {"layer": saved}).save(history)
    Path("training.pt").write_bytes(edited(Path("training.pt").read_bytes(), edits))
    layer = torch.nn.Linear(3, 2)
    before = copy.deepcopy(layer.state_dict())
    restored = Checkpoint(Path("training.pt"), "key", {"layer": layer}).resume()
    expected = saved.state_dict() if restored else before
    assert restored in ([], history)
    assert all(torch.equal(value, expected[name]) for name, value in layer.state_dict().items())


def _decoder_file() -> bytes:
    write_decoder(Decoder("layer4", (4, 2, 2), (8, 8), width=16), "decoder.safetensors")
    return Path("decoder.safetensors").read_bytes()


DESCRIPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "layer": JSON,
        "shape": st.one_of(JSON, st.lists(st.integers(-2, 10**10), max_size=4)),
        "size": st.one_of(JSON, st.lists(st.integers(-2, 10**10), max_size=3)),
        "width": st.one_of(JSON, st.integers(-2, 10**10)),
    },
)


@given(DESCRIPTIONS, st.sampled_from(["layer", "shape", "size", "width", None]), EDITS)
def decoders(description: dict[str, Any], absent: str | None, edits: list[tuple[str, int, bytes]]) -> None:
    """What is read is a decoder that decodes activations of the shape that it says."""
    content = _decoder_file()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    [kind] = header["__metadata__"]
    facts = {**json.loads(header["__metadata__"][kind]), **description}
    facts.pop(absent, None)
    header["__metadata__"][kind] = json.dumps(facts)
    text = json.dumps(header).encode()
    whole = len(text).to_bytes(8, "little") + text + content[8 + length :]
    Path("decoder.safetensors").write_bytes(edited(whole, edits))
    with refusing():
        decoder = read_decoder("decoder.safetensors")
        assert isinstance(decoder.layer, str)
        decoded = decoder(torch.ones(1, *decoder.shape))
        assert tuple(decoded.shape[2:]) == tuple(decoder.size)


# Texts: CSV and JSON.


def _csv(rows: list[list[str]], quoting: int) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, quoting=quoting).writerows(rows)
    return stream.getvalue().encode()


ROWS = st.lists(st.lists(CELLS, max_size=4), max_size=5)
QUOTING = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
NAMES = st.one_of(st.none(), st.just(["red", "green"]))


def _check_labels(file: Path, names: list[str] | None) -> None:
    with refusing():
        labels, by_label = labels_from_file(file, ["red", "green"], names)
        assert all(0 <= label < len(by_label) for label in labels.values())


@given(st.permutations(["folder", "class", "more"]), ROWS, QUOTING, EDITS, NAMES)
def class_tables(
    header: list[str], rows: list[list[str]], quoting: int, edits: list[tuple[str, int, bytes]], names: Any
) -> None:
    """Labels of a class file are indices of names."""
    Path("classes.csv").write_bytes(edited(_csv([header, *rows], quoting), edits))
    _check_labels(Path("classes.csv"), names)


@given(st.one_of(JSON, st.fixed_dictionaries({"red": PLAIN, "green": PLAIN})), EDITS, NAMES)
def class_objects(value: Any, edits: list[tuple[str, int, bytes]], names: Any) -> None:
    """The same for JSON."""
    Path("classes.json").write_bytes(edited(json.dumps(value).encode(), edits))
    _check_labels(Path("classes.json"), names)


@given(ROWS, EDITS)
def synsets(rows: list[list[str]], edits: list[tuple[str, int, bytes]]) -> None:
    """There is a name for each WordNet id."""
    lines = "\n".join(f"n0144076{number} {', '.join(row)}" for number, row in enumerate(rows))
    Path("synsets.txt").write_bytes(edited(lines.encode(), edits))
    with refusing():
        labels, names = read_synsets(Path("synsets.txt"))
        assert sorted(labels.values()) == list(range(len(names)))


@given(st.one_of(JSON, st.lists(st.text(max_size=5), max_size=5)), EDITS)
def class_names(value: Any, edits: list[tuple[str, int, bytes]]) -> None:
    """Class names are a list of texts."""
    Path("names.json").write_bytes(edited(json.dumps(value).encode(), edits))
    with refusing():
        assert all(isinstance(name, str) for name in read_class_names(Path("names.json")))


CLAIMS = (REPOSITORY / "docs" / "claims.csv").read_text().splitlines()


@given(st.lists(st.sampled_from(CLAIMS[1:]), max_size=3), st.lists(st.tuples(PLACES, CELLS), max_size=3), EDITS)
def claims(lines: list[str], cells: list[tuple[int, str]], edits: list[tuple[str, int, bytes]]) -> None:
    """Claims are read, or a line of the file is named."""
    rows = list(csv.reader([CLAIMS[0], *lines]))
    for place, cell in cells:
        row = rows[place % len(rows)]
        row[place % len(row)] = cell
    Path("claims.csv").write_bytes(edited(_csv(rows, csv.QUOTE_MINIMAL), edits))
    with refusing():
        read_claims(Path("claims.csv"))


@given(st.lists(st.tuples(CELLS, st.floats(allow_nan=True, width=32)), min_size=1, max_size=5))
def tables(rows: list[tuple[str, float]]) -> None:
    """A table that is written as CSV comes back: texts as they were, numbers to nine digits."""
    texts = [text.replace("\r", "") or "x" for text, _ in rows]
    table = pd.DataFrame({"name": ["class", *texts], "value": [0.5, *(number for _, number in rows)]})
    write_table(table, "table.csv")
    back = read_table("table.csv")
    assert back["name"].tolist() == table["name"].tolist()
    np.testing.assert_allclose(back["value"], table["value"], rtol=1e-8)


ANNOTATIONS = {
    "images": [{"id": 1, "file_name": "1.tiff", "width": 9, "height": 9}],
    "categories": [{"id": 1, "name": "mitotic figure"}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 51, 52], "id": 4}],
}
ANNOTATION_PLACES = list(_places(ANNOTATIONS))


@given(st.lists(st.tuples(st.sampled_from(ANNOTATION_PLACES), JSON), max_size=3), EDITS)
def annotations(changes: list[tuple[tuple[Any, ...], Any]], edits: list[tuple[str, int, bytes]]) -> None:
    """Cells of slides are sorted by file, whatever their entries hold."""
    content = copy.deepcopy(ANNOTATIONS)
    for place, value in changes:
        with suppress(LookupError, TypeError):
            _holder(content, place)[place[-1]] = value
    Path("annotations.json").write_bytes(edited(json.dumps(content).encode(), edits))
    with refusing():
        read = read_annotations(Path("annotations.json"))
        category_names(read)
        cells_by_slide(read, Path())


RECORD = {"host": "a", "process": 4, "started": 1.5}


@given(st.one_of(JSON, st.fixed_dictionaries(dict.fromkeys(RECORD, PLAIN))), EDITS)
def holders(value: Any, edits: list[tuple[str, int, bytes]]) -> None:
    """A damaged record of who holds a run's folder does not stop the run."""
    for folder in ("locks", "holders"):
        Path("run/.snakemake", folder).mkdir(parents=True, exist_ok=True)
    Path("run/.snakemake/locks/0.lock").write_text("a")
    Path("run/.snakemake/holders/a.json").write_bytes(edited(json.dumps(value).encode(), edits))
    release_stale_lock(Path("run"))


@given(st.one_of(JSON, st.fixed_dictionaries({"rule": JSON, "files": JSON})), EDITS)
def records(value: Any, edits: list[tuple[str, int, bytes]]) -> None:
    """Hashes of a run's files are read, or their record is named."""
    from conceptrast.base.artifacts import changes_in

    Path("records/hashes").mkdir(parents=True, exist_ok=True)
    Path("records/hashes/a.json").write_bytes(edited(json.dumps(value).encode(), edits))
    with refusing():
        changes_in(Path("records"))
