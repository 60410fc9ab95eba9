"""Pages of a study: all its classes, each class, each contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

from conceptrast.atlas.claims import CheckedClaims
from conceptrast.atlas.curves import Curve, curve, offsets_apart
from conceptrast.atlas.numbers import known
from conceptrast.atlas.run_files import RunFiles, records_of
from conceptrast.atlas.site import Site
from conceptrast.base.names import ALL_CLASSES
from conceptrast.concepts.removals import OTHER_CLASS
from conceptrast.concepts.stability import ALIKE, MOST_COMPARED

STRICT = "exclude_target"
SELECTIONS = {"all": "among all images", STRICT: "among images not predicted as the class"}
SIDES = ("for", "against")
"""Sides of a contrast, from left to right."""
MASK_TABLE = "mask"
"""Its numbers and its figure are on the page of the study, so the page of a contrast has no sentence on them."""

LEAST_RISE = 0.1
"""A shift in a random direction has to be this much below a shift across the plane; otherwise the page says so."""

ROWS_PER_PAGE = 360
"""Number of classes on one page of a study, so that no page is larger than 500 KB."""


@dataclass(frozen=True)
class ClassLine:
    """A class in the list of a study.

    Args:
        card: the facts of its page; empty if it has none.
        target: class index.
        name: class name.
        verdicts: by selection: predicted, probability, match, status, reason.
        importance: share of its most important component; ``None`` if nothing falls without it, or none was measured.
        stability: share of components that come back.
        n_images: number of images that its components come from.
    """

    card: Mapping[str, Any]
    target: int
    name: str
    verdicts: Mapping[str, Mapping[str, Any]]
    importance: float | None
    stability: float | None
    n_images: int | None

    @property
    def test(self) -> Mapping[str, Any]:
        """The strictest test that the class went through; empty if there is none."""
        return self.verdicts.get(STRICT) or self.verdicts.get("all") or {}

    @property
    def match(self) -> bool | None:
        """Whether the model names the class; ``None`` if it was not asked."""
        return bool(self.test["match"]) if self.test.get("status") == "ok" else None

    @property
    def selection(self) -> str:
        """The selection of patches that the test speaks of; empty if the class has no pictures."""
        selections = self.card.get("selections", {})
        return next((name for name in (STRICT, "all") if name in selections), "")

    @property
    def says(self) -> str:
        """The class that the model names in place of this one."""
        verdict = self.card["selections"][self.selection]["verdict"] if self.selection else None
        return str(verdict["predicted"]) if verdict else "another class"

    @property
    def probability(self) -> float | None:
        """Probability of the class."""
        return known(self.test.get("probability"))

    @property
    def worst_first(self) -> tuple[int, float]:
        """Sorts what failed before what holds, and what was not tested to the end."""
        rank = {False: 0, True: 1, None: 2}[self.match]
        return rank, self.probability or 0.0


def class_lines(files: RunFiles, study: str, cards: Sequence[Mapping[str, Any]]) -> list[ClassLine]:
    """All classes of a study, the worst first."""
    recipe = files.description.card_recipe
    by_class = {card["class"]: card for card in cards}
    table = files.table(f"studies/{study}/component_prediction.csv")
    verdicts: dict[int, dict[str, Mapping[str, Any]]] = {}
    names = {card["class"]: card["name"] for card in cards}
    if table is not None:
        rows = table[(table["recipe"] == recipe) & (table["baseline"] == "none")]
        for row in records_of(rows):
            verdicts.setdefault(int(row["class"]), {})[row["selection"]] = row
            names.setdefault(int(row["class"]), str(row["class_name"]))
    stability = {
        row["class_name"]: known(row["returned"])
        for row in files.rows("stability", study=study, recipe=recipe, sample="halves", baseline="none")
        if row["class_name"] != ALL_CLASSES
    }
    lines = []
    for target, name in names.items():
        card = by_class.get(target, {})
        falling = [part for part in card.get("components", []) if (known(part["drop"]) or 0.0) > 0]
        lines.append(
            ClassLine(
                card=card,
                target=target,
                name=name,
                verdicts=verdicts.get(target, {}),
                importance=known(falling[0]["share"]) if falling else None,
                stability=stability.get(name),
                n_images=card.get("n_images"),
            )
        )
    return sorted(lines, key=lambda line: line.worst_first)


@dataclass(frozen=True)
class StudyPages:
    """Writes all pages of a study.

    Args:
        files: of the run.
        site: the atlas.
        claims: about the run.
        study: its name.
    """

    files: RunFiles
    site: Site
    claims: CheckedClaims
    study: str

    def write(self) -> list[Mapping[str, Any]]:
        """Write the pages of the study, its classes and contrasts; return its contrasts for the run's page."""
        cards = self.files.json(f"pages/{self.study}/classes.json") or []
        lines = class_lines(self.files, self.study, cards)
        contrasts = self._contrasts()
        with_card = [line for line in lines if line.card]
        for place in range(len(with_card)):
            self._class(with_card, place, contrasts)
        for place, contrast in enumerate(contrasts):
            self._contrast(contrast, contrasts, place)
        self.write_study(lines, contrasts)
        self.site.search.append(
            {
                "label": self.study,
                "folder": f"class/{self.study}/",
                "names": [[line.name, line.card["stem"]] for line in lines if line.card],
            }
        )
        if contrasts:
            self.site.search.append(
                {
                    "label": f"{self.study}, A | B",
                    "folder": f"contrast/{self.study}/",
                    "names": [
                        [f"{contrast['first']['name']} | {contrast['second']['name']}", contrast["stem"]]
                        for contrast in contrasts
                    ],
                }
            )
        return contrasts

    # The pages.

    def write_study(self, lines: Sequence[ClassLine], contrasts: Sequence[Mapping[str, Any]]) -> None:
        """Write the list of all classes, on several pages if there are many."""
        parts = [lines[start : start + ROWS_PER_PAGE] for start in range(0, len(lines), ROWS_PER_PAGE)] or [[]]
        paths = [f"study/{self.study}{f'-{number + 1}' if number else ''}.html" for number in range(len(parts))]
        if len(parts) > 1:
            self.site.write(f"study/{self.study}.rows.js", "rows.js", study=self.study, lines=lines)
        tests = self._tests()
        strict = [row for row in tests if (row["selection"], row["baseline"]) == (STRICT, "none")]
        for part, path in zip(parts, paths, strict=True):
            self.site.write(
                path,
                "study.html",
                title=self.study,
                study=self.study,
                entry=self.files.description.studies[self.study],
                summary=self.files.row("studies", study=self.study),
                predictor=self._predictor,
                lines=part,
                n_lines=len(lines),
                paths=paths,
                contrasts=contrasts,
                tests=tests,
                by_labels=[group for row in strict for group in self.files.by_labels(row)],
                strongest_chance=self._strongest_chance,
                back=self._back("none"),
                back_chance=self._back(OTHER_CLASS),
                figures=self._figures(),
                claimed=self.claims.about(self.files.rows_of_entry(("concepts", "contrast"), self.study)),
                settings=("studies", self.study),
            )

    def _class(self, lines: Sequence[ClassLine], place: int, contrasts: Sequence[Mapping[str, Any]]) -> None:
        line = lines[place]
        card = line.card
        stem = card["stem"]
        selections = []
        for name, selection in card["selections"].items():
            selections.append(
                {
                    "name": name,
                    "title": SELECTIONS.get(name, name),
                    "strip": self._picture(f"classes/{stem}-{name}.webp"),
                    "sources": self._picture(f"classes/{stem}-{name}-sources.webp"),
                    "combined": self._picture(f"classes/{stem}-{name}-combined.webp") if selection["verdict"] else "",
                    "starts": _starts(selection["patches"]),
                    "total": sum(selection["patches"]),
                    "facts": selection,
                    "row": line.verdicts.get(name, {}),
                }
            )
        ends = [known(component[end]) or 0.0 for component in card["components"] for end in ("high", "drop_chance")]
        fidelity = self._fidelity.get(line.target, [])
        self.site.write(
            f"class/{self.study}/{stem}.html",
            "class.html",
            title=f"{line.name} · {self.study}",
            study=self.study,
            entry=self.files.description.studies[self.study],
            line=line,
            card=card,
            selections=selections,
            predictor=self._predictor,
            alike=ALIKE,
            most_compared=MOST_COMPARED,
            longest=max([1e-12, *ends]),
            places=self._picture(f"classes/{stem}-places.webp") if card["places"] else "",
            fidelity=fidelity,
            complete=next((curve.last for curve in fidelity if curve.kind == "second"), None),
            no_sooner=no_sooner(fidelity),
            of_pictures=self._of_pictures.get(line.target),
            images=self.files.description.config.get("importance", {}).get("images"),
            contrasts=[
                contrast
                for contrast in contrasts
                if line.target in (contrast["first"]["class"], contrast["second"]["class"])
            ],
            previous=lines[place - 1] if place else None,
            following=lines[place + 1] if place + 1 < len(lines) else None,
            tests=self._tests(),
            full=self._full_card(line.target),
            settings=("studies", self.study),
        )

    def _contrast(self, contrast: Mapping[str, Any], contrasts: Sequence[Mapping[str, Any]], place: int) -> None:
        stem = contrast["stem"]
        description = self.files.description
        pair = {"from_class": contrast["first"]["class"], "to_class": contrast["second"]["class"]}
        tested = self.files.rows_of_entry(["contrast"], self.study)
        features = [
            known(row["n_features"]) or 0.0
            for row in self.files.rows("contrast_classes", study=self.study)
            if row["class"] in pair.values()
        ]
        self.site.write(
            f"contrast/{self.study}/{stem}.html",
            "contrast.html",
            title=f"{contrast['first']['name']} | {contrast['second']['name']} · {self.study}",
            study=self.study,
            entry=description.studies[self.study],
            contrast=contrast,
            row=self.files.row("contrast_pairs", study=self.study, **pair),
            majority=max(features) / sum(features) if sum(features) else None,
            shift_rows=[
                row | {"fitted": description.how_fitted(row["hyperplane"])} for row in self._with_badges("shift")
            ],
            images_per_pair=description.config.get("contrast", {}).get("images_per_pair"),
            recovery=self._with_badges("contrast_recovery"),
            hides=bool(tested.get(MASK_TABLE)),
            claimed=self.claims.about({table: rows for table, rows in tested.items() if table != MASK_TABLE}),
            previous=contrasts[place - 1] if place else None,
            following=contrasts[place + 1] if place + 1 < len(contrasts) else None,
            full=self.site.full_figure(f"figures/{self.study}/contrasts/{stem}.png"),
            settings=("studies", self.study),
        )

    # What they show.

    def _contrasts(self) -> list[Mapping[str, Any]]:
        """The contrasts of the study, with their pictures and curves."""
        if not self.files.description.has("contrast", self.study):
            return []
        contrasts: list[Mapping[str, Any]] = []
        classes = {card["class"]: card["stem"] for card in self.files.json(f"pages/{self.study}/classes.json") or []}
        for contrast in self.files.json(f"pages/{self.study}/contrasts.json") or []:
            sides = []
            for name in SIDES:
                side = contrast["sides"][name]
                other = next(value["name"] for key, value in contrast["sides"].items() if key != name)
                strip = f"contrasts/{contrast['stem']}-{name}"
                sides.append(
                    {
                        **side,
                        "side": name,
                        "other": other,
                        "stem": classes.get(contrast["first" if name == "for" else "second"]["class"]),
                        "strip": self._picture(f"{strip}.webp") if sum(side["patches"]) else "",
                        "places_strip": self._picture(f"{strip}-places.webp") if side["places"] else "",
                        "starts": _starts(side["patches"]),
                        "total": sum(side["patches"]),
                        "curves": side_curves(side, name, other),
                        "move": move_of(side["curve"]),
                    }
                )
            contrasts.append({**contrast, "sides": sides, "study": self.study})
        return contrasts

    @property
    def _predictor(self) -> str:
        """The model whose predictions say what class a picture is of."""
        entry = self.files.description.studies[self.study]
        return str(entry.get("predicted_by") or entry["model"])

    def _back(self, baseline: str) -> float | None:
        """Share of samples, or of other classes, in which a concept is found again, on average; ``None`` if unknown."""
        wanted = {"sample": "halves", "class_name": ALL_CLASSES, "baseline": baseline}
        row = self.files.row("stability", study=self.study, recipe=self.files.description.card_recipe, **wanted)
        return None if row is None else known(row["back"])

    @property
    def _strongest_chance(self) -> float | None:
        """What as much activation at random is worth beside the strongest concepts, on their scale, on average."""
        rows = self.files.rows("importance", study=self.study, recipe=self.files.description.card_recipe, rank=0)
        shares = [
            value
            for row in rows
            if row["logit_drop"] > 0
            and (value := known(row["share"] * row["logit_drop_random"] / row["logit_drop"])) is not None
        ]
        return sum(shares) / len(shares) if shares else None

    @cached_property
    def _of_pictures(self) -> Mapping[Any, float]:
        """By class, the mean probability of the pictures that concepts are taken out of, while none is."""
        table = self.files.table(f"studies/{self.study}/fidelity.parquet")
        if table is None:
            return {}
        whole = table[(table["rest"] == "kept") & (table["curve"] == "deletion") & (table["step"] == 0)]
        whole = whole[whole["recipe"] == self.files.description.card_recipe]
        return whole.groupby("class")["probability"].mean().to_dict()

    @cached_property
    def _fidelity(self) -> Mapping[int, list[Curve]]:
        """Curves of fidelity by class."""
        return fidelity_curves(self.files, self.study)

    def _tests(self) -> list[Mapping[str, Any]]:
        """Rows of the study's component prediction by the recipe that the pages show, each with its badges."""
        rows = self.files.rows("component_prediction", study=self.study, recipe=self.files.description.card_recipe)
        return [row | {"badges": self.claims.of_cell("component_prediction", "match_rate", row)} for row in rows]

    def _with_badges(self, table: str) -> list[dict[str, Any]]:
        """The study's rows of a table, each with the badges of its cells by column."""
        return self.claims.with_badges(table, self.files.rows(table, study=self.study))

    def _figures(self) -> list[Mapping[str, Any]]:
        """Figures about the study as a whole."""
        captions = {
            "overview.png": "Classes at a glance, with what the model names in their patches.",
            "fidelity.png": "How fast the class vanishes when components are taken out, and comes back when put in.",
            "shift.png": "The shift test, beside random directions. A pair drawn twice counts twice in the table.",
            "mask.png": "The mask test: places are hidden in the order of the hyperplane, and at random.",
        }
        figures: list[Mapping[str, Any]] = []
        for name, caption in captions.items():
            if (self.files.folder / "figures" / self.study / name).is_file():
                figure = self.site.figure(f"figures/{self.study}/{name}")
                figures.append({"figure": figure, "caption": caption})
        return figures

    def _picture(self, path: str) -> str:
        return self.site.picture(f"pages/{self.study}/{path}")

    @cached_property
    def _cards(self) -> Mapping[int, str]:
        """Files of the cards by class; not every class needs one."""
        manifest = self.files.table(f"figures/{self.study}/cards.csv")
        return {} if manifest is None else dict(zip(manifest["class"], manifest["file"], strict=True))

    def _full_card(self, target: int) -> str:
        """The card of a class in the atlas; empty if the class has none."""
        file = self._cards.get(target)
        return self.site.full_figure(f"figures/{self.study}/cards/{file}") if file else ""


