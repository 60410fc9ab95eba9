"""The atlas of a small run made by hand: what its pages say, what they escape, and what they say of what is missing."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conceptrast.atlas.answers import answers
from conceptrast.atlas.atlas import Sources, write_atlas
from conceptrast.atlas.claims import CheckedClaims
from conceptrast.atlas.headlines import answer_lines
from conceptrast.atlas.provenance import provenance_of
from conceptrast.atlas.run_files import RunFiles
from conceptrast.atlas.site import Site
from conceptrast.atlas.study_pages import ClassLine, StudyPages
from conceptrast.base.files import read_table, write_json, write_table
from tests.unit.atlas.made_run import CLAIM, HEAD, description, make_run

HOSTILE = ('<script>alert("1")</script>', "Käse / \"Brot\" & 'Wurst'", "a" * 300)


class Page(HTMLParser):
    """What a page consists of: its elements, links, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self) -> list[str]:
        """Everything that the page asks for or leads to."""
        return [value for _, attributes in self.elements for key in ("href", "src") if (value := attributes.get(key))]


def atlas(folder: Path, claims: str = HEAD + CLAIM, **options: object) -> Path:
    """The atlas of the run in ``folder``."""
    (folder / "claims.csv").write_text(claims)
    sources = Sources(folder=folder, repository=folder, claims=folder / "claims.csv")
    write_atlas(description(**options), sources, folder / "atlas")
    return folder / "atlas"


