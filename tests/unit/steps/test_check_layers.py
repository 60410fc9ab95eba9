"""The step that looks at layers and entries before anything is computed: what it refuses, and with which reason."""

from __future__ import annotations

from typing import Any

import pytest

from conceptrast.base.errors import ConfigError, LayerError
from conceptrast.plan.analyses import analyses
from conceptrast.steps import check_layers

FACTORIZATION = {"model": "net", "layer": "layer4", "components": [2, 9], "shared": False, "images": 2}


def check_view(layer: str) -> None:
    entry: dict[str, Any] = {"model": "net", "layer": layer}
    models = {"net": {"architecture": "resnet10"}}
    view = {"where": "saliency.mine", "entry": entry, "functions": [analyses()["saliency"].check]}
    check_layers.main({"models": models, "checks": [view]})


def check_factorization(**changed: Any) -> None:
    models = {"net": {"architecture": "resnet10"}}
    factorization = {"where": "dff.pairs", "entry": FACTORIZATION | changed, "functions": [analyses()["dff"].check]}
    check_layers.main({"models": models, "checks": [factorization]})


def test_a_layer_in_which_there_is_nowhere_to_look_is_refused_before_the_run() -> None:
    check_view("layer4")
    with pytest.raises(LayerError, match=r"'saliency.mine': layer 'avgpool' has a single position"):
        check_view("avgpool")
    with pytest.raises(LayerError, match=r"'saliency.mine': layer 'fc' gives activations \[1, 2\] without positions"):
        check_view("fc")
    with pytest.raises(LayerError, match=r"'saliency.mine': unknown layer 'layer44'; nearest: layer4"):
        check_view("layer44")


def test_layers_and_numbers_of_concepts_are_checked_before_the_run() -> None:
    check_factorization()
    check_factorization(components=[18], shared=True)
    with pytest.raises(ConfigError, match=r"'dff.pairs': 10 concepts are more than the number of positions, 9 \(3×3"):
        check_factorization(components=[2, 10])
    with pytest.raises(ConfigError, match=r"'dff.pairs': 19 concepts .* positions, 18 \(3×3 of each of 2 images\)"):
        check_factorization(components=[19], shared=True)
    with pytest.raises(LayerError, match=r"'dff.pairs': unknown layer 'layer44'; nearest: layer4"):
        check_factorization(layer="layer44")
    with pytest.raises(LayerError, match=r"'dff.pairs': .*no spatial extent"):
        check_factorization(layer="avgpool")


def check_comparison(model: dict[str, Any], layer: str = "layer3", size: int = 32) -> None:
    entry = {"size": size, "model": "net", "layer": layer}
    encoder = {"where": "latent_bias.mine.autoencoder.encoder", "entry": entry, "functions": [analyses()["bias"].check]}
    check_layers.main({"models": {"net": model}, "checks": [encoder]})


def test_models_that_no_encoder_can_start_from_are_refused_before_the_run() -> None:
    where = "'latent_bias.mine.autoencoder.encoder': "
    check_comparison({"architecture": "resnet10"})
    with pytest.raises(ConfigError, match=where + "the encoder sees pictures of 96 pixels, fewer than the 128"):
        check_comparison({"architecture": "resnet10"}, size=128)
    with pytest.raises(ConfigError, match=where + "the model takes grey pictures"):
        check_comparison({"architecture": "lenet"}, layer="relu2", size=8)
    with pytest.raises(ConfigError, match=where + "the model takes pictures of 64×96 pixels"):
        check_comparison({"architecture": "resnet10", "crop": [64, 96]})
    with pytest.raises(LayerError, match=where + r"layer 'fc' gives activations \[2\] without positions"):
        check_comparison({"architecture": "resnet10"}, layer="fc")
    with pytest.raises(LayerError, match=where + "unknown layer 'layer44'; nearest: layer4"):
        check_comparison({"architecture": "resnet10"}, layer="layer44")
    with pytest.raises(LayerError, match=where + "a picture of 32×32 pixels is too small"):
        check_comparison({"architecture": "alexnet", "input_size": 32}, layer="features.12")


