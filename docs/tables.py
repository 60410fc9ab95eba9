"""Put the tables of committed runs into the documents: ``python docs/tables.py``.

A document holds ``<!-- table: NAME -->`` and ``<!-- end -->``; what stands between them is written anew from
``results/<run>/tables``. A test checks that nothing else stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "docs/method.md")
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(run: str, name: str) -> pd.DataFrame:
    """A table of a committed run."""
    return pd.read_csv(ROOT / "results" / run / "tables" / f"{name}.csv")


def markdown(rows: pd.DataFrame) -> str:
    """A Markdown table with the columns' names as its head."""
    lines = ["| " + " | ".join(rows.columns) + " |", "|" + "---|" * len(rows.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def matches(rows: pd.DataFrame) -> list[str]:
    """Classes matched of classes tested, and the rate's interval, of rows of one selection and baseline."""
    return [
        f"{row.matched} of {row.n_classes} ({100 * row.low:.0f}–{100 * row.high:.0f} %), p = {row.probability_mean:.2f}"
        for row in rows.itertuples()
    ]


def prediction(run: str, studies: list[str] | None = None) -> str:
    """Component prediction of a run: matched classes by both selections, beside chance."""
    rows = table(run, "component_prediction")
    rows = rows if studies is None else rows[rows["study"].isin(studies)]
    found = {}
    for selection, title in (("all", "all images"), ("exclude_target", "without the class's images")):
        part = rows[rows["selection"] == selection]
        own, chance = part[part["baseline"] == "none"], part[part["baseline"] != "none"]
        keys = [own["study"], own["recipe"]]
        found[title] = pd.Series(matches(own), index=pd.MultiIndex.from_arrays(keys))
        worst = chance.groupby(["study", "recipe"])["match_rate"].max()
        found[f"chance, {title}"] = worst.map(lambda rate: f"≤ {100 * rate:.0f} %")
    return markdown(pd.DataFrame(found).loc[found["all images"].index].reset_index(names=["study", "recipe"]))


def recovery() -> str:
    """Recovery of the known concepts of the default run."""
    rows = table("default", "concept_recovery")
    found = [
        f"{row.found} of {row.n_concepts} ({100 * row.low:.0f}–{100 * row.high:.0f} %)" for row in rows.itertuples()
    ]
    shown = {"study": rows["study"], "recipe": rows["recipe"], "digits found": found}
    return markdown(pd.DataFrame({**shown, "purity of components": rows["purity"].map("{:.2f}".format)}))


TABLES: dict[str, Callable[[], str]] = {
    "default": lambda: prediction("default"),
    "recovery": recovery,
    "imagenette": lambda: prediction("imagenette"),
    "recipes": lambda: prediction("recipes"),
}


def updated(text: str) -> str:
    """A document with its tables written anew."""
    return BLOCK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> None:
    """Write the documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(updated(path.read_text()))


if __name__ == "__main__":
    main()
