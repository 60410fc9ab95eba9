"""Cost of the whole procedure, ours beside the published one, on one miniature.

ResNet-50 (random weights) at ``layer4.2``, 8 classes of 20 crops of photographs. Both procedures predict, attribute
with 20 noisy copies of each image, factorize, search prototypes, show the model each class's best patches, fit the
hyperplanes of all pairs and shift 20 drawn pairs. The numbers of images and samples are the same. The classes are
given, because a network with random weights would predict one class for all images.

The published procedure stands in ``benchmarks/published_procedure.py``. Ours calls the functions of the library that
the steps of the workflow call. Both keep the activations of the pictures from one stage to the next, ours in the cache
of :class:`~conceptrast.api.study.Study`. Each procedure goes on from its own results, and in the end the results are
compared.

Run it with ``python -m benchmarks.end_to_end``. Each procedure runs once, and the published one takes minutes.
"""

from __future__ import annotations

import copy
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from benchmarks import published_procedure as published
from conceptrast.api.activation_cache import ActivationCache, KeptPictures
from conceptrast.attribution.images import attribute_images
from conceptrast.base.environment import restart_with_environment
from conceptrast.base.files import write_arrays
from conceptrast.base.memory import keep_memory
from conceptrast.base.processor import processor_flags
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.concepts.attributed_images import by_class
from conceptrast.concepts.class_factorization import factorize_classes
from conceptrast.concepts.class_prototypes import class_prototypes, sought
from conceptrast.concepts.component_prediction import component_prediction, plan_assemblies
from conceptrast.concepts.recipes import RECIPES
from conceptrast.contrast.features import FeatureBank, features_of_classes
from conceptrast.contrast.hyperplane_shards import FitOptions, Planes, fit_shard
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.images import class_activations, images_by_class
from conceptrast.contrast.pairs import Pair
from conceptrast.contrast.shift import ShiftOptions, draw_pairs, shifted_probabilities
from conceptrast.data.loose_pictures import OpenPictures
from conceptrast.data.photographs import Photographs
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import predict
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

CLASSES = ["astronaut", "cat", "coffee", "flower", "galaxies", "palace", "retina", "rocket"]
"""Photographs; the crops of each make a class."""
IMAGES_PER_CLASS = 20
PAIRS = 20
"""Ordered pairs of classes that are shifted, as published."""
SIDE = 224
BATCH = 64
CACHE_BYTES = 2**30
LAYER = "layer4.2"
GAMMA = 0.5
"""Weight of the last norm of each block. With it, activations are about as large as in a trained network; with 1, as at
the start of a training, they double from block to block, and gradient descent on them would jump."""
RECIPE = RECIPES["published"]
SOLVER = Solver("zero", steps=published.STEPS, learning_rate=published.LEARNING_RATE)
PRECISIONS = ("float32", "bfloat16")
TARGET = 10.0
"""Least ratio of the whole in bfloat16, on a processor that multiplies whole tiles of bfloat16 (AMX)."""
AGREEMENT = {
    "predictions": 0.99,
    "attribution": 0.999,
    "factorization": 0.99,
    "prototypes": 0.9,
    "prediction test": 0.99,
    "hyperplanes": 0.999,
    "shift": 0.99,
}
"""How near our results in float32 must be to the published procedure's; see :func:`agreement`."""


@dataclass(frozen=True)
class Miniature:
    """What both procedures get.

    Attributes:
        network: the network as it is.
        pictures: the pictures and the model of the same network, as the steps of the workflow open them.
        targets: ``[N]`` the class of each image.
        pairs: the ordered pairs that are shifted.
    """

    network: nn.Module
    pictures: Pictures
    targets: np.ndarray
    pairs: list[Pair]

    @property
    def ids(self) -> np.ndarray:
        """Ids ``[N]`` of the images."""
        return np.arange(len(self.targets))


