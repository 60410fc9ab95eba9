"""A model and pictures that questions are asked about: the Python front door."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd
from PIL import Image
from torch import nn

from conceptrast.ace.options import AceOptions
from conceptrast.api.components import ClassFactorization, factorization_of_class, recipe_named
from conceptrast.api.concepts import PUBLISHED, Discovery, discover
from conceptrast.api.contrast import ZERO, Contrast, ContrastOptions, contrast, pair_of
from conceptrast.api.counterfactual import (
    Counterfactual,
    Way,
    decodable_layer,
    move,
    no_decoder,
    trained_decoder,
)
from conceptrast.api.dff import Factorization, factorize
from conceptrast.api.evidence import Evidence, PictureSet
from conceptrast.api.explanation import Explanation, explain
from conceptrast.api.importance import Fidelity, Importance, fidelity, importance
from conceptrast.api.layers import layers_of
from conceptrast.api.options import CACHE_BYTES, StudyOptions, refuse_options
from conceptrast.api.saliency import MapTarget, Saliency, look, methods_named
from conceptrast.api.stability import Stability, stability
from conceptrast.base.errors import ConfigError
from conceptrast.base.out_of_memory import memory_explained
from conceptrast.base.progress import show_progress
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.removals import RemovalOptions
from conceptrast.contrast.features import THRESHOLD
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.counterfactual.decoder import Decoder, read_decoder
from conceptrast.counterfactual.decoder_training import DEFAULTS, DecoderOptions
from conceptrast.counterfactual.directions import Direction
from conceptrast.data.loose_pictures import AnyPictures
from conceptrast.models.activations import refuse_class_tokens
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.opening import load_model

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def explains_memory(
    question: Callable[Concatenate[Study, Asked], Answer],
) -> Callable[Concatenate[Study, Asked], Answer]:
    """A question of a study that says which batch size to lower if its pictures do not fit into memory."""

    @functools.wraps(question)
    def answer(study: Study, *args: Asked.args, **options: Asked.kwargs) -> Answer:
        with memory_explained({"batch_size": study.options.batch_size}):
            return question(study, *args, **options)

    return answer


def _at_least(name: str, value: int, least: int) -> None:
    """Refuse a number that is too small."""
    if value < least:
        raise ConfigError(f"{name} must be at least {least}, got {value}")


class Study:
    """A model, pictures and a layer, and six questions that you can ask about them.

    A study keeps predictions, attributions and, as far as they fit into ``cache_bytes``, activations. A second question
    computes only what no earlier question has computed. An answer does not depend on earlier questions.

    Args:
        model: a name (``resnet50``, ``efficientnet_lite0``, …), ``package.module:function``, a
            :class:`~conceptrast.models.model.Model`, or your own ``torch.nn.Module`` with ``preprocess``.
        pictures: one picture (a file, or a PIL image), a folder (any nesting), a list of files or of PIL images, or a
            dataset and rows of its index. ``saliency``, ``dff`` and ``counterfactual`` bring their own and need none.
        layer: the layer where the model is looked into, e.g. ``layer4.2``; the last one that has positions if ``None``.
            See :meth:`layers`.
        weights: the weights, if the model is given by name: a name of published weights, or a ``.pth`` or
            ``.safetensors`` file.
        preprocess: how pictures become the model's input. Your own network needs it; other models have their own.
        class_names: the names of the model's outputs; your own network has numbers if not given.
        input_size: the side of the input in pixels, if the model is given by name.
        images_per_class: the largest number of pictures of a class that are used; ``None`` means 60, or 50 for ACE.
        attribution: ``deeplift``, ``integrated_gradients`` or ``gradient_x_activation``.
        samples: noisy copies of each picture that is attributed; 0 attributes the picture itself.
        noise: the standard deviation of the noise, in normalised units.
        rectify: whether negative activations are set to zero; if not, they raise an error.
        seed: the seed of everything random.
        precision: ``float32`` or ``bfloat16``.
        batch_size: pictures, or noisy copies, in a batch.
        cache_bytes: bound on the activations that are kept; 0 keeps none. What does not fit is computed again.
        options: ``options``, ``extract``, ``resize``, ``crop``, ``mean``, ``std``, ``interpolation``, as
            :func:`~conceptrast.models.opening.load_model` takes them.

    Raises:
        ModelError: unknown model or weights; your own network without ``preprocess``.
        LayerError: there is no such layer, or the model cannot be cut there; the message names the nearest.
        ConfigError: a number that is too small, or an unknown name of a method or precision.
        OutOfMemoryError: when a question is asked: a batch does not fit into memory; the message says what to lower.

    Example:
        >>> from PIL import Image
        >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "red")]
        >>> study = Study(network, pictures, preprocess=Preprocess(8, 8, (0.5,) * 3, (0.25,) * 3),
        ...     class_names=["red", "green", "blue"], samples=0)
        >>> study.layer, study.predictions["predicted_name"].tolist()
        ('1', ['red', 'blue', 'red'])
    """

    def __init__(
        self,
        model: str | Model | nn.Module,
        pictures: AnyPictures | None = None,
        *,
        layer: str | None = None,
        weights: str | Path | None = None,
        preprocess: Preprocess | None = None,
        class_names: Sequence[str] | None = None,
        input_size: int | None = None,
        images_per_class: int | None = None,
        attribution: str = "deeplift",
        samples: int = 5,
        noise: float = 0.25,
        rectify: bool = False,
        seed: int = 0,
        precision: str = "float32",
        batch_size: int = 32,
        cache_bytes: int = CACHE_BYTES,
        **options: Any,
    ) -> None:
        # How the study computes.
        refuse_options(options)
        show_progress()
        study_options = StudyOptions(
            images_per_class=images_per_class,
            attribution=attribution,
            samples=samples,
            noise=noise,
            rectify=rectify,
            seed=seed,
            precision=precision,
            batch_size=batch_size,
            cache_bytes=cache_bytes,
        )
        # The model, and the pictures that it sees.
        loaded_model = load_model(
            model,
            weights,
            preprocess=preprocess,
            class_names=class_names,
            input_size=input_size,
            seed=seed,
            **options,
        )
        self._evidence = Evidence(PictureSet(loaded_model, pictures, study_options), layer)
        # The decoder of the last counterfactual is kept.
        self._decoder: Decoder | None = None
        self._decoder_options: DecoderOptions | None = None

    def at(self, layer: str) -> Study:
        """The same study at another layer: pictures, predictions and the room for activations are shared.

        Raises:
            LayerError: there is no such layer, or the model cannot be cut there; the message names the nearest.
        """
        study = copy.copy(self)
        study._evidence = Evidence(self._evidence.picture_set, layer)
        study._decoder = None
        study._decoder_options = None
        return study

    @property
    def model(self) -> Model:
        """The model, with its preprocessing and class names."""
        return self._evidence.model

    @property
    def layer(self) -> str:
        """The layer where the model is looked into."""
        return self._evidence.layer

    @property
    def options(self) -> StudyOptions:
        """What all questions share."""
        return self._evidence.options

    @property
    @explains_memory
    def predictions(self) -> pd.DataFrame:
        """What the model says of the study's pictures: image, path, predicted, predicted_name, probability."""
        names = pd.Series(self.model.class_names)
        rows = self._evidence.predictions
        rows = rows.merge(self._evidence.pictures.table[["image", "path"]], on="image", how="left")
        rows = rows.assign(predicted_name=names[rows["predicted"]].to_numpy())
        return rows[["image", "path", "predicted", "predicted_name", "probability"]]

    @explains_memory
    def predict(self, picture: Path | str | Image.Image) -> tuple[str, float]:
        """What does the model say of one picture?

        Args:
            picture: a file, or a PIL image; it need not belong to the study.

        Returns:
            The name of the most probable class, and its probability.

        Raises:
            DataError: the file is no picture.

        Example:
            >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> preprocess = Preprocess(8, 8, (0.5,) * 3, (0.01,) * 3)
            >>> study = Study(network, preprocess=preprocess, class_names=["r", "g", "b"])
            >>> study.predict(Image.new("RGB", (8, 8), "red"))
            ('r', 1.0)
        """
        row = self._evidence.predictions_of(self._evidence.few_pictures(picture)).iloc[0]
        return self.model.class_names[int(row["predicted"])], float(row["probability"])

    @explains_memory
    def explain(self, target: str | int, *, recipe: str | Recipe = "recommended", draws: int = 5) -> Explanation:
        """What does a class consist of? Its concepts, their best patches, and what the model says of them combined.

        Patches are searched in all pictures; the concepts come from those that the model predicts as the class.

        Args:
            target: the class, by name or index.
            recipe: ``recommended``, ``published``, or a :class:`~conceptrast.concepts.recipes.Recipe` of your own.
            draws: draws of other pictures, to see whether the concepts come back, as for :meth:`stability`; 0 is
                fastest, and compares halves of the same pictures.

        Raises:
            ConfigError: an unknown class or recipe, a negative number of draws, or a study without pictures.
            LayerError: the layer's activations cannot be used.
            DataError: no picture can be used.
            ConceptrastError: no picture is predicted as the class; the message says which classes are.

        Source: arXiv 2502.03422; see :mod:`conceptrast.concepts.prototype_search`.

        Example:
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "red")]
            >>> study = Study(network, pictures, preprocess=Preprocess(8, 8, (0.5,) * 3, (0.25,) * 3),
            ...     class_names=["red", "green", "blue"], samples=0)
            >>> explanation = study.explain("red", recipe=Recipe("one", components=1))
            >>> explanation.prediction[["selection", "predicted", "match"]]
                    selection predicted  match
            0             all       red   True
            1  exclude_target      blue  False
        """
        named_recipe = recipe_named(recipe)
        _at_least("draws", draws, 0)
        return explain(self._evidence, self.model.class_index(target), named_recipe, draws)

    @explains_memory
    def importance(
        self, target: str | int, *, recipe: str | Recipe = "recommended", images: int = 8, sobol: int = 0
    ) -> Importance:
        """How much does each concept of a class matter? What the class's logit loses without it.

        Args:
            target: the class, by name or index.
            recipe: as for :meth:`explain`.
            images: pictures of the class from which concepts are taken out, at most.
            sobol: designs of Sobol's total effects, best a power of two such as 32; 0 leaves them out.

        Raises:
            ConfigError, LayerError, DataError, ConceptrastError: as :meth:`explain`; a number is too small.

        Source: see :mod:`conceptrast.concepts.importance` and :mod:`conceptrast.concepts.sobol`.

        Example:
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "red")]
            >>> study = Study(network, pictures, preprocess=Preprocess(8, 8, (0.5,) * 3, (0.25,) * 3),
            ...     class_names=["red", "green", "blue"], samples=0)
            >>> print(study.importance("red", recipe=Recipe("one", components=1)))
            red at 1: what its logit (2.0) loses
              without component 1: 2.00 (2.00 to 2.00), 100 %
        """
        _at_least("images", images, 1)
        _at_least("sobol", sobol, 0)
        options = RemovalOptions(images=images, sobol=sobol, fidelity=False, seed=self.options.seed)
        return importance(self._evidence, self._factorization(target, recipe), options)

    @explains_memory
    def fidelity(
        self, target: str | int, *, recipe: str | Recipe = "recommended", images: int = 8, orders: int = 5
    ) -> Fidelity:
        """Do the concepts carry the class? It is asked again while they are taken out of its pictures, and put in.

        Args:
            target: the class, by name or index.
            recipe: as for :meth:`explain`.
            images: pictures of the class from which concepts are taken out, at most.
            orders: random orders, for comparison with the order of importance.

        Raises:
            ConfigError, LayerError, DataError, ConceptrastError: as :meth:`explain`; a number is too small.

        Source: see :mod:`conceptrast.concepts.fidelity`.

        Example:
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "red")]
            >>> study = Study(network, pictures, preprocess=Preprocess(8, 8, (0.5,) * 3, (0.25,) * 3),
            ...     class_names=["red", "green", "blue"], samples=0)
            >>> study.fidelity("red", recipe=Recipe("one", components=1)).reconstructed["accuracy"].tolist()
            [1.0]
        """
        _at_least("images", images, 1)
        _at_least("orders", orders, 1)
        options = RemovalOptions(images=images, orders=orders, seed=self.options.seed)
        return fidelity(self._evidence, self._factorization(target, recipe), options)

    @explains_memory
    def stability(self, target: str | int, *, recipe: str | Recipe = "recommended", draws: int = 5) -> Stability:
        """Do the concepts of a class come back in other pictures? It is factorized again, and they are matched.

        Args:
            target: the class, by name or index.
            recipe: as for :meth:`explain`.
            draws: draws of other pictures of the class with other noise; 0 compares halves of the same pictures alone.

        Raises:
            ConfigError, LayerError, DataError, ConceptrastError: as :meth:`explain`; a number is too small.

        Source: see :mod:`conceptrast.concepts.stability`.

        Example:
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "red")]
            >>> study = Study(network, pictures, preprocess=Preprocess(8, 8, (0.5,) * 3, (0.25,) * 3),
            ...     class_names=["red", "green", "blue"], samples=0)
            >>> print(study.stability("red", recipe=Recipe("one", components=1)))
            red at 1: do its components come back in redrawn images?
              component 1: yes (cosine 1.00, 100 % of samples)
        """
        _at_least("draws", draws, 0)
        return stability(self._evidence, self._factorization(target, recipe), draws)

    def _factorization(self, target: str | int, recipe: str | Recipe) -> ClassFactorization:
        """The components of a class, by name or index."""
        named_recipe = recipe_named(recipe)
        return factorization_of_class(self._evidence, self.model.class_index(target), named_recipe)

    @explains_memory
    def contrast(
        self,
        first: str | int,
        second: str | int,
        *,
        recipe: str | Recipe = "recommended",
        solver: Solver = ZERO,
        maps: str = "raw",
        threshold: float = THRESHOLD,
        heldout: float = 0.25,
    ) -> Contrast:
        """Why one class and not another? A hyperplane between both, the concepts on either side, and a shift across it.

        Args:
            first: class A, by name or index.
            second: class B.
            recipe: the recipe, for the number of components, and how patches are pooled and cut.
            solver: how the hyperplane is fitted.
            maps: ``raw`` or ``rectified`` channel means choose the positions whose activations are features.
            threshold: share of a picture's largest attribution that a position has to exceed.
            heldout: share of each class's pictures that the hyperplane is not fitted with.

        Raises:
            ConfigError: an unknown class, recipe or map, the same class twice, or a study without pictures.
            LayerError: the layer's activations cannot be used.
            DataError: no picture can be used.
            ConceptrastError: a class that too few pictures are predicted as, or without features; no plane separates
                them.

        Source: arXiv 2502.03422; see :mod:`conceptrast.contrast.hyperplanes`.

        Example:
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "darkred", "navy")]
            >>> study = Study(network, pictures, preprocess=Preprocess(8, 8, (0.0,) * 3, (0.25,) * 3),
            ...     class_names=["red", "green", "blue"], samples=0)
            >>> contrast = study.contrast("red", "blue", recipe=Recipe("one", components=1))
            >>> contrast.accuracy["heldout_accuracy"], (contrast.hyperplane.normal > 0).tolist()
            (1.0, [False, False, True])
        """
        options = ContrastOptions(
            recipe=recipe_named(recipe),
            solver=solver,
            maps=maps,
            threshold=threshold,
            heldout=heldout,
        )
        return contrast(self._evidence, pair_of(self._evidence, first, second), options)

    @explains_memory
    def concepts(
        self,
        target: str | int,
        *,
        segments: Sequence[int] = PUBLISHED.segments,
        segments_as: str = "resized",
        random_images: int = PUBLISHED.random_images,
        clusters: int = PUBLISHED.clusters,
        min_segments: int = PUBLISHED.min_segments,
        max_segments: int = PUBLISHED.max_segments,
        draws: int = PUBLISHED.draws,
        significance: float = PUBLISHED.significance,
    ) -> Discovery:
        """Which concepts has a class? Clusters of superpixels (ACE), each tested with concept vectors (TCAV).

        The pictures must show other classes, too: their segments stand for no concept.

        Args:
            target: the class, by name or index.
            segments: numbers of superpixels that a picture is cut into, one after the other.
            segments_as: ``resized`` to the whole input, as published, or ``in_place``.
            random_images: at most so many pictures predicted as another class are cut.
            clusters: the number of clusters of the class's segments.
            min_segments: the least number of segments of a concept; a smaller cluster is no concept.
            max_segments: the largest number of segments that stand for a concept: those nearest to its centre.
            draws: the number of draws of random segments, each with a CAV of its own.
            significance: highest corrected p-value of a significant concept.

        Raises:
            ConfigError: an unknown class or shape of segments, or a study without pictures.
            LayerError: the layer's activations have no positions.
            DataError: no picture can be used.
            ConceptrastError: no picture is predicted as the class, or none as another one.

        Source: see :mod:`conceptrast.ace.concepts`.

        Example:
            >>> import numpy as np
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> draw = np.random.default_rng(0)
            >>> noise = [draw.integers(0, 60, (16, 16, 3), np.uint8) for _ in range(8)]
            >>> for number, picture in enumerate(noise):
            ...     picture[4:12, 4:12, number % 2] = 255
            >>> study = Study(network, [Image.fromarray(picture) for picture in noise],
            ...     preprocess=Preprocess(16, 16, (0.2,) * 3, (0.25,) * 3), class_names=["red", "green", "blue"])
            >>> concepts = study.concepts("red", segments=[4], segments_as="in_place", clusters=2, min_segments=4)
            >>> concepts.n_images, concepts.table()["speaks"].dropna().unique().tolist()[:1]
            (4, ['for'])
        """
        options = AceOptions(
            segments=segments,
            segments_as=(segments_as,),
            random_images=random_images,
            clusters=clusters,
            min_segments=min_segments,
            max_segments=max_segments,
            draws=draws,
            significance=significance,
        )
        return discover(self._evidence, self.model.class_index(target), options)

    @explains_memory
    def decoder(self, source: Path | str | Decoder | DecoderOptions = DEFAULTS) -> Decoder:
        """A decoder from the layer back to pictures, trained on the study's or read; counterfactuals then use it.

        Args:
            source: how to train one; or a file that :func:`~conceptrast.counterfactual.decoder.write_decoder` wrote,
                or the decoder itself.

        Returns:
            The decoder. If a decoder was already trained in the same way, it is returned.

        Raises:
            ModelError: the training diverges, or the file holds no decoder.
            LayerError: the layer's activations have no positions, or it has a class token.
            ShapeError: the layer is as fine as the picture.
            ConfigError: a study without pictures.

        Source: see :mod:`conceptrast.counterfactual.decoder`.

        Example:
            >>> import torch
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> pictures = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
            >>> study = Study(network, pictures, preprocess=Preprocess(16, 16, (0.0,) * 3, (1.0,) * 3))
            >>> decoder = study.decoder(DecoderOptions(epochs=1, batch_size=2, width=16))
            >>> decoder(torch.zeros(1, 3, 4, 4)).shape
            torch.Size([1, 3, 16, 16])
        """
        if isinstance(source, DecoderOptions):
            refuse_class_tokens(self._evidence.split)
            if self._decoder is None or source != self._decoder_options:
                self._decoder = trained_decoder(self._evidence, source)
                self._decoder_options = source
        else:
            self._decoder = source if isinstance(source, Decoder) else read_decoder(source)
            self._decoder_options = None
        return self._decoder

    @explains_memory
    def counterfactual(
        self,
        picture: Path | str | Image.Image,
        target: str | int,
        directions: Sequence[Direction] = (),
        *,
        decoder: Decoder | Path | str | None = None,
        inject: str | None = None,
        judge: Model | None = None,
        probability: float = 0.9,
        limit: float = 1.5,
        cells: int = 4,
        frames: int = 13,
    ) -> Counterfactual:
        """What would have to be different? One picture is edited towards a class, and decoded on the way.

        Args:
            picture: a file, or a PIL image.
            target: the class that it is moved towards, by name or index.
            directions: further directions, e.g. ``study.concepts("tench").direction()``, each with its own name. The
                gradient of the class's log probability and the latent shift are always tried. If the model gives some
                of the study's pictures the class, so are a transplant of their cells and the difference of means.
            decoder: the decoder of the layer in which the picture is moved, or its file; ``None`` means the decoder of
                :meth:`decoder`.
            inject: the layer in which the picture is moved, if it is not the decoder's: an earlier one, which may lie
                inside a residual block. The network's own forward pass leads from there to the decoder's layer.
            judge: another model of the same classes, which says what the decoded pictures show.
            probability: the probability of the class at which a way ends.
            limit: longest way along a direction, relative to the length of the activations.
            cells: most positions that a transplant replaces.
            frames: decoded pictures on the way.

        Raises:
            ModelError: the judge has other classes.
            ConfigError: there is no decoder yet (the message says how to train one, and how long that takes); a number
                that cannot be, an unknown class, two directions of one name, or the model gives the picture the class
                already.
            LayerError: a direction belongs to another layer than the one in which the picture is moved, values of this
                layer do not reach the decoder's, or the layer has a class token.
            DataError: the file is no picture.

        Source: see :mod:`conceptrast.counterfactual.search`.

        Example:
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> pictures = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
            >>> study = Study(network, pictures, preprocess=Preprocess(16, 16, (0.0,) * 3, (0.1,) * 3),
            ...     class_names=["red", "green", "blue"])
            >>> _ = study.decoder(DecoderOptions(epochs=1, batch_size=2, width=16))
            >>> counterfactual = study.counterfactual(pictures[0], "blue")
            >>> counterfactual.names, [story.edit.name for story in counterfactual.stories][:4]
            (('red', 'blue'), ['transplant', 'pasted_cells', 'located-means', 'uniform-means'])
        """
        way = Way(probability=probability, limit=limit, cells=cells, frames=frames)
        index = self.model.class_index(target)
        refuse_class_tokens(self._evidence.split)
        if decoder is not None:
            self.decoder(decoder)
        if self._decoder is None:
            raise no_decoder(self._evidence)
        return move(
            self._evidence,
            layer=decodable_layer(self._evidence, self._decoder, judge=judge, inject=inject),
            picture=picture,
            target=index,
            directions=directions,
            way=way,
        )

    @explains_memory
    def saliency(
        self,
        pictures: AnyPictures | None = None,
        target: str | int | None = None,
        versus: str | int | None = None,
        *,
        methods: str | Sequence[str] = ("grad_cam",),
    ) -> Saliency:
        """Where does the model look? Maps of what speaks for a class, or for a class and against another one.

        Args:
            pictures: one picture or several, as for :class:`Study`; those of the study if ``None``.
            target: the class that the maps speak for, by name or index; ``None`` means the class that the model gives
                each picture.
            versus: the class that it is compared with: why ``target``, and not ``versus``?
            methods: keys of :data:`conceptrast.saliency.METHODS`.

        Raises:
            ConfigError: an unknown class or method, no method, a class held against itself, or no pictures.
            LayerError: the layer has no positions; its activations are zero throughout.
            DataError: no picture can be used.

        Source: see :func:`conceptrast.saliency.grad_cam.class_activation_maps`.

        Example:
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> picture = Image.new("RGB", (16, 16))
            >>> picture.paste("red", (0, 0, 8, 8))
            >>> study = Study(network, preprocess=Preprocess(16, 16, (0.0,) * 3, (1.0,) * 3),
            ...     class_names=["red", "green", "blue"])
            >>> [values] = study.saliency(picture, "red").maps["grad_cam"]
            >>> values.shape, values[0, 0].item(), values[15, 15].item()
            ((16, 16), 1.0, 0.0)
        """
        names = methods_named(methods)
        return look(self._evidence, self._evidence.few_pictures(pictures), MapTarget(target, versus), names)

    @explains_memory
    def dff(
        self,
        pictures: AnyPictures | None = None,
        components: int | Sequence[int] = (2, 5, 10),
        *,
        shared: bool = True,
    ) -> Factorization:
        """What does the layer hold of pictures? Their concepts, and which classes each of them speaks for.

        Args:
            pictures: one picture or several, as for :class:`Study`; those of the study if ``None``. All are in memory.
            components: numbers of concepts; each is one row of the figure.
            shared: whether the pictures share their concepts, or each has its own.

        Raises:
            ConfigError: a number of concepts that is not possible, or no pictures.
            LayerError: the layer's activations have no positions.
            DataError: no picture can be used.

        Source: see :mod:`conceptrast.dff.factorization` and :mod:`conceptrast.dff.concept_scores`.

        Example:
            >>> from PIL import Image
            >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> picture = Image.new("RGB", (16, 16), "red")
            >>> picture.paste("blue", (0, 8, 16, 16))
            >>> study = Study(network, preprocess=Preprocess(16, 16, (0.0,) * 3, (0.1,) * 3),
            ...     class_names=["red", "green", "blue"])
            >>> factorization = study.dff(picture, [2])
            >>> sorted(factorization.table().query("rank == 1")["suffix_class"]), factorization.heatmaps[2].shape
            (['blue', 'red'], (1, 2, 4, 4))
        """
        numbers = [components] if isinstance(components, int) else list(components)
        return factorize(self._evidence, self._evidence.few_pictures(pictures), numbers, shared)

    def layers(self) -> pd.DataFrame:
        """The layers that the model can be looked into, from the output down: layer, channels, height, width.

        Raises:
            ModelError: the network cannot be traced, so that nothing is known about its layers.

        Example:
            >>> network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            >>> Study(network, preprocess=Preprocess(16, 16, (0.0,) * 3, (0.1,) * 3)).layers()
              layer  channels  height  width          layout
            0     3         3    <NA>   <NA>         vectors
            1     2         3       1      1  channels first
            2     1         3       4      4  channels first
            3     0         3       4      4  channels first
        """
        return layers_of(self.model)
