"""The parts of settings that several steps share.

A step gets only the part of the configuration that it needs, so that a changed value reruns only what depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from conceptrast.plan.key_types import Config

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan


def run_settings(plan: Plan, *keys: str) -> Config:
    """These keys of the run."""
    return {key: plan.config[key] for key in keys}


def section_settings(plan: Plan, section: str, *keys: str) -> Config:
    """These keys of one section of the run."""
    return {key: plan.config[section][key] for key in keys}


def picture_settings(plan: Plan, model: str, dataset: str) -> Config:
    """A model, a dataset, and the options of the computation."""
    return {
        "model": plan.models[model],
        "dataset": plan.datasets[dataset],
        **run_settings(plan, "seed", "precision", "batch_size"),
    }


def study_settings(plan: Plan, name: str) -> Config:
    """A study's model, dataset and layer."""
    entry = plan.studies[name]
    return {**picture_settings(plan, entry["model"], entry["dataset"]), "layer": entry["layer"]}


def recipe_settings(plan: Plan, study: str, *keys: str) -> Config:
    """Recipes with the study's own pooling and window; only ``keys`` of them if there are any."""
    in_place = {key: plan.studies[study][key] for key in ("pooling", "window") if key in plan.studies[study]}
    whole = {name: {**entry, **in_place} for name, entry in plan.config["recipes"].items()}
    return {name: {key: entry[key] for key in keys or entry} for name, entry in whole.items()}


def pair_settings(plan: Plan, study: str, key: str = "contrast") -> Config:
    """The pairs that a study names under a key, and the solver whose hyperplanes are used."""
    return {"pairs": plan.studies[study][key], "hyperplane": next(iter(plan.config["contrast"]["hyperplanes"]))}


def card_recipe(recipes: Iterable[str]) -> str:
    """The recipe that figures of one class show.

    Example:
        >>> card_recipe(["published", "recommended", "other"]), card_recipe(["published", "other"])
        ('recommended', 'other')
    """
    names = list(recipes)
    return "recommended" if "recommended" in names else names[-1]
