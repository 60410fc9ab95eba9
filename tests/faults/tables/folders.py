"""Causes 1 and 2: things in folders that are no pictures, and folders that cannot be read."""

from __future__ import annotations

from ..case import Action, Case, conceptrast, step
from .preparations import all_of, link, pipe, renamed, socket_file, subfolder, written

MODEL = "--factory networks:colours --input-size 16 --class-names names.json"
EXPLAIN = conceptrast(f"explain {MODEL} --images pictures --class red --out out --samples 0 --noise 0")


def indexed(options: str = "", max_rejected: float = 0) -> Action:
    """The step that lists the pictures of ``classes/``."""
    dataset = f'{{"kind": "image_folder", "root": "classes"{options}}}'
    settings = f'{{"dataset": {dataset}, "seed": 0, "max_rejected": {max_rejected}}}'
    outputs = "--index index.parquet --rejected rejected.csv --truth truth.parquet --class-names class_names.json"
    return step("index", settings, outputs)


SPECIAL = {"pipe": pipe, "socket": socket_file}

COMMANDS = [
    Case(name="twelve good pictures", quick=False, action=EXPLAIN, exit=0, made=["out/explanation.csv"], seconds=30),
    *(
        Case(
            name=f"a {kind} among the pictures",
            action=EXPLAIN,
            prepare=make("pictures/a.png"),
            exit=0,
            cause=1,
            says=[f"a.png: a {kind}"],
            seconds=30,
            quick=kind == "pipe",
        )
        for kind, make in SPECIAL.items()
    ),
    Case(
        name="a device among the pictures",
        action=EXPLAIN,
        prepare=link("pictures/a.png", "/dev/zero"),
        exit=0,
        cause=1,
        says=["a.png: a device"],
        seconds=30,
        quick=False,
    ),
    Case(
        name="a picture that is a pipe",
        action=conceptrast(f"saliency {MODEL} --image a.png --out out"),
        prepare=pipe("a.png"),
        says=["a.png is a pipe"],
        lines=2,
        cause=1,
    ),
    Case(
        name="a picture that is a device",
        action=conceptrast(f"saliency {MODEL} --image /dev/zero --out out"),
        says=["/dev/zero is a device"],
        lines=2,
        cause=1,
    ),
    Case(
        name="a folder of pictures that is a pipe",
        prepare=pipe("pipe.png"),
        says=["a pipe"],
        lines=3,
        cause=1,
        action=conceptrast(f"explain {MODEL} --images pipe.png --class red --out out"),
    ),
    Case(
        name="a folder that links to itself",
        action=EXPLAIN,
        prepare=link("pictures/loop", "."),
        exit=0,
        says=["1 picture cannot", "loop: a link to what is listed already"],
        seconds=30,
        cause=1,
    ),
    Case(
        name="two folders that link to each other",
        action=EXPLAIN,
        exit=0,
        seconds=30,
        cause=1,
        quick=False,
        prepare=all_of(
            subfolder("pictures/a"), subfolder("pictures/b"), link("pictures/a/b", "../b"), link("pictures/b/a", "../a")
        ),
        says=["a/b: a link", "b/a: a link"],
    ),
    Case(
        name="a link that leads to itself",
        action=EXPLAIN,
        prepare=link("pictures/a.png", "a.png"),
        exit=0,
        cause=1,
        says=["a.png", "cannot be used"],
        seconds=30,
        quick=False,
    ),
    Case(
        name="a picture and a link to it",
        action=EXPLAIN,
        prepare=link("pictures/a.png", "red-0.png"),
        exit=0,
        cause=1,
        says=["a.png: a link to what is listed already"],
        seconds=30,
        quick=False,
    ),
    Case(
        name="a link to nothing",
        action=EXPLAIN,
        prepare=link("pictures/a.png", "none.png"),
        exit=0,
        cause=1,
        says=["a.png: the file does not exist"],
        seconds=30,
        quick=False,
    ),
    Case(
        name="three hundred folders, each in the one before",
        action=EXPLAIN,
        exit=0,
        seconds=30,
        cause=1,
        quick=False,
        prepare=subfolder("pictures/" + "d/" * 300),
    ),
    Case(
        name="a folder that cannot be read",
        action=EXPLAIN,
        prepare=subfolder("pictures/closed", mode=0),
        says=["1 folders cannot be read", "closed"],
        lines=2,
        cause=2,
        user=True,
    ),
    Case(
        name="a folder of pictures that cannot be read",
        action=EXPLAIN,
        lines=2,
        cause=2,
        user=True,
        prepare=all_of(renamed("pictures", "before"), subfolder("pictures", mode=0)),
        says=["pictures"],
    ),
    Case(
        name="a folder that cannot be entered",
        action=EXPLAIN,
        prepare=subfolder("pictures/closed", mode=0o444),
        exit=0,
        cause=2,
        user=True,
        seconds=30,
        quick=False,
    ),
]

