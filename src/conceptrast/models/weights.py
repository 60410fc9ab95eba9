"""Read weights without running code from the file, and put them into a network that they fit."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from conceptrast.base.errors import ConceptrastError, ModelError, unknown_name
from conceptrast.base.files import atomic, regular_file

#: First bytes of a torch checkpoint: a zip archive, or the pickle of older versions.
_TORCH_STARTS = (b"PK", b"\x80")

#: Entries of a checkpoint that may hold the network; they are tried in this order.
_NESTED = ("state_dict", "model_state_dict", "model")

#: Prefixes that wrappers leave on every name, outermost first.
_PREFIXES = ("module.", "_orig_mod.", "model.")

#: Names that the ``robustness`` package stores beside the network.
_BESIDE = ("normalizer.", "attacker.")


def read_state(path: Path | str) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file or of a torch checkpoint, by name.

    A torch file is read with ``weights_only=True``, which refuses anything but tensors and plain containers. A
    checkpoint that nests its weights (``state_dict``, ``model``) is unwrapped.

    Raises:
        ModelError: the file is missing, damaged, or holds Python objects; the message says how to convert it.
        DataError: it is not a file.
    """
    path = regular_file(path)
    if not path.is_file():
        raise ModelError(f"weights file {path} does not exist")
    if not path.stat().st_size:
        raise ModelError(f"weights file {path} is empty (0 bytes): fetch or save it again")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _torch_file(path)
    except (ConceptrastError, MemoryError):
        raise
    except Exception as error:  # if bytes are broken, unpickling raises errors of nearly every type
        raise ModelError(f"weights file {path} cannot be read: {_first_line(error)}") from error
    return plain_state(content, path)


def write_state(state: Mapping[str, Tensor], path: Path | str) -> None:
    """Write tensors by name as safetensors; equal tensors give equal bytes.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "weights.safetensors"
        >>> write_state({"bias": torch.ones(2)}, path)
        >>> read_state(path)
        {'bias': tensor([1., 1.])}
    """
    with atomic(path) as part:
        # Python writes the file, because the library's error for a full disk is not an OSError.
        part.write_bytes(save({name: value.detach().cpu().contiguous() for name, value in state.items()}))


def _torch_file(path: Path) -> Any:
    start = _start_of(path)
    if start and not start.startswith(_TORCH_STARTS):
        raise ModelError(
            f"weights file {path} is no torch checkpoint: it starts with {start!r}. Was it downloaded whole?"
        )
    refuse_damaged(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"weights file {path} is no plain torch checkpoint. If it holds Python objects beside its tensors, convert "
            "it once, on a machine where you trust the file: `state = torch.load(path, weights_only=False)`, then "
            "`safetensors.torch.save_file` of the dictionary of tensors in it, and give the .safetensors file as "
            "`weights`"
        ) from error


def _start_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(24)


def refuse_damaged(path: Path) -> None:
    """Refuse an archive of which a part has another checksum than when it was written; torch does not look at them.

    Raises:
        ModelError: the message names the part.
    """
    if _start_of(path).startswith(b"PK") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ModelError(
                f"weights file {path} is damaged: the checksum of its part {damaged} is wrong; fetch it again"
            )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0][:200]


def plain_state(checkpoint: Any, source: Path | str) -> dict[str, Tensor]:
    """The tensors of one plain network, taken out of the wrappers of a training script.

    Raises:
        ModelError: there are no tensors in it.

    Example:
        >>> list(plain_state({"model": {"fc.bias": torch.ones(1)}, "epoch": 90}, "example.pth"))
        ['fc.bias']
    """
    while isinstance(checkpoint, Mapping) and (nested := _nested(checkpoint)) is not None:
        checkpoint = nested
    if not isinstance(checkpoint, Mapping):
        raise ModelError(f"weights file {source} holds {type(checkpoint).__name__}, not tensors by name")
    state = {str(name): value for name, value in checkpoint.items() if isinstance(value, Tensor)}
    if not state:
        raise ModelError(f"weights file {source} holds no tensors")
    return state


