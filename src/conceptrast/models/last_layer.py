"""The last linear layer of a classifier. Only this layer knows the classes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from conceptrast.base.errors import ModelError
from conceptrast.models.weights import unwrapped


def last_linear(module: nn.Module) -> tuple[str, nn.Linear]:
    """Name and layer of a network's last module with weights, which has to be linear and to have a bias.

    Raises:
        ModelError: the last module is something else; the message says what.

    Example:
        >>> last_linear(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
        ('1', Linear(in_features=12, out_features=2, bias=True))
    """
    weighted = [named for named in module.named_modules() if any(True for _ in named[1].parameters(recurse=False))]
    name, part = weighted[-1] if weighted else ("", None)
    if not isinstance(part, nn.Linear) or part.bias is None:
        raise ModelError(
            "the last layer of a network can be fitted alone where it is a torch.nn.Linear with a bias; "
            f"the last one with weights here is {name or 'nowhere'}: {part}"
        )
    return name, part


def with_own_head(state: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """A copy of ``state`` in which the last linear layer is that of ``module``.

    Raises:
        ModelError: the network does not end in a linear layer.

    Example:
        >>> import torch
        >>> state = {"0.weight": torch.ones(2, 2), "1.weight": torch.ones(9, 2), "1.bias": torch.ones(9)}
        >>> network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 3))
        >>> {name: tuple(value.shape) for name, value in with_own_head(state, network).items()}
        {'0.weight': (2, 2), '1.weight': (3, 2), '1.bias': (3,)}
    """
    name, _ = last_linear(module)
    fresh = module.state_dict()
    head = {key: fresh[key] for key in (f"{name}.weight", f"{name}.bias")}
    return unwrapped(state, fresh) | head
