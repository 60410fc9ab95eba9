"""ACE: segments and their activations, clusters, the test of concepts whose direction is known, the true concepts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from conceptrast.ace.cav_arrays import cav_arrays, strongest_cav
from conceptrast.ace.class_concepts import other_images
from conceptrast.ace.clustering import clusters_of, why_dropped
from conceptrast.ace.concepts import Concepts, concepts_of_class
from conceptrast.ace.options import AceOptions
from conceptrast.ace.recovery import labels_of, recovery_table, things_in_segments, with_shown_things
from conceptrast.ace.segments import Segments, pooled, segments_of
from conceptrast.ace.superpixels import superpixels
from conceptrast.data.loose_pictures import as_dataset
from conceptrast.models.model import Model
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

from .coloured import COLOURS, INPUT, colour_network, coloured

SETTINGS = AceOptions(segments=(4,), segments_as=("in_place",), images=12, random_images=12, clusters=3, min_segments=6)


def opened(pictures: list[Image.Image], batch_size: int = 32) -> Pictures:
    dataset, table = as_dataset(pictures)
    return Pictures(dataset, table, Model("colours", colour_network(), INPUT, COLOURS), batch_size)


def test_pooling_counts_positions_by_the_share_that_a_segment_covers():
    """Left column of two positions fully covered, the right one by a quarter: (1·10 + 0.25·2) / 1.25."""
    mask = torch.tensor([[[True, True, True, False], [True, True, False, False]]])
    means = pooled(torch.tensor([[[[10.0, 2.0]]]]), mask)
    assert means.item() == pytest.approx((10 + 0.25 * 2) / 1.25)


def test_segments_are_those_of_the_picture_and_their_activations_those_of_the_segment_alone():
    pictures = opened(coloured(3))
    split = SplitModel(pictures.model, "1")
    segments = segments_of(
        pictures=pictures, split=split, images=np.array([2, 0]), sizes=(4,), shapes=("in_place", "resized")
    )
    assert segments.table["image"].drop_duplicates().tolist() == [2, 0]
    view = pictures.by_id(np.array([0]))[0]
    mask = superpixels(view.permute(1, 2, 0).numpy(), (4,))[1]
    alone = np.where(mask[..., None], view.permute(1, 2, 0).numpy(), 51)  # 51 is the mean, 0.2, as a byte
    inputs = INPUT.normalise(torch.from_numpy(alone).permute(2, 0, 1)[None])
    expected = pooled(split.prefix(inputs), torch.from_numpy(mask)[None])
    row = segments.table.query("image == 0 and segment == 1").index[0]
    np.testing.assert_allclose(segments.activations["in_place"][row], expected[0].numpy(), rtol=1e-5, atol=1e-6)
    assert not np.allclose(segments.activations["in_place"], segments.activations["resized"])


def test_the_size_of_batches_changes_nothing():
    one, other = (
        segments_of(
            pictures=pictures,
            split=SplitModel(pictures.model, "1"),
            images=np.arange(4),
            sizes=(4, 9),
            shapes=("resized",),
        )
        for pictures in (opened(coloured(4)), opened(coloured(4), batch_size=2))
    )
    pd.testing.assert_frame_equal(one.table, other.table)
    np.testing.assert_allclose(one.activations["resized"], other.activations["resized"], rtol=1e-5, atol=1e-6)


def test_an_image_without_superpixels_is_listed_and_logged(caplog):
    pictures = opened(coloured(3, constant=1))
    segments = segments_of(
        pictures=pictures, split=SplitModel(pictures.model, "1"), images=np.arange(3), sizes=(4,), shapes=("resized",)
    )
    assert segments.bare == [1]
    assert set(segments.table["image"]) == {0, 2}
    assert "image 1 has no superpixels" in caplog.text
    assert segments.of(np.array([0, 1])).bare == [1]
    assert segments.of(np.array([0, 2])).bare == []


def test_only_images_without_superpixels_give_no_segments():
    pictures = opened(coloured(1, constant=0))
    segments = segments_of(
        pictures=pictures, split=SplitModel(pictures.model, "1"), images=np.arange(1), sizes=(4,), shapes=("resized",)
    )
    assert len(segments.table) == len(segments.activations["resized"]) == 0
    assert segments.bare == [0]


@pytest.mark.parametrize(
    ("n_segments", "spread", "n_images", "kept"),
    [
        (20, 11, 100, True),  # more images than half its segments
        (20, 10, 100, False),
        (60, 26, 100, True),  # more than a quarter of both
        (60, 25, 100, False),
        (120, 26, 100, False),
        (300, 51, 100, True),  # more than a tenth of its segments, and half of all images
        (300, 50, 100, False),
        (600, 51, 100, False),
        (9, 9, 9, False),  # too small
    ],
)
def test_clusters_are_kept_by_size_and_spread(n_segments, spread, n_images, kept):
    assert (why_dropped(n_segments, spread, n_images, min_segments=10) == "") is kept


def blobs(n: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Three clusters of ``n`` segments each around unit vectors, one segment an image; and background noise."""
    draw = np.random.default_rng(1)
    centres = np.repeat(5 * np.eye(6)[:3], n, axis=0)
    return centres + draw.normal(0, 0.2, centres.shape), draw.normal(0, 0.2, (60, 6))


