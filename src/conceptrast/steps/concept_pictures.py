"""Show what the concepts of a study look like: decoded alone, and put into a picture that lacks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.base.names import short, slug
from conceptrast.base.progress import progress
from conceptrast.contrast.pairs import named_pairs
from conceptrast.counterfactual.concept_pictures import (
    MOSTLY,
    ClassConcept,
    ConceptPicture,
    component_concepts,
    concept_picture,
    read,
    shown_thing,
    vector_concept,
)
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.decoder import Decoder, read_decoder
from conceptrast.counterfactual.known_boxes import things_in_blocks
from conceptrast.counterfactual.search import walks_of_length
from conceptrast.counterfactual.story import Story, story_of
from conceptrast.counterfactual.study_knowledge import drawn_others
from conceptrast.counterfactual.swap import ClassComponents, Windows
from conceptrast.data.selection import class_images
from conceptrast.data.view_pixels import pixels
from conceptrast.figures.canvas import save_png
from conceptrast.figures.concept_pictures import draw_concept_pictures
from conceptrast.figures.counterfactual_animation import animation, save_gif
from conceptrast.figures.story_page import save_story
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import device_of
from conceptrast.models.injection import Injection
from conceptrast.models.opening import open_model
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel
from conceptrast.steps.decoded_study import DecodedStudyInputs
from conceptrast.steps.figure_folder import CLASSES, FigureFolder, PageFolder
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run

FRAMES = 5
"""Pictures in the animation of a concept."""
NOTE = "above: parts of real pictures in which the concept is strongest; below: the concept alone, decoded"
COLUMNS = ["class", "class_name", "kind", "concept", "shows", "share", "readable", "read"]


@dataclass(frozen=True, kw_only=True)
class Inputs(DecodedStudyInputs):
    """Also the reader's weights."""

    reader: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What each concept shows and what the reader says, a figure for each class, and animations.

    ``pages`` has the facts of the atlas's animations. Their pictures are in the folder of the same name.
    """

    concepts: Path
    pictures: Path
    manifest: Path
    pages: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Show all concepts of the classes of the study's named pairs."""
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    reader = open_model(settings["reader"], inputs.reader) if settings["reader"] else None
    pairs = named_pairs(model, settings["pairs"])
    study = _Study(settings, pictures, read_decoder(inputs.decoder).to(device_of(model)))
    # The pictures of the classes, and others that lack their concepts
    predictions = read_table(inputs.predictions)
    images, _ = class_images(
        predictions,
        settings["min_images"],
        settings["images_per_class"],
        settings["seed"],
        n_classes=len(model.class_names),
        classes={target for pair in pairs for target in pair},
    )
    other_ids, predicted = drawn_others(predictions, settings["seed"])
    others = study.seen(other_ids)
    concepts = study.concepts(inputs, pairs)
    # Every class
    truth = inputs.read_truth()
    rows: list[list[Any]] = []
    folder = FigureFolder(outputs.pictures, CLASSES, "[0-9]*-*")
    pages = PageFolder(outputs.pages)
    for target, ids in progress(images.items(), "concepts as pictures", len(images), "classes"):
        of_class = study.seen(ids)
        elsewhere = torch.from_numpy(predicted != target)
        if not elsewhere.any():
            continue
        hosts = _Seen(others.views[elsewhere], others.activations[elsewhere])
        shown_concepts = [
            concept_picture(study.layer, concept, of_class.activations, views=of_class.views, others=hosts.activations)
            for concept in concepts.of_class(target, of_class.activations)
        ]
        positions = (of_class.activations.shape[2], of_class.activations.shape[3])
        things = things_in_blocks(truth, ids, model.preprocess.size, positions)
        captions = []
        for picture in shown_concepts:
            shows, share = shown_thing(picture.blocks, ids.tolist(), things)
            answer = "" if reader is None else read(reader, picture.added)
            readable = reader is not None and shows in reader.class_names
            concept = picture.concept
            place = [target, model.class_names[target], concept.kind, concept.name]
            rows.append([*place, shows, share, readable, answer])
            captions.append(_caption(shows if things else "", share, answer, readable))
            pair = (int(predicted[predicted != target][picture.host]), target)
            story = put_into(study, picture, hosts, pair)
            stem = f"{target}-{slug(model.class_names[target])}-{concept.kind}-{slug(concept.name)}"
            ends = [model.class_names[end] for end in pair]
            save_gif(animation(story, ends), folder.add(target, model.class_names[target], f"{stem}.gif"))
            facts = {"class": target, "name": ends[1], "kind": concept.kind, "concept": concept.name, "into": ends[0]}
            pages.add(facts | save_story(story, pages.folder, stem))
        name = model.class_names[target]
        title = f"{settings['study']}: concepts of {short(name, 40)}"
        figure = draw_concept_pictures(shown_concepts, captions, title, NOTE)
        save_png(figure, folder.add(target, name, f"{target}-{slug(name)}.png"))
    write_table(pd.DataFrame(rows, columns=COLUMNS), outputs.concepts)
    folder.finish(outputs.manifest)
    pages.finish()


