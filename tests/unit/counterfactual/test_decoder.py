"""The decoder: shapes of all kinds, what does not fit, and its file."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from conceptrast.base.errors import LayerError, ModelError, ShapeError
from conceptrast.counterfactual.decoder import Decoder, read_decoder, resolutions, write_decoder
from conceptrast.models.weights import read_state, write_state


@pytest.mark.parametrize(
    ("shape", "size"), [((4, 1, 1), (33, 33)), ((2, 7, 7), (56, 50)), ((3, 2, 5), (17, 40)), ((1, 4, 4), (8, 8))]
)
def test_a_picture_of_any_size_comes_out(shape, size):
    decoder = Decoder("layer", shape, size, width=16).eval()
    pictures = decoder(torch.rand(2, *shape))
    assert pictures.shape == (2, 3, *size)
    assert pictures.min() >= 0
    assert pictures.max() <= 1


@pytest.mark.parametrize("size", [(8, 8), (9, 33), (224, 224), (97, 50)])
@pytest.mark.parametrize("positions", [(1, 1), (3, 2), (4, 4)])
def test_resolutions_at_most_double_and_end_at_half_the_picture(positions, size):
    sizes = resolutions(positions, size)
    assert sizes[-1] == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    for small, large in pairwise(sizes):
        assert all(b <= 2 * a for a, b in zip(small, large, strict=True))
    assert all(side >= least for side, least in zip(sizes[0], positions, strict=True))


def test_a_layer_as_fine_as_the_picture_is_refused():
    with pytest.raises(ShapeError, match=r"layer1 have 6×6 positions and the picture 11×12 pixels.*a later layer"):
        Decoder("layer1", (4, 6, 6), (11, 12))


def test_activations_of_another_layer_are_refused():
    decoder = Decoder("layer3", (4, 3, 3), (12, 12), width=16)
    with pytest.raises(ShapeError, match=r"the decoder of layer3 takes activations \[4, 3, 3\], got \[8, 3, 3\]"):
        decoder(torch.zeros(1, 8, 3, 3))
    with pytest.raises(LayerError, match="a direction in 'layer4' cannot be decoded by the decoder of 'layer3'"):
        decoder.check_layer("layer4")
    decoder.check_layer("layer3")


def test_a_decoder_comes_back_from_its_file_bit_for_bit(tmp_path):
    decoder = Decoder("layer3", (4, 3, 3), (12, 14), width=16)
    decoder(torch.rand(8, 4, 3, 3))  # in training mode: batch norm's statistics are no longer the initial ones
    write_decoder(decoder, tmp_path / "d.safetensors")
    again = read_decoder(tmp_path / "d.safetensors")
    activations = torch.rand(2, 4, 3, 3)
    assert torch.equal(again(activations), decoder.eval()(activations))
    assert (again.layer, again.size) == ("layer3", (12, 14))
    assert not any(weight.requires_grad for weight in again.parameters())


def test_other_weights_are_no_decoder(tmp_path):
    write_state({"fc.weight": torch.ones(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="holds no decoder"):
        read_decoder(tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="does not exist"):
        read_decoder(tmp_path / "none.safetensors")
    torch.save({"fc.weight": torch.ones(2, 2)}, tmp_path / "model.pth")
    with pytest.raises(ModelError, match="holds no decoder"):
        read_decoder(tmp_path / "model.pth")
    with pytest.raises(ModelError, match=r"d\.pt must end in \.safetensors"):
        write_decoder(Decoder("layer3", (4, 3, 3), (12, 14), width=16), tmp_path / "d.pt")
    (tmp_path / "broken.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be read"):
        read_decoder(tmp_path / "broken.safetensors")


@pytest.mark.parametrize(
    "fact", [{"layer": None}, {"width": 2**40}, {"width": 64}, {"shape": [8, 3]}, {"shape": [0, 3, 3]}, {"size": "12"}]
)
def test_a_header_that_does_not_fit_the_tensors_is_refused(fact, tmp_path):
    path = tmp_path / "decoder.safetensors"
    write_decoder(Decoder("layer4", (8, 3, 3), (12, 12), width=16), path)
    with safe_open(path, framework="pt") as file:
        [(kind, description)] = file.metadata().items()
    save_file(read_state(path), path, metadata={kind: json.dumps({**json.loads(description), **fact})})
    with pytest.raises(ModelError, match="holds no decoder"):
        read_decoder(path)
