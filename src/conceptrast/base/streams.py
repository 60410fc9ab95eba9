r"""Every random stream of the package in one table, and the functions that every draw goes through.

A draw depends on the run's seed and on keys that say what is drawn, e.g. a class or an image. So it does not depend on
batches, shards or the order of the work. Two kinds of draw may have the same seed and keys; the stream's number keeps
them apart:

.. math:: \mathrm{stream}(s, k_1, k_2, \dots) = \mathrm{PCG64}(\mathrm{SeedSequence}([s, k_1, k_2, \dots, n]))

A new stream is one line of :class:`Stream` with a number that no other stream has. A number is never 0, because
``SeedSequence`` treats ``[s]`` and ``[s, 0]`` alike. ``tests/unit/base/test_streams.py`` proves that no two streams can
give the same numbers. It lists the exceptions, and says why each of them stays.

Three places use the fixed seed 0 instead, because no result depends on their draws: the check that a network was cut
correctly (``models/split.py``), the measuring of a layer's layout (``models/layouts.py``), and torch's loader
(``data/loading.py``).
"""

from __future__ import annotations

from enum import Enum, unique

import numpy as np

from conceptrast.base.errors import ConceptrastError

Sequence = tuple[str | int, ...]
"""A stream's sequence: the names of its keys, and the stream's number. ``*keys`` stands for any keys."""


_EPOCHS = 1_000_003  # a prime, larger than any number of epochs


