"""How well a decoder reconstructs, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import LayerError
from conceptrast.counterfactual.decoder_reconstruction import mean_picture, reconstruction_rows, reconstruction_summary
from conceptrast.models.split import SplitModel

from .toys import toy


def test_what_is_measured_is_worked_out_by_hand():
    """A picture of 2×2 blocks comes back exactly; one with a fine pattern loses it."""
    model, split, decoder, _ = toy()
    plain = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    plain[:, 0] = 204  # red, 0.8
    fine = plain.clone()
    fine[:, 0, ::2] -= 51  # rows of 0.6 and 0.8: blocks of 0.7
    mean = torch.zeros(3, 8, 8)
    mean[0] = 0.6
    mean[1] = 0.7  # named green
    rows = reconstruction_rows(
        model=model, split=split, decoder=decoder, batches=[(np.array([1, 2]), torch.cat([plain, fine]))], mean=mean
    )
    table = rows.set_index(["baseline", "image"])
    assert table.loc[("none", 1), "psnr"] == pytest.approx(20 * np.log10(2 * 255))  # exact: half a byte
    assert table.loc[("none", 1), "ssim"] == pytest.approx(1)
    assert table.loc[("none", 2), "psnr"] == pytest.approx(-10 * np.log10(0.01 / 3), abs=1e-3)
    assert table.loc[("mean_picture", 1), "psnr"] == pytest.approx(-10 * np.log10((0.04 + 0.49) / 3), abs=1e-3)
    summary = reconstruction_summary(rows).set_index("baseline")
    assert summary["same_class"].to_dict() == {"none": 1.0, "mean_picture": 0.0}
    assert summary["n_images"].tolist() == [2, 2]


def test_a_decoder_of_another_layer_is_refused():
    model, _, decoder, _ = toy()
    with pytest.raises(LayerError, match="decoder of '0'"):
        reconstruction_rows(
            model=model, split=SplitModel(model, "1"), decoder=decoder, batches=[], mean=torch.zeros(3, 8, 8)
        )


def test_the_mean_picture_is_the_mean():
    views = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 2)
    assert mean_picture([views[:1], views[1:]]).unique().tolist() == [0.5]
