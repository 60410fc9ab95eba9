"""What figures of latent spaces say."""

from __future__ import annotations

import dataclasses

import numpy as np

from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.discriminant import Discriminant
from conceptrast.bias.latent_map import latent_map
from conceptrast.bias.latent_space import latent_space
from conceptrast.bias.navigation import navigation
from conceptrast.bias.rotation_regressor import RotationRegressor
from conceptrast.figures.latent_bias import draw_cause, draw_maps, draw_visibility
from conceptrast.figures.latent_navigation import draw_navigation

from ..bias.rotated_digits import ENTRIES, pictures_of

KEYS = [(condition, network) for condition in ENTRIES for network in ("autoencoder", "resnet")]


def test_curves_over_the_angle_are_drawn_for_every_class_network_and_condition():
    space = latent_space(Autoencoder(8).eval(), pictures_of())
    space.turned["probability"] = (space.turned["rotation"] > 90).astype(float)
    panels = draw_cause(dict.fromkeys(KEYS, space), "digits").axes[1:]
    assert len(panels) == 8
    assert [len(axes.lines) for axes in panels] == [3] * 8  # two classes, and the boundary of their ranges
    for axes in panels[::2]:
        first = axes.lines[0]
        assert first.get_ydata()[first.get_xdata() < 90].max() == 0
        assert first.get_ydata()[first.get_xdata() > 90].min() == 1
    titles = [axes.get_title(loc="left") for axes in panels[::2]]
    assert titles[0] == "adversarial autoencoder\nbiased: the angle went with the class"
    assert titles[3] == "plain classifier\ncontrol: all angles for both"


def test_panels_of_visibility_print_the_angles_at_both_ends():
    space = latent_space(Autoencoder(8).eval(), pictures_of())
    unbiased = space.turned["turned"] == "unbiased"
    space.turned["position"] = space.turned["rotation"]
    angles = np.sort(space.turned["rotation"][unbiased].to_numpy())
    readings = dict.fromkeys(KEYS, space.turned["rotation"][unbiased].to_numpy())
    figure = draw_visibility(dict.fromkeys(KEYS, space), readings, "digits")
    lines = [text.get_text() for axes in figure.axes[1:] for text in axes.texts]
    assert lines == [f"pictures at the two ends: {angles[:5].mean():.0f}° and {angles[-4:].mean():.0f}°"] * 4


def test_figures_of_a_network_that_tells_nothing_apart_are_drawn():
    network = Autoencoder(8).eval()
    given = pictures_of()
    space = latent_space(network, given)
    zeros = np.zeros_like(space.direction.unit)
    nothing = Discriminant(space.direction.middle, zeros, zeros, reach=0.0)
    blind = dataclasses.replace(
        space,
        directions=dict.fromkeys(space.directions, nothing),
        positions=space.positions.assign(position=0.0),
        turned=space.turned.assign(position=0.0),
    )
    spaces = dict.fromkeys(KEYS, blind)
    draw_maps({key: latent_map(space, given, size=8) for key, space in spaces.items()}, "digits")
    steps = navigation({name: blind for _, name in spaces}, network, RotationRegressor(8).eval(), given, "biased")
    draw_navigation(steps, "digits")
    draw_cause(spaces, "digits")
    readings = dict.fromkeys(KEYS, np.full(24, 90.0))
    figure = draw_visibility(spaces, readings, "digits")
    assert "pictures at the two ends: 90° and 90°" in [text.get_text() for axes in figure.axes for text in axes.texts]
