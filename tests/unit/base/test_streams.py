"""The table of random streams: numbers drawn before there was a table, and which streams can meet."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import conceptrast
from conceptrast.ace.class_concepts import other_images
from conceptrast.attribution.noise import Smoothing
from conceptrast.base.errors import ConceptrastError
from conceptrast.base.statistics import bootstrap_interval
from conceptrast.base.streams import LibrarySeed, Stream, drawn_seeds, generator, library_seed, sequence_of
from conceptrast.bias.autoencoder_training import split_held_out
from conceptrast.contrast.features import Features
from conceptrast.contrast.hyperplane_descent import _start
from conceptrast.contrast.hyperplanes import Hyperplane, random_hyperplane
from conceptrast.contrast.images import drawn_images
from conceptrast.contrast.mask import random_ranks
from conceptrast.contrast.shift import draw_pairs
from conceptrast.counterfactual.edits import Edit, random_twin
from conceptrast.counterfactual.study_knowledge import drawn_others
from conceptrast.data.digit_pairs import DigitPairs
from conceptrast.data.digit_scenes import digit_pool, draw_scene
from conceptrast.data.digits import digit_orders
from conceptrast.data.midog import Midog
from conceptrast.data.rotated_pair import digit_split, rotations
from conceptrast.data.selection import class_images, drawn_rows
from conceptrast.saliency.blur import elsewhere
from conceptrast.saliency.chance_maps import random_maps

SOURCES = Path(conceptrast.__file__).parent

# Sequence and first three draws of every stream. ATTRIBUTION_NOISE, SKETCH, COLLAGE, COLLAGE_DIGITS, those from
# CHANCE_PATCHES to COMPARED_CLASSES, and those of the six lines before the last are from numpy's default_rng; all
# others are from the code before the table.
DRAWN = {
    "RESAMPLED_MEANS": ([3], [3485385464, 367860371, 770692085]),
    "CLASS_IMAGES": ([3, 5], [102879343, 587007851, 243327257]),
    "FOLDER_SPLIT": ([3, 5], [102879343, 587007851, 243327257]),
    "PICTURE_SEEDS": ([3], [12467808127879573787, 12872254111863797241, 15240777121589344685]),
    "ATTRIBUTION_NOISE": ([3, 7, 13], [10087506302738211938, 14085753552666992410, 4597972738517816979]),
    "DIGIT_PAIRS_SPLIT": ([3, 1], [4201460243, 1087713686, 2487750587]),
    "SCENE": ([1234567890123456789], [448528186, 1083941404, 342679233]),
    "DECODER_ROWS": ([3, 62], [3249476080, 941282408, 1977766125]),
    "SLIDE_SPLIT": ([3, 81], [2985729858, 329472588, 1549783521]),
    "ROTATIONS": ([3, 7, 91], [3294638600, 764856244, 3073540588]),
    "ROTATED_DIGITS_SPLIT": ([3, 92], [2089442921, 3711812034, 1440268817]),
    "COLLAGE": ([3, 1, 5, 7, 121], [3811914218, 2330350730, 849136950]),
    "COLLAGE_DIGITS": ([3, 122], [1956494469, 4081573989, 4137298659]),
    "DIGITS_SPLIT": ([3, 111], [2734786411, 3247382110, 3522028852]),
    "SKETCH": ([3, 14], [2641011806, 4010697811, 1216262561]),
    "RANDOM_PATCHES": ([1, 3, 5, 99, 1], [2515897280, 1418961082, 2953521012]),
    "OTHER_CLASS": ([2, 3, 5, 99, 1], [4005327046, 260429871, 1124218514]),
    "CHANCE_PATCHES": ([3, 5, 99, 1, 15], [2081720525, 3609013316, 2954584240]),
    "RESAMPLED_IMAGES": ([3, 5, 16], [1064855363, 1175439508, 2945252898]),
    "OUTLIER_HALVES": ([3, 5, 29], [693401964, 1039461890, 2390920120]),
    "REMOVAL_IMAGES": ([3, 5, 27], [1432216663, 3419924825, 2102259681]),
    "RANDOM_REMOVAL": ([3, 7, 28], [872433302, 2523558220, 348218407]),
    "COMPONENT_ORDERS": ([3, 7, 17], [4152051819, 1134920971, 277500086]),
    "OTHER_COMPONENTS": ([3, 5, 18], [3692011951, 3263625818, 3888531761]),
    "SOBOL_DESIGNS": ([3, 19], [2916813781, 657486693, 103151077]),
    "HALVES": ([3, 5, 23], [1695665390, 3072148858, 2667256550]),
    "REDRAWN_IMAGES": ([3, 5, 24], [389416247, 2328839195, 479722557]),
    "REDRAWN_NOISE": ([3, 2, 25], [3576630874, 1411695569, 43282481]),
    "COMPARED_CLASSES": ([3, 5, 26], [695784393, 1738925199, 3161128777]),
    "HELD_OUT_FEATURES": ([3, 5, 11], [1457456068, 1001534123, 3563360008]),
    "PLANE_START": ([3, 5, 6, 21], [641199197, 3791817430, 535491605]),
    "RANDOM_NORMAL": ([3, 5, 6, 22], [1806297384, 4072264401, 212565023]),
    "CONTRASTED_PAIRS": ([3, 2, 31], [3981644458, 3795098340, 415802136]),
    "CONTRASTED_IMAGES": ([3, 5, 32], [800570934, 4162762103, 2411127612]),
    "HIDING_ORDER": ([3, 5, 6, 41], [3602865060, 1176791881, 4116999298]),
    "SHUFFLED_CROP": ([3, 7, 51], [3871682855, 3051804798, 3894863094]),
    "CLUSTER_CENTRES": ([3, 5, 71], [3754823514, 444070057, 1301823214]),
    "CONCEPT_CAVS": ([3, 5, 72, 4], [3672108611, 2538974032, 2968544370]),
    "RANDOM_CAVS": ([3, 5, 73], [1225170136, 712581056, 1332687687]),
    "CHANCE_SEGMENTS": ([3, 5, 74], [1954011807, 2283706234, 479610046]),
    "CHANCE_CAVS": ([3, 5, 74, 4], [3513635209, 2292882932, 2439609995]),
    "OTHER_IMAGES": ([3, 75], [3322270260, 99506902, 1771187938]),
    "RANDOM_DIRECTIONS": ([3, 7, 61], [2827287550, 2452537137, 2273992169]),
    "RANDOM_DONOR": ([3, 7, 63], [1500300260, 1118400098, 3497001537]),
    "OTHER_PICTURES": ([3, 64], [2491200310, 1170096516, 810748066]),
    "AUTOENCODER_ORDER": ([3, 2, 93], [3330775285, 3039829054, 715127670]),
    "NORMAL_CODES": ([3, 2, 94], [55269214, 1914317536, 179089853]),
    "WATCHED_PICTURES": ([3, 95], [1334923715, 2768222066, 2477387217]),
    "STRATIFIED_RESAMPLES": ([3, 96], [499473952, 847839199, 2490661119]),
    "LATENT_MAP": ([3, 97], [1324526899, 3610543744, 3802460270]),
    "RANDOM_MAPS": ([3, 4, 101], [3782064452, 211371572, 228083936]),
    "EQUAL_VALUES": ([3, 4, 102], [176220323, 476527704, 3843950863]),
    "IMPUTATION_NOISE": ([3, 4, 250000, 103], [1053631299, 3298669200, 2412155449]),
    "RANDOM_WEIGHTS": ([3, 8, 104], [1496373347, 511391392, 755017769]),
    "ROTATED_NOISE": ([3, 7, 98], [2547541499, 75789759, 2629752468]),
    "REGRESSOR_ANGLES": ([3, 2, 151], [554335733, 3698381486, 249763471]),
    "REDRAWN_ROTATIONS": ([3, 2, 155], [228983573, 3437657071, 2795209667]),
    "RESAMPLED_ENDS": ([3, 152], [1200527345, 2984564039, 3796037098]),
    "SHUFFLED_ROTATIONS": ([3, 153], [3623783457, 3916620011, 4002758193]),
    "RESAMPLED_CURVES": ([3, 154], [514608875, 711922556, 2430827904]),
    "SHORTCUT_CHANCE": ([3, 156], [1711872554, 2075871419, 916553229]),
    "MOVED_REGION": ([3, 4, 1, 2, 105], [1873220818, 4231483488, 3489226555]),
}

WITHOUT_NUMBER = {
    # Every [seed, key] meets every [seed, number] where the key is that number, and [seed] where the key is 0.
    "CLASS_IMAGES": "another number would change which images explain a class in all committed results",
    "FOLDER_SPLIT": "another number would change the split of the photographs in committed results",
}
SEED_ALONE = {
    "RESAMPLED_MEANS": "intervals of committed tables; a resample and a picture have nothing to do with each other",
    "PICTURE_SEEDS": "all pictures of digit_pairs in committed results",
}
SEED_AND_NUMBER = {
    "DIGIT_PAIRS_SPLIT", "DECODER_ROWS", "SLIDE_SPLIT", "DIGITS_SPLIT", "ROTATED_DIGITS_SPLIT", "COLLAGE_DIGITS",
    "OTHER_IMAGES", "WATCHED_PICTURES", "STRATIFIED_RESAMPLES", "LATENT_MAP", "SKETCH", "RESAMPLED_ENDS",
    "SHUFFLED_ROTATIONS", "RESAMPLED_CURVES", "SHORTCUT_CHANCE", "OTHER_PICTURES",
    "SOBOL_DESIGNS",
}  # fmt: skip
# [seed, class, 72 or 74, concept] is [seed, first, second, number] where second is 72 or 74 and concept is the number.
# That takes 75 classes and 22 concepts of one class. Other numbers would change the committed scores of ACE.
NUMBER_INSIDE = {
    ("PLANE_START", "CONCEPT_CAVS"), ("RANDOM_NORMAL", "CONCEPT_CAVS"), ("HIDING_ORDER", "CONCEPT_CAVS"),
    ("PLANE_START", "CHANCE_CAVS"), ("RANDOM_NORMAL", "CHANCE_CAVS"), ("HIDING_ORDER", "CHANCE_CAVS"),
    ("CHANCE_SEGMENTS", "CHANCE_CAVS"),  # concept 0: numpy does not see a zero at the end
}  # fmt: skip
KNOWN_LIBRARY_SEEDS = {
    # The same numbers, drawn by different networks or by generators of different libraries. Others would change
    # the weights of all trained networks in committed results.
    ("seed",): {
        "NETWORK_WEIGHTS", "NMF_START", "SEMI_NMF_START", "DECODER_WEIGHTS", "AUTOENCODER_WEIGHTS", "CRITIC_WEIGHTS",
        "CAM_LIBRARY", "REGRESSOR_WEIGHTS",
    },
    ("seed", "epoch"): {"TRAINING_ORDER", "TRAINING_DROPOUT", "DECODER_ORDER", "DECODER_EDITS"},
}  # fmt: skip

WORDS = range(2**32)
VALUES = {
    "selection": range(2),
    "split": range(2),
    "millionths": range(10_000, 1_000_000),
    "epoch": range(1, 2**32),
}


def words(stream):
    """What each number of a stream's sequence can be; zeros at the end of fewer than four are not seen by numpy."""
    names = ("seed", "picture", "concept", "draw", 105) if stream is Stream.MOVED_REGION else stream.sequence
    possible = [range(part, part + 1) if isinstance(part, int) else VALUES.get(part, WORDS) for part in names]
    return possible + [range(1)] * (4 - len(possible))


