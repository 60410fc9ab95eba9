"""Causes 3, 4 and 11 on the command line: options, numbers, names, folders, pictures."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ..case import Case, conceptrast
from ..material import picture
from .preparations import link, pipe, renamed, subfolder, written

MODEL = "--factory networks:colours --input-size 16 --class-names names.json"
WHOLE = {
    "explain": "--images pictures --class red",
    "contrast": "--images pictures --class red --versus blue",
    "concepts": "--images pictures --class red",
    "counterfactual": "--image pictures/red-0.png --class blue --train --images pictures",
    "saliency": "--image pictures/red-0.png",
    "dff": "--image pictures/red-0.png",
}
NUMBERS = {
    "explain": ["--samples", "--noise", "--images-per-class", "--batch-size", "--seed", "--input-size"],
    "contrast": ["--samples", "--noise", "--images-per-class", "--batch-size"],
    "concepts": ["--images-per-class", "--random-images", "--clusters", "--min-segments", "--draws", "--segments"],
    "counterfactual": ["--epochs", "--frames", "--batch-size"],
    "saliency": ["--batch-size", "--seed"],
    "dff": ["--components", "--batch-size"],
}
UNTOUCHED = ["pictures", "classes", "networks.py", "names.json"]


def asked(command: str, words: str = "", out: str = "out") -> Callable[[], None]:
    """A command on the small pictures, with further words."""
    return conceptrast(f"{command} {MODEL} {WHOLE[command]} {words} --out {out}")


def wrong(name: str, command: str, words: str, *says: str, exit: int = 1, cause: int = 0, **options: object) -> Case:
    """A command that is refused at once, before its folder has anything in it."""
    return Case(
        name=name,
        action=asked(command, words),
        says=says,
        exit=exit,
        cause=cause,
        lines=2,
        unchanged=UNTOUCHED,
        quick=bool(options.pop("quick", cause != 0)),
        **options,
    )


def png(width: int, height: int) -> bytes:
    """The head of a PNG that claims to be large, with little in it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg(cut: int | None = None) -> bytes:
    """A JPEG, or its first bytes."""
    stream = io.BytesIO()
    picture(0, 5).resize((64, 64)).save(stream, "jpeg")
    return stream.getvalue()[:cut]


def large(name: str, side: int) -> Callable[[Path], None]:
    """A picture of many pixels, in one colour."""

    def prepare(folder: Path) -> None:
        Image.new("RGB", (side, side), "red").save(folder / name)

    return prepare


BAD_PICTURES = {
    "an empty file": (b"", "empty (0 bytes)"),
    "a text": (b"no picture at all", "not a picture"),
    "half a JPEG": (jpeg(400), "cannot be decoded"),
    "the first bytes of a JPEG": (jpeg(20), "picture.png"),
    "a PNG that claims 100000 x 100000 pixels": (png(100000, 100000), "picture.png"),
    "a PNG that claims 4 billion columns": (png(2**32 - 1, 1), "picture.png"),
    "a PNG of no pixels": (png(0, 0), "picture.png"),
    "a PNG cut off": (png(500, 500), "cannot be decoded"),
    "a GIF of two bytes": (b"GI", "not a picture"),
    "a TIFF that points into nothing": (b"II*\x00\xff\xff\xff\x7f", "picture.png"),
    "a BMP with a negative size": (
        b"BM" + bytes(12) + struct.pack("<IiiHH", 40, -5, -5, 1, 24) + bytes(24),
        "picture.png",
    ),
    "a WebP of its head": (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "picture.png"),
    "zeros": (bytes(5000), "not a picture"),
    "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
}


def same_pictures(folder: Path) -> None:
    for file in (folder / "pictures").iterdir():
        file.write_bytes((folder / "classes" / "red" / "0.png").read_bytes())


def odd(mode: str) -> Callable[[Path], None]:
    """A picture of another mode than RGB, which is a picture all the same."""

    def prepare(folder: Path) -> None:
        values = np.random.default_rng(0).integers(0, 255, (16, 16))
        kinds = {"I;16": np.uint16, "F": np.float32, "1": np.uint8}
        image = (
            Image.fromarray((values / (255 if mode == "F" else 1)).astype(kinds[mode]))
            if mode in kinds
            else picture(0, 3).convert(mode)
        )
        image.save(folder / ("picture.tif"))

    return prepare


VALUES = {"nan": ("nan", "number"), "infinity": ("inf", "number"), "-1": ("-1", "least"), "text": ("often", "number")}

