"""What does a class consist of? This analysis finds components of its activations and their patches, and tests them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from conceptrast.base.errors import unknown_name
from conceptrast.base.names import ALL_CLASSES
from conceptrast.plan.analysis import Analysis, Plot, Step, Table
from conceptrast.plan.key_types import (
    Classes,
    Config,
    DatasetName,
    EntryName,
    Labels,
    LayerName,
    ModelName,
    Number,
    Section,
    key,
)
from conceptrast.plan.provenance import registry
from conceptrast.plan.settings import card_recipe, recipe_settings, run_settings, section_settings, study_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

Share = Annotated[Number, Field(ge=0, le=1)]


def _window(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "cell" and not (number and 0 < value <= 1):
        raise PydanticCustomError("type", "'cell' or a number above 0 and at most 1")
    return value


Window = Annotated[Any, PlainValidator(_window)]


class Attribution(Section):
    """How much each activation speaks for a class."""

    method: str = key("deeplift, integrated_gradients or gradient_x_activation", "deeplift")
    samples: int = key("noisy copies of each image, over which attribution is averaged; 0: the image itself", 5, ge=0)
    noise: Number = key("standard deviation of the noise, in normalised units", 0.25, ge=0)
    baseline: Number = key("value, in normalised units, of the constant image that each image is compared with", 1.0)


class Factorization(Section):
    """How the components of a class are computed, here and in its contrasts."""

    solver: Literal["batched", "sklearn", "semi_nmf"] = key(
        "batched: many classes at once, on a CPU or a GPU; sklearn: scikit-learn's coordinate descent, one class after "
        "the other; semi_nmf: components may be negative, for layers that have negative activations",
        "batched",
    )


class Importance(Section):
    """How the components of a class are taken out of its images: importance and fidelity."""

    images: int = key("images of a class from which components are taken out, one after the other, at most", 8, ge=1)
    orders: int = key("random orders of components, for the chance row of fidelity", 5, ge=1)
    sobol: int = key(
        "designs of Sobol's total effects, best a power of two; each costs as many passes of the rest of the network "
        "as a class has components, and two more; 0: no total effects",
        0,
        ge=0,
    )


class Stability(Section):
    """How often a class is factorized from other images, to see whether its components come back."""

    draws: int = key("draws of other images and other noise; 0: halves of the same images alone", 5, ge=0)


class Pooling(Section):
    """Average pooling of activations before patches are compared."""

    kernel: int = key("side of the square that is averaged, in positions", ge=1)
    stride: int = key("distance from one square to the next, in positions", ge=1)


class Recipe(Section):
    """How a class's components become one image that the model is asked about."""

    components: int = key("number of components of each class", ge=1)
    weighting: Literal["position", "channel", "auto"] = key(
        "activations are weighted by the attribution of their position, or by what their channel adds to the logit; "
        "auto: by channel where one multiplier for each channel explains the attribution, by position elsewhere",
        "position",
    )
    pooling: Pooling = key("average pooling of activations before patches are compared: {kernel, stride}")
    window: Window = key("cell: a patch is a cell of the grid of positions; number: this share of the picture's side")
    similarity: Literal["component", "weighted", "whitened"] = key(
        "component: cosine of a position's activations with the component; weighted: both weighted as for the "
        "factorization; whitened: cosine with the mean activation where the component is, both whitened",
        "component",
    )
    candidates: int = key(
        "so many of the best patches of a component are compared again, by what the layer makes of each alone and, "
        "where channels are weighted, in its place in the combined image; 0: none",
        0,
        ge=0,
    )
    layout: Literal["strip", "grid"] = key("strip: patches under each other; grid: as square as their number allows")
    distinct: bool = key("true: all patches come from different images", False)
    resize: Literal["native", "input"] = key(
        "native: the model gets the combined image as it is; input: in the size of its input", "native"
    )


class Published(Section):
    """Numbers from a paper, printed beside ours."""

    match_rate: Share | None = key("share of classes that the model names", None)
    probability: Share | None = key("mean probability of the class", None)
    above_half: Share | None = key("share of classes with a probability above 0.5", None, alias="above_0.5")


