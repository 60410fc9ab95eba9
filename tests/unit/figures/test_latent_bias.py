"""What figures of latent spaces say."""

from __future__ import annotations

import numpy as np

from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.discriminant import Discriminant
from conceptrast.bias.latent_map import latent_map
from conceptrast.bias.latent_space import LatentSpace, latent_space
from conceptrast.bias.navigation import navigation
from conceptrast.figures.latent_bias import draw_maps, draw_rotations
from conceptrast.figures.latent_navigation import draw_navigation

from ..bias.rotated_digits import ENTRIES, pictures_of


def test_panels_of_rotations_print_the_correlation_within_each_class():
    space = latent_space(Autoencoder(8).eval(), pictures_of())
    turned = space.positions.assign(position=space.positions["rotation"])
    placed = LatentSpace(space.direction, space.codes, turned)
    keys = [(condition, network) for condition in ENTRIES for network in ("autoencoder", "resnet")]
    figure = draw_rotations(dict.fromkeys(keys, placed), "digits")
    lines = [text.get_text() for axes in figure.axes[1:] for text in axes.texts]
    assert lines == ["ρ = +1.00 in 3, ρ = +1.00 in 4"] * 4


def test_figures_of_a_network_that_tells_nothing_apart_say_so():
    network = Autoencoder(8).eval()
    given = pictures_of()
    space = latent_space(network, given)
    nothing = Discriminant(space.direction.middle, *(np.zeros_like(space.direction.unit),) * 2)
    blind = LatentSpace(nothing, space.codes, space.positions.assign(position=0.0))
    spaces = {(condition, name): blind for condition in ENTRIES for name in ("autoencoder", "resnet")}
    draw_maps({key: latent_map(space) for key, space in spaces.items()}, "digits")
    steps = navigation({name: blind for _, name in spaces}, network, given, "biased")
    draw_navigation(steps, "digits")
    lines = [text.get_text() for axes in draw_rotations(spaces, "digits").axes[1:] for text in axes.texts]
    assert lines == ["no position in 3, no position in 4"] * 4