PICTURES = [
    *(
        Case(
            name=f"a picture that is {name}",
            prepare=written("picture.png", content),
            says=[says],
            lines=3,
            seconds=10,
            action=conceptrast(f"saliency {MODEL} --image picture.png --out out"),
            absent=["out/saliency.png"],
        )
        for name, (content, says) in BAD_PICTURES.items()
    ),
    *(
        Case(
            name=f"a picture of mode {mode}",
            prepare=odd(mode),
            exit=0,
            seconds=20,
            quick=mode == "CMYK",
            action=conceptrast(f"saliency {MODEL} --image picture.tif --out out"),
            made=["out/saliency.png"],
        )
        for mode in ("CMYK", "LA", "P", "I;16", "F", "1", "RGBA", "L", "YCbCr")
    ),
    Case(
        name="twelve times the same picture",
        prepare=same_pictures,
        action=asked("explain"),
        cause=4,
        seconds=20,
        says=["11 pictures cannot be used", "the same picture as", "of 1 picture"],
    ),
    Case(
        name="a picture that is a folder",
        action=conceptrast(f"saliency {MODEL} --image pictures --out out"),
        lines=2,
        says=["is a folder", "*.jpg"],
    ),
    Case(
        name="a picture that does not exist",
        action=conceptrast(f"saliency {MODEL} --image none.png --out out"),
        lines=2,
        says=["none.png", "no such file"],
    ),
    Case(
        name="a picture with a line break in its name",
        prepare=written("a\nb.png", b"x"),
        action=conceptrast(f"saliency {MODEL} --image 'a\nb.png' --out out"),
        lines=3,
        says=["a\\nb.png", "not a picture"],
    ),
    Case(
        name="a picture whose name is not UTF-8",
        exit=0,
        seconds=20,
        says=["r\\udcff.png", "rename it"],
        prepare=renamed("pictures/red-0.png", "pictures/r\udcff.png"),
        action=asked("explain"),
        quick=False,
    ),
    Case(
        name="a folder of pictures that does not exist",
        action=conceptrast(f"explain {MODEL} --images none --class red --out out"),
        lines=2,
        says=["none", "does not exist"],
    ),
    Case(
        name="an empty folder of pictures",
        prepare=subfolder("empty"),
        lines=2,
        action=conceptrast(f"explain {MODEL} --images empty --class red --out out"),
        says=["empty", "no picture"],
    ),
    Case(
        name="a folder of texts",
        prepare=written("texts/a.txt", "a"),
        lines=2,
        action=conceptrast(f"explain {MODEL} --images texts --class red --out out"),
        says=["holds no picture"],
    ),
    Case(
        name="a folder of hidden pictures",
        lines=2,
        says=["holds no picture"],
        prepare=renamed("pictures", "hidden/.pictures"),
        action=conceptrast(f"explain {MODEL} --images hidden --class red --out out"),
    ),
]

SIZES = [
    Case(
        name="a JPEG of 13000 x 13000 pixels",
        prepare=large("picture.jpg", 13000),
        exit=0,
        seconds=30,
        cause=12,
        quick=False,
        action=conceptrast(f"saliency {MODEL} --image picture.jpg --out out"),
        made=["out/saliency.png"],
    ),
    Case(
        name="a PNG of 9000 x 9000 pixels",
        prepare=large("picture.png", 9000),
        exit=0,
        seconds=60,
        cause=12,
        quick=False,
        action=conceptrast(f"saliency {MODEL} --image picture.png --out out"),
        made=["out/saliency.png"],
    ),
]