def can_meet(one, other):
    """Whether some keys give both streams one sequence."""
    pairs = list(zip(words(one), words(other), strict=False))
    same_length = len(words(one)) == len(words(other))
    return same_length and all(max(a.start, b.start) < min(a.stop, b.stop) for a, b in pairs)


def first_draws(stream, keys):
    if stream is Stream.PICTURE_SEEDS or stream is Stream.ATTRIBUTION_NOISE:
        return drawn_seeds(stream, *keys, count=3).tolist()
    return generator(stream, *keys).integers(2**32, size=3).tolist()


def keys_of(stream, sequence):
    """The keys among a sequence's numbers."""
    if stream is Stream.MOVED_REGION:
        return sequence[:-1]
    return [number for part, number in zip(stream.sequence, sequence, strict=True) if isinstance(part, str)]


@pytest.mark.parametrize("stream", Stream, ids=lambda stream: stream.name)
def test_every_stream_draws_what_it_drew_before_the_table(stream):
    sequence, draws = DRAWN[stream.name]
    keys = keys_of(stream, sequence)

    assert sequence_of(stream, *keys) == sequence
    assert first_draws(stream, keys) == draws


def test_no_two_streams_can_meet_but_the_known_ones():
    streams = [stream for stream in Stream if stream is not Stream.SCENE]  # its key is 63 random bits
    meeting = {frozenset((a.name, b.name)) for a, b in combinations(streams, 2) if can_meet(a, b)}

    short = [*WITHOUT_NUMBER, *SEED_ALONE, *SEED_AND_NUMBER]
    known = {frozenset((a, b)) for a in WITHOUT_NUMBER for b in short if a != b}
    known |= {frozenset(SEED_ALONE)} | {frozenset(pair) for pair in NUMBER_INSIDE}
    assert meeting == known


