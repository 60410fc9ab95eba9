"""Batches of views: the same whatever the number of workers, in the order of the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.data.dataset import open_dataset
from conceptrast.data.loading import views


class Plain:
    """A view that is the picture itself."""

    def view(self, picture: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())


@pytest.fixture(scope="module")
def dataset():
    return open_dataset({"kind": "digit_pairs", "train": 30, "validation": 10})


@pytest.mark.parametrize("batch_size", [1, 7, 100])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_the_pictures_of_the_table_in_its_order(dataset, workers, batch_size):
    table = dataset.build_index().table.iloc[::-2]
    batches = list(views(dataset, table, Plain(), batch_size=batch_size, workers=workers))
    assert np.concatenate([images for images, _ in batches]).tolist() == table.image.tolist()
    assert {len(images) for images, _ in batches[:-1]} <= {batch_size}
    expected = np.stack([np.asarray(dataset.picture(row)) for row in table.itertuples()])
    decoded = torch.cat([batch for _, batch in batches])
    assert decoded.dtype == torch.uint8
    np.testing.assert_array_equal(decoded.permute(0, 2, 3, 1).numpy(), expected)


def test_the_global_random_state_is_left_alone(dataset):
    state = torch.random.get_rng_state()
    list(views(dataset, dataset.build_index().table, Plain(), 8))
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_empty_table_gives_no_batch(dataset):
    assert list(views(dataset, dataset.build_index().table.head(0), Plain(), 8)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_vanished_stops_with_a_short_message(tmp_path, workers):
    (tmp_path / "set" / "ant").mkdir(parents=True)
    for name in "abc":
        Image.new("RGB", (4, 4)).save(tmp_path / "set" / "ant" / f"{name}.png")
    dataset = open_dataset({"kind": "image_folder", "root": str(tmp_path / "set")})
    table = dataset.build_index().table
    (tmp_path / "set" / "ant" / "b.png").unlink()
    with pytest.raises(DataError, match=r"b\.png: the file does not exist$"):
        list(views(dataset, table, Plain(), batch_size=2, workers=workers))