OPTIONS = [
    *(
        wrong(
            f"{command} {option} {name}",
            command,
            f"{option} {value}",
            option,
            exit=2 if fails else 1,
            cause=3,
            quick=name == "-1" and command == "explain",
        )
        for command, options in NUMBERS.items()
        for option in options
        for name, (value, kind) in VALUES.items()
        for fails in [kind == "number" and not (option == "--noise" and name != "text")]
    ),
    wrong("--mean nan", "saliency", "--mean nan nan nan", "--mean needs finite numbers", cause=3),
    wrong("--std inf", "saliency", "--std inf inf inf", "--std needs finite numbers", cause=3),
    wrong("--std 0", "saliency", "--std 0 0 0", "std positive", cause=3),
    wrong("--mean of two channels", "saliency", "--mean 0.5 0.5", "mean and std", cause=3),
    wrong("an unknown option", "saliency", "--clas red", "--clas", exit=2),
    wrong("an unknown class", "explain", "--class rod", "nearest: red"),
    wrong("a class by an index that is too large", "explain", "--class 3", "classes 0 to 2"),
    wrong("an empty class", "explain", "--class ''", "unknown class ''"),
    wrong("a class with a newline", "explain", "--class 'red\n'", "unknown class", cause=11),
    wrong("a class against itself", "contrast", "--versus red", "red"),
    wrong("an unknown layer", "saliency", "--layer 9", "'9'"),
    wrong("a layer with a newline", "saliency", "--layer '1\n'", "1", cause=11),
    wrong("an unknown figure", "saliency", "--figure jpg", "unknown kind of figure 'jpg'"),
    wrong("an unknown method", "saliency", "--method grad_kam", "nearest: grad_cam"),
    wrong("an unknown attribution", "explain", "--method deeplyft", "deeplift"),
    wrong("an unknown recipe", "explain", "--recipe recomended", "nearest: recommended"),
    wrong("an unknown precision", "explain", "--precision float23", "nearest: float32"),
    wrong("more concepts than positions", "dff", "--components 1000", "1000 concepts"),
    wrong("--apply of a text", "explain", "--apply names.json", "not a picture"),
    wrong("a decoder that does not exist", "saliency", "--decoder none", "--decoder", exit=2),
    Case(
        name="counterfactual with a decoder that is a text",
        lines=2,
        says=["names.json"],
        action=conceptrast(
            f"counterfactual {MODEL} --image pictures/red-0.png --class blue --decoder names.json --out out"
        ),
    ),
    Case(
        name="counterfactual with a decoder that is a pipe",
        lines=2,
        says=["pipe"],
        prepare=pipe("pipe"),
        action=conceptrast(f"counterfactual {MODEL} --image pictures/red-0.png --class blue --decoder pipe --out out"),
    ),
    Case(
        name="counterfactual towards what the model says already",
        lines=2,
        says=["says 'red' of this picture already"],
        action=conceptrast(
            f"counterfactual {MODEL} --image pictures/red-0.png --class red --train --images pictures --out out"
        ),
    ),
    Case(name="no command", action=conceptrast(""), exit=2, says=["required"], lines=2),
    Case(name="an unknown command", action=conceptrast("explane"), exit=2, says=["explain"], lines=2),
    Case(name="verify of no run", action=conceptrast("verify nothing"), says=["error"], lines=2),
    Case(name="times of no run", action=conceptrast("times nothing"), says=["error"], lines=2),
]

FOLDERS = [
    Case(
        name="--out ''",
        action=asked("saliency", out="''"),
        exit=2,
        says=["--out", "empty"],
        lines=2,
        cause=11,
        absent=["saliency.png"],
    ),
    Case(
        name="--out of blanks", action=asked("saliency", out="'  '"), exit=2, says=["--out", "empty"], lines=2, cause=11
    ),
    Case(
        name="--out that is a file",
        action=asked("saliency", out="names.json"),
        says=["--out names.json", "a file is in the way"],
        lines=2,
        cause=11,
        unchanged=["names.json"],
    ),
    Case(
        name="--out below a file",
        action=asked("saliency", out="names.json/below"),
        says=["--out names.json/below", "a file is in the way"],
        lines=2,
        cause=11,
        unchanged=["names.json"],
    ),
    Case(
        name="--out that may not be written",
        action=asked("saliency", out="closed/out"),
        lines=2,
        says=["closed", "Permission denied"],
        prepare=subfolder("closed", 0o500),
        cause=11,
        user=True,
    ),
    Case(
        name="--out with a name that is too long",
        action=asked("saliency", out="a" * 300),
        lines=2,
        says=["name too long"],
        cause=11,
    ),
    Case(
        name="--out that is a link to nothing",
        action=asked("saliency", out="gone"),
        lines=2,
        says=["--out gone"],
        prepare=link("gone", "nowhere/at/all"),
        cause=11,
    ),
    Case(
        name="--out that is a pipe",
        action=asked("saliency", out="pipe"),
        lines=2,
        says=["--out pipe"],
        prepare=pipe("pipe"),
        cause=11,
    ),
    Case(
        name="--out on a full disk",
        action=asked("saliency", out="/dev/full"),
        lines=2,
        says=["--out /dev/full"],
        cause=11,
    ),
]

CASES = [*PICTURES, *SIZES, *OPTIONS, *FOLDERS]
