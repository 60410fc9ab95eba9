"""The Python front door: what a caller hands over by mistake gets an error of the package that says what is right."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..case import Action, Case
from ..material import picture

NAN = float("nan")
INFINITY = float("inf")


def asked(question: Callable[[Any], object], **options: Any) -> Action:
    """Make a study of the small pictures with some options, and ask it something."""

    def act() -> None:
        import conceptrast as cc
        from conceptrast.base.errors import ConceptrastError

        chosen = {"layer": "1", "input_size": 16, "class_names": ["red", "green", "blue"], "samples": 0, **options}
        model = chosen.pop("model", "networks:colours")
        pictures = chosen.pop("pictures", "pictures")
        sys.path.insert(0, "")
        try:
            study = cc.Study(
                model() if callable(model) else model, pictures() if callable(pictures) else pictures, **chosen
            )
            print(question(study))
        except ConceptrastError as error:
            sys.exit(f"error: {error}")

    return act


def nothing_asked(study: Any) -> object:
    """The study alone is the question."""
    return study.layer


def refused(name: str, question: Callable[[Any], object], *says: str, cause: int = 0, **options: Any) -> Case:
    """A call that is refused in one or two lines."""
    lines = options.pop("lines", 4)
    return Case(
        name=f"Python: {name}",
        action=asked(question, **options),
        says=["error: ", *says],
        lines=lines,
        cause=cause,
        seconds=15,
        quick=cause == 6,
    )


def bare() -> Any:
    """A network of the user's own."""
    from networks import colours

    return colours()


OF_OWN = {"input_size": None, "model": bare}

CASES = [
    Case(name="Python: a study", action=asked(nothing_asked), exit=0, seconds=15),
    Case(
        name="Python: maps of a picture",
        action=asked(lambda study: study.saliency("pictures/red-0.png")),
        exit=0,
        seconds=20,
    ),
    *(
        refused(f"{option} = {value}", nothing_asked, option, cause=3, **{option: value})
        for option, values in {
            "noise": (NAN, INFINITY, -1.0),
            "samples": (NAN, INFINITY, -1),
            "batch_size": (0, NAN),
            "seed": (-1, NAN),
            "images_per_class": (0, NAN),
            "cache_bytes": (-1, NAN),
            "input_size": (0, -5, 10**6),
        }.items()
        for value in values
    ),
    refused("mean = NaN", nothing_asked, "mean and std", cause=3, mean=[NAN] * 3),
    refused("std = infinity", nothing_asked, "mean and std", cause=3, std=[INFINITY] * 3),
    refused("std of two channels", nothing_asked, "mean and std", cause=3, std=[1.0] * 2),
    refused("an unknown option", nothing_asked, "nearest: samples", sample=3),
    refused("an unknown layer", nothing_asked, "'17'", layer="17"),
    refused("an unknown attribution", nothing_asked, "nearest: deeplift", attribution="deeplyft"),
    refused("an unknown precision", nothing_asked, "nearest: float32", precision="float23"),
    refused("two class names for three", nothing_asked, "3 outputs", "2 class names", cause=6, class_names=["a", "b"]),
    refused("a class name twice", nothing_asked, "'a' twice", cause=6, class_names=["a", "b", "a"]),
    refused("a bare network without preprocess", nothing_asked, "preprocess=Preprocess(", **OF_OWN),
    refused("a model that is a number", nothing_asked, "got int", model=lambda: 3, input_size=None),
    refused("a model that is a class", nothing_asked, "got type", model=lambda: type, input_size=None),
    refused("no pictures", lambda study: study.predictions, "no pictures", pictures=None),
    refused("an empty list of pictures", lambda study: study.predictions, "empty", pictures=list),
    refused("a list of numbers", lambda study: study.predictions, "list of int", pictures=lambda: [1, 2]),
    refused("a number for pictures", lambda study: study.predictions, "int", pictures=lambda: 3),
    refused("a folder that does not exist", lambda study: study.predictions, "does not exist", pictures="none"),
    refused("a picture that does not exist", lambda study: study.predict("none.png"), "does not exist"),
    refused("an unknown class", lambda study: study.explain("rod"), "nearest: red"),
    refused("a class below 0", lambda study: study.explain(-1), "classes 0 to 2"),
    refused("a class of 3", lambda study: study.explain(3), "classes 0 to 2"),
    refused(
        "a class that nobody is",
        lambda study: study.explain("red"),
        "none of 1 pictures",
        pictures="pictures/blue-0.png",
    ),
    refused("draws below 0", lambda study: study.explain("red", draws=-1), "draws"),
    refused("images of 0", lambda study: study.importance("red", images=0), "images"),
    refused("an unknown recipe", lambda study: study.explain("red", recipe="best"), "recipe"),
    refused("a contrast with itself", lambda study: study.contrast("red", "red"), "red"),
    refused("a heldout share of NaN", lambda study: study.contrast("red", "blue", heldout=NAN), "heldout", cause=3),
    refused("a threshold of NaN", lambda study: study.contrast("red", "blue", threshold=NAN), "threshold", cause=3),
    refused("an unknown solver", lambda study: study.contrast("red", "blue", solver="svn"), "solver"),
    refused("no components", lambda study: study.dff("pictures/red-0.png", []), "number of concepts"),
    refused("components of 0", lambda study: study.dff("pictures/red-0.png", [0]), "0"),
    refused("a map against itself", lambda study: study.saliency("pictures/red-0.png", "red", versus="red"), "red"),
    refused("no method", lambda study: study.saliency("pictures/red-0.png", methods=[]), "method"),
    refused(
        "a counterfactual without a decoder",
        lambda study: study.counterfactual("pictures/red-0.png", "blue"),
        "decoder",
    ),
    refused(
        "a probability of NaN",
        lambda study: study.counterfactual("pictures/red-0.png", "blue", probability=NAN),
        "probability",
        cause=3,
    ),
    refused(
        "a limit of infinity",
        lambda study: study.counterfactual("pictures/red-0.png", "blue", limit=INFINITY),
        "limit",
        cause=3,
    ),
    refused("segments of 1", lambda study: study.concepts("red", segments=[1]), "segments"),
    refused("significance of NaN", lambda study: study.concepts("red", significance=NAN), "significance", cause=3),
    refused("a picture of another kind", lambda study: study.predict(3), "int"),
    refused("a picture of no pixels", lambda study: study.predict(picture(0, 1).crop((0, 0, 0, 0))), "pixels"),
]
