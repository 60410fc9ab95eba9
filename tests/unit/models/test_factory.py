"""The user's own network."""

import sys

import pytest
import torch

from conceptrast.base.errors import ConfigError, ModelError
from conceptrast.models.opening import load_model, open_model

CODE = """
import torch

def network(outputs=4):
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                               torch.nn.Linear(2, outputs))

def broken():
    raise ValueError("no such block")

def number():
    return 3
"""


@pytest.fixture(autouse=True)
def own_package(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("my_networks", None)


def test_factory_gives_a_model_with_its_own_outputs():
    entry = {"factory": "my_networks:network", "options": {"outputs": 3}, "input_size": 32, "class_names": list("abc")}
    model = open_model(entry, class_names=["of", "the", "data", "set"])
    assert model.class_names == ["a", "b", "c"]
    assert model.module(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert model.preprocess.size == (32, 32)


def test_its_weights_have_a_digest_that_follows_their_values():
    make = {"class_names": list("abcd"), "input_size": 32}
    one, same = (load_model("my_networks:network", **make) for _ in range(2))
    other = load_model("my_networks:network", class_names=["a", "b"], input_size=32, options={"outputs": 2})
    assert one.digest == same.digest != other.digest
    assert "untrained" not in {one.digest, other.digest}


def test_weights_of_a_file_go_into_it(tmp_path):
    state = load_model("my_networks:network", class_names=list("abcd"), input_size=32).module.state_dict()
    torch.save({key: value + 1 for key, value in state.items()}, path := tmp_path / "own.pth")
    model = load_model("my_networks:network", path, class_names=list("abcd"), input_size=32)
    assert torch.equal(model.module.state_dict()["3.bias"], state["3.bias"] + 1)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("my_network:network", "importing my_network failed .*No module named 'my_network'"),
        ("my_networks:netwrok", "unknown function of my_networks 'netwrok'; nearest: network"),
        ("my_networks:broken", "factory my_networks:broken failed .ValueError: no such block"),
        ("my_networks:number", "returned int, not a torch.nn.Module"),
    ],
)
def test_what_goes_wrong_is_said(factory, message):
    with pytest.raises(ModelError, match=message):
        load_model(factory, class_names=list("abcd"), input_size=32)


def test_wrong_number_of_names_and_missing_size_are_said():
    with pytest.raises(ModelError, match="has 4 outputs, but 2 class names are given"):
        load_model("my_networks:network", class_names=["a", "b"], input_size=32)
    with pytest.raises(ConfigError, match="set `input_size`"):
        load_model("my_networks:network", class_names=list("abcd"))