def test_numbers_are_not_zero_and_streams_of_one_shape_have_different_ones():
    numbered = [tuple(part if isinstance(part, int) else "key" for part in stream.sequence) for stream in Stream]
    numbers = [shape for shape in numbered if set(shape) != {"key"}]

    assert all(part != 0 for shape in numbers for part in shape)
    assert len(set(numbers)) == len(numbers)


def test_numpy_takes_zeros_at_the_end_for_nothing_up_to_four_numbers():
    def draw(*sequence):
        return np.random.default_rng(sequence).integers(2**62)

    assert draw(5) == draw(5, 0) == draw(5, 0, 0, 0) != draw(0, 5)
    assert draw(5, 6, 7, 8) != draw(5, 6, 7, 8, 0)


def test_seeds_of_libraries_are_those_of_before_and_meet_where_it_is_known():
    by_keys = {}
    for stream in LibrarySeed:
        by_keys.setdefault(stream.keys, set()).add(stream.name)

    assert by_keys == KNOWN_LIBRARY_SEEDS
    assert library_seed(LibrarySeed.TRAINING_ORDER, 3, 4) == 3_000_013
    assert library_seed(LibrarySeed.CAM_LIBRARY, 3) == 3


@pytest.mark.parametrize("draw", [lambda: generator(Stream.PLANE_START, 0, 1), lambda: generator(Stream.SCENE, 0, 1)])
def test_a_missing_or_a_superfluous_key_is_named(draw):
    with pytest.raises(ConceptrastError, match=r"stream \w+ takes the keys .*seed.*; got 2 keys"):
        draw()


