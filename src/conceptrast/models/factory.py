"""The user's own network: ``factory: package.module:function``, a function that returns an ``nn.Module``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from torch import nn

from conceptrast.base.errors import ConfigError, ModelError, unknown_name
from conceptrast.models.family import Family
from conceptrast.models.model import Preprocess


class Factory(Family):
    """A network that a function of the user makes, together with its weights.

    The function is called only with ``options``, so it decides on the number of outputs itself.

    Raises:
        ModelError: the module or the function in it does not exist; the message says what was tried.
    """

    default_classes = None
    brings_weights = True

    def __init__(self, name: str, weights: str | None = None, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, weights, options)
        module, _, attribute = name.partition(":")
        try:
            imported = importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise ModelError(f"factory {name}: importing {module} failed ({type(error).__name__}: {error})") from error
        if not hasattr(imported, attribute):
            functions = [key for key, value in vars(imported).items() if callable(value)]
            raise ModelError(f"factory {name}: {unknown_name(f'function of {module}', attribute, functions)}")
        self.function = getattr(imported, attribute)

    def network(self, n_classes: int, size: tuple[int, int]) -> nn.Module:  # noqa: ARG002 - it decides itself
        """The network that the function returns.

        Raises:
            ModelError: the function fails, or returns something other than a module.
        """
        try:
            module = self.function(**self.options)
        except SystemExit as error:
            raise ModelError(
                f"factory {self.name} ended the program (exit {error.code or 0}): let it return"
            ) from error
        except Exception as error:
            raise ModelError(f"factory {self.name} failed ({type(error).__name__}: {error})") from error
        if not isinstance(module, nn.Module):
            raise ModelError(f"factory {self.name} returned {type(module).__name__}, not a torch.nn.Module")
        return module

    def preprocess(self, input_size: int | None) -> Preprocess:
        """ImageNet's usual mean and std; the size has to be given.

        Raises:
            ConfigError: there is no ``input_size``.
        """
        if input_size is None:
            raise ConfigError(f"factory {self.name}: set `input_size`, the side of the network's input in pixels")
        return Preprocess(input_size, input_size, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
