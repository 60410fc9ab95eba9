"""Does a latent space show a planted bias? We compare an adversarial autoencoder and a plain classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.bias.comparison import CONDITIONS, FIGURES, check_size, trained_networks
from conceptrast.models.published import torchvision_classifiers, weights_fingerprint
from conceptrast.plan.analysis import Analysis, Plot, Step, Table
from conceptrast.plan.key_types import (
    Config,
    DatasetName,
    EntryName,
    LayerName,
    ModelName,
    Names,
    Number,
    Section,
    Unique,
    key,
)
from conceptrast.plan.keys import Precision
from conceptrast.plan.provenance import registry
from conceptrast.plan.settings import run_settings

if TYPE_CHECKING:
    from conceptrast.plan.plan import Plan

NETWORK_KEYS = ("encoder", "decoder")
"""Keys of ``autoencoder`` and ``regressor`` that say what they consist of. The others say how they are trained."""

STARTING = ("autoencoder", "regressor")
"""Networks of a comparison that may start from a model of the configuration."""

CLASSIFIERS = ("resnet", "resnext", "wide_resnet", "efficientnet")
"""Networks whose names start like this end in one linear layer, whose inputs are a latent space."""


class Epochs(Section):
    """Passes over the training pictures in each phase, at most."""

    reconstruction: int = key("epochs of the phase that learns to rebuild pictures", 10, ge=0)
    adversarial: int = key("epochs of the phase that spreads the codes", 5, ge=0)
    classification: int = key("epochs of the phase that learns the classes", 10, ge=1)


class Backbone(Section):
    """Where a network starts from: the first layers of a model, with its weights, input size and normalisation."""

    model: ModelName = key("model whose first layers are taken over and trained further")
    layer: LayerName = key("last of these layers; it must have positions")


class Autoencoder(Section):
    """What the adversarial autoencoder consists of, and how it is trained."""

    encoder: Backbone | None = key(
        "layers of a model that the encoder starts from; if left out, it starts from random weights of its own", None
    )
    decoder: Literal["mirrored", "published"] = key(
        "mirrored: channels become fewer as the picture grows, as in the encoder; published: they become more",
        "mirrored",
    )
    epochs: Epochs = key("highest number of epochs in each phase", {})
    patience: int = key("the first and the third phase end after so many epochs without progress", 3, ge=1)
    batch_size: int = key("pictures in a step", 64, ge=2)
    learning_rate: Number = key("learning rate of Adam", 0.001, gt=0)
    precision: Precision = key("precision of the training", "float32")
    keep: Literal["last", "best"] = key(
        "weights of the last epoch, or of the one that is right most often on held-out pictures", "last"
    )


class ResNet(Section):
    """How the plain classifier beside it is trained."""

    architecture: str = key("name of any ResNet or EfficientNet", "resnet10")
    weights: Annotated[str, Field(min_length=1), Names("weights")] | None = key(
        "published weights that the training starts from, or a .pth or .safetensors file", None
    )
    input_size: int | None = key("side of its pictures in pixels; if left out, that of the comparison", None, ge=8)
    epochs: int = key("passes over the training pictures", 5, ge=1)
    batch_size: int = key("pictures in a step", 64, ge=2)
    learning_rate: Number = key(
        "highest learning rate: reached after a quarter of the steps, then falling to zero", 0.05, gt=0
    )
    momentum: Number = key("momentum of stochastic gradient descent", 0.9, ge=0)
    weight_decay: Number = key("weight decay of stochastic gradient descent", 0.0005, ge=0)
    precision: Precision = key("precision of the training", "bfloat16")


class Regressor(Section):
    """How the network is trained that reads the rotation off pictures."""

    encoder: Backbone | None = key(
        "layers of a model that it starts from; if left out, it starts from random weights of its own", None
    )
    epochs: int = key("passes over the control's training pictures, each at new angles", 6, ge=1)
    batch_size: int = key("pictures in a step", 32, ge=2)
    learning_rate: Number = key(
        "highest learning rate of Adam: reached after a quarter of the steps, then falling to zero", 0.003, gt=0
    )


class Comparison(Section):
    """Two networks, trained on pictures with a planted rotation and on the control."""

    biased: DatasetName = key("dataset of kind rotated_pair: each class is turned by angles of its own")
    control: DatasetName = key(
        "dataset of kind rotated_pair with biased: false: both classes are turned by the same range of angles"
    )
    size: int = key("side of the pictures in pixels: 8, 32, 128 or 512", 32)
    redraw: bool = key("training pictures are turned by new angles in every epoch", False)
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Unique] = key(
        "each seed is one training of each network; it sets initial weights and the order of the pictures", [0]
    )
    autoencoder: Autoencoder = key("the adversarial autoencoder", {})
    resnet: ResNet = key("the plain classifier", {})
    regressor: Regressor = key("the network that reads the rotation off pictures", {})


def train_autoencoder(plan: Plan, bias: str, condition: str, seed: str) -> Config:
    """Settings of one training of an adversarial autoencoder."""
    entry = plan.entries("bias")[bias]
    return {
        "dataset": plan.datasets[entry[condition]],
        "network": autoencoder_network(plan, bias),
        "redraw": entry["redraw"],
        **run_settings(plan, "seed"),
        "autoencoder": {key: value for key, value in entry["autoencoder"].items() if key not in NETWORK_KEYS},
        "network_seed": int(seed),
    }


def train_latent_resnet(plan: Plan, bias: str, condition: str, seed: str) -> Config:
    """Settings of one training of the plain classifier."""
    entry = plan.entries("bias")[bias]
    return {
        "model": resnet_model(plan, bias, int(seed)),
        "dataset": plan.datasets[entry[condition]],
        "redraw": entry["redraw"],
        **run_settings(plan, "seed", "precision"),
    }


def train_rotation_regressor(plan: Plan, bias: str) -> Config:
    """Settings of the training of the network that reads rotations: on the control's pictures."""
    entry = plan.entries("bias")[bias]
    return {
        "dataset": plan.datasets[entry["control"]],
        "network": regressor_network(plan, bias),
        "regressor": {key: value for key, value in entry["regressor"].items() if key not in NETWORK_KEYS},
        **run_settings(plan, "seed"),
    }


