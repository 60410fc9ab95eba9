"""Pages of analyses that are shown by whole figures and their tables: maps, factorizations, biases and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conceptrast.atlas.answers import Answer, edit_in_words
from conceptrast.atlas.claims import CheckedClaims
from conceptrast.atlas.curves import curve
from conceptrast.atlas.run_files import Row, RunFiles, records_of
from conceptrast.atlas.site import Figure, Site
from conceptrast.figures.latent_bias import TITLES

KINDS = {"component": "component", "ace": "ACE concept", "hyperplane": "hyperplane"}
"""Directions whose pictures are shown, in words."""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Args:
        title: its heading.
        anchor: its place on the page.
        text: one or two sentences about what is seen.
        figures: figures with captions; ``None`` in place of a figure that is missing.
        films: pictures on their way, see :func:`film_of`.
        table: name of a table whose rows it shows; empty if there is none.
        rows: these rows.
        columns: the columns of the table that are shown.
    """

    title: str
    anchor: str = ""
    text: str = ""
    figures: Sequence[tuple[Figure | None, str]] = ()
    films: Sequence[Mapping[str, Any]] = ()
    table: str = ""
    rows: Sequence[Mapping[str, Any]] = ()
    columns: Sequence[str] = ()


@dataclass(frozen=True)
class FigurePages:
    """Writes the pages of one analysis.

    Args:
        files: of the run.
        site: the atlas.
        claims: about the run.
        answers: of the run, by analysis.
    """

    files: RunFiles
    site: Site
    claims: CheckedClaims
    answers: Mapping[str, Answer]

    def write(self) -> list[tuple[str, str, str]]:
        """Write the pages of all analyses that the run has; return label, path and what each shows."""
        pages = []
        for analysis, (folder, title, section, parts) in PAGES.items():
            for name in self.files.description.entries.get(analysis, ()):
                path = f"{folder}/{name}.html"
                sections = list(parts(self, name))
                self._page(path, f"{title}: {name}", analysis, sections=sections, settings=(section, name))
                pages.append((f"{title}: {name}", path, self.files.description.questions[analysis]))
        if self.files.description.entries.get("models"):
            self._page("models.html", "Models", "models", sections=list(self._models()), settings=("models", ""))
            pages.append(("Models", "models.html", self.files.description.questions["models"]))
        if pages:
            self.site.search.append(
                {
                    "label": "pages",
                    "folder": "",
                    "names": [[label, path.removesuffix(".html")] for label, path, _ in pages],
                }
            )
        return pages

    def _page(
        self, path: str, title: str, analysis: str, sections: Sequence[Section], settings: tuple[str, str]
    ) -> None:
        answer = self.answers.get(analysis)
        self.site.write(
            path,
            "figures.html",
            title=title,
            question=self.files.description.questions[analysis],
            answer=answer,
            measures=[] if answer is None else [row for row in answer.measures if row.href.partition("#")[0] == path],
            sections=sections,
            claimed=self.claims.about(self.files.rows_of_entry([analysis], settings[1])),
            settings=settings,
        )

    # What the pages show.

    def maps(self, view: str) -> Iterator[Section]:
        """Class activation maps, and their tests."""
        yield self._figure(f"saliency/{view}/maps.png", "Maps", "Where the model looks, in some of the pictures.")
        yield self._figure(
            f"saliency/{view}/tests.png",
            "Tests of the maps",
            "Pixels are removed in the order of the map; and the network's parameters are drawn anew, layer by layer.",
        )
        truth = ("method", "baseline", "target_kind", "more", "more_low", "more_high", "hit", "n_images")
        yield self._table("saliency_truth", "Do the maps lie on the truth?", truth, view=view)
        faith = (
            "method",
            "baseline",
            "target_kind",
            "road",
            "road_low",
            "road_high",
            "insertion",
            "deletion",
            "n_images",
        )
        yield self._table("saliency_faithfulness", "Are the maps faithful?", faith, view=view)
        stages = ("method", "reaches", "rank_correlation", "above_layer", "ssim", "n_images", "n_flat", "unchanged")
        text = (
            "The network is drawn anew from its end to the part that a row reaches. Unchanged above the layer: a "
            "method's maps stay the same when all that comes after the layer is drawn anew. A map that is the same "
            "everywhere is flat, and its rank correlation counts as 0."
        )
        yield self._table("saliency_randomisation", "Do they change with the network?", stages, text=text, view=view)

    def factorizations(self, name: str) -> Iterator[Section]:
        """Deep feature factorization: the figure of each picture, and its concepts."""
        for file in self._manifest(f"dff/{name}.csv"):
            number, _, label = Path(file["file"]).stem.partition("-")
            title = f"Picture {number}: {label}" if label else "All pictures together"
            yield self._figure(
                f"dff/{name}/{file['file']}", title, "Each row has a different number of concepts, each in its colour."
            )
        columns = (
            "n_components",
            "blur",
            "blur_chance",
            "beyond_chance",
            "beyond_low",
            "beyond_high",
            "agree",
            "reconstruction_error",
            "n_pictures",
        )
        text = (
            "Tables say by how much a probability falls, figures by how much it changes: there, a fall has a minus. An "
            "interval over few concepts is hardly more than their range."
        )
        yield self._table("dff_summary", "By number of concepts", columns, text=text, dff=name)
        scores = ("n_images", "share", "suffix_class", "blur_class", "blur_score", "blur_chance")
        yield self._table(
            "dff_concepts", "Every concept", ("picture", "n_components", "concept", "rank", *scores), dff=name
        )

    def biases(self, name: str) -> Iterator[Section]:
        """A planted bias: its cause, and whether it is seen."""
        captions = {
            "cause.png": (
                "Cause",
                "Every picture is turned: what becomes of the answer, and of the place in latent space?",
            ),
            "visibility.png": ("Visibility", "The angle that an independent network reads off along the direction."),
            "maps.png": ("Latent spaces", "Every picture at its place in the latent space of each network."),
            "navigation-biased.png": (
                "Along the direction, biased",
                "Pictures from one class's side to the other's, from the 1st to the 99th percentile. The table's "
                "decoded turn is that of a shorter way, from one class's mean to the other's.",
            ),
            "navigation-control.png": (
                "Along the direction, control",
                "The same for networks trained without the bias, over the same longer way.",
            ),
        }
        for file, (title, text) in captions.items():
            yield self._figure(f"latent_bias/{name}/{file}", title, text)
        columns = ("condition", "network", "relies", "shows", "accuracy_biased", "accuracy_unbiased")
        intervals = [f"{name}{end}" for name in ("reliance", "turn", "decoded_turn") for end in ("", "_low", "_high")]
        more = ("accuracy_counter_biased", *intervals, "verdict_reason")
        text = "In figures, " + " and ".join(f"{name} is called {title}" for name, title in TITLES.items()) + "."
        yield self._table("latent_bias", "In numbers", (*columns, *more), text=text, bias=name)

    def insertions(self, name: str) -> Iterator[Section]:
        """A crop that is pasted into pictures."""
        yield self._figure(f"insertion/{name}.png", "Pictures under every condition", "With the model's probabilities.")
        columns = ("first_name", "second_name", "component", "condition", "change_first", "low_first", "high_first")
        for table in ("insertion", "component_insertion"):
            yield self._table(table, "In numbers", (*columns, "p_first", "p_second", "n_images"), insertion=name)

    def shortcuts(self, study: str) -> Iterator[Section]:
        """A planted thing: which direction ranks the pictures that have it first."""
        yield self._figure(
            f"{study}/shortcut.png", "Directions", "How well each ranks the pictures with the planted thing."
        )
        columns = ("name", "auroc_pasted", "auroc_pasted_low", "auroc_pasted_high", "auroc", "cosine", "kind", "rank")
        yield self._table("shortcut", "In numbers", (*columns, "accuracy", "named_planted"), study=study)

    def concepts(self, study: str) -> Iterator[Section]:
        """Concepts among superpixels of each class."""
        columns = ("concept", "baseline", "n_segments", "cav_accuracy", "tcav", "tcav_random", "p_corrected")
        for file in self._manifest(f"{study}/ace.csv"):
            rows = self.files.rows("ace", study=study, class_name=file["class_name"])
            first = rows[0]["segments_as"] if rows else None
            segments = self.claims.with_badges("ace", [row for row in rows if row["segments_as"] == first])
            section = self._figure(
                f"{study}/ace/{file['file']}",
                str(file["class_name"]),
                "Segments of each concept, where they are, and how the class's score changes along it.",
            )
            yield Section(
                title=section.title,
                anchor=f"class-{file['class']}",
                text=section.text,
                figures=section.figures,
                table="ace",
                rows=segments,
                columns=_there((*columns, "significant", "speaks", "shows", "status"), segments),
            )

    def counterfactuals(self, study: str) -> Iterator[Section]:
        """Pictures of A on their way to B, and concepts as pictures."""
        figures = {
            (row["from_class"], row["to_class"]): row["file"]
            for row in self._manifest(f"{study}/counterfactuals.csv")
            if str(row["file"]).endswith(".png")
        }
        columns = (
            "edit",
            "direction",
            "judged",
            "low",
            "high",
            "reached",
            "baseline",
            "n_kept",
            "cells",
            "inside",
            "area",
        )
        for page in self.files.json(f"pages/{study}/counterfactuals.json") or []:
            first, second = (page[end]["class"] for end in ("first", "second"))
            names = (page["first"]["name"], page["second"]["name"])
            pair = {"from_class": first, "to_class": second, "stop": "picture"}
            rows = self.claims.with_badges("counterfactual", self.files.rows("counterfactual", study=study, **pair))
            title = f"{names[0]} becomes {names[1]}"
            file = figures.get((first, second))
            source = f"figures/{study}/counterfactuals/{file}"
            films = [
                film_of(
                    story,
                    self._strip(study, "counterfactuals", story),
                    edit_in_words(story["kind"], story["direction"]),
                    names,
                )
                for story in page["stories"]
            ]
            yield Section(
                title=title,
                anchor=f"pair-{first}-{second}",
                text="Left the picture, right what a decoder draws while activations change, until the model is sure "
                "of B or the change has its largest size. Pasted cells change the picture itself.",
                films=films,
                figures=[(self.site.figure(source), f"{title}: every edit, step by step")] if file else [],
                table="counterfactual",
                rows=rows,
                columns=_there(columns, rows),
            )
        yield from self._concept_pictures(study)

    def _concept_pictures(self, study: str) -> Iterator[Section]:
        """What concepts look like: each put into a picture that lacks it, and all of a class decoded."""
        stories = self.files.json(f"pages/{study}/concept_pictures.json") or []
        for row in self._manifest(f"{study}/concept_pictures.csv"):
            if str(row["file"]).endswith(".png"):
                films = [
                    film_of(
                        story,
                        self._strip(study, "concept_pictures", story),
                        f"{KINDS[story['direction']]} {story['concept']}, added to a picture of {story['into']}",
                        (story["into"], story["name"]),
                    )
                    for story in stories
                    if story["class"] == row["class"]
                ]
                section = self._figure(
                    f"{study}/concept_pictures/{row['file']}",
                    f"What the concepts of {row['class_name']} look like",
                    "Each is added to a picture of another class, and decoded. In the figure: above, parts of real "
                    "pictures where the concept is strongest; below, the concept alone, decoded.",
                )
                yield replace(section, films=films)

    def _strip(self, study: str, folder: str, story: Mapping[str, Any]) -> str:
        return self.site.picture(f"pages/{study}/{folder}/{story['stem']}.webp")

    def _models(self) -> Iterator[Section]:
        for name in self.files.description.entries["models"]:
            yield self._figure(
                f"confusion/{name}.png", name, "What is taken for what, on pictures held out of its training."
            )
        text = "Accuracy as the training measured it; for the figures every picture was predicted anew."
        yield self._table("models", "Training", ("model", "validation_accuracy", "epochs"), text=text)

    # Parts of pages.

    def _figure(self, source: str, title: str, text: str) -> Section:
        return Section(title=title, text=text, figures=[(self.site.figure(f"figures/{source}"), f"{title}. {text}")])

    def _table(self, table: str, title: str, columns: Sequence[str], text: str = "", **values: Any) -> Section:
        rows = self.claims.with_badges(table, self.files.rows(table, **values))
        return Section(title=title, text=text, table=table, rows=rows, columns=_there(columns, rows))

    def _manifest(self, path: str) -> list[Row]:
        table = self.files.table(f"figures/{path}")
        return [] if table is None else records_of(table)


