"""Save the state of a training after every epoch. Then a kill costs at most one epoch."""

from __future__ import annotations

import copy
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from conceptrast.base.files import atomic
from conceptrast.models.weights import refuse_damaged

LOGGER = logging.getLogger("conceptrast")
History = list[dict[str, Any]]


class Checkpoint:
    """Saves and restores the parts of a training, and its history.

    Args:
        path: file of the checkpoint; ``None`` saves nothing.
        key: names what the training depends on; a checkpoint with another key is ignored.
        parts: networks and optimisers by name.

    Example:
        >>> import tempfile
        >>> path, layer = Path(tempfile.mkdtemp(), "training.pt"), nn.Linear(1, 1)
        >>> checkpoint = Checkpoint(path, "key", {"layer": layer})
        >>> checkpoint.resume(), checkpoint.save([{"epoch": 1}]), checkpoint.resume()
        ([], None, [{'epoch': 1}])
    """

    def __init__(self, path: Path | None, key: str, parts: Mapping[str, nn.Module | Optimizer]) -> None:
        self.path = path
        self.key = key
        self.parts = parts

    def save(self, history: History) -> None:
        """Write all parts and the history under a temporary name, then rename."""
        if self.path is None:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        content = io.BytesIO()
        torch.save({"key": self.key, "parts": state, "history": history}, content)
        with atomic(self.path) as part:
            # Python writes the file, because torch's error for a full disk is not an OSError.
            part.write_bytes(content.getbuffer())

    def resume(self) -> History:
        """Restore the states of the parts and return the history; it is empty if no checkpoint has this key.

        A checkpoint only saves time. If anything is wrong with it, the parts stay as they are and training starts anew.
        """
        if self.path is None or not self.path.is_file():
            return []
        # Restore all parts, or none.
        before = {name: copy.deepcopy(part.state_dict()) for name, part in self.parts.items()}
        try:
            refuse_damaged(self.path)
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            if content["key"] != self.key:
                LOGGER.info("checkpoint %s belongs to other settings and is ignored", self.path)
                return []
            for name, part in self.parts.items():
                part.load_state_dict(content["parts"][name])
            history: History = list(content["history"])
        except Exception as error:
            LOGGER.warning("checkpoint %s cannot be read and is ignored: %s", self.path, type(error).__name__)
            for name, part in self.parts.items():
                part.load_state_dict(before[name])
            return []
        LOGGER.info("resuming after epoch %d", len(history))
        return history
