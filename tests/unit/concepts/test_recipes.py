"""Recipes say what is wrong with them."""

from pathlib import Path

import pytest
import yaml

from conceptrast.base.errors import ConfigError
from conceptrast.concepts.recipes import RECIPES, Recipe


def test_entry_of_the_configuration() -> None:
    config = yaml.safe_load((Path(__file__).parents[3] / "config" / "config.yaml").read_text())
    entry = config["recipes"]["recommended"]
    assert Recipe.from_settings("recommended", entry) == RECIPES["recommended"]
    assert Recipe.from_settings("published", {}) == RECIPES["published"]
    assert Recipe.from_settings("published", config["recipes"]["published"]) == RECIPES["published"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"windw": 0.5}, r"recipes.mine: unknown key 'windw'; nearest: window"),
        ({"pooling": {"kernal": 2}}, r"recipes.mine.pooling: unknown key 'kernal'; nearest: kernel"),
        ({"layout": "strips"}, r"unknown layout 'strips'; nearest: strip"),
        ({"resize": "big"}, r"unknown resize 'big'; valid: native, input"),
        ({"window": 1.5}, r"window is 1.5; .*above 0 and at most 1"),
        ({"window": "half"}, r"window is 'half'"),
        ({"components": 0}, r"components is 0; it must be a whole number"),
        ({"components": True}, r"components is True"),
        ({"pooling": {"stride": 1.5}}, r"stride is 1.5"),
        ({"distinct": "yes"}, r"distinct is 'yes'; it must be true or false"),
    ],
)
def test_what_is_wrong_is_named(entry: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe.from_settings("mine", entry)