def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The atlas of a run that has everything."""
    folder = tmp_path_factory.mktemp("run")
    make_run(folder)
    return atlas(folder)


def test_every_link_leads_to_a_file_and_none_to_the_network(made) -> None:
    pages = sorted(made.rglob("*.html"))
    assert len(pages) > 8
    for path in pages:
        for link in page(path).links():
            if link == "data:,":
                continue
            assert not urlsplit(link).scheme, link
            target = (path.parent / unquote(link.partition("#")[0])).resolve()
            # A folder that is copied or mailed has all that its pages link.
            assert target.is_relative_to(made), f"{path.name}: {link}"
            assert link.startswith("#") or target.exists(), f"{path.name}: {link}"


def test_an_anchor_that_is_linked_exists(made) -> None:
    for path in made.rglob("*.html"):
        for link in page(path).links():
            file, _, anchor = link.partition("#")
            if anchor:
                target = path if not file else (path.parent / file).resolve()
                assert anchor in [attributes.get("id") for _, attributes in page(target).elements], (
                    f"{path.name}: {link}"
                )


def test_a_claim_leads_to_the_table_that_it_speaks_of(made) -> None:
    *_, last = [link for link in page(made / "claims.html").links() if link.startswith("tables/")]
    assert last == "tables/component_prediction.html"


def test_a_class_says_what_all_its_concepts_give(tmp_path) -> None:
    make_run(tmp_path)
    curves = {"deletion": [0.9, 0.2], "insertion": [0.1, 0.3]}
    shared = {"recipe": "recommended", "class": 0}
    # The same pictures as they are: 0.12, and 0.18.
    whole = {"rest": "kept", "baseline": "none", "curve": "deletion", "step": 0}
    rows: list[dict[str, object]] = [
        shared | whole | {"image": n, "probability": p} for n, p in enumerate((0.12, 0.18))
    ]
    rows += [
        shared | {"rest": "left_out", "curve": curve, "baseline": baseline, "step": step, "probability": probability}
        for curve, probabilities in curves.items()
        for baseline, less in (("none", 0.0), ("random", 0.05))
        for step, probability in enumerate(np.subtract(probabilities, less))
    ]
    write_table(pd.DataFrame(rows), tmp_path / "studies" / "digits" / "fidelity.parquet")
    classes = atlas(tmp_path) / "class" / "digits"
    words = [" ".join(page(path).text.split()) for path in sorted(classes.glob("*.html"))]
    assert (
        "With all its concepts and nothing else of the layer, p(one) = 0.30. For the pictures themselves it is 0.15: "
        "what is left out speaks against the class. Means over 8 images at most."
    ) in words[0].replace("\xa0", " ")
    assert "With all its concepts" not in words[1]
    # The random order takes and gives less here: 0.05 at every step.
    assert "✗ taken out by importance, the class vanishes no sooner than in random order" in words[0]
    assert "✗ put in by importance" not in words[0]


def test_the_first_page_says_the_answer_its_chance_and_the_verdict(made) -> None:
    index = page(made / "index.html")
    words = " ".join(index.text.split())
    assert "1 of 2 classes" in words
    assert "Chance: 0 % (random patches)" in words
    assert "Why one, and why not two?" in words
    assert "p(two) rises from 0.01 to 0.97 at its highest" in words
    assert "Chance, moved in a random direction: 0.04" in words
    assert "0 of 1 claims about default hold, 1 FAIL" in words


def test_chance_has_a_stroke_on_the_first_page_unless_it_lies_below_the_scale(tmp_path) -> None:
    make_run(tmp_path)
    file = tmp_path / "tables/component_prediction.csv"
    table = read_table(file)
    for chance, strokes in ((0.25, ["left:25.00%"]), (-0.25, [])):
        table.loc[table["baseline"] == "random_patches", "match_rate"] = chance
        write_table(table, file)
        index = page(atlas(tmp_path) / "index.html")
        ticks = [attributes["style"] for _, attributes in index.elements if attributes.get("class") == "tick"]
        assert [tick for tick in ticks if tick != "left:10.00%"] == strokes
    assert "Chance: -25\xa0% (random patches)" in index.text


def test_a_failed_claim_is_beside_its_number_on_every_page_that_has_it(made) -> None:
    for name in ("index.html", "study/digits.html", "tables/component_prediction.html"):
        badges = [attributes for _, attributes in page(made / name).elements if attributes.get("class") == "badge bad"]
        assert badges, name
        assert all("Most classes are named." in str(badge["title"]) for badge in badges)


def test_pages_of_a_contrast_have_the_verdict_beside_their_numbers_and_in_words(tmp_path) -> None:
    make_run(tmp_path)
    rows = "shift.csv:swap_rate_mean[study=digits,baseline=none]"
    claims = f'{HEAD}default,A becomes B.,"{rows}",>=,0.7\ndefault,Not here.,digits/match_rate,>=,0\n'
    claims += 'default,Of the study.,"mask.csv:p_from_mean[study=digits,share=0.1]",<=,0.5\n'
    folder = atlas(tmp_path, claims)
    contrast = page(folder / "contrast/digits/0-class-not-1-class.html")
    badges = [attributes for _, attributes in contrast.elements if attributes.get("class") == "badge good"]
    assert len(badges) == 2
    assert all("A becomes B." in str(badge["title"]) for badge in badges)
    words = " ".join(contrast.text.split())
    assert "What the documents say of these numbers" in words
    assert "Not here." not in words
    # The numbers of the mask test are on the page of the study.
    assert "Of the study." not in words
    assert "Of the study." in page(folder / "study/digits.html").text
    assert "were all put on the side of the class that has more, about 75\xa0% would be on their own" in contrast.text
    assert "What the documents say of these numbers" not in page(folder / "class/digits/0-class.html").text


def test_a_figure_is_there_as_wide_as_a_page_and_in_full(made) -> None:
    elements = page(made / "study/digits.html").elements
    [image] = [attributes for tag, attributes in elements if tag == "img" and "overview" in str(attributes["src"])]
    assert (image["width"], image["height"]) == ("1400", "10")
    links = [attributes["href"] for tag, attributes in elements if tag == "a" and "overview" in str(attributes["href"])]
    assert set(links) == {"../pictures/figures/digits/overview.full.webp"}
    with Image.open(made / "pictures/figures/digits/overview.full.webp") as full:
        assert full.size == (2800, 20)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("class/digits/0-class.html", "figures/digits/cards/0-card.png"),
        ("contrast/digits/0-class-not-1-class.html", "figures/digits/contrasts/0-class-not-1-class.png"),
    ],
)
def test_a_card_is_linked_in_full_unless_it_was_removed(made, tmp_path, name, source) -> None:
    full = Path("pictures", source).with_suffix(".full.webp")
    links = [link for link in page(made / name).links() if link.endswith(".full.webp")]
    assert links == [f"../../{full}"]
    with Image.open(made / full) as figure:
        assert figure.size == (1400, 30)

    make_run(tmp_path)
    (tmp_path / source).unlink()
    pages = atlas(tmp_path)
    assert not [link for link in page(pages / name).links() if link.endswith(".full.webp")]
    assert source in page(pages / "index.html").text


def test_numbers_of_a_table_stand_below_the_right_end_of_their_heading(made) -> None:
    elements = page(made / "tables/component_prediction.html").elements
    headings = [attributes.get("class") for tag, attributes in elements if tag == "th"]
    text = ["study", "recipe", "selection", "layout", "baseline"]
    numbers = ["n_classes", "matched", "match_rate", "low", "high", "probability_mean", "above_0.5"]
    assert headings == [*(None for _ in text), *("number" for _ in numbers)]


def test_a_page_names_who_predicts_the_classes_of_an_untrained_network(tmp_path) -> None:
    make_run(tmp_path)
    folder = atlas(tmp_path, predicted_by="trained")
    assert "trained is right for 90\xa0% of 30 pictures" in page(folder / "study/digits.html").text
    text = page(folder / "class/digits/1-class.html").text
    assert "from images that trained does not predict as the class" in page(folder / "study/digits.html").text
    assert "from 11 images that trained predicts as the class" in text
    assert "In the first image trained sees two, p\xa0=\xa00.50" in text
    [contrast] = (folder / "contrast/digits").glob("*.html")
    for path in (folder / "class/digits/1-class.html", folder / "study/digits.html", contrast):
        assert "net, an untrained network: what it gives is a control" in page(path).text


def test_a_concept_that_speaks_against_the_class_is_a_gain_of_the_logit(tmp_path) -> None:
    make_run(tmp_path)
    file = tmp_path / "pages/digits/classes.json"
    classes = json.loads(file.read_text())
    classes[0]["components"][0] |= {"drop": -0.013, "low": -0.021, "high": 0.004, "share": -0.6, "drop_chance": -0.25}
    classes[0]["components"][1] |= {"drop": 0.0, "low": 0.0, "high": 0.0}
    classes[2]["components"][0] |= {"drop": 0.0, "low": -0.4, "high": 0.3}
    classes[1]["components"] = [part | {"drop": -0.2, "share": 0.5} for part in classes[1]["components"]]
    write_json(classes, file)
    folder = atlas(tmp_path)
    text = " ".join(page(folder / "class/digits/0-class.html").text.split())
    assert "Without it the logit gains 0.013 (-0.004 to 0.021). Chance: gains 0.250" in text
    assert "Without it the logit stays as it is." in text
    # A stroke of chance is on the scale, and there is none below 0.
    elements = page(folder / "class/digits/0-class.html").elements
    ticks = [attributes["style"] for _, attributes in elements if attributes.get("class") == "tick"]
    assert ticks == ["left:100.00%"]
    other = " ".join(page(folder / "class/digits/2-class.html").text.split())
    assert "Without it the logit loses 0.00 (-0.40 to 0.30)" in other
    assert "loses 0.5 (0.5 to 2.0), 25 % of what it loses without all concepts. Chance: loses 0.3" in other
    assert "the mean loss over 8 images at most and its 95 % interval" in other
    assert "cosine of 0.8 or more" in text
    assert "✗ does not come back (20 % of samples, mean cosine 0.90) Chance: 12 %" in text
    # The strongest concept is one that the logit falls without.
    strongest = {
        attributes["data-name"]: attributes["data-importance"]
        for _, attributes in page(folder / "study/digits.html").elements
        if "data-name" in attributes
    }
    assert strongest == {"one": "", "two": "", "three": "0.25"}


def test_what_is_no_more_than_chance_has_no_tick(tmp_path) -> None:
    make_run(tmp_path)
    file = tmp_path / "pages/digits/classes.json"
    classes = json.loads(file.read_text())
    one, two = classes[0]["components"][:2]
    one |= {"drop": 0.5, "low": 0.2, "high": 0.8, "drop_chance": 0.2, "returns": True, "back": 0.8, "back_chance": 0.9}
    two |= {"drop": 0.5, "low": 0.3, "high": 0.8, "drop_chance": 0.2, "returns": True, "back": 0.8, "back_chance": 0.7}
    write_json(classes, file)
    text = " ".join(page(atlas(tmp_path) / "class/digits/0-class.html").text.split())
    first, second, *_ = text.partition("Concepts, the most important first")[2].split("Best patches among images")
    assert "Chance: loses 0.20 ✗ not surely more than chance" in first
    assert "✗ comes back, but no more often than in other classes (80 % of samples" in first
    assert "not surely more" not in second
    assert "✓ comes back (80 % of samples" in second


def test_a_study_counts_labels_apart_and_has_chance_beside_its_strongest_concepts(tmp_path) -> None:
    make_run(tmp_path)
    test = {"study": "digits", "recipe": "recommended", "layout": "grid", "baseline": "none", "low": 0.1, "high": 0.9}
    groups = [
        {**test, "selection": selection, "labels": labels, "matched": matched, "n_classes": 4}
        for selection, matched in (("all", 4), ("exclude_target", 1))
        for labels in ("A, B", "others")
    ]
    write_table(pd.DataFrame(groups), tmp_path / "tables/component_prediction_by_labels.csv")
    strongest = {"study": "digits", "recipe": "recommended", "rank": 0, "share": 0.5, "logit_drop": 2.0}
    losses = [{**strongest, "logit_drop_random": loss} for loss in (0.4, 1.2)]
    losses.append({**strongest, "rank": 1, "logit_drop_random": 2.0})
    write_table(pd.DataFrame(losses), tmp_path / "tables/importance.csv")
    described = description()
    tables = [*described.tables["concepts"], "component_prediction_by_labels", "importance"]
    (tmp_path / "claims.csv").write_text(HEAD + CLAIM)
    sources = Sources(folder=tmp_path, repository=tmp_path, claims=tmp_path / "claims.csv")
    write_atlas(replace(described, tables={**described.tables, "concepts": tables}), sources, tmp_path / "atlas")
    text = " ".join(page(tmp_path / "atlas/study/digits.html").text.split()).replace("\xa0", " ")
    assert "1 of 4 for A, B (10 % to 90 %); 1 of 4 for others (10 % to 90 %)." in text
    assert "4 of 4" not in text
    assert "Chance, as much activation at random: 20 % on average." in text


def test_a_contrast_says_where_draws_were_all_alike_and_where_a_plane_is_no_better_than_a_majority(tmp_path) -> None:
    make_run(tmp_path)
    pairs = read_table(tmp_path / "tables/contrast_pairs.csv")
    shift = read_table(tmp_path / "tables/shift.csv")
    shift["swap_rate_sd"] = [0.0, 0.02]
    write_table(shift, tmp_path / "tables/shift.csv")
    for accuracy, mark in ((0.75, True), (0.76, False)):  # 90 of 120 features are of one class
        write_table(pairs.assign(train_accuracy=accuracy), tmp_path / "tables/contrast_pairs.csv")
        [contrast] = (atlas(tmp_path) / "contrast/digits").glob("*.html")
        text = " ".join(page(contrast).text.split()).replace("\xa0", " ")
        assert ("✗ no more than chance on the features that it was fitted to" in text) == mark
    assert "80 % ±" not in text
    assert "10 % ± 2 %" in text


def test_a_shift_says_how_far_it_goes_over_how_many_pictures_and_that_chance_does_not_rise(tmp_path) -> None:
    make_run(tmp_path)
    file = tmp_path / "pages/digits/contrasts.json"
    contrasts = json.loads(file.read_text())
    for side in contrasts[0]["sides"].values():
        for row in side["curve"]:
            row["p_other"] = 0.01 if row["baseline"] != "none" else row["p_other"]
    write_json(contrasts, file)
    folder = atlas(tmp_path)
    [contrast] = (folder / "contrast/digits").glob("*.html")
    text = " ".join(page(contrast).text.split())
    assert "Chance, moved in a random direction: 0.01 at its highest, no rise" in text
    assert "Means over 20 pictures at most that the model names one." in text
    assert "moved by 2 × the normal" in text
    assert "Its figure is on the page of digits, its numbers in table mask." in text


def test_a_shift_that_does_hardly_more_than_chance_is_marked(tmp_path) -> None:
    make_run(tmp_path)
    file = tmp_path / "pages/digits/contrasts.json"
    [contrast] = json.loads(file.read_text())
    contrast["sides"]["for"]["curve"][-1]["p_other"] = 0.86
    contrast["sides"]["against"]["curve"][-1]["p_other"] = 0.88
    write_json([contrast], file)
    text = page(atlas(tmp_path) / "contrast/digits/0-class-not-1-class.html").text
    assert text.count("✗ less than 0.1 above chance") == 1


def test_a_shift_says_what_chance_gives_as_far_and_at_its_highest(tmp_path) -> None:
    make_run(tmp_path)
    file = tmp_path / "pages/digits/contrasts.json"
    [contrast] = json.loads(file.read_text())
    moves = (("none", 0.9, 0.2), ("random_direction", 0.1, 0.7))
    contrast["sides"]["for"]["curve"] = [
        {"offset": offset, "baseline": baseline, "p_own": 0.0, "p_other": p}
        for baseline, near, far in moves
        for offset, p in ((0.0, 0.01), (2.0, near), (200.0, far))
    ]
    write_json([contrast], file)
    text = " ".join(page(atlas(tmp_path) / "contrast/digits/0-class-not-1-class.html").text.split())
    assert "Chance, moved in a random direction: 0.10 as far, 0.70 at its highest" in text


def test_a_study_says_in_how_many_samples_and_other_classes_concepts_are_found_again(tmp_path) -> None:
    make_run(tmp_path)
    row = {"study": "digits", "recipe": "recommended", "sample": "halves", "class_name": "all classes"}
    rows = [{**row, "baseline": "none", "back": 0.95}, {**row, "baseline": "other_class", "back": 0.9}]
    write_table(pd.DataFrame(rows), tmp_path / "tables/stability.csv")
    text = page(atlas(tmp_path) / "study/digits.html").text
    assert "a concept is found again in 95\xa0% of samples; chance: in 90\xa0% of other classes." in text


def test_a_table_leaves_out_empty_columns_and_says_where_it_counts_from_0(tmp_path) -> None:
    make_run(tmp_path)
    table = pd.DataFrame({"study": "digits", "component": [0, 1], "reason": ["", np.nan]})
    write_table(table, tmp_path / "tables/stability.csv")
    text = page(atlas(tmp_path) / "tables/stability.html").text
    assert "reason" not in text
    assert "Components are counted from 0" in text


def test_a_table_says_once_what_is_the_same_in_every_row(tmp_path) -> None:
    make_run(tmp_path)
    table = pd.DataFrame({"study": "digits", "component": [0, 1, 2], "status": "ok"})
    write_table(table, tmp_path / "tables/stability.csv")
    opened = page(atlas(tmp_path) / "tables/stability.html")
    assert "The same in every row here: study digits · status ok" in opened.text
    assert opened.text.count("digits") == 1


def test_a_column_that_a_claim_speaks_of_stays_in_its_table(tmp_path) -> None:
    make_run(tmp_path)
    write_table(
        pd.DataFrame({"study": "digits", "component": [0, 1, 2], "found": 5}), tmp_path / "tables/stability.csv"
    )
    claims = f"{HEAD}default,All find five.,stability.csv:found[study=digits],==,5\n"
    opened = page(atlas(tmp_path, claims) / "tables/stability.html")
    assert "The same in every row here: study digits" in opened.text
    assert "found 5" not in opened.text
    assert opened.text.count("claim holds: All find five.") == 3


def test_a_table_whose_rows_are_all_alike_has_its_columns(tmp_path) -> None:
    make_run(tmp_path)
    write_table(pd.DataFrame({"study": ["digits"] * 3}), tmp_path / "tables/stability.csv")
    text = page(atlas(tmp_path) / "tables/stability.html").text
    assert "The same in" not in text
    assert text.count("digits") == 3


def test_classes_are_listed_with_the_worst_first(made) -> None:
    rows = [
        attributes["data-name"]
        for _, attributes in page(made / "study/digits.html").elements
        if "data-name" in attributes
    ]
    assert rows == ["two", "one", "three"]


def test_a_skipped_class_says_why(made) -> None:
    assert "skipped: too few images" in page(made / "study/digits.html").text


def test_a_contrast_is_found_from_either_class(made) -> None:
    for stem in ("0-class", "1-class"):
        assert "../../contrast/digits/0-class-not-1-class.html" in page(made / f"class/digits/{stem}.html").links()
    assert not any("contrast" in link for link in page(made / "class/digits/2-class.html").links())


def test_neighbours_are_linked_for_the_arrow_keys(made) -> None:
    turns = {
        attributes["rel"]: attributes["href"]
        for _, attributes in page(made / "class/digits/0-class.html").elements
        if "rel" in attributes
    }
    assert turns["prev"] == "1-class.html"
    assert turns["next"] == "2-class.html"


def test_every_picture_has_words_or_stands_in_an_element_that_has(made) -> None:
    for path in made.rglob("*.html"):
        for tag, attributes in page(path).elements:
            if tag == "img":
                assert "alt" in attributes, path.name


@pytest.mark.parametrize(
    "kind", ["study/digits.html", "class/digits/0-class.html", "contrast/digits/0-class-not-1-class.html"]
)
def test_each_page_says_how_it_was_made_and_how_to_make_it_again(made, kind) -> None:
    text = page(made / kind).text
    assert "make reproduce" in text
    assert "layer: layer3" in text
    assert "pictures 123" in " ".join(text.split())


def test_names_from_data_are_text_and_nothing_else(tmp_path) -> None:
    make_run(tmp_path, names=HOSTILE)
    claims = HEAD + CLAIM.replace("Most classes are named.", '"<img src=x onerror=alert(1)> ""said"""')
    folder = atlas(tmp_path, claims)
    for path in folder.rglob("*.html"):
        elements = page(path).elements
        scripts = [attributes for tag, attributes in elements if tag == "script"]
        assert [script["src"].rpartition("/")[2] for script in scripts if script["src"]] == ["search.js", "atlas.js"]
        assert not any("onerror" in attributes for _, attributes in elements), path
        assert not any(tag == "img" and attributes.get("src") == "x" for tag, attributes in elements)
    text = page(folder / "study" / "digits.html").text
    assert all(name in text for name in HOSTILE)
    assert "</script" not in (folder / "search.js").read_text()