def film_of(story: Mapping[str, Any], strip: str, title: str, names: tuple[str, str]) -> Mapping[str, Any]:
    """A picture on its way, as a page shows it: its strip, its title, and the probabilities of A and B as curves."""
    places = list(range(story["frames"]))
    curves = [
        curve(f"p({name})", kind, places, values=[pair[end] for pair in story["probabilities"]])
        for end, (name, kind) in enumerate(zip(names, ("for", "against"), strict=True))
    ]
    return {**story, "strip": strip, "title": title, "curves": curves}


def _there(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those of some columns that the rows have, and those that a claim speaks of."""
    claimed = {column for row in rows for column, badges in row["_badges"].items() if badges}
    named = [column for column in columns if rows and column in rows[0]]
    return [*named, *(column for column in (rows[0] if rows else ()) if column in claimed and column not in named)]


Parts = Callable[[FigurePages, str], Iterator[Section]]

PAGES: Mapping[str, tuple[str, str, str, Parts]] = {
    "counterfactual": ("counterfactuals", "Counterfactuals", "studies", FigurePages.counterfactuals),
    "ace": ("concepts", "Concepts", "studies", FigurePages.concepts),
    "insertion": ("insertion", "Insertion", "insertions", FigurePages.insertions),
    "saliency": ("maps", "Maps", "saliency", FigurePages.maps),
    "dff": ("dff", "Factorization", "dff", FigurePages.factorizations),
    "shortcut": ("shortcut", "Shortcut", "studies", FigurePages.shortcuts),
    "bias": ("bias", "Bias", "latent_bias", FigurePages.biases),
}
"""For each analysis: folder and title of its pages, its section of the configuration, what a page shows."""
