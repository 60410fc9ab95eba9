"""A layer whose activations can be decoded, the layer that is edited, and the networks that look at the pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from conceptrast.base.errors import LayerError, ModelError
from conceptrast.counterfactual.decoder import Decoder, decoded_input
from conceptrast.counterfactual.editable_layer import EditableLayer
from conceptrast.models.inference import for_inference
from conceptrast.models.injection import Injection, LayerValues
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel


@dataclass(frozen=True)
class DecodableLayer:
    """A layer of a model whose activations can be decoded. Edits are made there, or at an earlier layer.

    Args:
        model: the whole classifier.
        split: the same classifier, cut at the layer.
        decoder: the decoder of the layer.
        judge: another classifier of the same classes. It was neither explained nor asked on the way, so it says what a
            decoded picture shows.
        injection: the way from the layer that is edited to the one that is decoded; ``None`` if they are the same.

    Raises:
        LayerError: the cut, the injection's end and the decoder belong to different layers.
        ModelError: the judge has other classes, or it is the model itself.
    """

    model: Model
    split: SplitModel
    decoder: Decoder
    judge: Model | None = None
    injection: Injection | None = None

    def __post_init__(self) -> None:
        self.decoder.check_layer(self.split.layer)
        if self.injection is not None:
            self.decoder.check_layer(self.injection.split.layer)
        if self.judge is self.model:
            raise ModelError(f"the judge of {self.model.name} is this model itself: a judge is another network")
        if self.judge is not None and list(self.judge.class_names) != list(self.model.class_names):
            raise ModelError(
                f"the judge {self.judge.name} knows {len(self.judge.class_names)} classes, and not those "
                f"{len(self.model.class_names)} of {self.model.name}: a judge needs the same classes in the same order"
            )

    def for_inference(self, precision: str) -> DecodableLayer:
        """The same in the fastest form for many passes without gradients."""
        injection = None if self.injection is None else self.injection.for_inference(precision)
        return DecodableLayer(
            model=for_inference(self.model, precision),
            split=self.split.for_inference(precision) if injection is None else injection.split,
            decoder=self.decoder.for_inference(precision),
            judge=None if self.judge is None else for_inference(self.judge, precision),
            injection=injection,
        )

    @property
    def edited(self) -> EditableLayer:
        """The layer whose values are edited."""
        return self.split if self.injection is None else self.injection

    def check_edited(self, layer: str) -> None:
        """Refuse another layer than the one that is edited.

        Raises:
            LayerError: ``layer`` is not the one that is edited.
        """
        if self.injection is None:
            self.decoder.check_layer(layer)
        elif layer != self.injection.layer:
            raise LayerError(
                f"a direction in {layer!r} cannot be added at {self.injection.layer!r}: find it there, or add values "
                f"at {layer!r}"
            )

    def values(self, images: Tensor) -> LayerValues:
        """What normalised images ``[N, 3, H, W]`` give at the edited layer, in float32, and what goes around it."""
        if self.injection is None:
            return LayerValues(self.split.prefix(images).float())
        values, *around = self.injection.prefix(images)
        return LayerValues(values.float(), tuple(tensor.float() for tensor in around))

    def activations(self, values: Tensor, *around: Tensor) -> Tensor:
        """Activations of the decoded layer ``[N, C, h, w]``, from values of the edited one and what goes around."""
        return values if self.injection is None else self.injection.between(values, *around)

    def decoded_logits(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        """Decode activations into pictures, in the bytes that are shown, and run the whole network on these pictures.

        Args:
            activations: ``[N, C, h, w]``.

        Returns:
            Pictures uint8 ``[N, 3, H, W]`` and logits ``[N, n_classes]``.
        """
        pictures = (255 * self.decoder(activations).float()).round().to(torch.uint8)
        return pictures, self.model.module(decoded_input(self.model, pictures.float() / 255))

    def judged_logits(self, pictures: Tensor) -> dict[str, Tensor]:
        """The judge's logits ``[N, n_classes]`` of pictures ``[N, 3, H, W]`` uint8, by its name; none without a judge.

        A judge that sees pictures of another size gets them resized, bilinearly.
        """
        if self.judge is None:
            return {}
        values = pictures.float() / 255
        if tuple(values.shape[2:]) != self.judge.preprocess.size:
            values = torch.nn.functional.interpolate(
                values, size=self.judge.preprocess.size, mode="bilinear", antialias=True
            )
        return {"judge": self.judge.module(decoded_input(self.judge, values))}