@dataclass(frozen=True)
class _Seen:
    """Pictures as the model sees them, and their activations."""

    views: Tensor
    activations: Tensor


@dataclass(frozen=True)
class _Concepts:
    """All concepts of a study by class."""

    components: Mapping[int, ClassComponents]
    vectors: Mapping[int, Sequence[tuple[str, str, np.ndarray]]]
    windows: Windows

    def of_class(self, target: int, activations: Tensor) -> list[ClassConcept]:
        """Components first, then concepts of ACE, then hyperplanes."""
        concepts = component_concepts(self.components[target]) if target in self.components else []
        for kind, name, vector in self.vectors.get(target, ()):
            concepts.append(vector_concept(kind, name, vector, activations=activations, windows=self.windows))
        return [concept for concept in concepts if concept.strength(activations).any()]


class _Study:
    """The study's layer, its pictures as the layer sees them, and the layer that is decoded."""

    def __init__(self, settings: Mapping[str, Any], pictures: Pictures, decoder: Decoder) -> None:
        model = pictures.model
        layer = settings["layer"]
        decode = settings["decode"]
        self.settings = settings
        self.pictures = pictures
        split = SplitModel(model, layer)
        self.split = split.for_inference(settings["precision"])
        self.layer = (
            DecodableLayer(model, split, decoder)
            if layer == decode
            else DecodableLayer(model, SplitModel(model, decode), decoder, injection=Injection(model, layer, decode))
        )

    def seen(self, ids: np.ndarray) -> _Seen:
        """Views and activations of some pictures."""
        by_id = self.pictures.by_id(ids)
        views = torch.stack([by_id[image] for image in ids.tolist()])
        batches = activations_of(self.layer.model, self.split, [(ids, views)], self.settings["precision"])
        return _Seen(views, torch.cat([values for _, values in batches]).float().to(device_of(self.layer.model)))

    def concepts(self, inputs: Inputs, pairs: Sequence[tuple[int, int]]) -> _Concepts:
        """Components, significant concepts of ACE, and the normals that point towards a class."""
        settings = self.settings
        windows = Windows(**settings["pooling"])
        vectors: dict[int, list[tuple[str, str, np.ndarray]]] = {}
        if inputs.ace is not None:
            cavs = read_arrays(inputs.ace)
            for target, name, cav in zip(cavs["classes"].tolist(), cavs["concepts"], cavs["cavs"], strict=True):
                vectors.setdefault(target, []).append(("ace", str(name).rsplit(" ", 1)[-1], cav))
        planes = inputs.read_planes(settings, pairs)
        if planes is not None:
            names = self.pictures.model.class_names
            for pair in pairs:
                plane = planes.get(pair)
                if plane is not None:
                    name = f"{short(names[pair[0]])} to {short(names[pair[1]])}"
                    vectors.setdefault(pair[1], []).append(("hyperplane", name, plane.normal))
        return _Concepts(inputs.read_components(settings), vectors, windows)


def put_into(study: _Study, picture: ConceptPicture, hosts: _Seen, pair: tuple[int, int]) -> Story:
    """A concept on its way into a picture that lacks it."""
    host = picture.host
    [walk] = walks_of_length(
        study.layer,
        hosts.activations[host : host + 1],
        [[picture.edit]],
        [np.ones(1)],
        fractions=np.linspace(0, 1, FRAMES).tolist(),
    )
    return story_of(walk, picture.edit, pixels(hosts.views[host]), pair)


def _caption(shows: str, share: float, answer: str, readable: bool) -> tuple[str, bool | None]:
    """The line about a concept, and whether the reader is right."""
    lines = [f"shows {shows} in {share:.0%}"] if shows else []
    if answer:
        lines.append(f"the reader sees {short(answer, 20)}")
    is_judged = readable and share >= MOSTLY
    return "\n".join(lines), answer == shows if is_judged else None


if __name__ == "__main__":
    run(main)