def test_two_classes_with_one_name_have_two_pages(tmp_path) -> None:
    make_run(tmp_path, names=("same", "same", "other"))
    folder = atlas(tmp_path)
    assert {path.name for path in (folder / "class" / "digits").iterdir()} == {
        "0-class.html",
        "1-class.html",
        "2-class.html",
    }


def test_a_run_that_is_not_finished_says_what_is_missing(tmp_path) -> None:
    make_run(tmp_path)
    (tmp_path / "metrics.json").unlink()
    (tmp_path / "tables" / "shift.csv").unlink()
    shutil.rmtree(tmp_path / "pages" / "digits" / "contrasts")
    folder = atlas(tmp_path)
    text = page(folder / "index.html").text
    assert "This run is not finished, or files were removed" in text
    assert "tables/shift.csv" in text
    assert "no claim was checked" in text
    assert "one" in page(folder / "study" / "digits.html").text


def test_a_picture_that_was_removed_leaves_a_gap_and_is_named(tmp_path) -> None:
    make_run(tmp_path)
    (tmp_path / "pages/digits/classes/0-class-exclude_target.webp").unlink()
    folder = atlas(tmp_path)
    elements = page(folder / "class/digits/0-class.html").elements
    assert [attributes for _, attributes in elements if "gone" in str(attributes.get("class"))]
    assert not [attributes for tag, attributes in elements if tag == "img" and attributes["src"].endswith("/")]
    assert "pages/digits/classes/0-class-exclude_target.webp" in page(folder / "index.html").text