INDICES = [
    Case(name="index: good pictures", action=indexed(), exit=0, made=["index.parquet"]),
    *(
        Case(
            name=f"index: a {kind} among the pictures",
            action=indexed(),
            prepare=make("classes/red/a.png"),
            cause=1,
            says=["1 of 13 pictures cannot be used", f"red/a.png: a {kind}"],
            absent=["index.parquet"],
        )
        for kind, make in SPECIAL.items()
    ),
    Case(
        name="index: a pipe, where bad pictures are allowed",
        action=indexed(max_rejected=0.5),
        exit=0,
        cause=1,
        prepare=pipe("classes/red/a.png"),
        says=["rejected red/a.png: a pipe"],
        made=["rejected.csv"],
    ),
    Case(
        name="index: a class that links to the folder of classes",
        action=indexed(),
        exit=0,
        cause=1,
        prepare=link("classes/loop", "."),
        made=["index.parquet"],
        never=["13"],
    ),
    Case(
        name="index: a folder that cannot be read",
        action=indexed(),
        cause=2,
        user=True,
        prepare=subfolder("classes/red/closed", mode=0),
        says=["1 folders cannot be read", "closed"],
        lines=2,
    ),
    Case(
        name="index: a class that cannot be read",
        action=indexed(),
        cause=2,
        user=True,
        lines=2,
        prepare=subfolder("classes/closed", mode=0),
        says=["1 folders cannot be read", "closed"],
    ),
    Case(
        name="index: the folder of classes cannot be read",
        action=indexed(),
        cause=2,
        user=True,
        lines=2,
        prepare=all_of(renamed("classes", "before"), subfolder("classes", mode=0)),
        says=["classes"],
    ),
    Case(name="index: an empty class", action=indexed(), prepare=subfolder("classes/none"), exit=0),
    Case(
        name="index: no classes",
        action=indexed(),
        lines=2,
        says=["holds no class folders"],
        prepare=all_of(renamed("classes", "before"), subfolder("classes")),
    ),
    Case(
        name="index: no folder",
        action=indexed(),
        lines=2,
        prepare=renamed("classes", "before"),
        says=["does not exist", "<root>/<class>"],
    ),
    Case(
        name="index: a picture in two classes",
        action=indexed(),
        exit=0,
        cause=4,
        prepare=link("classes/green/same.png", "../red/0.png"),
        says=["the same picture is in two classes", "red/0.png"],
    ),
    Case(
        name="index: an empty picture",
        action=indexed(),
        prepare=written("classes/red/a.png", b""),
        says=["1 of 13 pictures cannot be used", "empty (0 bytes)"],
    ),
    Case(
        name="index: only bad pictures",
        action=indexed(max_rejected=1),
        lines=None,
        says=["holds no picture"],
        prepare=all_of(renamed("classes", "before"), written("classes/red/a.png", "no picture")),
    ),
]

FILES = {
    "class_file: no header": ("folder,label\nred,0\n", "needs the header folder,class"),
    "class_file: empty": ("", "needs the header folder,class"),
    "class_file: a class is missing": ("folder,class\nred,0\nblue,1\n", "unknown folder 'green'"),
    "class_file: an empty cell": ("folder,class\nred,\nblue,1\ngreen,2\n", "line 2: nothing in the column class"),
    "class_file: a name without class_names": ("folder,class\nred,tench\nblue,1\ngreen,2\n", "class_names"),
    "class_file: a negative class": ("folder,class\nred,-1\nblue,1\ngreen,2\n", "'-1'"),
    "class_file: NaN": ("folder,class\nred,nan\nblue,1\ngreen,2\n", "'nan'"),
    "class_file: a class of twenty digits": ("folder,class\nred,99999999999999999999\nblue,1\ngreen,2\n", "class"),
    "class_file: an open quote": ('folder,class\n"red,0\nblue,1\n', "class_file"),
    "class_file: not UTF-8": (b"folder,class\nr\xff,0\n", "not UTF-8"),
    "class_file: zeros": (bytes(100), "class_file"),
}

CLASS_FILES = [
    Case(
        name=name,
        action=indexed(', "class_file": "class_file.csv"'),
        prepare=written("class_file.csv", content),
        says=[says],
        lines=2,
        cause=6,
        absent=["index.parquet"],
    )
    for name, (content, says) in FILES.items()
] + [
    Case(
        name="class_file: a pipe",
        action=indexed(', "class_file": "class_file.csv"'),
        prepare=pipe("class_file.csv"),
        says=["class_file"],
        lines=2,
        cause=1,
    ),
    Case(
        name="class_file: a list in JSON",
        action=indexed(', "class_file": "class_file.json"'),
        lines=2,
        cause=6,
        prepare=written("class_file.json", "[1, 2]"),
        says=["{folder: class}"],
    ),
    Case(
        name="class_file: JSON in brackets without end",
        action=indexed(', "class_file": "class_file.json"'),
        lines=2,
        cause=6,
        prepare=written("class_file.json", "[" * 100000),
        says=["class_file.json"],
    ),
    Case(
        name="class_file: a JSON object cut off",
        action=indexed(', "class_file": "class_file.json"'),
        lines=2,
        cause=6,
        prepare=written("class_file.json", '{"red": 0'),
        says=["no valid JSON"],
    ),
]

CASES = [*COMMANDS, *INDICES, *CLASS_FILES]
