"""The one place that imports torchvision: ``from conceptrast.base.torchvision_ops import torchvision``.

The torchvision wheel of the package index is built for CUDA. If torch is built for the CPU only, torchvision's library
of operators does not load, and ``import torchvision`` stops at ``operator torchvision::nms does not exist``. Models and
transforms need none of these operators, so it is enough to declare the two that torchvision's own import refers to. If
the library loads, nothing is declared.

torchvision also imports torch's compiler, a quarter of all modules that a command of ours loads, for one function that
nothing here calls. That function stays within reach: it imports the compiler where it is called.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def _operators_load() -> bool:
    """Whether torchvision's own library of operators fits this torch."""
    spec = importlib.util.find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    for library in (path for folder in folders or [] for path in Path(folder).glob("_C*")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return True
    return False


def _declare_missing() -> torch.library.Library | None:
    """Declare the operators that torchvision's import needs and that are not registered yet; they have no kernel."""
    registered = {name for name in _SCHEMAS if hasattr(torch.ops.torchvision, name)}
    missing = [schema for name, schema in _SCHEMAS.items() if name not in registered]
    if not missing:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in missing:
        library.define(schema)
    return library


def _is_compile_supported(device_type: object) -> bool:
    """What torchvision asks the compiler before it compiles; the compiler answers."""
    supported: bool = importlib.import_module("torch._dynamo.utils").is_compile_supported(device_type)
    return supported


@contextmanager
def _without_compiler() -> Iterator[None]:
    """While torchvision is imported, a module with that one function stands for the compiler; not if it is loaded."""
    compiler = "torch._dynamo"
    if compiler in sys.modules:
        yield
        return
    stand_ins = {compiler: ModuleType(compiler), f"{compiler}.utils": ModuleType(f"{compiler}.utils")}
    stand_ins[f"{compiler}.utils"].__dict__["is_compile_supported"] = _is_compile_supported
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


# This object has to live as long as the process, because the declarations vanish with it.
_DECLARED = None if _operators_load() else _declare_missing()

with _without_compiler():
    torchvision = importlib.import_module("torchvision")