def test_a_run_without_studies_has_a_first_page(tmp_path) -> None:
    write_json({}, tmp_path / "metrics.json")
    folder = atlas(tmp_path, studies=())
    assert "What a model sees" in page(folder / "index.html").text
    assert not (folder / "study").exists()


def test_a_table_without_rows_says_so(tmp_path) -> None:
    make_run(tmp_path)
    head = (tmp_path / "tables" / "shift.csv").read_text().splitlines()[0]
    (tmp_path / "tables" / "shift.csv").write_text(head + "\n")
    folder = atlas(tmp_path)
    assert "This table has no rows." in page(folder / "tables" / "shift.html").text


def test_claims_with_an_unknown_metric_name_the_nearest(tmp_path) -> None:
    make_run(tmp_path)
    folder = atlas(tmp_path, HEAD + "default,It is so.,digits/match_rat,>=,0.6\n")
    assert "digits/match_rate" in page(folder / "claims.html").text


def test_wrong_claims_are_a_reason_and_no_error(tmp_path) -> None:
    make_run(tmp_path)
    folder = atlas(tmp_path, "nonsense\n")
    assert re.search("No claim was checked: claims.csv, line 1", page(folder / "index.html").text)


def lines(n: int) -> list[ClassLine]:
    """Classes as a study of photographs has them: long names, six components, both selections."""
    facts = {"patches": [4] * 6, "shape": [90, 90], "chosen": [0] * 6, "sources": [], "verdict": None}
    component = {"component": 0, "share": 0.2}
    return [
        ClassLine(
            card={
                "stem": f"{target}-a-class-of-photographs",
                "selections": {"all": facts, "exclude_target": facts},
                "components": [component] * 6,
            },
            target=target,
            name=f"a class of photographs, with a synonym or two, {target}",
            verdicts={"exclude_target": {"status": "ok", "match": True, "probability": 0.5}},
            importance=0.25,
            stability=0.5,
            n_images=30,
        )
        for target in range(n)
    ]