def _nested(checkpoint: Mapping[str, Any]) -> Mapping[str, Any] | None:
    inner = (checkpoint.get(name) for name in _NESTED)
    return next((value for value in inner if isinstance(value, Mapping)), None)


def unwrapped(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """The entries of ``state`` under the names that the network gives them.

    If no name fits as it is, the prefixes of wrappers (``module.``, ``_orig_mod.``, ``model.``) are removed. This
    covers the layout of the ``robustness`` package (Engstrom et al. 2019). Its attack wrapper holds the network
    (``module.model.…``), the same network again inside the attacker (``module.attacker.model.…``), and the normaliser
    in front of both (``module.normalizer.…``). The first of these is kept.

    Args:
        state: tensors by name.
        names: the network's names.

    Example:
        >>> one = torch.ones(1)
        >>> robust = {"module.model.fc.bias": one, "module.attacker.model.fc.bias": one,
        ...           "module.normalizer.new_mean": one}
        >>> list(unwrapped(robust, ["fc.bias"]))
        ['fc.bias']
    """
    plain = dict(state)
    own_names = set(names)
    for prefix in _PREFIXES:
        if not own_names.isdisjoint(plain):
            break
        plain = {name.removeprefix(prefix): value for name, value in plain.items()}
        plain = {name: value for name, value in plain.items() if not name.startswith(_BESIDE)}
    return plain


def extracted(state: Mapping[str, Tensor], part: str, names: Iterable[str], source: str) -> dict[str, Tensor]:
    """Tensors of one part of a larger network, under the names that the part gives them.

    Args:
        state: tensors of the whole network by name; they may have the prefixes that :func:`unwrapped` removes.
        part: name of the part in the whole network, ``backbone.body``.
        names: names of the part's own weights.
        source: the weights' source, for the message.

    Raises:
        ModelError: there is no such part; the message says which parts there are.

    Example:
        >>> detector = {"backbone.body.conv1.weight": torch.ones(1), "rpn.head.weight": torch.ones(1)}
        >>> list(extracted(detector, "backbone.body", ["conv1.weight"], "detector.pth"))
        ['conv1.weight']
    """
    names = list(names)
    whole = unwrapped(state, [f"{part}.{name}" for name in names])
    of_part = {name.removeprefix(f"{part}."): value for name, value in whole.items() if name.startswith(f"{part}.")}
    if of_part:
        return of_part
    # The reason: the file holds the part itself, or another network.
    if set(names) <= set(unwrapped(state, names)):
        raise ModelError(f"weights {source} have no part {part!r}: they are the part itself, or the network made of it")
    parts = {".".join(name.split(".")[:depth]) for name in whole for depth in (1, 2) if name.count(".") >= depth}
    raise ModelError(
        f"weights {source} have no part {part!r}, and a checkpoint of the whole network is needed; "
        f"they hold {_few(sorted({name.partition('.')[0] for name in whole}), 8)}; "
        + unknown_name("part", part, sorted(parts)).partition("; ")[2]
    )


def fit(module: nn.Module, state: Mapping[str, Tensor], what: str, source: str) -> None:
    """Put all of ``state`` into ``module``, or nothing.

    Args:
        module: changed in place.
        state: tensors by name.
        what: the architecture, for the message.
        source: the weights' source, for the message.

    Raises:
        ModelError: names or shapes differ; the message lists a few of them.
    """
    needed = module.state_dict()
    state = unwrapped(state, needed)
    # Batch norm counts its batches. The counters are not weights, and old checkpoints lack them.
    missing = [name for name in needed if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in needed]
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(needed[name].shape)}"
        for name in needed
        if name in state and state[name].shape != needed[name].shape
    ]
    problems = [
        f"{len(names)} {kind} ({_few(names)})"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    if problems:
        raise ModelError(f"weights {source} do not fit {what}: {'; '.join(problems)}")
    module.load_state_dict(dict(state), strict=False)


def _few(names: Iterable[str], limit: int = 3) -> str:
    names = list(names)
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