class Study(Section):
    """A layer of a model on the pictures of a dataset."""

    model: ModelName = key("model that is explained")
    dataset: DatasetName = key("dataset whose pictures explain it")
    layer: LayerName = key("layer whose activations are looked into")
    pooling: Pooling | None = key("pooling in this study, in place of the recipes'", None)
    window: Window = key("window in this study, in place of the recipes'", None)
    rectify: bool = key("true: factorize relu(activations) where a layer has negative activations", False)
    classes: Classes | None = key("classes that are explained, by name or index; if left out, all", None)
    cards: Classes | None = key("classes that get a card, by name or index; if left out, all that are explained", None)
    predicted_by: ModelName | None = key(
        "another model: a class's images are those that it predicts as the class", None
    )
    labels_apart: Labels | None = key(
        "labels of the dataset, e.g. those that a recipe was chosen on: component prediction also counts the classes "
        "of these labels and the other classes apart",
        None,
    )
    published: dict[EntryName, dict[Literal["all", "exclude_target"], Published]] | None = key(
        "numbers from a paper, by recipe and selection of images: all, or exclude_target (none predicted as the class)",
        None,
    )


PUBLISHED = {
    "components": 6,
    "pooling": {"kernel": 2, "stride": 2},
    "window": "cell",
    "layout": "strip",
}
RECOMMENDED = {
    "components": 4,
    "weighting": "auto",
    "pooling": {"kernel": 1, "stride": 1},
    "window": 0.4,
    "similarity": "whitened",
    "candidates": 16,
    "layout": "grid",
    "distinct": True,
}


def attribute(plan: Plan, study: str, shard: str) -> Config:
    """Settings of the step for one shard of a study's classes."""
    return {
        **study_settings(plan, study),
        **run_settings(plan, "attribution", "images_per_class", "min_images"),
        "classes": plan.studies[study].get("classes"),
        "shard": int(shard),
        "shards": plan.config["class_shards"],
    }