@pytest.mark.parametrize(("stream", "epoch"), [(LibrarySeed.TRAINING_ORDER, None), (LibrarySeed.NMF_START, 1)])
def test_a_missing_or_a_superfluous_epoch_is_named(stream, epoch):
    with pytest.raises(ConceptrastError, match=f"stream {stream.name} takes the keys {', '.join(stream.keys)}"):
        library_seed(stream, 0, epoch)


def test_every_stream_is_used_where_the_table_says():
    name_of_stream = re.compile(r"\b(?:Stream|LibrarySeed)\.\w+")
    users = {f"{type(stream).__name__}.{stream.name}": set() for stream in (*Stream, *LibrarySeed)}
    for path in SOURCES.rglob("*.py"):
        if path.name != "streams.py":
            for name in set(name_of_stream.findall(path.read_text())) & set(users):
                users[name].add(path.relative_to(SOURCES).as_posix())
    for stream in (*Stream, *LibrarySeed):
        assert users[f"{type(stream).__name__}.{stream.name}"] == {stream.used_in}, stream


def test_nothing_is_drawn_beside_the_table():
    """Examples of docstrings may; so may the three places that the table names, whose seed is 0."""
    beside = re.compile(
        r"default_rng\(|SeedSequence\(|manual_seed\((?!library_seed|int\(drawn\)|drawn\))|random\.seed\((?!library_seed)"
        r"|random_state=(?!library_seed|start|state)"
    )
    lines = {
        (path.relative_to(SOURCES).as_posix(), line.strip())
        for path in SOURCES.rglob("*.py")
        if path.name != "streams.py"
        for line in path.read_text().splitlines()
        if beside.search(line) and not line.lstrip().startswith((">>>", "..."))
    }
    assert sorted(name for name, _ in lines) == ["data/loading.py", "models/layouts.py", "models/split.py"]
    assert all("manual_seed(0)" in line for _, line in lines)