def latent_bias(plan: Plan, bias: str) -> Config:
    """Settings of one comparison of latent spaces."""
    entry = plan.entries("bias")[bias]
    return {
        "bias": bias,
        "network": autoencoder_network(plan, bias),
        "regressor": regressor_network(plan, bias),
        "seeds": entry["seeds"],
        "resnet": resnet_model(plan, bias, 0),
        "datasets": {condition: plan.datasets[entry[condition]] for condition in CONDITIONS},
        **run_settings(plan, "seed", "precision", "batch_size"),
    }


def latent_bias_tables(plan: Plan) -> Config:
    """Settings of the step for the run."""
    biases = [
        {
            "name": name,
            "seeds": entry["seeds"],
            "planned": {
                "autoencoder": sum(entry["autoencoder"]["epochs"].values()),
                "resnet": entry["resnet"]["epochs"],
            },
            "keep": {"autoencoder": entry["autoencoder"]["keep"], "resnet": "last"},
        }
        for name, entry in plan.entries("bias").items()
    ]
    return {"biases": biases, **run_settings(plan, "seed")}


def autoencoder_network(plan: Plan, bias: str) -> Config:
    """What the autoencoder of a comparison consists of."""
    entry = plan.entries("bias")[bias]
    return {
        "size": entry["size"],
        "decoder": entry["autoencoder"]["decoder"],
        "backbone": _backbone(plan, bias, "autoencoder"),
    }


def regressor_network(plan: Plan, bias: str) -> Config:
    """What the network of a comparison consists of that reads rotations."""
    return {"size": plan.entries("bias")[bias]["size"], "backbone": _backbone(plan, bias, "regressor")}


def _backbone(plan: Plan, bias: str, network: str) -> Config | None:
    model = backbone_of(plan, bias, network)
    if model is None:
        return None
    return {"model": plan.models[model], "layer": plan.entries("bias")[bias][network]["encoder"]["layer"]}


def backbone_of(plan: Plan, bias: str, network: str) -> str | None:
    """Name of the model that a network of a comparison starts from, if it starts from one.

    Args:
        plan: the plan of the run.
        bias: name of the comparison.
        network: ``autoencoder`` or ``regressor``.
    """
    encoder = plan.entries("bias")[bias][network].get("encoder")
    return None if encoder is None else str(encoder["model"])


def backbones(plan: Plan) -> list[str]:
    """The models that networks start from."""
    named = [backbone_of(plan, bias, network) for bias in plan.entries("bias") for network in STARTING]
    return [model for model in named if model is not None]


def resnet_model(plan: Plan, bias: str, seed: int) -> Config:
    """The plain classifier of a comparison, as an entry of ``models``."""
    entry = plan.entries("bias")[bias]
    model_keys = ("architecture", "weights", "input_size")
    options = {key: value for key, value in entry["resnet"].items() if key not in model_keys}
    model = {key: entry["resnet"][key] for key in model_keys if entry["resnet"].get(key) is not None}
    return {
        "input_size": entry["size"],
        **model,
        "seed": seed,
        "train": {"dataset": "", **options},
    }


def networks(plan: Plan, bias: str) -> list[str]:
    """``<condition>/<network>-<seed>`` of every network of a comparison, in the order of its files."""
    named = trained_networks(plan.entries("bias")[bias]["seeds"])
    return [f"{condition}/{network}-{seed}" for condition, network, seed in named]


