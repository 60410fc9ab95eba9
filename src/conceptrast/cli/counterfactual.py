"""``conceptrast counterfactual``: what would have to be different in a picture for another class."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from conceptrast.base.errors import ConceptrastError, ConfigError
from conceptrast.cli.arguments import (
    add_class,
    add_folder,
    add_layer,
    add_model_arguments,
    add_run_arguments,
    check_files,
    check_numbers,
    class_of,
    open_study,
    prepare_output,
    write_result,
)


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_model_arguments(command)
    add_layer(command)
    command.add_argument("--image", required=True, type=Path, nargs=1, metavar="FILE", help="the picture")
    add_class(command, "name or index of the class that the picture is moved towards")
    decoder = command.add_mutually_exclusive_group()
    decoder.add_argument("--decoder", type=Path, metavar="FILE", help="decoder of the layer, a .safetensors file")
    decoder.add_argument("--train", action="store_true", help="train a decoder on --images and write it, too")
    command.add_argument(
        "--inject",
        metavar="LAYER",
        help="layer at which the picture is moved, if it is not the decoder's: an earlier one",
    )
    add_folder(command, required=False)
    command.add_argument("--epochs", type=int, default=2, help="of --train (default 2)")
    command.add_argument("--frames", type=int, default=13, help="decoded pictures on the way (default 13)")
    add_run_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Move the picture; write ``counterfactual.png``, ``.csv``, ``.gif`` and, if trained, ``decoder.safetensors``."""
    # Refuse what cannot be asked.
    check_numbers(options)
    check_files(options.image)
    if options.train and options.images is None:
        raise ConfigError("--train needs --images, a folder of pictures that the decoder learns from")
    prepare_output(options)
    # The study and its decoder.
    study = open_study_of_decoder(options)
    target = class_of(options.target, study.model.class_names)
    refuse_target(study, options.image[0], target)
    refuse_layer(study, options.inject)
    written = train_decoder(study, options) if options.train else []
    if not (options.train or options.decoder):
        raise without_decoder(study, options)
    # The counterfactual, with an animation of one edit.
    counterfactual = study.counterfactual(options.image[0], target, inject=options.inject, frames=options.frames)
    if not counterfactual.stories:
        raise ConceptrastError(counterfactual.weakness)
    written.append(options.out / "counterfactual.gif")
    counterfactual.save_gif(written[-1])
    tables = {"counterfactual.csv": counterfactual.table()}
    write_result(counterfactual, options, "counterfactual", tables, others=written)


def refuse_target(study: Any, image: Path, target: str | int) -> None:
    """Refuse a class that cannot be asked about, before hours of training.

    Raises:
        ConfigError: there is no such class, or the model says it of the picture already.
    """
    name = study.model.class_names[study.model.class_index(target)]
    predicted, _ = study.predict(image)
    if predicted == name:
        raise ConfigError(f"the model says {name!r} of this picture already: name another class")


def refuse_layer(study: Any, inject: str | None) -> None:
    """Refuse a layer whose values do not reach the decoder's, before hours of training.

    Raises:
        LayerError: there is no such layer, or no way from it to the decoder's.
    """
    from conceptrast.models.injection import Injection

    if inject is not None:
        Injection(study.model, inject, study.layer)


def open_study_of_decoder(options: argparse.Namespace) -> Any:
    """The study. If a decoder file is named but no layer, the study is at the decoder's layer.

    Raises:
        LayerError: the decoder belongs to another layer.
    """
    if options.decoder is None:
        return open_study(options)
    from conceptrast.counterfactual.decoder import read_decoder

    decoder = read_decoder(options.decoder)
    options.layer = options.layer or decoder.layer
    decoder.check_layer(options.layer)
    study = open_study(options)
    study.decoder(decoder)
    return study


def train_decoder(study: Any, options: argparse.Namespace) -> list[Path]:
    """Train a decoder on the study's pictures, write it, and return its file."""
    from conceptrast.counterfactual.decoder import write_decoder
    from conceptrast.counterfactual.decoder_training import DecoderOptions

    file = options.out / "decoder.safetensors"
    write_decoder(study.decoder(DecoderOptions(epochs=options.epochs)), file)
    return [file]


def without_decoder(study: Any, options: argparse.Namespace) -> ConfigError:
    """The error for a call that names no decoder. It says how to train one and about how long that takes."""
    from conceptrast.api.counterfactual import training_time
    from conceptrast.data.loose_pictures import as_dataset

    count = 1000 if options.images is None else len(as_dataset(options.images)[1])
    time = training_time(count, study.model.preprocess.size, options.epochs)
    return ConfigError(
        f"a counterfactual at {study.layer} needs a decoder: --decoder FILE reads one, --train --images DIR trains one "
        f"and writes it ({time} on two cores, longer for large networks)"
    )