@unique
class Stream(Enum):
    """Streams of numpy's generators: the sequence that seeds each, where it is used, and what it draws."""

    # base
    RESAMPLED_MEANS = (("seed",), "base/statistics.py", "resamples of a mean's bootstrap interval")

    # data
    CLASS_IMAGES = (("seed", "class"), "data/selection.py", "images of a class that are explained")
    DECODER_ROWS = (("seed", 62), "data/selection.py", "pictures that a decoder learns from or is tested on")
    FOLDER_SPLIT = (("seed", "label"), "data/image_folder.py", "training pictures of a class folder")
    SLIDE_SPLIT = (("seed", 81), "data/midog.py", "validation slides")
    PICTURE_SEEDS = (("seed",), "data/digit_pairs.py", "the seed of every picture, which stands in its path")
    SCENE = (("picture seed",), "data/digit_scenes.py", "what a picture is made of")
    DIGIT_PAIRS_SPLIT = (("seed", 1), "data/digit_scenes.py", "training digits")
    DIGITS_SPLIT = (("seed", 111), "data/digits.py", "training digits")
    COLLAGE = (("seed", "split", "class", "number", 121), "data/collages.py", "what a collage looks like")
    COLLAGE_DIGITS = (("seed", 122), "data/collages.py", "training digits")
    ROTATIONS = (("seed", "image", 91), "data/rotated_pair.py", "the angle of a picture")
    ROTATED_DIGITS_SPLIT = (("seed", 92), "data/rotated_pair.py", "training digits")
    ROTATED_NOISE = (("seed", "image", 98), "data/rotated_pair.py", "the noise of a picture")

    # attribution
    ATTRIBUTION_NOISE = (("seed", "image", 13), "attribution/noise.py", "noise of an image's copies")

    # concepts
    SKETCH = (("seed", 14), "concepts/nmf_start.py", "directions of the sketch of a class's rows")
    RANDOM_PATCHES = (
        (1, "seed", "class", "recipe", "selection"),
        "concepts/component_prediction.py",
        "patches of the chance row",
    )
    OTHER_CLASS = (
        (2, "seed", "class", "recipe", "selection"),
        "concepts/component_prediction.py",
        "the class whose patches the chance row shows",
    )
    REMOVAL_IMAGES = (("seed", "class", 27), "concepts/removals.py", "images whose components are taken out")
    RANDOM_REMOVAL = (("seed", "image", 28), "concepts/removals.py", "activations that chance takes out")
    COMPONENT_ORDERS = (
        ("seed", "image", 17),
        "concepts/removals.py",
        "orders of components of the chance row",
    )
    OTHER_COMPONENTS = (("seed", "class", 18), "concepts/removals.py", "the class whose components the chance row has")
    SOBOL_DESIGNS = (("seed", 19), "concepts/sobol.py", "the scrambling of the shares for total effects")
    HALVES = (("seed", "class", 23), "concepts/stability_samples.py", "which half an image of a class is in")
    REDRAWN_IMAGES = (("seed", "class", 24), "concepts/stability_samples.py", "other images of a class")
    REDRAWN_NOISE = (("seed", "draw", 25), "concepts/stability_samples.py", "the seed of their noise")
    COMPARED_CLASSES = (("seed", "class", 26), "concepts/stability.py", "classes of the chance row")

    CHANCE_PATCHES = (
        ("seed", "class", "recipe", "selection", 15),
        "concepts/verdict_error.py",
        "images and patches of many chance rows of one verdict",
    )
    RESAMPLED_IMAGES = (("seed", "class", 16), "concepts/verdict_error.py", "resamples of a class's images")
    OUTLIER_HALVES = (("seed", "class", 29), "concepts/outliers.py", "halves of a class's images")

    # contrast
    HELD_OUT_FEATURES = (("seed", "class", 11), "contrast/features.py", "images whose features are held out")
    PLANE_START = (
        ("seed", "first", "second", 21),
        "contrast/hyperplane_descent.py",
        "where the fit of a hyperplane starts",
    )
    RANDOM_NORMAL = (("seed", "first", "second", 22), "contrast/hyperplanes.py", "the direction of the chance row")
    CONTRASTED_PAIRS = (("seed", "run", 31), "contrast/shift.py", "pairs of classes")
    CONTRASTED_IMAGES = (("seed", "class", 32), "contrast/images.py", "images of a class that are contrasted")
    HIDING_ORDER = (("seed", "first", "second", 41), "contrast/mask.py", "the order in which chance hides positions")
    SHUFFLED_CROP = (("seed", "image", 51), "contrast/insertion.py", "the order of a crop's pixels")

    # ace
    CLUSTER_CENTRES = (("seed", "class", 71), "ace/clustering.py", "the seed of k-means")
    CONCEPT_CAVS = (
        ("seed", "class", 72, "concept"),
        "ace/concepts.py",
        "segments that a concept's CAVs are fitted to",
    )
    RANDOM_CAVS = (("seed", "class", 73), "ace/concepts.py", "segments that random CAVs are fitted with")
    CHANCE_SEGMENTS = (("seed", "class", 74), "ace/concepts.py", "segments of the concepts of the chance row")
    CHANCE_CAVS = (
        ("seed", "class", 74, "concept"),
        "ace/concepts.py",
        "segments that the chance row's CAVs are fitted with",
    )
    OTHER_IMAGES = (("seed", 75), "ace/class_concepts.py", "images of other classes")

    # counterfactual
    RANDOM_DIRECTIONS = (
        ("seed", "image", 61),
        "counterfactual/edits.py",
        "the direction of a random edit",
    )
    RANDOM_DONOR = (
        ("seed", "image", 63),
        "counterfactual/pair_edits.py",
        "the picture of a random edit",
    )
    OTHER_PICTURES = (("seed", 64), "counterfactual/study_knowledge.py", "pictures that such cells are taken from")

    # bias
    AUTOENCODER_ORDER = (("seed", "epoch", 93), "bias/autoencoder_training.py", "the order of the pictures")
    NORMAL_CODES = (("seed", "epoch", 94), "bias/autoencoder_training.py", "torch's seed of the normal samples")
    WATCHED_PICTURES = (("seed", 95), "bias/autoencoder_training.py", "pictures that say when a phase has ended")
    STRATIFIED_RESAMPLES = (("seed", 96), "bias/table.py", "resamples within each class")
    LATENT_MAP = (("seed", 97), "bias/latent_map.py", "training pictures on the map, and the seed of t-SNE")
    REGRESSOR_ANGLES = (("seed", "epoch", 151), "bias/rotation_regressor.py", "angles and order of the pictures")
    REDRAWN_ROTATIONS = (("seed", "epoch", 155), "bias/redrawn_pictures.py", "angles of training pictures")
    RESAMPLED_ENDS = (("seed", 152), "bias/visibility.py", "resamples of the pictures along a direction")
    SHUFFLED_ROTATIONS = (("seed", 153), "bias/rotation_content.py", "rotations of the chance interval")
    RESAMPLED_CURVES = (("seed", 154), "bias/cause.py", "resamples of the pictures that are turned")

    # shortcut
    SHORTCUT_CHANCE = (("seed", 156), "shortcut/directions.py", "random directions")

    # saliency and dff
    RANDOM_MAPS = (("seed", "position", 101), "saliency/chance_maps.py", "a map of the chance row")
    EQUAL_VALUES = (("seed", "position", 102), "saliency/faithfulness.py", "the order of pixels of equal value")
    IMPUTATION_NOISE = (
        ("seed", "position", "millionths", 103),
        "saliency/road.py",
        "noise on pixels that ROAD fills in; the key is their share of the picture",
    )
    RANDOM_WEIGHTS = (("seed", "parameter", 104), "saliency/parameter_randomisation.py", "a tensor of weights")
    MOVED_REGION = (
        ("*keys", 105),
        "saliency/blur.py",
        "the place that a region is moved to; dff/concept_scores.py gives the keys seed, picture, concept and draw",
    )

    def __init__(self, sequence: Sequence, used_in: str, draws: str) -> None:
        self.sequence = sequence
        self.used_in = used_in
        self.draws = draws