def segments(rows: np.ndarray, images: np.ndarray | None = None, **columns: object) -> Segments:
    images = np.arange(len(rows)) if images is None else images
    table = pd.DataFrame({"image": images, "segment": 0, **columns})
    return Segments(table, {"in_place": rows.astype(np.float32)})


def test_clusters_have_their_nearest_members_first():
    rows, _ = blobs()
    clusters = clusters_of(rows, np.arange(30), replace(SETTINGS, max_segments=4), seed=3)
    assert sorted(cluster.n_segments for cluster in clusters) == [10, 10, 10]
    for cluster in clusters:
        [blob] = set(cluster.members // 10)
        blob_rows = rows[10 * blob : 10 * blob + 10]
        distances = np.linalg.norm(blob_rows - blob_rows.mean(axis=0), axis=1)
        assert (cluster.members - 10 * blob).tolist() == np.argsort(distances)[:4].tolist()
        assert (cluster.n_images, cluster.reason) == (10, "")


def concepts(seed: int = 0, settings: AceOptions = SETTINGS, **columns: object) -> Concepts:
    """Blob 0 lies where the logit rises, blob 1 where it falls, blob 2 where nothing happens."""
    rows, noise = blobs()
    gradients = np.zeros((20, 6))
    gradients[:, 0] = 1
    gradients[:, 1] = -1
    # Along the third axis half of the images rise and half fall.
    gradients[:, 2] = np.tile([4, -4], 10)
    return concepts_of_class(
        target=7,
        shape="in_place",
        segments=segments(rows, **columns),
        others=segments(noise),
        gradients=gradients,
        options=settings,
        seed=seed,
    )


def test_concepts_speak_for_and_against_as_their_directions_do():
    class_concepts = concepts()
    kept = class_concepts.table[(class_concepts.table["baseline"] == "none") & (class_concepts.table["status"] == "ok")]
    blob = [int(members[0]) // 10 for members in class_concepts.members]
    assert dict(zip(blob, kept["speaks"], strict=True))[0] == "for"
    assert dict(zip(blob, kept["speaks"], strict=True))[1] == "against"
    assert kept["concept"].tolist() == [1, 2, 3]
    assert kept["tcav"].tolist() == sorted(kept["tcav"], reverse=True)
    by_blob = dict(zip(blob, class_concepts.tested.cavs, strict=True))
    for number, cav in by_blob.items():
        assert cav[number] > 0.95
        assert np.linalg.norm(cav) == pytest.approx(1)
    derivatives = dict(zip(blob, kept["derivative"], strict=True))
    assert derivatives[0] == pytest.approx(by_blob[0] @ [1, -1, 0, 0, 0, 0], abs=0.05)
    assert (kept["cav_accuracy"] > 0.95).all()
    assert (kept["p_corrected"] >= kept["p_value"]).all()
    assert (kept["tcav_random"] == class_concepts.random.mean()).all()


def test_every_concept_has_a_chance_row_of_its_own_size():
    class_concepts = concepts()
    chance = class_concepts.table[class_concepts.table["baseline"] == "random_segments"]
    assert len(chance) == 3
    assert [len(rows) for rows in class_concepts.chance] == [len(rows) for rows in class_concepts.members]
    assert all(len(set(rows // 10)) > 1 for rows in class_concepts.chance)  # drawn from all blobs


def test_the_same_seed_gives_the_same_table_and_another_seed_other_draws():
    pd.testing.assert_frame_equal(concepts().table, concepts().table)
    np.testing.assert_array_equal(concepts().tested.cavs, concepts().tested.cavs)
    assert not np.array_equal(concepts().random, concepts(seed=1).random)


def test_dropped_clusters_and_images_without_superpixels_are_rows_with_reasons():
    rows, noise = blobs()
    of_class = replace(segments(rows, images=np.repeat([0, 1, 2], 10)), bare=[8, 9])
    class_concepts = concepts_of_class(
        target=7,
        shape="in_place",
        segments=of_class,
        others=segments(noise),
        gradients=np.ones((2, 6)),
        options=SETTINGS,
        seed=0,
    )
    assert set(class_concepts.table["status"]) == {"skipped"}
    assert class_concepts.table["reason"].tolist() == [
        "no cluster is kept: see the rows of its clusters",
        "2 image(s) without superpixels (one colour, or one segment) are left out: 8, 9",
        *["10 segments from 1 of 3 images: from too few images"] * 3,
    ]
    assert class_concepts.table["n_segments"].dropna().tolist() == [10, 10, 10]
    assert cav_arrays([class_concepts], ["x"] * 8)["cavs"].shape[0] == 0


@pytest.mark.parametrize(
    ("n_own", "n_random", "reason"),
    [
        (5, 60, "its images have 5 segments, fewer than ace.min_segments = 6"),
        (30, 11, "images of other classes have 11 segments; twice ace.min_segments are needed"),
    ],
)
def test_too_few_segments_are_a_skipped_row(n_own, n_random, reason):
    rows, noise = blobs()
    of_class = segments(rows[:n_own])
    others = segments(noise[:n_random])
    class_concepts = concepts_of_class(
        target=7,
        shape="in_place",
        segments=of_class,
        others=others,
        gradients=np.ones((2, 6)),
        options=SETTINGS,
        seed=0,
    )
    assert class_concepts.table[["status", "reason"]].to_numpy().tolist() == [["skipped", reason]]
    assert class_concepts.examples(of_class).empty


def test_the_strongest_cav_speaks_for_its_class_and_ties_go_to_the_derivative():
    class_concepts = concepts()
    arrays = cav_arrays([class_concepts], [f"class {number}" for number in range(8)])
    name, cav = strongest_cav(arrays, 7)
    assert name == "class 7: concept 1"
    assert int(cav.argmax()) == 0
    assert arrays["scores"].shape == arrays["random_scores"].shape == (3, SETTINGS.draws)
    assert strongest_cav(arrays, 6) is None
    assert strongest_cav(arrays | {"tcav": np.zeros(3)}, 7) is None  # all speak against
    assert strongest_cav(arrays | {"significant": np.zeros(3, bool)}, 7) is None
    tied = arrays | {"tcav": np.ones(3), "significant": np.ones(3, bool), "derivative": np.array([0.1, 0.2, 0.9])}
    assert strongest_cav(tied, 7)[0] == "class 7: concept 3"


def test_other_images_are_none_of_the_class_and_shared_where_they_can():
    predictions = pd.DataFrame({"image": np.arange(100) + 50, "predicted": np.arange(100) % 4})
    images_of_others = other_images(predictions, [0, 1], 30, seed=2)
    for target, images in images_of_others.items():
        assert len(set(images)) == 30
        assert not ((images - 50) % 4 == target).any()
    assert len(set(images_of_others[0]) | set(images_of_others[1])) < 45
    assert len(other_images(predictions, [0], 1000, seed=2)[0]) == 75


def test_a_segment_shows_what_it_overlaps_with():
    masks = np.zeros((5, 20, 20), bool)
    masks[0, 2:6, 2:6] = True  # a piece inside the box of the 3
    masks[1, :12, :12] = True  # all of the 3, and more
    masks[2, :5, :2] = True  # beside it
    masks[3, 14:18, :] = True  # the 7, which covers more of it than ...
    masks[4, 8:, 8:14] = True  # ... this one, half of whose pixels lie in no box
    boxes = np.array([[1, 1, 8, 8], [14, 10, 4, 6]])
    assert things_in_segments(masks, boxes, ["3", "7"]) == ["3", "3", "texture", "7", "7"]
    assert things_in_segments(masks, np.empty((0, 4), int), []) == ["texture"] * 5
    truth = pd.DataFrame([(4, "3", 1, 1, 8, 8)], columns=["image", "concept", "top", "left", "height", "width"])
    assert labels_of(truth)(4, masks)[:2] == ["3", "3"]
    assert labels_of(truth)(5, masks)[:2] == ["texture"] * 2


def test_concepts_are_described_by_what_most_of_their_segments_show():
    names = np.repeat(["3", "portrait", "texture"], 10)
    names[:3] = "7"
    class_concepts = concepts(shows=names)
    table = with_shown_things(class_concepts, segments(np.zeros((30, 6)), shows=names), own_things=["3", "7"])
    kept = table[(table["baseline"] == "none") & (table["status"] == "ok")]
    by_blob = {
        int(members[0]) // 10: row for members, (_, row) in zip(class_concepts.members, kept.iterrows(), strict=True)
    }
    assert [by_blob[0][key] for key in ("shows", "purity", "role")] == ["3", 0.7, "own"]
    assert [by_blob[1][key] for key in ("shows", "purity", "role")] == ["portrait", 1, "other"]
    assert [by_blob[2][key] for key in ("shows", "role")] == ["texture", "texture"]
    assert set(table["true_concepts"]) == {"3, 7"}
    assert table.loc[table["baseline"] == "random_segments", "purity"].notna().all()


def test_recovery_counts_by_hand():
    rows = [
        ("3+7", "ok", "3", "own", "for", 1.0), ("3+7", "ok", "3", "own", "for", 0.8),
        ("3+7", "ok", "7", "own", "neither", 0.6), ("3+7", "ok", "texture", "texture", "against", 1.0),
        ("3+7", "skipped", None, None, None, None), ("3+8", "ok", "portrait", "other", "for", 0.5),
        ("3+8", "ok", "8", "own", "for", 0.9),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["class_name", "status", "shows", "role", "speaks", "purity"])
    digits = table["class_name"].map({"3+7": "3, 7", "3+8": "3, 8"})
    recovered = recovery_table(table.assign(segments_as="resized", baseline="none", true_concepts=digits))
    assert recovered["class_name"].tolist() == ["3+7", "3+8", "all classes"]
    counts = ["n_concepts", "own", "own_for", "other_for", "texture", "texture_for", "texture_against"]
    assert recovered[counts].to_numpy().tolist() == [
        [4, 3, 2, 0, 1, 0, 1],
        [2, 1, 1, 1, 0, 0, 0],
        [6, 4, 3, 1, 1, 0, 1],
    ]
    assert recovered["own_share"].tolist() == [1, 0.5, 0.75]
    assert recovered[["n_true", "n_found"]].to_numpy().tolist() == [[2, 1], [2, 1], [4, 2]]
    assert recovered["purity"].round(6).tolist() == [0.85, 0.7, 0.8]
    assert ((recovered["low"] < recovered["own_share"]) & (recovered["own_share"] <= recovered["high"])).all()


def test_nothing_that_speaks_for_a_class_leaves_the_share_open():
    row = {"class_name": "3+7", "segments_as": "resized", "baseline": "none", "status": "ok", "purity": 1.0}
    texture = row | {"shows": "texture", "role": "texture", "speaks": "neither", "true_concepts": ""}
    recovered = recovery_table(pd.DataFrame([texture]))
    assert recovered["own_share"].isna().all()
    assert recovered[["low", "high", "n_true"]].to_numpy().tolist() == [[0, 1, 0]] * 2
    assert recovery_table(pd.DataFrame([row | {"status": "skipped"}])).empty
