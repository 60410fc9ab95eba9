"""The names of the 1,000 ImageNet classes, in the order of the models' outputs."""

from __future__ import annotations


def imagenet_class_names() -> list[str]:
    """The names that torchvision stores with its weights.

    Example:
        >>> names = imagenet_class_names()
        >>> len(names), names[0], names[701]
        (1000, 'tench', 'parachute')
    """
    from conceptrast.base.torchvision_ops import torchvision  # importing it takes seconds

    return list(torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
