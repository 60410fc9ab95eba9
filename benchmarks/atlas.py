"""An atlas of a thousand classes: how large it is and how long it takes. ``python -m benchmarks.atlas FOLDER``.

The files that an atlas is made of are written as the steps of a run write them: patches, sources, combined images and
maps of every class, by two selections, with six components. What they show is cut at random from the photographs that
are installed with scikit-image and scikit-learn, 90 pixels a side, because the size of a picture depends on what it
shows; the numbers beside them are drawn. No network is asked.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.atlas.atlas import Sources, write_atlas
from conceptrast.atlas.run_files import Description
from conceptrast.base.files import write_json, write_table
from conceptrast.concepts.cards import ClassCard, ComponentFacts, Heatmap, PatchRow, Verdict
from conceptrast.data.photographs import Photographs
from conceptrast.figures.class_page import save_class_page

STUDY = "photographs"
SELECTIONS = ("all", "exclude_target")
CLASSES = 1000
COMPONENTS = 6
PATCHES = 8
"""Patches of a component that the search keeps; a page shows four of each."""

PATCH = 90
VIEW = 224
IMAGES = 3
"""Images of a class that maps are shown of."""

LIMITS = {"index.html, KB": 1000, "largest page, KB": 500, "all files, MB": 500}
"""What the design allows."""


class Cutter:
    """Cuts squares at random from photographs.

    Args:
        pictures: the photographs ``[H, W, 3]`` uint8.
        rng: where and how large.
    """

    def __init__(self, pictures: Sequence[np.ndarray], rng: np.random.Generator) -> None:
        self.pictures = pictures
        self.rng = rng

    def square(self, size: int) -> np.ndarray:
        """A square of a photograph, ``[size, size, 3]`` uint8: of a fifth of its shorter side, or up to all of it."""
        picture = self.pictures[int(self.rng.integers(len(self.pictures)))]
        side = int(min(picture.shape[:2]) * self.rng.uniform(0.2, 1))
        top, left = (int(self.rng.integers(0, length - side + 1)) for length in picture.shape[:2])
        part = Image.fromarray(picture[top : top + side, left : left + side])
        return np.asarray(part.resize((size, size), Image.Resampling.BILINEAR))


def card(target: int, cutter: Cutter) -> ClassCard:
    """Everything that the page of a class shows, drawn at random."""
    rng = cutter.rng
    rows = [
        PatchRow(
            patches=[cutter.square(PATCH) for _ in range(PATCHES)],
            source=cutter.square(VIEW),
            box=(40, 60, PATCH, PATCH),
            predicted=name_of(int(rng.integers(CLASSES))),
            probability=float(rng.uniform()),
        )
        for _ in range(COMPONENTS * len(SELECTIONS))
    ]
    verdict = Verdict(cutter.square(VIEW), [], name_of(target), float(rng.uniform()), match=True)
    return ClassCard(
        class_index=target,
        class_name=name_of(target),
        n_images=30,
        study=STUDY,
        recipe="recommended",
        rows={name: rows[place :: len(SELECTIONS)] for place, name in enumerate(SELECTIONS)},
        verdicts=dict.fromkeys(SELECTIONS, verdict),
        heatmaps=[Heatmap(cutter.square(VIEW), rng.uniform(size=(COMPONENTS, 7, 7))) for _ in range(IMAGES)],
        facts=[
            ComponentFacts(
                drop, 0.0, 9.0, drop_chance=0.1, share=0.2, cosine=0.8, back=0.9, back_chance=0.1, returns=True
            )
            for drop in rng.uniform(0, 9, 6)
        ],
    )


def name_of(target: int) -> str:
    """The name of a class, as long as those of ImageNet with two synonyms."""
    return f"class of photographs, its synonym, number {target}"


def write_run(folder: Path, classes: int) -> None:
    """The files that the atlas of a study is made of."""
    photographs = Photographs()
    rows = photographs.build_index().table.itertuples()
    cutter = Cutter([np.asarray(photographs.picture(row)) for row in rows], np.random.default_rng(0))
    pages = folder / "pages" / STUDY
    facts = [save_class_page(card(target, cutter), pages / "classes", f"{target}-class") for target in range(classes)]
    write_json(facts, pages / "classes.json")
    for name, table in tables(classes, cutter.rng).items():
        write_table(table, folder / name)
    write_json({}, folder / "metrics.json")


def tables(classes: int, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Tables of the run by their files."""
    test = {"recipe": "recommended", "baseline": "none", "layout": "grid"}
    tests = [
        {"class": target, "class_name": name_of(target), **test, "selection": name, "status": "ok", "predicted": target}
        for target in range(classes)
        for name in SELECTIONS
    ]
    verdicts = pd.DataFrame(tests).assign(match=True, probability=rng.uniform(size=len(tests)))
    summary = {"study": STUDY, **test, "selection": list(SELECTIONS), "n_classes": classes, "matched": classes}
    stability = verdicts[["class_name", "recipe", "baseline"]].drop_duplicates().assign(sample="halves", returned=1.0)
    importance = pd.DataFrame({"study": STUDY, "component": range(COMPONENTS)}).merge(verdicts, how="cross")
    return {
        f"studies/{STUDY}/component_prediction.csv": verdicts,
        "tables/component_prediction.csv": pd.DataFrame(summary).assign(
            match_rate=1.0, low=0.9, high=1.0, probability_mean=0.5
        ),
        "tables/stability.csv": stability.assign(study=STUDY),
        "tables/importance.csv": importance,
    }


def description() -> Description:
    """What the run was asked."""
    return Description(
        run="thousand",
        config={"run": "thousand", "seed": 0, "studies": {STUDY: {"model": "net", "dataset": STUDY, "layer": "last"}}},
        questions={"concepts": "What does a class consist of?"},
        entries={"concepts": [STUDY]},
        tables={"concepts": ["component_prediction", "stability", "importance"]},
        card_recipe="recommended",
    )


def timed(function: Callable[..., Any], *arguments: Any) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main() -> None:
    """Write the run and its atlas into a folder, and print what they cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atlas", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the run goes, with its atlas in atlas/")
    parser.add_argument("--classes", type=int, default=CLASSES)
    options = parser.parse_args()
    sources = Sources(options.folder, repository=options.folder, claims=options.folder / "claims.csv")
    atlas = options.folder / "atlas"
    of_pictures = timed(write_run, options.folder, options.classes)
    of_atlas = timed(write_atlas, description(), sources, atlas)

    files = [path for path in atlas.rglob("*") if path.is_file()]
    sizes = {path: path.stat().st_size for path in files}
    pages = [size for path, size in sizes.items() if path.suffix == ".html"]
    numbers = {
        "files": len(files),
        "index.html, KB": sizes[atlas / "index.html"] / 1e3,
        "largest page, KB": max(pages) / 1e3,
        "all pages, MB": sum(pages) / 1e6,
        "search and rows (scripts), KB": sum(size for path, size in sizes.items() if path.suffix == ".js") / 1e3,
        "all files, MB": sum(sizes.values()) / 1e6,
        "pictures cut and encoded, s": of_pictures,
        "pages written, s": of_atlas,
        "largest memory, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(f"| {options.classes} classes | | at most |\n|---|--:|--:|")
    for name, number in numbers.items():
        print(f"| {name} | {number:,.0f} | {LIMITS.get(name, '')} |")


if __name__ == "__main__":
    main()
