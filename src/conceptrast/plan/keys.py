"""The keys that every run's configuration has. The keys of an analysis are in its descriptor, in ``analyses/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from conceptrast.plan.key_types import (
    DatasetName,
    EntryName,
    FileName,
    Names,
    Number,
    RunName,
    Section,
    key,
    one_or_several,
)

Precision = Literal["float32", "bfloat16"]

HEAD_KEYS = ("dataset", "only", "batch_size", "precision")
"""Keys of ``train`` that go with ``only: head``. A head is fitted in one go, without gradient descent."""

Side = Annotated[int, Field(ge=1)]
ClassNames = Annotated[Any, one_or_several(FileName, Annotated[list[str], Field(min_length=1)]), Names("file")]
Crop = Annotated[Any, one_or_several(Side, Annotated[list[Side], Field(min_length=2, max_length=2)])]
Channels = Annotated[list[Number], Field(min_length=1, max_length=3)]


class Dataset(Section):
    """Pictures. Further keys are the options of the kind: the keywords of its class in ``src/conceptrast/data/``."""

    model_config = ConfigDict(extra="allow", strict=True)
    kind: str = key("one of the kinds in src/conceptrast/data/")


class Training(Section):
    """How the workflow trains a model."""

    dataset: DatasetName = key("its split train is learnt from; accuracy is measured on its split validation")
    only: Literal["head"] | None = key(
        "head: fit only the last linear layer, by logistic regression; if left out, all layers", None
    )
    epochs: int = key("passes over the training pictures", 4, ge=1)
    batch_size: int = key("pictures in a step", 64, ge=1)
    learning_rate: Number = key(
        "highest learning rate: reached after a quarter of the steps, then falling to zero", 0.1, gt=0
    )
    momentum: Number = key("momentum of stochastic gradient descent", 0.9, ge=0)
    weight_decay: Number = key("weight decay of stochastic gradient descent", 0.0005, ge=0)
    precision: Precision = key("precision of the training; it may differ from the run's", "bfloat16")

    @model_validator(mode="after")
    def _of_a_head(self) -> Self:
        meaningless = sorted(self.model_fields_set - set(HEAD_KEYS))
        if self.only and meaningless:
            context = {"what": "key beside 'only'", "key": meaningless[0], "valid": HEAD_KEYS}
            raise PydanticCustomError("beside", "a head is fitted in one go", context)
        return self


class Model(Section):
    """A classifier. Without ``weights`` and ``train`` its weights are random, drawn from the seed."""

    architecture: str | None = key(
        "a family of src/conceptrast/models/, or any classifier of torchvision by name", None
    )
    factory: str | None = key(
        "your own function, as package.module:function, in place of architecture",
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$",
    )
    weights: Annotated[str, Field(min_length=1), Names("weights")] | None = key(
        "name of published weights, or a .pth or .safetensors file", None
    )
    options: dict[str, Any] | None = key("keyword arguments of the architecture or the factory", None)
    extract: str | None = key("the part of a detector that is explained, such as backbone.body", None, min_length=1)
    class_names: ClassNames | None = key("names of the outputs: a list, or a file that holds one", None)
    input_size: int | None = key("side of the input in pixels", None, ge=1)
    seed: int | None = key("seed of random weights and of the training; if left out, the run's", None, ge=0)
    resize: int | None = key("pixels to which the shorter side of a picture is resized; null: not at all", None, ge=1)
    crop: Crop | None = key("pixels of the middle that is cut out: its side, or [height, width]", None)
    mean: Channels | None = key("mean of each channel, for the normalisation", None)
    std: Channels | None = key("standard deviation of each channel, for the normalisation", None)
    interpolation: Literal["nearest", "bilinear", "bicubic"] | None = key("how pictures are resized", None)
    train: Training | None = key("how the workflow trains the model; if left out, it does not", None)

    @model_validator(mode="after")
    def _of_one_origin(self) -> Self:
        if (self.architecture is None) == (self.factory is None):
            raise PydanticCustomError("section", "needs either 'architecture' or 'factory'")
        return self


class Run(Section):
    """What every run has; the keys of the analyses come to these."""

    title: ClassVar[str] = "key"
    run: RunName = key("name of the run, and of the folder below results/ for all that it makes")
    experiment: str = key("experiment of MLflow; runs of the same experiment can be compared there", "conceptrast")
    seed: int = key("seed of everything random", 0, ge=0)
    precision: Precision = key(
        "precision of the computation; bfloat16 is for processors and GPUs that compute in it", "float32"
    )
    device: Literal["auto", "cpu", "cuda"] = key(
        "where the models run: auto takes a GPU if there is one; cuda ends the run if there is none", "auto"
    )
    batch_size: int = key("pictures that go through a model together", 64, ge=1)
    workers: int = key("processes that decode pictures beside each step; 0: the step decodes them itself", 0, ge=0)
    class_shards: int = key("number of jobs into which the classes of a study are split", 1, ge=1)
    images_per_class: int = key("highest number of images of a class that are explained", 60, ge=1)
    min_images: int = key(
        "a class is skipped, and listed, if the model predicts it for fewer images than this", 8, ge=1
    )
    max_rejected: Number = key("highest share of a dataset's pictures that may be unreadable", 0.01, ge=0, le=1)
    datasets: dict[EntryName, Dataset] = key("pictures, by name", {})
    models: dict[EntryName, Model] = key("classifiers, by name", {})


def without_descent(train: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a training. For a head, defaults that only gradient descent needs are removed.

    Example:
        >>> without_descent({"dataset": "pairs", "only": "head", "epochs": 4})
        {'dataset': 'pairs', 'only': 'head'}
    """
    return {name: value for name, value in train.items() if not train.get("only") or name in HEAD_KEYS}
