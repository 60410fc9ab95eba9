"""The device that a run asks for. The workflow hands it to its steps in an environment variable."""

from __future__ import annotations

import os

from conceptrast.base.errors import ConfigError, unknown_name

DEVICES = ("auto", "cpu", "cuda")
"""``auto`` takes a GPU if there is one; ``cuda`` means that there has to be one."""

VARIABLE = "CONCEPTRAST_DEVICE"


def ask_for(device: str) -> None:
    """Let this process, and those that it starts, compute on a device: one of :data:`DEVICES`."""
    os.environ[VARIABLE] = device


def asked_for() -> str:
    """The device that this process was asked to compute on; ``auto`` if nobody asked.

    Raises:
        ConfigError: the variable names no device.

    Example:
        >>> asked_for() in DEVICES
        True
    """
    device = os.environ.get(VARIABLE, "auto")
    if device not in DEVICES:
        raise ConfigError(unknown_name(f"device in {VARIABLE}", device, DEVICES))
    return device
