"""The DVC stage that records one run: its command, its dependencies, and the folders of results that are shared.

``dvc.yaml`` has one stage for each recorded run, and the plots of its curves. This module makes all of them, so they
differ only in the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from conceptrast.base.errors import ConfigError
from conceptrast.plan.analysis import Plot

DEFAULT_CONFIG = "config/config.yaml"
"""The configuration that plain ``snakemake`` runs."""

DEPENDENCIES = ("Snakefile", "workflow", "src")
"""What a run depends on beside its configuration. Pictures are not listed: a clone may have pulled only results."""

METRICS = ("headlines", "metrics")
"""Files of a run's numbers: a few for each question, and all."""

TEMPLATE = "curves"
"""Name of the plots' template, ``.dvc/plots/curves.json``."""

LINE_WIDTH = 4096
"""Largest number of characters in a line of dvc.yaml; it is so large that no line is broken."""


def stage_name(run: str) -> str:
    """Name of a run's stage; DVC allows neither dot nor slash in it.

    Example:
        >>> stage_name("lite0-v1.5")
        'lite0-v1-5'
    """
    return run.replace(".", "-").replace("/", "-")


def stage_of(run: str, config: str, folders: Sequence[str]) -> dict[str, Any]:
    """The stage that records a run.

    Before DVC runs a stage's command, it deletes the stage's outputs unless they are marked ``persist``. All of ours
    are, because Snakemake decides what is made anew. Tables and metrics are small, so git keeps them. DVC keeps
    everything else.

    Args:
        run: name of the run; its results are in ``results/<run>``.
        config: file of its configuration, relative to the repository.
        folders: folders in ``results/<run>`` that the run fills, beside figures, tables and atlas.

    Example:
        >>> stage = stage_of("pets", "config/pets.yaml", ["datasets", "latent_bias"])
        >>> stage["cmd"]
        'snakemake --configfile config/pets.yaml'
        >>> stage["outs"][:2]
        [{'results/pets/datasets': {'persist': True}}, {'results/pets/latent_bias': {'persist': True}}]
    """
    results = f"results/{run}"
    kept_by_dvc = [*folders, "figures", "atlas", "hashes", ".snakemake/metadata", "tracked.json"]
    outs: list[dict[str, Any]] = [{f"{results}/{name}": {"persist": True}} for name in kept_by_dvc]
    outs.insert(-1, {f"{results}/tables": {"cache": False, "persist": True}})
    return {
        "cmd": "snakemake" if config == DEFAULT_CONFIG else f"snakemake --configfile {config}",
        "deps": list(DEPENDENCIES),
        "params": [{config: None}],
        "outs": outs,
        "metrics": [{f"{results}/{name}.json": {"cache": False, "persist": True}} for name in METRICS],
    }


def plots_of(run: str, plots: Mapping[str, Plot]) -> list[dict[str, Any]]:
    """The plots of a run's curves. Their tables are in git, so ``dvc plots diff`` needs nothing else.

    Args:
        run: name of the run.
        plots: how each table of curves is plotted.

    Example:
        >>> [plot] = plots_of("pets", {"losses": Plot(title="Training", x=("epoch", "epoch"), y=("loss", "loss"))})
        >>> plot["pets-losses"]["y"]
        {'results/pets/tables/losses.csv': 'loss'}
    """
    return [
        {
            f"{stage_name(run)}-{table}": {
                "template": TEMPLATE,
                "title": plot.title,
                "x": plot.x[0],
                "y": {f"results/{run}/tables/{table}.csv": plot.y[0]},
                "x_label": plot.x[1],
                "y_label": plot.y[1],
            }
        }
        for table, plot in plots.items()
    ]


def write_stage(file: Path, name: str, stage: dict[str, Any], plots: Sequence[dict[str, Any]]) -> bool:
    """Put a stage and its plots into ``dvc.yaml``, or update those of that name. Others and comments stay.

    Args:
        file: ``dvc.yaml``; it is made if it does not exist.
        name: name of the stage.
        stage: the stage, as :func:`stage_of` returns it.
        plots: its plots, as :func:`plots_of` returns them.

    Returns:
        Whether the file has changed.

    Raises:
        ConfigError: the stage of that name belongs to another configuration.
    """
    yaml = _round_trip()
    content = (yaml.load(file) if file.is_file() else None) or CommentedMap()
    stages = content["stages"] = content.get("stages") or CommentedMap()
    before = content.get("plots") or []
    others = [plot for plot in before if next(iter(plot)).rpartition("-")[0] != name]
    if name in stages:
        if stages[name] == stage and before == [*others, *plots]:
            return False
        _refuse_other_configuration(file, name, stages[name], stage)
    stages[name] = _laid_out(stage)
    content["plots"] = [*others, *plots]
    with file.open("w", encoding="utf-8") as target:
        yaml.dump(content, target)
    return True


def _refuse_other_configuration(file: Path, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse a second configuration with the same run name: each would overwrite the other's results."""
    old_config, new_config = (next(iter(stage["params"][0])) for stage in (old, new))
    if old_config != new_config:
        raise ConfigError(
            f"{new_config}: the run '{name}' in {file.name} is that of {old_config}; "
            f"give the run of one of them another name (key 'run')"
        )


def _round_trip() -> YAML:
    """A reader and writer of YAML that keeps comments, and the layout of the parts that it does not change."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = LINE_WIDTH
    return yaml


def _laid_out(stage: dict[str, Any]) -> CommentedMap:
    """The stage as it is written: each file or folder has a line, with its options behind it."""
    laid_out = CommentedMap(stage)
    laid_out["deps"] = CommentedSeq(stage["deps"])
    laid_out["deps"].fa.set_flow_style()
    for key in ("outs", "metrics"):
        laid_out[key] = [_output(output) for output in stage[key]]
    return laid_out


def _output(output: dict[str, Any]) -> CommentedMap:
    """One output with its options in the same line."""
    line = CommentedMap()
    for path, options in output.items():
        line[path] = CommentedMap(options)
        line[path].fa.set_flow_style()
    return line