def datasets(entry: Config, condition: str | None = None, **_: str) -> list[str]:
    """The dataset of one condition, or of both."""
    return [entry[name] for name in CONDITIONS if condition in (None, name)]


def resnet(plan: Plan, bias: str, **_: str) -> list[str]:
    """Module of the plain classifier's architecture, if it is ours."""
    architectures = registry(plan.source, "models", "ARCHITECTURES")
    return [architectures.get(plan.entries("bias")[bias]["resnet"]["architecture"], "")]


def start_of(network: str) -> Callable[..., list[str]]:
    """Function that gives the module of the architecture that a network starts from, if it is ours."""

    def family(plan: Plan, bias: str, **_: str) -> list[str]:
        model = backbone_of(plan, bias, network)
        if model is None:
            return []
        architectures = registry(plan.source, "models", "ARCHITECTURES")
        return [architectures.get(plan.models[model].get("architecture", ""), "")]

    return family


def all_networks(plan: Plan, bias: str, **_: str) -> list[str]:
    """Modules of all architectures that a comparison chooses."""
    starts = (module for network in STARTING for module in start_of(network)(plan, bias))
    return [*resnet(plan, bias), *starts]


def entry_problems(entry: Config, config: Config, source: Path) -> Iterator[str]:
    """Refuse datasets of another kind, a side that does not fit the strides, and a network without pooled features."""
    for condition in CONDITIONS:
        dataset: dict[str, Any] = config["datasets"].get(entry[condition], {"kind": "rotated_pair"})
        biased = condition == "biased"
        if dataset["kind"] != "rotated_pair":
            yield f".{condition}': dataset '{entry[condition]}' is of kind {dataset['kind']}; it needs rotated_pair"
        elif entry[condition] in config["datasets"] and dataset.get("biased", True) != biased:
            yield f".{condition}': dataset '{entry[condition]}' needs `biased: {str(biased).lower()}`"
    try:
        check_size(entry["size"])
    except ConfigError as error:
        yield f".size': {error}"
    architectures = [*registry(source, "models", "ARCHITECTURES"), *sorted(torchvision_classifiers())]
    classifiers = [name for name in architectures if name.startswith(CLASSIFIERS)]
    architecture = entry["resnet"]["architecture"]
    if torchvision_classifiers() and architecture not in classifiers:
        yield ".resnet.architecture': " + unknown_name("ResNet or EfficientNet", architecture, classifiers)
    elif entry["resnet"].get("weights") == "package":
        try:
            weights_fingerprint(architecture, "package")
        except ConfigError as error:
            yield f".resnet.weights': {error}"


ANALYSIS = Analysis(
    name="bias",
    question="Does a latent space show a planted bias?",
    sections={"latent_bias": (dict[EntryName, Comparison], key("comparisons of latent spaces, by name", {}))},
    entries="latent_bias",
    wildcard="bias",
    steps={
        "train_autoencoder": Step(settings=train_autoencoder, dataset=True, implementations=start_of("autoencoder")),
        "train_rotation_regressor": Step(
            settings=train_rotation_regressor, dataset=True, implementations=start_of("regressor")
        ),
        "train_latent_resnet": Step(settings=train_latent_resnet, dataset=True, implementations=resnet),
        "latent_bias": Step(settings=latent_bias, dataset=True, implementations=all_networks),
        "latent_bias_tables": Step(settings=latent_bias_tables),
    },
    tables=(
        Table(name="latent_bias", step="latent_bias_tables"),
        Table(name="latent_bias_directions", step="latent_bias_tables"),
        Table(
            name="latent_bias_summary",
            step="latent_bias_tables",
            words=("{condition}", "{network}"),
            headlines=(
                *("accuracy_mean", "accuracy_counter_biased_mean", "reliance_mean", "probability_turned_mean"),
                *("turn_mean", "decoded_turn_mean", "rho_within_mean", "rho_within_sd", "rho_all_mean"),
            ),
        ),
        Table(
            name="latent_bias_curves",
            step="latent_bias_tables",
            plot=Plot(
                title="Reliance: what a network says of the same pictures while they are turned",
                x=("rotation", "angle, in degrees"),
                y=("probability", "p(class 2)"),
            ),
        ),
    ),
    figures=tuple(f"figures/latent_bias/{{bias}}/{figure}.png" for figure in FIGURES),
    folders=("latent_bias",),
    datasets=datasets,
    models=backbones,
    check="conceptrast.bias.before_start:check_entry",
    entry_problems=entry_problems,
    report={
        "latent_bias_cause": ("Latent bias", None, {"bias": "{bias}"}),
        "latent_bias_visibility": ("Latent bias", None, {"bias": "{bias}"}),
        "latent_bias_maps": ("Latent bias", None, {"bias": "{bias}"}),
        "latent_bias_navigation": ("Latent bias", None, {"bias": "{bias}"}),
    },
)