def _starts(counts: Sequence[int]) -> list[int]:
    """Place of the first picture of each component in a strip.

    Example:
        >>> _starts([4, 4, 2])
        [0, 4, 8]
    """
    return [sum(counts[:place]) for place in range(len(counts))]


def side_curves(side: Mapping[str, Any], name: str, other: str) -> list[Curve]:
    """The curves of one side of a contrast: the probabilities of both classes while its images are shifted."""
    kinds = {"p_own": name, "p_other": "against" if name == "for" else "for"}
    names = {"p_own": side["name"], "p_other": other}
    curves = []
    for baseline, ending in (("none", ""), ("random_direction", " chance")):
        rows = [row for row in side["curve"] if row["baseline"] == baseline]
        if len(rows) > 1:
            places = offsets_apart(row["offset"] for row in rows)
            for column, kind in kinds.items():
                label = f"p({names[column]})" + (", random direction" if ending else "")
                curves.append(curve(label, f"{kind}{ending}", places, values=[row[column] for row in rows]))
    return curves


def move_of(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, float] | None:
    """What a shift makes of the other class's probability: before, at most, and in a random direction, as far and at
    most; and how much more it has to do than that.
    """
    by_baseline: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_baseline.setdefault(row["baseline"], []).append(row)
    moved = by_baseline.get("none", [])
    chance = by_baseline.get("random_direction", [])
    if not moved or not chance:
        return None
    highest, by_chance = (max(part, key=itemgetter("p_other")) for part in (moved, chance))
    as_far = next((row for row in chance if row["offset"] == highest["offset"]), by_chance)
    return {
        "before": moved[0]["p_other"],
        "after": highest["p_other"],
        "chance": by_chance["p_other"],
        "chance_as_far": as_far["p_other"],
        "least_rise": LEAST_RISE,
    }