def factorize(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    rectify = plan.studies[study]["rectify"]
    return {
        **study_settings(plan, study),
        **section_settings(plan, "factorization", "solver"),
        "rectify": rectify,
        "recipes": recipe_settings(plan, study, "components", "weighting"),
    }


def prototypes(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    keys = ("components", "weighting", "pooling", "window", "similarity", "candidates", "distinct", "resize")
    rectify = plan.studies[study]["rectify"]
    return {**study_settings(plan, study), "rectify": rectify, "recipes": recipe_settings(plan, study, *keys)}


def importance(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    return {
        **study_settings(plan, study),
        **run_settings(plan, "importance"),
        "study": study,
        "recipes": recipe_settings(plan, study, "components", "weighting"),
    }


def stability(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    return {**factorize(plan, study), **run_settings(plan, "attribution", "stability")}


def component_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    return {"studies": list(plan.studies), "studies_with_truth": plan.with_truth("concepts")}


def component_prediction(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    return {
        **study_settings(plan, study),
        **run_settings(plan, "images_per_class", "min_images"),
        "classes": plan.studies[study].get("classes"),
        "recipes": recipe_settings(plan, study),
    }


def concept_recovery(plan: Plan, study: str) -> Config:
    """Settings of the step for one study whose concepts are known."""
    entry = plan.studies[study]
    return {
        "model": plan.models[entry["model"]],
        "dataset": plan.datasets[entry["dataset"]],
        **run_settings(plan, "seed"),
    }


def figures(plan: Plan, study: str) -> Config:
    """Settings of the step for one study."""
    chosen = recipe_settings(plan, study)
    return {
        **study_settings(plan, study),
        "study": study,
        "cards": plan.studies[study].get("cards"),
        "card_recipe": card_recipe(chosen),
        "recipes": chosen,
    }


def implementations(plan: Plan, **_: str) -> list[str]:
    """Module of the attribution method."""
    methods = registry(plan.source, "attribution", "METHODS")
    return [methods[plan.config["attribution"]["method"]]]


def problems(config: Config, source: Path) -> Iterator[str]:
    """Refuse an attribution method that does not exist, and semi-NMF where it has no meaning."""
    method = config["attribution"]["method"]
    methods = registry(source, "attribution", "METHODS")
    if method not in methods:
        yield "'attribution.method': " + unknown_name("method", method, methods)
    if config["factorization"]["solver"] == "semi_nmf":
        for name, study in config["studies"].items():
            yield from (f"'studies.{name}.{problem}" for problem in _without_semi_nmf(study))


def _without_semi_nmf(study: Config) -> Iterator[str]:
    """What a study asks for and cannot have with ``solver: semi_nmf``: key, and the reason."""
    if study["rectify"]:
        yield "rectify': semi-NMF factorizes negative activations, and rectify: true sets them to zero; choose one"
    for key_name in ("contrast", "counterfactual"):
        if study.get(key_name):
            yield f"{key_name}': its components must not be negative; take factorization: {{solver: batched}}"


ANALYSIS = Analysis(
    name="concepts",
    question="What does a class consist of?",
    sections={
        "attribution": (Attribution, key("how much each activation speaks for a class", {})),
        "factorization": (Factorization, key("how the components of a class are computed", {})),
        "importance": (Importance, key("what a class loses without its components", {})),
        "stability": (Stability, key("whether components come back in redrawn images", {})),
        "recipes": (
            Annotated[dict[EntryName, Recipe], Field(min_length=1)],
            key(
                "how components become one image; every recipe is run",
                {"published": PUBLISHED, "recommended": RECOMMENDED},
            ),
        ),
    },
    entries="studies",
    wildcard="study",
    steps={
        "attribute": Step(settings=attribute, dataset=True, model=True, implementations=implementations),
        "factorize": Step(settings=factorize, dataset=True, model=True),
        "prototypes": Step(settings=prototypes, dataset=True, model=True),
        "importance": Step(settings=importance, dataset=True, model=True),
        "stability": Step(settings=stability, dataset=True, model=True, implementations=implementations),
        "component_tables": Step(settings=component_tables),
        "component_prediction": Step(settings=component_prediction, dataset=True, model=True),
        "concept_recovery": Step(settings=concept_recovery, dataset=True, model=True),
        "figures": Step(settings=figures, dataset=True, model=True),
    },
    tables=(
        Table(
            name="component_prediction",
            step="tables",
            words=("{recipe}", "{selection}", "{baseline}"),
            headlines=("match_rate", "probability_mean"),
            intervals={"match_rate": ("low", "high")},
        ),
        Table(
            name="component_prediction_by_labels",
            step="tables",
            when=lambda plan: any(study.get("labels_apart") for study in plan.studies.values()),
            words=("{recipe}", "{selection}", "{baseline}", "{labels}"),
            headlines=("match_rate",),
            intervals={"match_rate": ("low", "high")},
        ),
        Table(name="studies", step="tables", headlines=None),
        Table(
            name="concept_recovery",
            step="tables",
            when=lambda plan: bool(plan.with_truth("concepts")),
            words=("{recipe}", "{selection}"),
            headlines=None,
            intervals={"recall": ("low", "high")},
        ),
        Table(name="importance", step="component_tables"),
        Table(
            name="importance_truth",
            step="component_tables",
            when=lambda plan: bool(plan.with_truth("concepts")),
            words=("{recipe}",),
            headlines=("true", "texture", "difference"),
            rows={"class_name": ALL_CLASSES},
        ),
        Table(
            name="fidelity",
            step="component_tables",
            words=("{recipe}", "{rest}", "{baseline}"),
            headlines=("deletion", "insertion"),
        ),
        Table(
            name="fidelity_curves",
            step="component_tables",
            plot=Plot(
                title="Fidelity: what is left of a class while components are taken out, and what comes back",
                x=("share", "share of the components"),
                y=("probability", "p(class)"),
            ),
        ),
        Table(
            name="reconstructed",
            step="component_tables",
            words=("reconstructed", "{recipe}", "{baseline}"),
            headlines=("accuracy", "hoyer", "gini"),
            intervals={"accuracy": ("low", "high")},
        ),
        Table(
            name="stability",
            step="component_tables",
            words=("{recipe}", "{sample}", "{baseline}"),
            headlines=("cosine", "back", "returned"),
            rows={"class_name": ALL_CLASSES},
            intervals={"cosine": ("low", "high")},
        ),
    ),
    figures=("figures/{study}/overview.png", "figures/{study}/fidelity.png"),
    manifests=("figures/{study}/cards.csv",),
    pages=("pages/{study}/classes.json",),
    folders=("studies", "pages"),
    problems=problems,
    report={
        "classes": ("Component prediction", "Classes", {"study": "{study}", "table": "one row per class"}),
        "fidelity": ("Fidelity of components", None, {"study": "{study}"}),
        "overview": ("Overview", None, {"study": "{study}", "figure": "all classes"}),
    },
)
