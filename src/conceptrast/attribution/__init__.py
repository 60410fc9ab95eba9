"""Attribution: how much each activation speaks for a class.

Every method is one file with one function ``f(split, activations, baseline, target) -> attribution``. Activations and
attribution have the shape ``[N, C, h, w]``. A new method needs a new file and one line here, or two lines if it
measures from zero.
"""

METHODS = {
    "deeplift": "conceptrast.attribution.deeplift:deeplift",
    "gradient_x_activation": "conceptrast.attribution.gradient:gradient_x_activation",
    "integrated_gradients": "conceptrast.attribution.integrated_gradients:integrated_gradients",
}

FROM_ZERO = {"gradient_x_activation"}
"""Methods that attribute the activations themselves, ``A = a ⊙ m``. All other methods attribute the difference from
the baseline, ``A = (a - a0) ⊙ m``."""
