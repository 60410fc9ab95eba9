"""Classifiers. Each family has a file; the other files load, prepare and train networks.

``architecture:`` in the configuration is a key of ``ARCHITECTURES``, the name of any torchvision classifier, or the
user's own ``package.module:function``.
"""

from __future__ import annotations

from typing import Any

ARCHITECTURES: dict[str, str] = {
    "lenet": "conceptrast.models.lenet:LeNet",
    "resnet10": "conceptrast.models.resnet10:ResNet10",
    "efficientnet_lite0": "conceptrast.models.efficientnet_lite:EfficientNetLite",
    "efficientnet_lite1": "conceptrast.models.efficientnet_lite:EfficientNetLite",
    "efficientnet_lite2": "conceptrast.models.efficientnet_lite:EfficientNetLite",
    "fasterrcnn_resnet50_fpn": "conceptrast.models.detector:DetectorBody",
    "fasterrcnn_resnet50_fpn_v2": "conceptrast.models.detector:DetectorBody",
    "fcos_resnet50_fpn": "conceptrast.models.detector:DetectorBody",
    "keypointrcnn_resnet50_fpn": "conceptrast.models.detector:DetectorBody",
    "maskrcnn_resnet50_fpn": "conceptrast.models.detector:DetectorBody",
    "maskrcnn_resnet50_fpn_v2": "conceptrast.models.detector:DetectorBody",
    "retinanet_resnet50_fpn": "conceptrast.models.detector:DetectorBody",
    "retinanet_resnet50_fpn_v2": "conceptrast.models.detector:DetectorBody",
}

#: Detectors, and the part of its checkpoint that ``extract:`` takes.
DETECTORS: dict[str, str] = {
    "fasterrcnn_resnet50_fpn": "backbone.body",
    "fasterrcnn_resnet50_fpn_v2": "backbone.body",
    "fcos_resnet50_fpn": "backbone.body",
    "keypointrcnn_resnet50_fpn": "backbone.body",
    "maskrcnn_resnet50_fpn": "backbone.body",
    "maskrcnn_resnet50_fpn_v2": "backbone.body",
    "retinanet_resnet50_fpn": "backbone.body",
    "retinanet_resnet50_fpn_v2": "backbone.body",
}

__all__ = ["ARCHITECTURES", "DETECTORS", "load_model"]


def __getattr__(name: str) -> Any:
    # Import only on use: reading the table above must not import torch.
    if name != "load_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from conceptrast.models.opening import load_model

    return load_model
