"""What DVC says and draws of two revisions of a run, in a repository that has nothing but its tables and metrics."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conceptrast.base.files import write_table
from conceptrast.plan.dvc_stage import METRICS
from tests.unit.atlas.browsers import CHROMIUM, SWITCHES

REPOSITORY = Path(__file__).resolve().parents[3]
PLOTS = [plot for entry in yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["plots"] for plot in entry.values()]
METRIC = "lenet/accuracy"


def must(folder: Path, *command: str) -> str:
    """Output of a command, which has to succeed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default run's tables of curves as they are committed, and after that with other numbers."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(REPOSITORY / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "*.local"))
    tables = [next(iter(plot["y"].items())) for plot in PLOTS]
    numbers = (f"results/default/{name}.json" for name in METRICS)
    for name in ("dvc.yaml", "config/config.yaml", *numbers, *(table for table, _ in tables)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, folder / name)
    must(folder, "git", "init", "-q")
    must(folder, "git", "add", "-A")
    must(folder, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "a run")
    for table, column in tables:
        curves = pd.read_csv(folder / table)
        write_table(curves.assign(**{column: curves[column] / 2}), folder / table)
    metrics = json.loads((folder / "results/default/metrics.json").read_text())
    (folder / "results/default/metrics.json").write_text(json.dumps({**metrics, METRIC: 0.5}))
    return folder


@pytest.fixture(scope="module")
def written(repository: Path) -> Path:
    """The page that ``dvc plots diff`` writes."""
    must(repository, "dvc", "plots", "diff", "HEAD")
    return repository / "dvc_plots" / "index.html"


def test_the_metric_that_differs_is_listed_alone(repository: Path) -> None:
    difference = json.loads(must(repository, "dvc", "metrics", "diff", "--json"))
    assert list(difference) == ["results/default/metrics.json"]
    [(name, change)] = difference["results/default/metrics.json"].items()
    assert name == METRIC
    assert change["new"] == 0.5


def test_every_curve_of_both_revisions_is_in_a_page_that_asks_nobody(written: Path) -> None:
    text = written.read_text()
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", text) == []
    specs = [json.loads(spec) for spec in re.findall(r"var spec = (\{.*\});", text)]
    assert [spec["title"]["text"] for spec in specs] == [plot["title"] for plot in PLOTS]
    for spec, plot in zip(specs, PLOTS, strict=True):
        rows = spec["data"]["values"]
        assert {row["rev"] for row in rows} == {"workspace", "HEAD"}
        [(table, _)] = plot["y"].items()
        assert len(rows) == 2 * len(pd.read_csv(REPOSITORY / table))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
def test_the_page_draws_a_line_of_each_revision_in_every_panel_with_the_network_off(written: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
    problems: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = browser.new_context(offline=True).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith("file:") else problems.append(request.url))
        page.goto(written.as_uri())
        page.wait_for_function(f"document.querySelectorAll('svg').length === {len(PLOTS)}")
        page.wait_for_load_state("networkidle")
        colours = page.evaluate(
            "[...document.querySelectorAll('svg')].map(plot => new Set("
            "[...plot.querySelectorAll('.mark-line path')].map(path => path.getAttribute('stroke'))).size)"
        )
        browser.close()
    assert problems == []
    assert colours == [2] * len(PLOTS)
