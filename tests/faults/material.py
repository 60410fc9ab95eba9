"""What every case finds in its folder: pictures, networks and their class names, all small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ["red", "green", "blue"]
SIDE = 16

FACTORIES = '''
import sys
import torch
from torch import nn


def colours():
    """Says which colour a picture has most of: 12 mixtures of the colours, and back."""
    mixtures = torch.rand(12, 3, generator=torch.Generator().manual_seed(0))
    mix = nn.Conv2d(3, 12, kernel_size=2, stride=2)
    mix.weight.data[:] = mixtures[:, :, None, None] / 4
    mix.bias.data.fill_(1.0)
    separate = nn.Linear(12, 3)
    separate.weight.data[:] = 4 * torch.linalg.pinv(mixtures)
    separate.bias.data.zero_()
    return nn.Sequential(mix, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), separate)


class Wrapped(nn.Module):
    """The same, with something done to what it gives."""

    def __init__(self, change):
        super().__init__()
        self.network = colours()
        self.change = change

    def forward(self, images):
        return self.change(self.network(images))


def tuples():
    return Wrapped(lambda logits: (logits, logits))


def dictionaries():
    return Wrapped(lambda logits: {"logits": logits})


def nothing():
    return Wrapped(lambda logits: None)


def maps():
    return nn.Sequential(nn.AvgPool2d(2), nn.ReLU())


def infinite():
    return Wrapped(lambda logits: logits / 0)


def not_numbers():
    return Wrapped(lambda logits: logits * float("nan"))


def squeezed():
    return Wrapped(torch.squeeze)


def looking_around():
    return Wrapped(lambda logits: logits - logits.mean(0))


def changing():
    return Wrapped(lambda logits: logits + torch.rand_like(logits))


def one_output():
    return Wrapped(lambda logits: logits[:, :1])


def one_picture():
    return Wrapped(lambda logits: logits.mean(0, keepdim=True))


def whole_numbers():
    return Wrapped(lambda logits: logits.argmax(1))


def ten_thousand():
    """The same, with 10,000 outputs."""
    network = colours()
    torch.manual_seed(0)
    wide = nn.Linear(12, 10000)
    wide.weight.data[:3] = network[4].weight.data
    wide.weight.data[3:] *= 0.01
    wide.bias.data.zero_()
    network[4] = wide
    return network


class Untraceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.relu = nn.ReLU()

    def forward(self, images):
        values = self.relu(self.pool(images))
        if values.sum() > 1e9:
            values = values + 1
        return values.mean((2, 3))


def untraceable():
    return Untraceable()


class TupleLayer(nn.Module):
    """Its last registered layer has 8 outputs, the network 3."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
        self.lstm = nn.LSTM(3, 3, batch_first=True)
        self.unused = nn.Linear(3, 8)

    def forward(self, images):
        values = self.body(images).flatten(2).transpose(1, 2)
        values, _ = self.lstm(values)
        return values.mean(1)


def tuple_layer():
    torch.manual_seed(0)
    return TupleLayer()


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def broken_weights():
    network = convolutions()
    network[0].weight.data[0, 0] = float("nan")
    return network


def ends():
    sys.exit()


def ends_with_three():
    raise SystemExit(3)


def fails():
    raise RuntimeError("no network today")


def no_network():
    return 7


def wants_arguments(depth):
    return colours()
'''


def picture(colour: int, number: int) -> Image.Image:
    """A noisy picture that has most of one colour."""
    pixels = np.random.default_rng(number).integers(0, 90, (SIDE, SIDE, 3), np.uint8)
    pixels[..., colour] += 120
    return Image.fromarray(pixels)


def make_material(folder: Path) -> None:
    """Write it: ``pictures/`` (12 of three colours), ``classes/<colour>/``, ``networks.py`` and ``names.json``."""
    for colour, name in enumerate(NAMES):
        for number in range(4):
            for file in (folder / "pictures" / f"{name}-{number}.png", folder / "classes" / name / f"{number}.png"):
                file.parent.mkdir(parents=True, exist_ok=True)
                picture(colour, 10 * colour + number).save(file)
    (folder / "networks.py").write_text(FACTORIES)
    (folder / "names.json").write_text(json.dumps(NAMES))
    (folder / "many.json").write_text(json.dumps([*NAMES, *(f"class {number}" for number in range(3, 10000))]))
