"""Tell what a node of a ``torch.fx`` graph does: does it read a size, write in place, or rectify values?"""

from __future__ import annotations

import operator
from typing import Any

from torch import fx, nn

_SIZE_METHODS = {"size", "dim", "numel"}
_SIZE_ATTRIBUTES = {"shape", "ndim", "dtype", "device"}
_AUGMENTED = {"iadd", "isub", "imul", "itruediv", "ifloordiv", "ipow", "iand", "ior", "ixor"}
_RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, nn.Softmax)
_RECTIFYING = {"relu", "relu_", "relu6", "sigmoid", "sigmoid_", "hardsigmoid", "softplus", "softmax"}
_KEEPING = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_KEEPING_NAMES = {"dropout", "flatten", "add", "iadd", "cat", "concat", "view", "reshape", "max_pool2d", "avg_pool2d"}
_KEEPING_NAMES |= {"adaptive_avg_pool2d", "stochastic_depth", "boolean_dispatch"}


def is_size(node: fx.Node) -> bool:
    """Whether the node reads a size, or something else that is not a tensor, from a tensor."""
    if node.op == "call_method":
        return str(node.target) in _SIZE_METHODS
    return node.op == "call_function" and node.target is getattr and str(node.args[1]) in _SIZE_ATTRIBUTES


def _is_number(node: fx.Node) -> bool:
    return is_size(node) or is_batch_size(node) or is_arithmetic(node)


def is_arithmetic(node: fx.Node) -> bool:
    """Whether the node computes a number only from numbers, and the number is not the batch size."""
    if node.op != "call_function" or not node.all_input_nodes or node.target is getattr or is_batch_size(node):
        return False
    return all(_is_number(part) for part in node.all_input_nodes)


def is_batch_size(node: fx.Node) -> bool:
    """Whether the node is the number of images: ``x.size(0)``, ``x.size()[0]`` or ``x.shape[0]``."""
    if node.op == "call_method" and node.target == "size":
        return [*node.args[1:], *node.kwargs.values()] == [0]
    if node.op == "call_function" and node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        whole = node.args[0]
        whole_size = whole.op == "call_method" and whole.target == "size" and len(whole.all_input_nodes) == 1
        shape = whole.op == "call_function" and whole.target is getattr and whole.args[1] == "shape"
        first = bool(node.args[1] == 0)
        return first and (shape or (whole_size and len(whole.args) == 1 and not whole.kwargs))
    return False


def is_image_size(node: fx.Node, image: fx.Node) -> bool:
    """Whether the node reads sizes of the image other than the batch size.

    They are ``x.size(2)``, ``x.dim()``, and ``x.shape`` or ``x.size()`` where only single elements are used.
    """
    if not is_size(node) or node.all_input_nodes != [image] or is_batch_size(node):
        return False
    if node.op == "call_method":
        whole = node.target == "size" and not node.args[1:] and not node.kwargs
        if not whole:
            return node.target in {"size", "dim"}
    elif node.args[1] != "shape":
        return bool(node.args[1] == "ndim")
    return all(
        user.op == "call_function" and user.target is operator.getitem and user.args[1] in {0, 1, 2, 3, -1, -2, -3}
        for user in node.users
    )


def writes_in_place(node: fx.Node, targets: dict[str, Any]) -> bool:
    """Whether the node overwrites its input."""
    if node.op == "call_module":
        return bool(getattr(targets[str(node.target)], "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        augmented = getattr(node.target, "__module__", "") == "_operator" and name in _AUGMENTED
        return bool(node.kwargs.get("inplace")) or augmented or (name.endswith("_") and not name.endswith("__"))
    return False


def is_rectified(node: fx.Node, targets: dict[str, Any]) -> bool:
    """Whether the node's value cannot be negative: it comes from ReLU or a similar function, maybe through pooling."""
    if node.op == "call_module":
        part = targets[str(node.target)]
        if isinstance(part, _RECTIFIERS):
            return True
        keeps = isinstance(part, _KEEPING)
    elif node.op in {"call_function", "call_method"}:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        if name in _RECTIFYING:
            return True
        keeps = name in _KEEPING_NAMES
    else:
        return False
    inputs = [part for part in node.all_input_nodes if not _is_number(part)]
    return keeps and bool(inputs) and all(is_rectified(part, targets) for part in inputs)
