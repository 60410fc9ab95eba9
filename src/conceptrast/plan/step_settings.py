"""Settings of every step of a run, one function a step, named like it.

A step gets no more of the configuration than it needs, so that a changed value reruns only what depends on it.
Functions take the plan and the wildcards of a job.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from conceptrast.bias.comparison import CONDITIONS
from conceptrast.plan.configuration import Config

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan


def index(plan: Plan, dataset: str) -> Config:
    """Of a dataset."""
    return {"dataset": plan.datasets[dataset], **_values(plan, "seed", "max_rejected")}


def check_layers(plan: Plan, jobs: Iterable[Mapping[str, str]]) -> Config:
    """The studies, insertion tests, views and factorizations that jobs with these wildcards belong to or train for."""
    named = [dict(wildcards.items()) for wildcards in jobs]
    trained = {wildcards.get("model") for wildcards in named}
    layers: dict[str, Config] = {}
    for key, part, wildcard in (("studies", plan.studies, "study"), ("saliency", plan.views, "view")):
        own = {wildcards.get(wildcard) for wildcards in named}
        due = {name: entry for name, entry in part.items() if name in own or entry["model"] in trained}
        layers |= {f"{key}.{name}": {each: entry[each] for each in ("model", "layer")} for name, entry in due.items()}
    insertions = {wildcards.get("insertion") for wildcards in named}
    pasted = {
        name: {key: entry[key] for key in ("model", "corner", "crop")}
        for name, entry in plan.insertions.items()
        if name in insertions
    }
    dffs = {wildcards.get("dff") for wildcards in named}
    factorized = {
        name: {key: entry[key] for key in ("model", "layer", "components", "shared", "images")}
        for name, entry in plan.dffs.items()
        if name in dffs or entry["model"] in trained
    }
    used = sorted({entry["model"] for entry in [*layers.values(), *pasted.values(), *factorized.values()]})
    models = {name: plan.models[name] for name in used}
    return {"models": models, "layers": layers, "insertions": pasted, "dffs": factorized}


def train(plan: Plan, model: str) -> Config:
    """Of a model that the workflow trains."""
    dataset = plan.datasets[plan.dataset_of(model=model)]
    return {"model": plan.models[model], "dataset": dataset, **_values(plan, "seed", "precision")}


def predict(plan: Plan, model: str, dataset: str) -> Config:
    """Of a model on a dataset."""
    return _pictures(plan, model, dataset)


def confusion(plan: Plan) -> Config:
    """Of the run."""
    models = [
        {"name": name, "dataset": plan.dataset_of(model=name), "class_names": plan.models[name].get("class_names")}
        for name in plan.trained_models
    ]
    return {"models": models}


def attribute(plan: Plan, study: str, shard: str) -> Config:
    """Of one shard of a study's classes."""
    return {
        **_study(plan, study),
        **_values(plan, "attribution", "images_per_class", "min_images"),
        "classes": plan.studies[study].get("classes"),
        "shard": int(shard),
        "shards": plan.config["class_shards"],
    }


def factorize(plan: Plan, study: str) -> Config:
    """Of a study."""
    recipes = _recipes(plan, study, "components", "weighting")
    return {**_study(plan, study), "rectify": plan.studies[study]["rectify"], "recipes": recipes}


def prototypes(plan: Plan, study: str) -> Config:
    """Of a study."""
    recipes = _recipes(plan, study, "components", "weighting", "pooling", "window", "distinct")
    return {**_study(plan, study), "rectify": plan.studies[study]["rectify"], "recipes": recipes}


def component_prediction(plan: Plan, study: str) -> Config:
    """Of a study."""
    return {
        **_study(plan, study),
        **_values(plan, "images_per_class", "min_images"),
        "classes": plan.studies[study].get("classes"),
        "recipes": _recipes(plan, study),
    }


def concept_recovery(plan: Plan, study: str) -> Config:
    """Of a study whose truth is known."""
    entry = plan.studies[study]
    pictures = {"model": plan.models[entry["model"]], "dataset": plan.datasets[entry["dataset"]]}
    return {**pictures, **_values(plan, "seed")}


def figures(plan: Plan, study: str) -> Config:
    """Of a study."""
    recipes = _recipes(plan, study)
    return {**_study(plan, study), "study": study, "card_recipe": card_recipe(recipes), "recipes": recipes}


def features(plan: Plan, study: str, shard: str) -> Config:  # noqa: ARG001 - the shard is in the attribution file
    """Of one shard of a study's classes."""
    chosen = {key: plan.config["contrast"][key] for key in ("attribution", "threshold")}
    return {**_study(plan, study), "contrast": chosen}


def hyperplanes(plan: Plan, study: str, shard: str) -> Config:  # noqa: ARG001 - all studies have the same solvers
    """Of one shard of a study's pairs of classes."""
    return {
        **_values(plan, "seed", "precision"),
        **_contrast(plan, "heldout"),
        "hyperplanes": _solvers(plan),
        "shard": int(shard),
        "shards": plan.config["class_shards"],
    }


