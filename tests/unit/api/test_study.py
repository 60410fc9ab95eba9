"""One opening for six questions: what is computed is kept, and what cannot be is said."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import conceptrast as cc
from conceptrast.api.activation_cache import ActivationCache, KeptPictures
from conceptrast.api.contrast import Contrast
from conceptrast.api.explanation import Explanation
from conceptrast.attribution.images import attribute_images
from conceptrast.base import progress as progress_module
from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError, ModelError
from conceptrast.concepts.attributed_images import by_class
from conceptrast.concepts.class_factorization import factorize_classes
from conceptrast.concepts.verdict_error import CHANCE_DRAWS, RESAMPLES
from conceptrast.data.loose_pictures import as_dataset
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import predict
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

NAMES = ["red", "green", "<b>blue</b>"]
PREPROCESS = Preprocess(None, 32, (0.0,) * 3, (0.25,) * 3)
RECIPE = cc.Recipe("small", components=2, kernel=1, stride=1, window=0.25)
ACE = {"segments": [4], "segments_as": "in_place", "clusters": 2, "min_segments": 4, "draws": 4}
PICTURES = 20
BATCH = 8


class Leaf(nn.AvgPool2d):
    """Pooling that counts, and that tracing leaves whole, so that both halves of a cut call it."""

    seen: list[int]

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        return super().forward(images)


Leaf.__module__ = "torch.nn.counting"  # torch.fx traces into what is not torch's own


def network() -> nn.Sequential:
    """Names the colour that there is most of; layer 1 sees the three colours at 4×4 positions."""
    pooling = Leaf(8)
    pooling.seen = []
    layers = nn.Sequential(pooling, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    layers[4].weight.data = 10 * torch.eye(3)
    layers[4].bias.data = torch.zeros(3)
    return layers


def picture(number: int, colour: int) -> Image.Image:
    """Spots of one colour in cells of 8 pixels on dark grey, and a grey one."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(10, 30, (32, 32, 3), dtype=np.uint8)
    for place, cell in enumerate(generator.permutation(16)[:4]):
        top = 8 * (cell // 4)
        left = 8 * (cell % 4)
        pixels[top : top + 8, left : left + 8] = 120 if place == 3 else 0
        if place < 3:
            pixels[top : top + 8, left : left + 8, colour] = 255
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Red and blue ones in turn."""
    return [picture(number, 2 * (number % 2)) for number in range(PICTURES)]


def study_of(pictures: list[Image.Image], **options) -> cc.Study:
    chosen = {
        "layer": "1",
        "preprocess": PREPROCESS,
        "class_names": NAMES,
        "samples": 0,
        "batch_size": BATCH,
        **options,
    }
    return cc.Study(network(), pictures, **chosen)


def seen(study: cc.Study) -> list[int]:
    """Sizes of the batches that went through the network since the last look."""
    counts: list[int] = study.model.module[0].seen
    batches = list(counts)
    counts.clear()
    return batches


#: Batches of a pass over all pictures, and over those of one class.
ALL = [8, 8, 4]
CLASS = [8, 2]


def test_the_first_question_looks_at_every_picture_twice_and_the_second_at_none(pictures) -> None:
    study = study_of(pictures)
    seen(study)
    first = study.explain("red", recipe=RECIPE, draws=0)
    passes = seen(study)
    # All are predicted, and all are searched; the class is cut to be attributed (a check on noise of two pictures and
    # the baseline), factorized and, three of it, drawn.
    for batch in (*ALL, *ALL, *CLASS, *CLASS):
        passes.remove(batch)
    combined = 2 * (CHANCE_DRAWS + RESAMPLES)  # for each selection; they are pictures of their own
    assert sum(passes) < 12 + combined
    again = study.explain("red", recipe=RECIPE, draws=0)
    verdicts, *others, drawn = seen(study)
    assert (verdicts, sum(others), drawn) == (2, combined, 3)  # the card shows three pictures
    pd.testing.assert_frame_equal(first.prototypes, again.prototypes, check_exact=True)
    pd.testing.assert_frame_equal(first.table(), again.table(), check_exact=True)


def test_draws_of_other_pictures_are_attributed_and_factorized_once(pictures) -> None:
    study = study_of(pictures)
    study.explain("red", recipe=RECIPE, draws=0)
    seen(study)
    stability = study.stability("red", recipe=RECIPE, draws=3)
    passes = seen(study)
    assert sum(passes) >= 3 * 5
    assert 4 not in passes  # the last batch of a pass over all pictures
    first = study.explain("red", recipe=RECIPE, draws=3)
    again = study.explain("red", recipe=RECIPE, draws=3)
    # Verdicts with their chance and resamples, and the three pictures that the card shows; no picture of a draw.
    assert sum(seen(study)) == 2 * (2 + 2 * (CHANCE_DRAWS + RESAMPLES) + 3)
    for explanation in (first, again):
        pd.testing.assert_frame_equal(explanation.stability, stability.components, check_exact=True)
    study.importance("red", recipe=RECIPE)
    study.fidelity("red", recipe=RECIPE)
    assert seen(study) == []


def test_another_class_costs_only_the_pictures_of_that_class(pictures) -> None:
    study = study_of(pictures)
    study.explain("red", recipe=RECIPE, draws=0)
    seen(study)
    study.explain(2, recipe=RECIPE, draws=0)
    passes = seen(study)
    assert 4 not in passes  # the last batch of a pass over all pictures
    assert passes.count(8) == CLASS.count(8) * 2  # attributed and factorized


def test_a_contrast_after_explanations_attributes_nothing_and_searches_what_is_kept(pictures) -> None:
    study = study_of(pictures)
    study.explain("red", recipe=RECIPE)
    study.explain(2, recipe=RECIPE)
    seen(study)
    after = study.contrast("red", 2, recipe=RECIPE)
    passes = seen(study)
    fresh = study_of(pictures).contrast("red", 2, recipe=RECIPE)
    # Both classes in one stream of batches are new; the card shifts them, and shows some of them.
    assert sum(passes) <= PICTURES + PICTURES + 2 * 6
    np.testing.assert_array_equal(after.hyperplane.normal, fresh.hyperplane.normal)
    pd.testing.assert_frame_equal(after.prototypes, fresh.prototypes, check_exact=True)
    pd.testing.assert_frame_equal(after.shift, fresh.shift, check_exact=True)
    study.contrast("red", 2, recipe=RECIPE)
    assert seen(study) == []


def test_concepts_after_a_contrast_predict_nothing_and_run_the_segments_alone(pictures) -> None:
    study = study_of(pictures)
    study.contrast("red", 2, recipe=RECIPE)
    seen(study)
    after = study.concepts("red", **ACE)
    passes = seen(study)
    fresh_study = study_of(pictures)
    seen(fresh_study)
    fresh = fresh_study.concepts("red", **ACE)
    # Segments are new to both; a fresh study has to predict all pictures, and to run the ten red ones, too.
    assert sum(seen(fresh_study)) == sum(passes) + PICTURES + 10
    pd.testing.assert_frame_equal(after.table(), fresh.table(), check_exact=True)
    study.explain("red", recipe=RECIPE)
    pd.testing.assert_frame_equal(study.concepts("red", **ACE).table(), fresh.table(), check_exact=True)


def test_predictions_are_made_once_and_named(pictures) -> None:
    study = study_of(pictures)
    seen(study)
    assert study.predictions["predicted_name"].tolist() == ["red", "<b>blue</b>"] * 10
    assert seen(study) == ALL
    assert study.predictions["path"].tolist() == [f"picture:{number}" for number in range(PICTURES)]
    study.saliency()
    assert ALL[-1] in seen(study)  # maps look at every picture, but predictions are there
    assert "predicting" not in study.predictions.columns


@pytest.fixture(scope="module")
def of_a_roomy_study(pictures) -> tuple[Explanation, Contrast]:
    """What a study says that keeps all it has computed."""
    study = study_of(pictures)
    return study.explain("red", recipe=RECIPE, draws=0), study.contrast("red", 2, recipe=RECIPE)


@pytest.mark.parametrize("cache_bytes", [0, 1, 8 * 3 * 16 * 4, 2000])
def test_a_bound_that_is_too_small_changes_no_answer(pictures, cache_bytes, of_a_roomy_study) -> None:
    explanation, contrast = of_a_roomy_study
    small = study_of(pictures, cache_bytes=cache_bytes)
    small.explain("red", recipe=RECIPE, draws=0)
    seen(small)
    again = small.explain("red", recipe=RECIPE, draws=0)
    assert small._evidence.pictures.cache.size <= cache_bytes
    # What did not fit is computed again: a batch of 8 pictures has 1,536 bytes.
    assert 4 in seen(small)
    pd.testing.assert_frame_equal(again.prototypes, explanation.prototypes, check_exact=True)
    np.testing.assert_array_equal(again.components, explanation.components)
    prototypes = small.contrast("red", 2, recipe=RECIPE).prototypes
    pd.testing.assert_frame_equal(prototypes, contrast.prototypes, check_exact=True)


def test_answers_are_those_of_the_low_level_functions(pictures) -> None:
    model = Model("colours", network(), PREPROCESS, NAMES)
    split = SplitModel(model, "1")
    plain = Pictures(*as_dataset(pictures), model, batch_size=BATCH)
    predictions = predict(model, plain.of(np.arange(PICTURES)))
    red = predictions.loc[predictions["predicted"] == 0, "image"].to_numpy()
    attribution = attribute_images(
        model, "1", plain.of(red), dict.fromkeys(red.tolist(), 0), samples=2, batch_size=BATCH
    )
    classes = by_class(activations_of(model, split, plain.of(red)), attribution["target"])
    components = factorize_classes(classes, attribution, [RECIPE.factors])[f"components_{RECIPE.factors.key}"][0]
    answer = study_of(pictures, samples=2).explain("red", recipe=RECIPE)
    np.testing.assert_array_equal(answer.components, components)
    assert answer.completeness_gap == float(np.median(attribution["completeness_gap"]))


def test_kept_batches_are_the_batches_of_the_pictures(pictures) -> None:
    model = Model("colours", network(), PREPROCESS, NAMES)
    split = SplitModel(model, "1")
    dataset, table = as_dataset(pictures)
    plain = Pictures(dataset, table, model, BATCH)
    kept = KeptPictures(dataset, table, model, BATCH, cache=ActivationCache(8 * 3 * 16 * 4))
    ids = np.array([5, 1, 2, 3, 4, 0, 6, 7, 8, 9])
    expected = list(activations_of(model, split, plain.of(ids)))
    for _ in range(2):
        batches = list(activations_of(model, split, kept.of(ids, "looking")))
        for (images, activations), (expected_images, expected_activations) in zip(batches, expected, strict=True):
            np.testing.assert_array_equal(images, expected_images)
            assert torch.equal(activations, expected_activations)
    # One batch of 8 fits; views are those of the pictures, whatever is kept.
    assert kept.cache.size == 8 * 3 * 16 * 4
    for (_, views), (_, expected_views) in zip(kept.of(ids), plain.of(ids), strict=True):
        assert torch.equal(views, expected_views)


def test_another_layer_or_precision_is_kept_apart_and_the_oldest_layer_makes_room() -> None:
    one, other = (SplitModel(nn.Sequential(nn.ReLU(), nn.Flatten()).eval(), "0") for _ in range(2))
    cache = ActivationCache(12)
    cache.keep((one, "float32", b"a"), torch.zeros(2))
    cache.keep((other, "float32", b"a"), torch.ones(2))
    assert cache.get((one, "float32", b"a")) is None
    assert cache.get((other, "bfloat16", b"a")) is None
    assert torch.equal(cache.get((other, "float32", b"a")), torch.ones(2))
    cache.keep((other, "float32", b"b"), torch.ones(2))  # there is no room left, and nothing of another layer
    assert cache.get((other, "float32", b"b")) is None
    cache.keep((one, "float32", b"c"), torch.zeros(4))  # larger than the bound: nothing makes room for it
    assert (cache.size, cache.get((one, "float32", b"c"))) == (8, None)


def test_the_same_study_at_another_layer_shares_predictions(pictures) -> None:
    study = study_of(pictures)
    study.explain("red", recipe=RECIPE)
    seen(study)
    other = study.at("0")
    other.explain("red", recipe=RECIPE)
    assert (study.layer, other.layer) == ("1", "0")
    assert seen(study).count(4) == 1  # searched at the new layer, and not predicted
    with pytest.raises(LayerError, match="unknown layer '9'; valid: 4, 3, 2, 1, 0"):
        study.at("9")


def test_the_layer_has_a_default_and_the_layers_are_listed(pictures) -> None:
    study = study_of(pictures, layer=None)
    assert study.layer == "1"
    table = study.layers()
    assert table["layer"].tolist() == ["4", "3", "2", "1", "0"]
    assert table.loc[table["layer"] == "1", ["channels", "height", "width"]].to_numpy().tolist() == [[3, 4, 4]]
    assert table["height"].isna().tolist() == [True, True, False, False, False]


def test_every_answer_is_written_as_png_pdf_or_svg_and_shows_itself_in_a_notebook(pictures, tmp_path) -> None:
    study = study_of(pictures)
    answers = {
        "explanation": study.explain(2, recipe=RECIPE),
        "contrast": study.contrast("red", 2, recipe=RECIPE),
        "concepts": study.concepts(2, **ACE),
        "saliency": study.saliency(pictures[1], 2),
        "dff": study.dff(pictures[:2], [2]),
    }
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    for name, answer in answers.items():
        page = answer._repr_html_()
        assert "<b>blue" not in page
        assert "&lt;b&gt;blue" in page
        assert "data:image/png;base64," in page
        assert "<table" in page
        answer.save(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(starts["png"])
    for ending in ("pdf", "svg"):
        written = []
        for number in range(2):
            answers["saliency"].save(tmp_path / f"{number}.{ending}")
            written.append((tmp_path / f"{number}.{ending}").read_bytes())
        assert written[0].startswith(starts[ending])
        assert written[0] == written[1]
    with pytest.raises(ConfigError, match=r"written as \.png, \.pdf or \.svg, got .*card\.jpg"):
        answers["explanation"].save(tmp_path / "card.jpg")
    with pytest.raises(ConfigError, match=r"got .*card'"):
        answers["explanation"].save(tmp_path / "card")
    assert not (tmp_path / "card.jpg").exists()


def test_what_a_study_finds_is_a_direction_for_a_counterfactual(pictures) -> None:
    study = study_of(pictures)
    study.decoder(cc.DecoderOptions(epochs=1, batch_size=10, width=16, precision="float32"))
    strong = ACE | {"draws": 20, "significance": 0.5}
    directions = [study.contrast("red", 2, recipe=RECIPE).direction(), study.concepts("red", **strong).direction()]
    answer = study.counterfactual(pictures[0], 2, directions, frames=2)
    edits = {(edit, direction) for edit, direction in answer.table()[["edit", "direction"]].to_numpy().tolist()}
    assert {("located", "hyperplane"), ("uniform", "cav"), ("gradient_times", "cav")} <= edits
    assert "&lt;b&gt;blue" in answer._repr_html_()
    assert ("<img" in answer._repr_html_()) == bool(answer.stories)
    nothing = study.concepts(2, **(ACE | {"min_segments": 1000}))
    with pytest.raises(ConceptrastError, match="no significant concept speaks for <b>blue"):
        nothing.direction()


def test_a_decoder_is_trained_once_read_from_a_file_and_belongs_to_its_layer(pictures, tmp_path) -> None:
    options = cc.DecoderOptions(epochs=1, batch_size=10, width=16, precision="float32")
    study = study_of(pictures)
    decoder = study.decoder(options)
    seen(study)
    assert study.decoder(options) is decoder
    assert seen(study) == []
    cc.write_decoder(decoder, tmp_path / "decoder.safetensors")
    other = cc.Study(study.model, pictures, layer="1")
    answer = other.counterfactual(pictures[0], 2, decoder=tmp_path / "decoder.safetensors", frames=2)
    pd.testing.assert_frame_equal(answer.table(), study.counterfactual(pictures[0], 2, frames=2).table())
    with pytest.raises(ConfigError, match=r"needs a decoder: train one with study\.decoder\(\)"):
        study.at("0").counterfactual(pictures[0], 2)


def test_a_picture_is_moved_at_an_earlier_layer_than_the_decoders(pictures) -> None:
    """Before the ReLU, values may become negative; after it, they are what they were at most."""
    study = study_of(pictures)
    study.decoder(cc.DecoderOptions(epochs=1, batch_size=10, width=16, precision="float32"))
    answer = study.counterfactual(pictures[0], 2, inject="0", frames=2)
    assert (answer.inject, answer.layer) == ("0", "1")
    assert " at 0, decoded at 1" in str(answer)
    assert set(answer.table()["edit"]) == {
        "transplant",
        "pasted_cells",
        "located",
        "uniform",
        "gradient",
        "latent_shift",
    }
    assert study.counterfactual(pictures[0], 2, frames=2).inject == "1"
    with pytest.raises(LayerError, match="values added at layer '2' do not reach layer '1'"):
        study.counterfactual(pictures[0], 2, inject="2", frames=2)
    direction = cc.Direction("mine", "one", "1", torch.ones(3))
    with pytest.raises(LayerError, match="a direction in '1' cannot be added at '0'"):
        study.counterfactual(pictures[0], 2, [direction], inject="0", frames=2)


def test_without_a_decoder_the_message_says_how_to_train_one_and_how_long_it_takes(pictures) -> None:
    with pytest.raises(ConfigError) as caught:
        study_of(pictures).counterfactual(pictures[0], 2)
    message = str(caught.value)
    assert "a counterfactual at 1 needs a decoder: train one with study.decoder()" in message
    assert "about 1 s on 20 pictures of 32×32 pixels" in message
    with pytest.raises(ConfigError, match=r"open the study with pictures to learn from \(about 3 s on 1000 pictures"):
        cc.Study(network(), preprocess=PREPROCESS).counterfactual(pictures[0], 2)


def test_one_picture_is_counted_in_the_singular(pictures) -> None:
    with pytest.raises(ConfigError, match=r"on 1 picture of 32×32 pixels"):
        study_of(pictures[:1]).counterfactual(pictures[0], 2)


def test_a_network_of_ones_own_is_opened_like_a_name() -> None:
    with pytest.raises(ModelError, match=r"pass preprocess=Preprocess\("):
        cc.Study(network())
    with pytest.raises(ModelError, match="Sequential has 3 outputs, but 2 class names are given"):
        cc.Study(network(), preprocess=PREPROCESS, class_names=["a", "b"])
    with pytest.raises(ConfigError, match="weights: a network of your own comes with its weights"):
        cc.Study(network(), preprocess=PREPROCESS, weights="package")
    with pytest.raises(ModelError, match=r"a model is a name, .* got int"):
        cc.Study(7)
    assert cc.load_model(network(), preprocess=PREPROCESS).class_names == ["0", "1", "2"]
    named = cc.Study("resnet10", class_names=NAMES, layer="layer4", preprocess=PREPROCESS)
    assert named.model.preprocess == PREPROCESS
    assert cc.Study("resnet10", class_names=NAMES, crop=64, resize=64).model.preprocess.size == (64, 64)


def test_a_function_of_ones_own_is_opened_by_its_name(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "networks_of_study.py").write_text(
        "from torch import nn\n\n\ndef build():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), "
        "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    study = cc.Study("networks_of_study:build", input_size=32, class_names=["cat", "dog"])
    assert (study.layer, study.model.class_names) == ("1", ["cat", "dog"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_bytes": -1}, "cache_bytes must be at least 0, got -1"),
        ({"images_per_class": 0}, "images_per_class must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"samples": -1}, "samples must be at least 0, got -1"),
        ({"noise": float("nan")}, "noise must be at least 0, got nan"),
        ({"precision": "float8"}, "unknown precision 'float8'; nearest: float32"),
        ({"attribution": "deplift"}, "unknown attribution method 'deplift'; nearest: deeplift"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_opened(options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        cc.Study("never looked at", **options)


def test_classes_that_are_not_there_are_named(pictures) -> None:
    study = study_of(pictures)
    with pytest.raises(ConfigError, match="unknown class 'gren'; nearest: green"):
        study.explain("gren")
    for ask in (study.explain, study.concepts, lambda target: study.contrast("red", target)):
        with pytest.raises(ConceptrastError, match=r"none of 20 pictures is predicted as 'green'; most frequent: red"):
            ask("green")
    with pytest.raises(ConfigError, match="this study has no pictures: give a folder"):
        cc.Study(network(), preprocess=PREPROCESS).explain(0)


def test_an_unknown_layer_lists_those_near_the_output() -> None:
    with pytest.raises(LayerError) as caught:
        cc.Study("resnet18", layer="xyzzy")
    message = str(caught.value)
    assert message.startswith("unknown layer 'xyzzy'; valid: fc, avgpool, layer4, ")
    assert "conv1," not in message.split("layer4")[0]
    with pytest.raises(LayerError, match=r"unknown layer 'layer9'; nearest: layer"):
        cc.Study("resnet18", layer="layer9")


def test_the_model_is_left_as_it_was(pictures) -> None:
    study = study_of(pictures)
    before = {name: value.clone() for name, value in study.model.module.state_dict().items()}
    study.explain("red", recipe=RECIPE)
    study.layers()
    assert all(torch.equal(value, before[name]) for name, value in study.model.module.state_dict().items())
    assert not any(part._forward_hooks for part in study.model.module.modules())


@pytest.mark.parametrize(
    ("ask", "heads"),
    [
        (lambda study: study.explain("red", recipe=RECIPE), ["predicting", "attributing red", "searching patches"]),
        (
            lambda study: study.contrast("red", 2, recipe=RECIPE),
            ["contrasting red", "contrasting <b>blue</b>", "shifting between red and <b>blue</b>"],
        ),
        (
            lambda study: study.concepts("red", **ACE),
            [
                "superpixels of 10 pictures of red",
                "cutting into superpixels: 10 pictures in",
                "clusters of superpixels",
            ],
        ),
        (
            lambda study: study.decoder(cc.DecoderOptions(epochs=1, batch_size=32, width=16)),
            ["reading pictures: 1 batch in", "decoder, epoch 1 of 1: "],
        ),
        (lambda study: study.dff(components=[2]), ["factorizing pictures: 1 factorization in"]),
    ],
)
def test_progress_is_told_in_names_of_classes(pictures, caplog, ask, heads) -> None:
    study = study_of(pictures)
    with caplog.at_level("INFO"):
        ask(study)
    for head in heads:
        assert any(line.startswith(head) for line in caplog.messages), (head, caplog.messages)
    assert not any("1 batches" in line for line in caplog.messages)


def test_a_prompt_shows_the_text_of_an_answer_and_not_its_arrays() -> None:
    study = cc.Study(network(), [picture(0, 0)], preprocess=PREPROCESS, class_names=NAMES)
    for answer in (study.saliency(), study.dff(components=[2])):
        assert repr(answer) == str(answer)


def test_a_misspelt_option_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown option of a study 'sample'; nearest: samples"):
        cc.Study(network(), [], preprocess=PREPROCESS, sample=2)
    with pytest.raises(ConfigError, match="unknown option of a study 'batchsize'; nearest: batch_size"):
        cc.Study("resnet10", [], batchsize=2)


@pytest.mark.parametrize("model", [network(), "resnet10"], ids=["own", "by name"])
def test_a_transform_is_no_preprocess_and_the_error_shows_one(model: str | nn.Module) -> None:
    with pytest.raises(ModelError, match=r"preprocess= got Identity; it needs conceptrast.Preprocess\(resize"):
        cc.Study(model, [], preprocess=nn.Identity())


def test_a_picture_beside_the_study_is_predicted() -> None:
    study = cc.Study(network(), preprocess=PREPROCESS, class_names=NAMES)
    name, probability = study.predict(picture(3, 1))
    assert name == NAMES[1]
    assert 1 / 3 < probability <= 1


def test_progress_is_shown_unless_the_program_logs_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.Logger("conceptrast")
    monkeypatch.setattr(progress_module, "LOGGER", logger)
    progress_module.show_progress()
    progress_module.show_progress()
    assert [type(handler) for handler in logger.handlers] == [logging.StreamHandler]
    assert logger.level == logging.INFO

    own_logging = logging.Logger("conceptrast")
    own_logging.addHandler(logging.NullHandler())
    monkeypatch.setattr(progress_module, "LOGGER", own_logging)
    progress_module.show_progress()
    assert [type(handler) for handler in own_logging.handlers] == [logging.NullHandler]
