"""The kinds of datasets. Each kind has one file, and one line here."""

from __future__ import annotations

DATASET_KINDS = {
    "collages": "conceptrast.data.collages:Collages",
    "digit_pairs": "conceptrast.data.digit_pairs:DigitPairs",
    "digits": "conceptrast.data.digits:Digits",
    "huskies": "conceptrast.data.huskies:Huskies",
    "image_folder": "conceptrast.data.image_folder:ImageFolder",
    "imagenet": "conceptrast.data.imagenet:ImageNet",
    "imagenette": "conceptrast.data.imagenette:Imagenette",
    "midog": "conceptrast.data.midog:Midog",
    "pets": "conceptrast.data.pets:Pets",
    "photograph_pairs": "conceptrast.data.photograph_pairs:PhotographPairs",
    "photographs": "conceptrast.data.photographs:Photographs",
    "rotated_pair": "conceptrast.data.rotated_pair:RotatedPair",
}

#: Kinds that know which objects lie where in their pictures. Concept recovery is measured on them.
KINDS_WITH_TRUTH = {
    "digit_pairs": "digits and portrait, with their boxes",
    "photograph_pairs": "two photographs, with their halves",
}
