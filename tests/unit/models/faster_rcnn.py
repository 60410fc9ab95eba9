"""A Faster R-CNN of drawn weights, for tests of the body of a detector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import torch
from torch import nn

from conceptrast.base.torchvision_ops import torchvision

DETECTION = torchvision.models.detection


@contextmanager
def narrow_bottlenecks() -> Iterator[pytest.MonkeyPatch]:
    """Inside, ResNet-50 has a quarter of the channels inside its blocks; what the blocks give has as many as ever.

    Detectors' bodies and the plain network come from the same function.
    """
    narrow = partial(torchvision.models.resnet50, width_per_group=16)
    with pytest.MonkeyPatch.context() as patch:
        for module in (torchvision.models, torchvision.models.resnet):
            patch.setattr(module, "resnet50", narrow)
        yield patch


def faster_rcnn(eps: float = 1e-5) -> nn.Module:
    """A Faster R-CNN as torchvision builds it around a trained body, with batch norms that do something.

    Its boxes come from a narrow head: only the body is looked at.
    """
    norms = torchvision.ops.misc.FrozenBatchNorm2d
    backbone = DETECTION.backbone_utils.resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norms)
    draw = torch.Generator().manual_seed(1)
    for part in backbone.modules():
        if isinstance(part, norms):
            part.eps = eps
            for name, low, high in (("weight", 0.5, 1), ("bias", -0.2, 0.2), ("running_mean", -1, 1)):
                getattr(part, name).uniform_(low, high, generator=draw)
            part.running_var.uniform_(0.01, 4, generator=draw)
    heads = DETECTION.faster_rcnn
    head = heads.TwoMLPHead(backbone.out_channels * 7**2, 16)
    return DETECTION.FasterRCNN(backbone, box_head=head, box_predictor=heads.FastRCNNPredictor(16, 3)).eval()