# What functions of the rooms gave before the table, all with the seed 3.
GIVEN = {
    "bootstrap_interval": (3.2333333333333334, 4.866666666666667),
    "class_images": [9, 17, 23, 33],
    "drawn_rows": [8, 17, 27, 38],
    "digit_pool": [3828, 3965, 3859, 3818],
    "draw_scene": 3974,
    "pictures": ["seed:6233904063939786893", "seed:6436127055931898620", "seed:7620388560794672342"],
    "midog": ["d", "f", "g"],
    "rotations": [67.730562, 50.607748],
    "digit_split": [2024, 2195, 2116, 2254],
    "digit_orders": [2735, 2786, 2569, 2575],
    "Smoothing.draw": [0.4569599926471710, 1.02806997299194336, 0.15970999002456665],
    "features": [1.0, 2.0, 6.0, 7.0],
    "start": [0.5414299964904785, 0.5555400252342224],
    "random_hyperplane": [-2.8131000995635986, 4.133600234985352],
    "draw_pairs": [(3, 7), (8, 5), (5, 7)],
    "drawn_images": [6, 7, 21, 36],
    "random_ranks": [1, 4, 3, 0, 5, 2],
    "other_images": [3, 5, 7, 35],
    "random_twin": [-0.9206500053405762, -1.0735000371932983],
    "drawn_others": [0, 2, 3, 4],
    "split_held_out": [27, 6, 19],
    "random_maps": [[0.0, 1.0]],
    "elsewhere": [[4, 0]],
}


def of_functions():
    predictions = pd.DataFrame({"image": range(40), "predicted": [0, 1] * 20})
    splits = pd.DataFrame({"image": range(40), "split": "train"})
    plane = Hyperplane(np.array([3.0, 4.0], np.float32), 0.0)
    region = torch.arange(64).reshape(8, 8) == 9
    midog = object.__new__(Midog)
    midog.seed = 3
    midog.validation = 0.3
    held_out = Features(np.arange(9.0).reshape(9, 1), np.arange(9)).split(target=5, share=0.4, seed=3)[1]
    noise = Smoothing(samples=1, seed=3).draw(np.array([7]), (3, 1, 1))
    twin = random_twin(Edit("map", "none", "one", "layer", torch.ones(2, 1, 1)), 3, 7, "map")
    return {
        "bootstrap_interval": bootstrap_interval(np.arange(9.0), resamples=5, seed=3),
        "class_images": class_images(predictions, 1, 4, seed=3, n_classes=2)[0][1].tolist(),
        "drawn_rows": drawn_rows(splits, "train", 4, seed=3)["image"].tolist(),
        "digit_pool": digit_pool(3)["train"][7][:4].tolist(),
        "draw_scene": draw_scene(7**20, (3, 7), digit_pool(3)["train"]).placed[1].source,
        "pictures": DigitPairs(train=2, validation=1, seed=3).build_index().table["path"].tolist(),
        "midog": sorted(name for name, split in midog._splits(list("abcdefghi")).items() if split == "validation"),
        "rotations": rotations(np.arange(2), np.zeros(2), "biased", seed=3).round(6).tolist(),
        "digit_split": digit_split((3, 4), 3)["train"][1][:4].tolist(),
        "digit_orders": digit_orders(3)[5][:4].tolist(),
        "Smoothing.draw": noise.flatten().numpy().round(5).tolist(),
        "features": held_out.ravel().tolist(),
        "start": _start([(5, 6)], 2, "random", 3)[0][0].numpy().round(5).tolist(),
        "random_hyperplane": random_hyperplane(plane, np.zeros(2), 3, (5, 6)).normal.round(4).tolist(),
        "draw_pairs": draw_pairs(range(9), 3, 2, seed=3)[1],
        "drawn_images": drawn_images(np.arange(40), 5, 4, seed=3).tolist(),
        "random_ranks": random_ranks((1, 2, 3), 3, (5, 6)).ravel().tolist(),
        "other_images": other_images(predictions, [0], 4, seed=3)[0].tolist(),
        "random_twin": twin.change.flatten().numpy().round(5).tolist(),
        "drawn_others": drawn_others(predictions, seed=3)[0][:4].tolist(),
        "split_held_out": split_held_out(30, seed=3)[1].tolist(),
        "random_maps": random_maps(2, (1, 2), (1, 2), seed=3)[1].round(5).tolist(),
        "elsewhere": elsewhere(region, [3, 4, 1, 2]).nonzero().tolist(),
    }


def test_functions_draw_what_they_drew_before_the_table():
    given = of_functions()

    assert given.keys() == GIVEN.keys()
    for name, values in GIVEN.items():
        if name in ("midog", "pictures"):
            assert given[name] == values, name
        else:
            assert given[name] == pytest.approx(values) if np.ndim(values) < 2 else given[name] == values, name