def no_sooner(curves: Sequence[Curve]) -> list[str]:
    """What the order of importance does no sooner than random orders, by the means of the curves of fidelity.

    Example:
        >>> means = {"first": [0.9, 0.6], "first chance": [0.9, 0.5]}
        >>> curves = [curve("", kind, [0, 1], values) for kind, values in means.items()]
        >>> no_sooner(curves), no_sooner(curves[:1])
        (['taken out by importance, the class vanishes no sooner than in random order'], [])
    """
    mean = {curve.kind: curve.mean for curve in curves}
    sentences = []
    if "first chance" in mean and mean["first"] >= mean["first chance"]:
        sentences.append("taken out by importance, the class vanishes no sooner than in random order")
    if "second chance" in mean and mean["second"] <= mean["second chance"]:
        sentences.append("put in by importance, it comes back no sooner than in random order")
    return sentences


def fidelity_curves(files: RunFiles, study: str) -> dict[int, list[Curve]]:
    """By class, mean curves of deletion and insertion by importance and in random orders."""
    table = files.table(f"studies/{study}/fidelity.parquet")
    if table is None:
        return {}
    rows = table[(table["recipe"] == files.description.card_recipe) & (table["rest"] == "left_out")]
    means = rows.groupby(["class", "curve", "baseline", "step"], as_index=False)["probability"].mean()
    curves: dict[int, list[Curve]] = {}
    for _, part in means.groupby(["class", "curve", "baseline"]):
        target, name, baseline = part[["class", "curve", "baseline"]].iloc[0]
        kind = "first" if name == "deletion" else "second"
        words = "taken out" if name == "deletion" else "put in"
        ending = "" if baseline == "none" else ", random order"
        probabilities = part["probability"].tolist()
        curves.setdefault(int(target), []).append(
            curve(
                f"{words}{ending}",
                kind if baseline == "none" else f"{kind} chance",
                list(range(len(probabilities))),
                values=probabilities,
            )
        )
    return curves