def shift(plan: Plan, study: str, shard: str) -> Config:  # noqa: ARG001 - the shard is in the attribution file
    """Of one shard of a study's classes."""
    return {
        **_study(plan, study),
        **_contrast(plan, "offsets", "pairs_per_draw", "runs", "images_per_pair"),
        "hyperplanes": list(plan.config["contrast"]["hyperplanes"]),
    }


def mask(plan: Plan, study: str) -> Config:
    """Of a study."""
    return {
        **_study(plan, study),
        **_contrast(plan, "pairs_per_draw", "mask_pairs", "images_per_pair"),
        **_pairs(plan, study),
        "fill": plan.config["attribution"]["baseline"],
    }


def contrastive_components(plan: Plan, study: str) -> Config:
    """Of a study."""
    recipes = _recipes(plan, study, "components", "pooling", "window", "distinct")
    name = card_recipe(recipes)
    rectify = plan.studies[study]["rectify"]
    return {**_study(plan, study), **_pairs(plan, study), "rectify": rectify, "recipe": {name: recipes[name]}}


def contrast_recovery(plan: Plan, study: str) -> Config:
    """Of a study whose truth is known."""
    return {**_study(plan, study), **_pairs(plan, study)}


def contrast_figures(plan: Plan, study: str) -> Config:
    """Of a study."""
    fill = plan.config["attribution"]["baseline"]
    return {**_study(plan, study), **_pairs(plan, study), **_contrast(plan, "offsets"), "study": study, "fill": fill}


def contrast_tables(plan: Plan) -> Config:
    """Of the run."""
    return {
        "studies": plan.contrasted,
        "studies_with_truth": plan.contrasted_with_truth,
        "shards": plan.config["class_shards"],
        "hyperplanes": _solvers(plan),
    }


def decoder(plan: Plan, study: str) -> Config:
    """Of a study."""
    return {**_study(plan, study), **_values(plan, "decoder")}


def counterfactual(plan: Plan, study: str) -> Config:
    """Of a study."""
    recipes = _recipes(plan, study, "components", "weighting")
    recipe = recipes[card_recipe(recipes)]
    return {
        **_study(plan, study),
        **_values(plan, "min_images", "counterfactual"),
        **_pairs(plan, study, "counterfactual"),
        "components": f"components_{recipe['weighting']}_k{recipe['components']}",
        "study": study,
    }


def counterfactual_tables(plan: Plan) -> Config:
    """Of the run."""
    return {"studies": plan.decoded}


def insertion(plan: Plan, insertion: str) -> Config:
    """Of an insertion test."""
    entry = plan.insertions[insertion]
    own = {key: entry[key] for key in ("pairs", "corner", "crop")}
    return {
        **_pictures(plan, entry["model"], entry["dataset"]), **_values(plan, "images_per_class", "min_images"), **own,
        "insertion": insertion,
    }  # fmt: skip


def insertion_tables(plan: Plan) -> Config:
    """Of the run."""
    return {"insertions": list(plan.insertions), **_values(plan, "seed")}


def saliency(plan: Plan, view: str) -> Config:
    """Of a view."""
    entry = plan.views[view]
    looked = {key: entry.get(key) for key in ("images", "labels", "methods", "target", "pairs")}
    return {
        "model": plan.models[entry["model"]], "dataset": plan.datasets[entry["dataset"]],
        **_values(plan, "seed", "batch_size"), "layer": entry["layer"], "name": view,
        "model_name": entry["model"], "view": looked,
    }  # fmt: skip


def saliency_tests(plan: Plan, view: str) -> Config:
    """Of a view."""
    return {**saliency(plan, view), **{key: plan.views[view][key] for key in ("tested", "percentiles")}}


def saliency_tables(plan: Plan) -> Config:
    """Of the run."""
    return {"views": list(plan.views), "views_with_truth": plan.views_with_truth, **_values(plan, "seed")}


def ace(plan: Plan, study: str) -> Config:
    """Of a study."""
    own = {"study": study, "classes": plan.studies[study]["ace"]}
    return {**_study(plan, study), **_values(plan, "min_images", "ace"), **own}


def ace_tables(plan: Plan) -> Config:
    """Of the run."""
    known = [name for name in plan.studies_with_ace if name in plan.studies_with_truth]
    return {"studies": plan.studies_with_ace, "studies_with_truth": known}


def dff(plan: Plan, dff: str) -> Config:
    """Of a deep feature factorization."""
    entry = plan.dffs[dff]
    own: Config = {key: value for key, value in entry.items() if key not in ("model", "dataset")}
    return {**_pictures(plan, entry["model"], entry["dataset"]), **own, "dff": dff}


def dff_tables(plan: Plan) -> Config:
    """Of the run."""
    return {"dffs": list(plan.dffs), **_values(plan, "seed")}