@dataclass
class Results:
    """The results of a procedure, and the seconds of each stage.

    Attributes:
        seconds: by stage.
        probabilities: ``[N]`` of the predicted class.
        maps: ``[N, h, w]`` raw attribution.
        components: ``[K, k, C]``.
        patches: ``[K, k, 3]`` image, row and column of each component's best patch.
        answers: ``[K]`` the probability of each class for its patches.
        normals: ``[C]`` by ordered pair.
        shifted: ``[P, T, N, 2]`` probabilities of both classes of the shifted pairs.
    """

    seconds: dict[str, float]
    probabilities: np.ndarray
    maps: np.ndarray
    components: np.ndarray
    patches: np.ndarray
    answers: np.ndarray
    normals: dict[Pair, np.ndarray]
    shifted: np.ndarray


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def miniature() -> Miniature:
    """The network, the crops and the pairs."""
    # Crops of a photograph for each class.
    generator = np.random.default_rng(0)
    photographs = Photographs(names=CLASSES)
    crops: list[Image.Image] = []
    for row in photographs.build_index().table.itertuples():
        picture = photographs.picture(row)
        for _ in range(IMAGES_PER_CLASS):
            left = int(generator.integers(picture.width - SIDE + 1))
            top = int(generator.integers(picture.height - SIDE + 1))
            crops.append(picture.crop((left, top, left + SIDE, top + SIDE)))

    # The network, once as it is and once as a model of the library.
    torch.manual_seed(0)
    network = torchvision.models.resnet50(weights=None).eval()
    for name, part in network.named_modules():
        if name.endswith("bn3"):
            nn.init.constant_(part.weight, GAMMA)
    preprocess = Preprocess(None, SIDE, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    _put_spoken_for_first(network, preprocess, crops[::IMAGES_PER_CLASS])
    names = [f"class {number}" for number in range(1000)]
    module = copy.deepcopy(network).to(memory_format=torch.channels_last)
    model = Model("resnet50", module, preprocess, names)
    dataset = OpenPictures(crops)
    pictures = Pictures(dataset, dataset.build_index().table, model, batch_size=BATCH)
    targets = np.repeat(np.arange(len(CLASSES)), IMAGES_PER_CLASS)
    [pairs] = draw_pairs(range(len(CLASSES)), pairs_per_draw=PAIRS, runs=1, seed=0)
    return Miniature(network=network, pictures=pictures, targets=targets, pairs=pairs)


@torch.no_grad()
def _put_spoken_for_first(network: nn.Module, preprocess: Preprocess, crops: list[Image.Image]) -> None:
    """Sort the outputs of the network: those first whose logits the crops raise most above those of the baseline.

    With weights that are random, every position of an image may speak against an output. Such a class has no features,
    so no hyperplane can be fitted to it.
    """
    views = torch.stack([preprocess.view(crop) for crop in crops])
    images = preprocess.normalise(views)
    rise = network(images).mean(dim=0) - network(torch.full_like(images[:1], published.BASELINE))[0]
    order = rise.argsort(descending=True)
    for parameter in network.get_submodule("fc").parameters():
        parameter.copy_(parameter[order])


def ours(mini: Miniature, precision: str) -> Results:
    """The procedure by the library's functions, as the steps of the workflow call them."""
    clock = Clock()
    model = mini.pictures.model
    cache = ActivationCache(CACHE_BYTES)
    pictures = KeptPictures(mini.pictures.dataset, mini.pictures.table, model, batch_size=BATCH, cache=cache)
    targets = dict(enumerate(mini.targets.tolist()))

    with clock.stage("predictions"):
        predictions = predict(model, pictures.of(mini.ids), precision)
    probabilities = predictions["probability"].to_numpy()
    predictions["predicted"] = mini.targets

    with clock.stage("attribution"):
        few = replace(pictures, batch_size=max(1, BATCH // published.SAMPLES))
        attribution = attribute_images(
            model,
            LAYER,
            few.of(mini.ids),
            targets,
            samples=published.SAMPLES,
            noise=published.NOISE,
            baseline=published.BASELINE,
            precision=precision,
            batch_size=BATCH,
        )

    with clock.stage("factorization"):
        split = SplitModel(model, LAYER).for_inference(precision)
        classes = by_class(activations_of(model, split, pictures.of(mini.ids), precision), mini.targets)
        components = factorize_classes(classes, attribution, [RECIPE.factors])

    with clock.stage("prototypes"):
        batches = activations_of(model, split, pictures.of(mini.ids), precision)
        prototypes = class_prototypes(
            batches,
            predicted=targets,
            classes=components["classes"],
            vectors={RECIPE: sought(RECIPE, components, whitening=None)},
            view=model.preprocess.size,
        )

    with clock.stage("prediction test"):
        plan = plan_assemblies(
            prototypes,
            predictions,
            classes=components["classes"].tolist(),
            recipes=[RECIPE],
            view=model.preprocess.size,
            seed=0,
        )
        # The published procedure has no chance rows, and one selection.
        wanted = [assembly for assembly in plan if (assembly.selection, assembly.baseline) == ("all", "none")]
        verdicts = component_prediction(model, wanted, pictures.of, n_images={}, precision=precision)

    with tempfile.TemporaryDirectory() as folder:
        with clock.stage("hyperplanes"):
            classes = by_class(activations_of(model, split, pictures.of(mini.ids), precision), mini.targets)
            features = Path(folder) / "features.npz"
            write_arrays(features, features_of_classes(classes, attribution, model.class_names))
            options = FitOptions(heldout=0.0, precision=precision)
            planes = Path(folder) / "planes.npz"
            write_arrays(planes, fit_shard(FeatureBank([features]), [SOLVER], options))

        with clock.stage("shift"):
            by_pair = Planes([planes], SOLVER.name, mini.pairs)
            shifted: dict[Pair, Tensor] = {}
            images = images_by_class(attribution)
            for first, activations in class_activations(pictures, split, images=images, precision=precision, what=""):
                for pair in sorted(pair for pair in mini.pairs if pair[0] == first):
                    normal = by_pair[pair].normal
                    shifted[pair] = shifted_probabilities(
                        split, activations, normal, classes=pair, options=ShiftOptions(precision=precision)
                    )
        normals = Planes([planes], SOLVER.name, permutations(range(len(CLASSES)), 2))

    # The best patch of each component, by its place in the grid of cells.
    best = prototypes[(prototypes["selection"] == "all") & (prototypes["rank"] == 0)]
    best = best.sort_values(["class", "component"])
    places = np.stack([best["image"], best["top"] // best["height"], best["left"] // best["width"]], axis=-1).reshape(
        len(CLASSES), RECIPE.components, 3
    )
    return Results(
        seconds=clock.seconds,
        probabilities=probabilities,
        maps=attribution["raw"],
        components=components[f"components_{RECIPE.factors.key}"],
        patches=places,
        answers=verdicts.sort_values("class")["probability"].to_numpy(float),
        normals={pair: plane.normal for pair, plane in normals.items()},
        shifted=np.stack([shifted[pair].numpy() for pair in mini.pairs]),
    )


def theirs(mini: Miniature) -> Results:
    """The published procedure."""
    clock = Clock()
    network = mini.network
    preprocess = mini.pictures.model.preprocess

    with clock.stage("predictions"):
        views = torch.cat([batch for _, batch in mini.pictures.of(mini.ids)])
        images = preprocess.normalise(views)
        probabilities = published.probabilities(network, images)
    with clock.stage("attribution"):
        raw, rectified = published.attribution(network, LAYER, images, mini.targets)
    with clock.stage("factorization"):
        values = published.activations(network, LAYER, images)
        components = published.components(values, rectified, mini.targets)
    with clock.stage("prototypes"):
        patches = published.prototypes(values, components)
    with clock.stage("prediction test"):
        cell = SIDE // (values.shape[-1] // published.KERNEL)
        answers = published.prediction_test(network, preprocess.normalise, views=views, patches=patches, cell=cell)
    with clock.stage("hyperplanes"):
        normals = published.hyperplanes(published.features(values, raw, mini.targets))
    with clock.stage("shift"):
        shifted = [
            published.shift(
                network, LAYER, images=images[mini.targets == pair[0]], direction=normals[pair], classes=pair
            )
            for pair in mini.pairs
        ]
    return Results(
        seconds=clock.seconds,
        probabilities=probabilities.numpy(),
        maps=raw.numpy(),
        components=components,
        patches=patches,
        answers=answers,
        normals={pair: normal.numpy() for pair, normal in normals.items()},
        shifted=torch.stack(shifted).numpy(),
    )


def agreement(results: Results, reference: Results) -> dict[str, float]:
    """How near the results of one procedure are to those of the other, by stage; 1 means that they are the same.

    Returns:
        predictions and shift: 1 minus the mean difference of probabilities; attribution, factorization and hyperplanes:
        the mean cosine of maps, of matched components and of normals; prototypes: the share of the components whose
        best patches are the same.
    """
    cosines = []
    same = []
    for number, (components, others) in enumerate(zip(results.components, reference.components, strict=True)):
        of_class = _unit(components) @ _unit(others).T
        mine, matched = linear_sum_assignment(-of_class)
        cosines.append(of_class[mine, matched].mean())
        same.append((results.patches[number, mine] == reference.patches[number, matched]).all(axis=-1).mean())
    maps = _unit(results.maps.reshape(len(results.maps), -1)) * _unit(reference.maps.reshape(len(results.maps), -1))
    normals = [_unit(results.normals[pair]) @ _unit(reference.normals[pair]) for pair in reference.normals]
    return {
        "predictions": 1 - float(np.abs(results.probabilities - reference.probabilities).mean()),
        "attribution": float(maps.sum(axis=1).mean()),
        "factorization": float(np.mean(cosines)),
        "prototypes": float(np.mean(same)),
        "prediction test": 1 - float(np.abs(results.answers - reference.answers).mean()),
        "hyperplanes": float(np.mean(normals)),
        "shift": 1 - float(np.abs(results.shifted - reference.shifted).mean()),
    }


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def run() -> tuple[dict[str, Results], dict[str, dict[str, float]]]:
    """Results of our procedure by precision and of the published one, and how near ours are to them.

    Raises:
        RuntimeError: our results in float32 are not those of the published procedure.
    """
    mini = miniature()
    results = {precision: ours(mini, precision) for precision in PRECISIONS}
    results["published"] = theirs(mini)
    near = {precision: agreement(results[precision], results["published"]) for precision in PRECISIONS}
    for stage, least in AGREEMENT.items():
        if not near["float32"][stage] >= least:
            raise RuntimeError(f"{stage}: the two procedures agree by {near['float32'][stage]:.4f}, not by {least}")
    return results, near


def seconds_by_stage(results: Mapping[str, Results]) -> dict[str, dict[str, float]]:
    """Seconds of each stage and of the whole (``total``), by procedure."""
    return {
        name: of_procedure.seconds | {"total": sum(of_procedure.seconds.values())}
        for name, of_procedure in results.items()
    }


def measure() -> list[dict[str, str | float]]:
    """One row per stage and precision: benchmark, ours_s, peer_s, ratio, target."""
    results, _ = run()
    seconds = seconds_by_stage(results)
    has_target = "amx_bf16" in processor_flags()
    what = f"end to end, ResNet-50 {LAYER}, {len(CLASSES)} classes × {IMAGES_PER_CLASS} images"
    return [
        {
            "benchmark": f"{what}, {stage}, {precision}; peer: the published procedure",
            "ours_s": seconds[precision][stage],
            "peer_s": peer,
            "ratio": peer / seconds[precision][stage],
            "target": TARGET if has_target and (stage, precision) == ("total", "bfloat16") else "",
        }
        for precision in PRECISIONS
        for stage, peer in seconds["published"].items()
    ]


def main() -> None:
    """Print the seconds of each stage, and how near the results are, as Markdown."""
    keep_memory()
    warnings.filterwarnings("ignore", category=UserWarning, module="captum")
    results, near = run()
    print("| stage | published | float32 | ratio | agreement | bfloat16 | ratio | agreement |")
    print("|" + "---|" * 8)
    seconds = seconds_by_stage(results)
    for stage, peer in seconds["published"].items():
        cells = [stage, f"{peer:.2f}"]
        for precision in PRECISIONS:
            mine = seconds[precision][stage]
            cells += [
                f"{mine:.2f}",
                f"{peer / mine:.1f}",
                f"{near[precision][stage]:.4f}" if stage in AGREEMENT else "",
            ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    restart_with_environment()
    main()