@unique
class LibrarySeed(Enum):
    """Seeds for libraries: torch, scikit-learn, and packages that draw from numpy's global state.

    Each line gives the keys, the file that uses the seed, and what is drawn. With the key ``epoch``, the seed is
    ``1,000,003 · seed + epoch``.
    """

    NETWORK_WEIGHTS = (("seed",), "models/opening.py", "weights of a fresh network; torch")
    TRAINING_ORDER = (("seed", "epoch"), "models/training.py", "the order of the pictures; torch")
    TRAINING_DROPOUT = (("seed", "epoch"), "models/training.py", "what the network draws; torch")
    NMF_START = (("seed",), "concepts/nmf.py", "the random start of a factorization; scikit-learn")
    SEMI_NMF_START = (("seed",), "concepts/semi_nmf.py", "the centres from which k-means starts; scikit-learn")
    DECODER_WEIGHTS = (("seed",), "counterfactual/decoder_training.py", "weights of a fresh decoder; torch")
    DECODER_ORDER = (("seed", "epoch"), "counterfactual/decoder_training.py", "the order of the pictures; torch")
    DECODER_EDITS = (("seed", "epoch"), "counterfactual/decoder_training.py", "noise and edits of activations; torch")
    AUTOENCODER_WEIGHTS = (("seed",), "bias/autoencoder.py", "weights of a fresh autoencoder; torch")
    CRITIC_WEIGHTS = (("seed",), "bias/autoencoder.py", "weights of a fresh critic; torch")
    REGRESSOR_WEIGHTS = (("seed",), "bias/rotation_regressor.py", "weights of a fresh regressor; torch")
    CAM_LIBRARY = (("seed",), "saliency/grad_cam.py", "whatever the package grad-cam draws; numpy's global state")

    def __init__(self, keys: tuple[str, ...], used_in: str, draws: str) -> None:
        self.keys = keys
        self.used_in = used_in
        self.draws = draws


def generator(stream: Stream, *keys: int) -> np.random.Generator:
    r"""The generator of one draw.

    .. math:: \mathrm{PCG64}(\mathrm{SeedSequence}(\mathrm{sequence}(\mathrm{stream}, \mathrm{keys})))

    Args:
        stream: what is drawn.
        keys: the seed and the other keys of the stream's sequence, in their order.

    Raises:
        ConceptrastError: there are more or fewer keys than the sequence names.

    Example:
        >>> generator(Stream.HELD_OUT_FEATURES, 0, 7).integers(10, size=5)  # seed 0, class 7
        array([0, 4, 2, 6, 6])
        >>> np.random.default_rng([0, 7, 11]).integers(10, size=5)
        array([0, 4, 2, 6, 6])
    """
    return np.random.default_rng(sequence_of(stream, *keys))


def drawn_seeds(stream: Stream, *keys: int, count: int = 1) -> np.ndarray:
    """Unsigned 64-bit numbers ``[count]`` that seed other generators, e.g. a generator of torch.

    Args:
        stream: what is drawn.
        keys: as for :func:`generator`.
        count: how many numbers.

    Raises:
        ConceptrastError: there are more or fewer keys than the sequence names.

    Example:
        >>> drawn_seeds(Stream.PICTURE_SEEDS, 0, count=2).tolist()
        [15793235383387715774, 12390638538380655177]
    """
    return np.random.SeedSequence(sequence_of(stream, *keys)).generate_state(count, np.uint64)


def sequence_of(stream: Stream, *keys: int) -> list[int]:
    """The numbers that seed one draw: the keys and the stream's number, each in its place.

    Args:
        stream: what is drawn.
        keys: as for :func:`generator`.

    Raises:
        ConceptrastError: there are more or fewer keys than the sequence names.

    Example:
        >>> sequence_of(Stream.CONCEPT_CAVS, 0, 7, 3)
        [0, 7, 72, 3]
        >>> sequence_of(Stream.CONCEPT_CAVS, 0, 7)
        Traceback (most recent call last):
        conceptrast.base.errors.ConceptrastError: stream CONCEPT_CAVS takes the keys seed, class, concept; got 2 keys
    """
    names = [part for part in stream.sequence if isinstance(part, str)]
    if names == ["*keys"]:
        return [*keys, *(part for part in stream.sequence if isinstance(part, int))]
    if len(keys) != len(names):
        raise ConceptrastError(f"stream {stream.name} takes the keys {', '.join(names)}; got {len(keys)} keys")
    left = iter(keys)
    return [int(next(left)) if isinstance(part, str) else part for part in stream.sequence]


def library_seed(stream: LibrarySeed, seed: int, epoch: int | None = None) -> int:
    r"""The seed to give to a library.

    .. math:: s, \qquad \text{or with an epoch } e: \quad 1{,}000{,}003 \, s + e

    Args:
        stream: what is drawn.
        seed: the run's seed, or the network's.
        epoch: from 1; only for streams that have this key.

    Raises:
        ConceptrastError: an epoch is missing, or is given although the stream has no such key.

    Example:
        >>> library_seed(LibrarySeed.NETWORK_WEIGHTS, 2), library_seed(LibrarySeed.TRAINING_ORDER, 2, epoch=5)
        (2, 2000011)
    """
    if (epoch is not None) != ("epoch" in stream.keys):
        raise ConceptrastError(f"stream {stream.name} takes the keys {', '.join(stream.keys)}")
    return seed if epoch is None else seed * _EPOCHS + epoch
