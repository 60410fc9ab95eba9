"""Attribution: how much each activation speaks for a class.

Every method is one file with one function ``f(split, activations, baseline, target) -> attribution``, all of shape
``[N, C, h, w]``; adding one is a new file and one line here.
"""

METHODS = {
    "deeplift": "conceptrast.attribution.deeplift:deeplift",
    "gradient_x_activation": "conceptrast.attribution.gradient:gradient_x_activation",
    "integrated_gradients": "conceptrast.attribution.integrated_gradients:integrated_gradients",
}
