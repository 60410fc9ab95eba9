"""The atlas in headless Chromium, from the disk and with the network off; skipped where there is no Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from conceptrast.atlas.atlas import Sources, write_atlas
from conceptrast.atlas.claims import CheckedClaims
from conceptrast.atlas.provenance import provenance_of
from conceptrast.atlas.run_files import RunFiles
from conceptrast.atlas.site import Site
from conceptrast.atlas.study_pages import ClassLine, StudyPages
from tests.unit.atlas.browsers import CHROMIUM, SWITCHES
from tests.unit.atlas.made_run import CLAIM, HEAD, description, make_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

NAMES = ("Zürich <script>alert(1)</script>", 'b "quoted" / slash', "a" * 300)
PAGES = (
    "index.html",
    "claims.html",
    "study/digits.html",
    "class/digits/0-class.html",
    "contrast/digits/0-class-not-1-class.html",
    "counterfactuals/digits.html",
    "tables/component_prediction.html",
)
"""One page of every kind."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The atlas of a run whose names are as bad as names can be."""
    run = tmp_path_factory.mktemp("run")
    make_run(run, names=NAMES)
    (run / "claims.csv").write_text(HEAD + CLAIM)
    write_atlas(description(), Sources(folder=run, repository=run, claims=run / "claims.csv"), run / "atlas")
    return run / "atlas"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests."""
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page without a network, on which every error and every request beyond the disk fails the test."""
    context = browser.new_context(offline=True)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    opened.on(
        "request", lambda request: None if request.url[:5] in ("file:", "data:") else problems.append(request.url)
    )
    yield opened
    context.close()
    assert problems == []


def names_in_order(page: Any) -> list[str]:
    """Names of the classes that the study's page shows, from top to bottom."""
    return page.locator("#class-table tbody tr:visible").evaluate_all("rows => rows.map(row => row.dataset.name)")


def test_every_kind_of_page_opens_without_an_error_and_fits_a_phone(page: Any, folder: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    for name in PAGES:
        page.goto((folder / name).as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{name} is {width} pixels wide"


@pytest.mark.parametrize(
    ("scheme", "rules"), [("light", {}), ("dark", {"runOnly": ["color-contrast", "link-in-text-block"]})]
)
def test_axe_finds_no_serious_fault(page: Any, folder: Path, scheme: str, rules: dict[str, list[str]]) -> None:
    """Dark pages differ in their colours alone."""
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed: pip install -e '.[dev]'")
    axe = (resources.files(package) / "axe.min.js").read_text(encoding="utf-8")
    page.emulate_media(color_scheme=scheme)
    for name in PAGES:
        page.goto((folder / name).as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        page.evaluate(axe)
        faults = page.evaluate(
            "rules => axe.run({resultTypes: ['violations'], preload: false, ...rules})"
            ".then(result => result.violations)",
            rules,
        )
        serious = [fault for fault in faults if fault["impact"] in ("serious", "critical")]
        assert not serious, [(name, fault["id"], fault["nodes"][0]["html"]) for fault in serious]


def test_the_search_finds_a_class_without_its_accents_and_opens_it(page: Any, folder: Path) -> None:
    page.goto((folder / "index.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("zurich")
    assert page.locator("#hits li").count() == 2
    page.keyboard.press("Enter")
    assert page.locator("h1").inner_text() == NAMES[0]


def test_the_search_finds_a_contrast_however_its_bar_is_written(page: Any, folder: Path) -> None:
    page.goto((folder / "index.html").as_uri())
    for written in ("zurich | quoted", "zurich|quoted", "quoted|zurich"):
        page.locator("#query").fill(written)
        assert page.locator("#hits li").count() == 1


def test_a_click_on_a_head_sorts_and_another_turns_it_round(page: Any, folder: Path) -> None:
    page.goto((folder / "study/digits.html").as_uri())
    assert names_in_order(page) == [NAMES[1], NAMES[0], NAMES[2]]
    page.get_by_role("button", name="p(class)").click()
    assert names_in_order(page) == [NAMES[1], NAMES[0], NAMES[2]]
    page.get_by_role("button", name="p(class)").click()
    assert names_in_order(page) == [NAMES[0], NAMES[1], NAMES[2]]
    page.get_by_role("button", name="Class").first.click()
    assert names_in_order(page) == [NAMES[2], NAMES[1], NAMES[0]]


@pytest.mark.parametrize(("box", "left"), [("unmatched", [NAMES[1]]), ("unstable", [NAMES[1]])])
def test_filters_leave_what_failed(page: Any, folder: Path, box: str, left: list[str]) -> None:
    page.goto((folder / "study/digits.html").as_uri())
    page.locator(f"[name={box}]").check()
    assert names_in_order(page) == left


def test_arrow_keys_turn_pages_and_a_contrast_opens_from_its_class(page: Any, folder: Path) -> None:
    page.goto((folder / "class/digits/1-class.html").as_uri())
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/0-class.html")
    page.get_by_role("link", name="|").click()
    assert page.locator("h1").inner_text().startswith(f"Why {NAMES[0]}")


def test_an_animation_plays_and_pauses(page: Any, folder: Path) -> None:
    page.goto((folder / "counterfactuals/digits.html").as_uri())
    position = "element => getComputedStyle(element).objectPosition"
    moving = page.locator(".moving").first
    before = moving.evaluate(position)
    page.wait_for_function(f"before => ({position})(document.querySelector('.moving')) !== before", arg=before)
    page.get_by_label("pause").check()
    before = moving.evaluate(position)
    page.wait_for_timeout(500)
    assert moving.evaluate(position) == before
    # One round, in a hundred steps.
    round_trip = """element => {
        const animation = element.getAnimations()[0];
        const {duration} = animation.effect.getComputedTiming();
        return Array.from({length: 100}, (_, step) => {
            animation.currentTime = duration * step / 100;
            return getComputedStyle(element).objectPosition;
        });
    }"""
    assert len(set(moving.evaluate(round_trip))) == 3


def test_without_a_script_everything_is_there_but_search_and_sorting(browser: Any, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    opened = context.new_page()
    opened.goto((folder / "study/digits.html").as_uri())
    assert opened.locator("#class-table tbody tr").count() == 3
    assert not opened.locator("#search").is_visible()
    assert not opened.locator("#filters").is_visible()
    context.close()


def test_classes_of_several_pages_are_sorted_together(page: Any, tmp_path: Path) -> None:
    """The surest of 450 classes is on the second page, and the first after sorting."""
    make_run(tmp_path)
    shared = {"run": "default", "claims": CheckedClaims("default"), "description": description(), "tables": []}
    shared |= {"provenance": provenance_of(description(), tmp_path)}
    site = Site(tmp_path / "atlas", tmp_path, shared)
    lines = [
        ClassLine(
            card={},
            target=target,
            name=f"<b>{target}</b>",
            verdicts={"all": {"status": "ok", "match": True, "probability": target / 450}},
            importance=None,
            stability=None,
            n_images=None,
        )
        for target in range(450)
    ]
    StudyPages(RunFiles(tmp_path, description()), site, CheckedClaims("default"), "digits").write_study(lines, [])
    site.finish()
    page.goto((tmp_path / "atlas/study/digits.html").as_uri())
    head = page.get_by_role("button", name="p(class)")
    head.click()
    head.click()
    names = names_in_order(page)
    assert len(names) == 450
    assert names[0] == "<b>449</b>"
    assert page.locator("#class-table b").count() == 0
