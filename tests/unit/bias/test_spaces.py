"""Codes of both networks, positions along their direction, and the step that compares them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from conceptrast.base.errors import LayerError
from conceptrast.base.files import read_arrays, read_table, write_json, write_table
from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.discriminant import Discriminant, discriminant_direction
from conceptrast.bias.latent_space import LatentSpace, Source, latent_space
from conceptrast.bias.spaces import decoded, encode_autoencoder, encode_resnet
from conceptrast.data.dataset import open_dataset
from conceptrast.figures.latent_bias import draw_maps, draw_navigation, draw_rotations, tsne, turned_right
from conceptrast.models import load_model
from conceptrast.models.weights import write_state
from conceptrast.steps import latent_bias as step
from conceptrast.steps.runner import call

ENTRIES = {
    name: {"kind": "rotated_pair", "train": 30, "validation": 24, "biased": name == "biased"}
    for name in ("biased", "control")
}


def source(condition: str = "biased") -> Source:
    dataset = open_dataset(ENTRIES[condition])
    return Source(dataset, dataset.build_index().table, batch_size=16)


def batches(n: int, size: int):
    views = torch.randint(0, 255, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return [(np.arange(n)[start : start + 4], views[start : start + 4]) for start in range(0, n, 4)], views


def test_codes_of_the_autoencoder_do_not_depend_on_batches_and_give_its_probability():
    network = Autoencoder(8).eval()
    parts, views = batches(10, 8)
    found = encode_autoencoder(network, parts)
    passed = network(views.float() / 255)
    np.testing.assert_allclose(found.codes, passed.codes.detach(), atol=1e-5)
    np.testing.assert_allclose(found.probability, passed.logits.sigmoid().detach(), atol=1e-5)
    assert found.images.tolist() == list(range(10))


def test_codes_of_a_resnet_are_what_its_last_layer_gets():
    model = load_model("resnet10", class_names=["a", "b"], input_size=32, seed=2)
    parts, views = batches(6, 32)
    found = encode_resnet(model, parts)
    assert found.codes.shape == (6, 512)
    logits = torch.from_numpy(found.codes) @ model.module.fc.weight.T + model.module.fc.bias
    torch.testing.assert_close(logits, model.module(model.preprocess.normalise(views)), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found.probability, logits.softmax(1)[:, 1].detach(), atol=1e-5)


def test_a_network_without_pooled_features_is_refused():
    model = load_model("squeezenet1_1", class_names=["a", "b"], input_size=32)
    with pytest.raises(LayerError, match="unknown layer 'avgpool'"):
        encode_resnet(model, batches(2, 32)[0])


def test_the_direction_is_fitted_on_training_pictures_and_places_validation_pictures():
    given, network = source(), Autoencoder(8).eval()
    space = latent_space(network, given)
    train = given.table[given.table["split"] == "train"]
    codes = encode_autoencoder(network, given.batches(train, step_preprocess())).codes
    np.testing.assert_allclose(space.direction.unit, discriminant_direction(codes, train["label"].to_numpy()).unit)
    validation = given.table[given.table["split"] == "validation"]
    assert space.positions["image"].tolist() == validation["image"].tolist()
    assert space.positions["rotation"].tolist() == validation["rotation"].tolist()
    np.testing.assert_allclose(space.positions["position"], space.direction.positions(space.codes))


def step_preprocess():
    from conceptrast.bias.autoencoder import plain_preprocess

    return plain_preprocess(8)


def test_decoding_takes_negative_places_as_zero():
    network, codes = Autoencoder(8).eval(), np.random.default_rng(0).normal(size=(3, 128))
    found = decoded(network, codes)
    assert found.shape == (3, 8, 8, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, decoded(network, codes.clip(min=0)))


def test_maps_are_turned_so_that_positions_rise_to_the_right():
    rng = np.random.default_rng(0)
    places = rng.normal(size=(200, 2)) + 7
    turned, start, end, explained = turned_right(places, 5 - 3 * places[:, 1])
    np.testing.assert_allclose(turned[:, 0], -(places[:, 1] - places[:, 1].mean()))
    assert start < 0 < end
    assert explained == pytest.approx(1)
    distances = [np.linalg.norm(each - each[0], axis=1) for each in (places, turned)]
    np.testing.assert_allclose(*distances)  # turned, not stretched
    assert turned_right(places, rng.normal(size=200))[3] < 0.1


def test_maps_follow_the_seed():
    codes = np.random.default_rng(0).normal(size=(20, 5))
    assert np.array_equal(tsne(codes, 1), tsne(codes, 1))
    assert tsne(codes[:5], 0).shape == (5, 2)


def test_panels_of_rotations_print_the_correlation_within_each_class():
    space = latent_space(Autoencoder(8).eval(), source())
    turned = space.positions.assign(position=space.positions["rotation"])
    told = type(space)(space.direction, space.codes, turned)
    keys = [(condition, network) for condition in ENTRIES for network in ("autoencoder", "resnet")]
    figure = draw_rotations(dict.fromkeys(keys, told), "digits")
    said = [text.get_text() for axes in figure.axes[1:] for text in axes.texts]
    assert said == ["ρ = +1.00 in 3, ρ = +1.00 in 4"] * 4


def test_the_step_writes_codes_positions_and_figures(tmp_path):
    indices, weights = [], []
    for condition in ENTRIES:
        indices.append(tmp_path / f"{condition}.parquet")
        write_table(source(condition).table, indices[-1])
    resnet = {"architecture": "resnet10", "input_size": 8, "train": {"dataset": ""}}
    for condition in ENTRIES:
        for network in ("autoencoder", "resnet"):
            for seed in (0, 1):
                weights.append(tmp_path / f"{condition}-{network}-{seed}.safetensors")
                module = (
                    Autoencoder(8, seed)
                    if network == "autoencoder"
                    else load_model("resnet10", class_names=["3", "4"], input_size=8, seed=seed).module
                )
                write_state(module.state_dict(), weights[-1])
    write_json(["3", "4"], names := tmp_path / "names.json")
    settings = {
        "bias": "digits",
        "size": 8,
        "seeds": [0, 1],
        "resnet": resnet,
        "datasets": ENTRIES,
        "seed": 0,
        "precision": "float32",
        "batch_size": 16,
    }
    figures = [tmp_path / f"{name}.png" for name in ("maps", "rotations", "navigation-biased", "navigation-control")]
    codes, positions = tmp_path / "codes.npz", tmp_path / "positions.parquet"
    call(
        step.main,
        settings,
        indices=indices,
        class_names=names,
        weights=weights,
        codes=codes,
        positions=positions,
        figures=figures,
    )
    table, arrays = read_table(positions), read_arrays(codes)
    assert len(table) == 8 * 24
    keys = table[["condition", "network", "seed"]].drop_duplicates().agg(lambda row: "_".join(map(str, row)), axis=1)
    assert keys.tolist() == [path.stem.replace("-", "_") for path in weights]
    own = table[(table["condition"] == "control") & (table["network"] == "resnet") & (table["seed"] == 1)]
    key = "control_resnet_1"
    np.testing.assert_allclose(
        own["position"], (arrays[f"codes_{key}"] - arrays[f"middle_{key}"]) @ arrays[f"unit_{key}"]
    )
    assert arrays[f"images_{key}"].tolist() == own["image"].tolist()
    assert all(Image.open(path).size[0] > 800 for path in figures)
    pd.testing.assert_frame_equal(
        own[["image", "rotation"]].reset_index(drop=True),
        source("control").table.query("split == 'validation'")[["image", "rotation"]].reset_index(drop=True),
    )


def test_figures_of_a_network_that_tells_nothing_apart_say_so():
    network, given = Autoencoder(8).eval(), source()
    space = latent_space(network, given)
    nothing = Discriminant(space.direction.middle, *(np.zeros_like(space.direction.unit),) * 2)
    blind = LatentSpace(nothing, space.codes, space.positions.assign(position=0.0))
    spaces = {(condition, name): blind for condition in ENTRIES for name in ("autoencoder", "resnet")}
    draw_maps(spaces, "digits")
    draw_navigation({name: blind for _, name in spaces}, network, given, "digits", "biased")
    said = [text.get_text() for axes in draw_rotations(spaces, "digits").axes[1:] for text in axes.texts]
    assert said == ["no position in 3, no position in 4"] * 4