def train_autoencoder(plan: Plan, bias: str, condition: str, seed: str) -> Config:
    """Of one training of an adversarial autoencoder."""
    entry = plan.biases[bias]
    return {**_bias_data(plan, bias, condition), "autoencoder": entry["autoencoder"], "network_seed": int(seed)}


def train_latent_resnet(plan: Plan, bias: str, condition: str, seed: str) -> Config:
    """Of one training of the plain ResNet beside it, as the step ``train`` takes them."""
    data = _bias_data(plan, bias, condition)
    return {
        "model": _latent_resnet(plan, bias, int(seed)),
        "dataset": data["dataset"],
        **_values(plan, "seed", "precision"),
    }


def latent_bias(plan: Plan, bias: str) -> Config:
    """Of a comparison of latent spaces."""
    entry = plan.biases[bias]
    return {
        "bias": bias, "size": entry["size"], "seeds": entry["seeds"], "resnet": _latent_resnet(plan, bias, 0),
        "datasets": {condition: plan.datasets[entry[condition]] for condition in CONDITIONS},
        **_values(plan, "seed", "precision", "batch_size"),
    }  # fmt: skip


def latent_bias_tables(plan: Plan) -> Config:
    """Of the run."""
    planned = {
        name: {"autoencoder": sum(entry["autoencoder"]["epochs"].values()), "resnet": entry["resnet"]["epochs"]}
        for name, entry in plan.biases.items()
    }
    biases = [{"name": name, "seeds": entry["seeds"], "planned": planned[name]} for name, entry in plan.biases.items()]
    return {"biases": biases, **_values(plan, "seed")}


def tables(plan: Plan) -> Config:
    """Of the run."""
    keys = ("model", "dataset", "layer", "predicted_by", "published")
    return {
        "studies": [
            {"name": name, **{k: study[k] for k in keys if k in study}} for name, study in plan.studies.items()
        ],
        "studies_with_truth": plan.studies_with_truth,
        "trained_models": plan.trained_models,
        "shards": plan.config["class_shards"],
    }


def metrics(plan: Plan) -> Config:  # noqa: ARG001 - every step has settings
    """Of the run: none."""
    return {}


def track(plan: Plan) -> Config:
    """Of the run; how many processes decode pictures changes nothing and is left out."""
    return {
        "config": {key: value for key, value in plan.resolved.items() if key != "workers"},
        "code": plan.run_code(),
        "data": plan.data_fingerprints,
        "weights": plan.model_fingerprints,
        "repository": os.path.relpath(".", plan.folder),
    }


def card_recipe(recipes: Iterable[str]) -> str:
    """The recipe that figures of one class show.

    Example:
        >>> card_recipe(["published", "recommended", "other"]), card_recipe(["published", "other"])
        ('recommended', 'other')
    """
    names = list(recipes)
    return "recommended" if "recommended" in names else names[-1]


def _values(plan: Plan, *keys: str) -> Config:
    return {key: plan.config[key] for key in keys}


def _pictures(plan: Plan, model: str, dataset: str) -> Config:
    common = _values(plan, "seed", "precision", "batch_size")
    return {"model": plan.models[model], "dataset": plan.datasets[dataset], **common}


def _study(plan: Plan, study: str) -> Config:
    entry = plan.studies[study]
    return {**_pictures(plan, entry["model"], entry["dataset"]), "layer": entry["layer"]}


def _bias_data(plan: Plan, bias: str, condition: str) -> Config:
    entry = plan.biases[bias]
    return {"dataset": plan.datasets[entry[condition]], "size": entry["size"], **_values(plan, "seed")}


def _latent_resnet(plan: Plan, bias: str, seed: int) -> Config:
    """The plain ResNet of a comparison as an entry of ``models``."""
    entry = plan.biases[bias]
    options = {key: value for key, value in entry["resnet"].items() if key != "architecture"}
    own = {"architecture": entry["resnet"]["architecture"], "input_size": entry["size"], "seed": seed}
    return {**own, "train": {"dataset": "", **options}}


def _recipes(plan: Plan, study: str, *keys: str) -> Config:
    """Recipes with the study's own pooling and window, reduced to ``keys``."""
    own = {key: plan.studies[study][key] for key in ("pooling", "window") if key in plan.studies[study]}
    recipes = {name: {**entry, **own} for name, entry in plan.config["recipes"].items()}
    return {name: {key: entry[key] for key in keys or entry} for name, entry in recipes.items()}


def _contrast(plan: Plan, *keys: str) -> Config:
    return {key: plan.config["contrast"][key] for key in keys}


def _solvers(plan: Plan) -> list[Config]:
    """Every way to fit hyperplanes, in the order of the configuration."""
    return [{"name": name, **entry} for name, entry in plan.config["contrast"]["hyperplanes"].items()]


def _pairs(plan: Plan, study: str, key: str = "contrast") -> Config:
    """Pairs that a study names under a key, and the solver whose planes are used."""
    return {"pairs": plan.studies[study][key], "hyperplane": next(iter(plan.config["contrast"]["hyperplanes"]))}
