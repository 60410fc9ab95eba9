"""Where a page's numbers are from: settings, seed, commit, data, weights, the command, and how to cite them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from conceptrast.atlas.run_files import Description


@dataclass(frozen=True)
class Provenance:
    """What made a run.

    Args:
        command: the command that makes it again.
        commit: git commit of the repository; empty if there is none.
        code: hash of the library files.
        data: fingerprints of pictures by dataset.
        weights: fingerprints of weights by model.
        citation: how to cite the software and the paper.
        description: of the run.
    """

    command: str
    commit: str
    code: str
    data: Mapping[str, str]
    weights: Mapping[str, str]
    citation: str
    description: Description

    @property
    def seed(self) -> Any:
        """The seed of the run."""
        return self.description.config["seed"]

    @property
    def settings(self) -> str:
        """The whole configuration as YAML."""
        return as_yaml(self.description.config)

    def of_entry(self, section: str, name: str) -> str:
        """The settings of one entry, with its model and dataset, as YAML."""
        config = self.description.config
        entry = config.get(section, {}).get(name, {})
        parts = {section: {name: entry}}
        for key, where in (("model", "models"), ("dataset", "datasets")):
            value = entry.get(key)
            if value in config.get(where, {}):
                parts[where] = {value: config[where][value]}
        return as_yaml(parts)


def as_yaml(value: Any) -> str:
    """YAML with keys in their order.

    Example:
        >>> as_yaml({"seed": 0, "models": {"net": {"layer": "a"}}})
        'seed: 0\\nmodels:\\n  net:\\n    layer: a\\n'
    """
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def provenance_of(description: Description, repository: Path) -> Provenance:
    """What made a run, as its repository knows it.

    Args:
        description: of the run.
        repository: its root.
    """
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=False)
    return Provenance(
        command=command_of(repository, description.run),
        commit=commit.stdout.strip(),
        code=description.code,
        data=description.data,
        weights=description.weights,
        citation=citation(repository),
        description=description,
    )


def command_of(repository: Path, run: str) -> str:
    """The command that makes a run again; it names the file in ``config/`` that has the run's name.

    Example:
        >>> command_of(Path("nowhere"), "mine")
        'make reproduce CONFIG=…'
    """
    name = re.compile(rf"^run: *{re.escape(run)} *(#.*)?$", re.MULTILINE)
    for file in sorted((repository / "config").glob("*.yaml")):
        if name.search(file.read_text(encoding="utf-8")):
            return "make reproduce" if file.name == "config.yaml" else f"make reproduce CONFIG=config/{file.name}"
    return "make reproduce CONFIG=…"


def citation(repository: Path) -> str:
    """Title, version and first paper of ``CITATION.cff`` in two lines; empty if there is no such file."""
    file = repository / "CITATION.cff"
    if not file.is_file():
        return ""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    lines = [f"{content['title']}, version {content['version']}. {_authors(content)}."]
    for paper in content.get("references", [])[:1]:
        lines.append(f"{_authors(paper)} ({paper['year']}). {paper['title']}. {paper['url']}")
    return "\n".join(lines)


def _authors(work: Mapping[str, Any]) -> str:
    names = [author.get("name") or f"{author['given-names']} {author['family-names']}" for author in work["authors"]]
    return ", ".join(names)