def test_a_class_is_listed_with_the_patches_that_its_verdict_speaks_of() -> None:
    [line] = lines(1)
    assert line.selection == "exclude_target"
    del line.card["selections"]["exclude_target"]
    assert line.selection == "all"
    line.card["selections"].clear()
    assert line.selection == ""
    assert line.says == "another class"


@pytest.mark.parametrize(("n", "n_pages"), [(1000, 3), (10_000, 28)])
def test_thousands_of_classes_take_pages_of_at_most_500_kilobytes(tmp_path, n, n_pages) -> None:
    make_run(tmp_path)
    files = RunFiles(tmp_path, description())
    claims = CheckedClaims("default")
    shared = {"run": "default", "provenance": provenance_of(description(), tmp_path), "claims": claims}
    site = Site(tmp_path / "atlas", tmp_path, {**shared, "description": description(), "tables": []})
    StudyPages(files, site, claims, "digits").write_study(lines(n), [])
    numbers = ("", *(f"-{number}" for number in range(2, n_pages + 1)))
    pages = [tmp_path / "atlas" / "study" / f"digits{number}.html" for number in numbers]
    assert {path.name for path in (tmp_path / "atlas" / "study").iterdir()} == {
        *(path.name for path in pages),
        "digits.rows.js",
    }
    names = [name for path in pages for name in re.findall('<tr data-name="([^"]*)"', path.read_text())]
    assert len(set(names)) == n
    assert max(path.stat().st_size for path in pages) <= 500_000
    assert pages[-1].name in " ".join(page(pages[0]).links())


def test_the_first_answers_are_a_line_for_each_question(tmp_path) -> None:
    make_run(tmp_path)
    files = RunFiles(tmp_path, description())
    assert answer_lines(answers(files, CheckedClaims("default"))) == [
        "What does a class consist of? digits: 1 of 2 classes (10 % to 90 %), chance 0 %",
        "Why A? digits: in 80 % of the pairs of classes A becomes B (70 % to 90 %), chance 10 %",
    ]