def test_layers_of_grey_models_are_checked_before_a_run(caplog):
    def due(entry: dict[str, Any]) -> dict[str, Any]:
        study = {"where": "studies.one", "entry": {"model": "net", "layer": "relu2"}, "functions": []}
        return {"models": {"net": entry}, "checks": [study]}

    with caplog.at_level("INFO"):
        check_layers.main(due({"architecture": "lenet"}))
    assert "relu2 gives 16×10×10" in caplog.text
    with pytest.raises(LayerError, match=r"'studies.one': images have 3 channels, but the network takes 1"):
        check_layers.main(due({"architecture": "lenet", "mean": [0.5] * 3, "std": [0.5] * 3}))
    with pytest.raises(LayerError, match=r"'studies.one': mean and std need one value each, or three"):
        check_layers.main(due({"architecture": "lenet", "mean": [0.5] * 3}))


def check_counterfactuals(**changed: Any) -> None:
    entry = {"model": "net", "layer": "layer3", "counterfactual": [["a", "b"]]} | changed
    study = {"where": "studies.mine", "entry": entry, "functions": [analyses()["counterfactual"].check]}
    check_layers.main({"models": {"net": {"architecture": "resnet10"}}, "checks": [study]})


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"decode": "layer4"},
        {"inject": "layer3", "decode": "layer4"},
        {"inject": "layer2", "decode": "layer4"},
        {"inject": "layer3.0.conv1"},
        {"inject": "layer4.0.conv1", "decode": "layer4"},
    ],
)
def test_layers_of_counterfactuals_that_can_be_pass(changed: dict[str, Any]) -> None:
    check_counterfactuals(**changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"inject": "layer4"},
            "inject 'layer4', decode 'layer3': values added at layer 'layer4' do not reach layer 'la",
        ),
        ({"decode": "layer2"}, "layer 'layer3', decode 'layer2': values added at layer 'layer3' do not reach"),
        (
            {"inject": "layer2", "decode": "layer2"},
            "layer 'layer3', decode 'layer2': values added at layer 'layer3' do",
        ),
        ({"inject": "layr2"}, "inject 'layr2', decode 'layer3': unknown layer 'layr2'; nearest: layer2"),
        ({"decode": "layer44"}, "decode 'layer44': unknown layer 'layer44'; nearest: layer4"),
        ({"decode": "layer4.0.conv1"}, "cannot cut at layer 'layer4.0.conv1'.*inject: layer4.0.conv1'"),
        ({"decode": "fc"}, r"layer 'fc' gives activations \[1, 2\] without positions"),
        ({"inject": "fc", "decode": "fc"}, r"layer 'fc' gives activations \[1, 2\] without positions"),
    ],
)
def test_layers_of_counterfactuals_that_cannot_be_are_refused_before_the_run(
    changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(LayerError, match=f"'studies.mine': .*{words}"):
        check_counterfactuals(**changed)


def test_layers_of_tokens_are_checked_before_a_run(caplog):
    def due(section: str, layer: str, **keys: Any) -> dict[str, Any]:
        entry = {"model": "vit", "layer": layer, **keys}
        models = {"vit": {"architecture": "vit_b_16", "input_size": 32}}
        functions = [analyses()["counterfactual"].check] if "counterfactual" in keys else []
        return {"models": models, "checks": [{"where": f"{section}.one", "entry": entry, "functions": functions}]}

    block = "encoder.layers.encoder_layer_10"
    with caplog.at_level("INFO"):
        check_layers.main(due("studies", block))
    assert f"{block} gives 768×2×2, negative values included (its own layout: tokens, 1 class token)" in caplog.text
    with pytest.raises(LayerError, match=r"'studies.one': .*needs the class token beside the maps"):
        check_layers.main(due("studies", block, counterfactual=[["a", "b"]]))
    with pytest.raises(LayerError, match=rf"'studies.one': layer '{block}', decode 'conv_proj': .* do not reach"):
        check_layers.main(due("studies", block, counterfactual=[["a", "b"]], decode="conv_proj"))
    check_layers.main(due("studies", "conv_proj", counterfactual=[["a", "b"]]))
    # After the last block only the class token is read: nothing to attribute, but something to factorize.
    for section in ("studies", "saliency"):
        with pytest.raises(LayerError, match=rf"'{section}.one': layer 'encoder': .*reads only its class token"):
            check_layers.main(due(section, "encoder"))
    check_layers.main(due("dff", "encoder"))
