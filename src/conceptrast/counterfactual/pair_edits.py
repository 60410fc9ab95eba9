"""All edits that lead from one class to another, for some pictures of the first, beside random ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.base.names import short
from conceptrast.base.streams import Stream, generator
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.directions import Direction, strongest_component
from conceptrast.counterfactual.edit_kinds import EDIT_KINDS, NO_VECTOR, RANDOM_BASELINE, VECTORS
from conceptrast.counterfactual.editable_layer import LayerOfPicture
from conceptrast.counterfactual.edits import Edit, along, located, random_twin, uniform
from conceptrast.counterfactual.latent_shift import latent_shift_gradients
from conceptrast.counterfactual.log_probability import log_probability_gradients
from conceptrast.counterfactual.search import DEFAULTS, SearchOptions
from conceptrast.counterfactual.swap import ClassComponents, best_swap
from conceptrast.counterfactual.transplant import NoEvidenceError, Transplant, margin_evidence, transplant
from conceptrast.models.injection import LayerValues

Name = tuple[str, str]
"""Kind and direction of an edit."""
TRANSPLANT: Name = ("transplant", NO_VECTOR)


@dataclass(frozen=True)
class PairKnowledge:
    """What a study knows of the way from the first class of a pair to the second.

    Args:
        plane: the hyperplane whose normal points from the first class to the second.
        components: of the first class and of the second.
        cav: the name and the concept activation vector ``[C]`` of a concept of the second class.
        donors: activations ``[D, C, h, w]`` of pictures that the model gives the second class, and what goes around the
            layer in them.
        others: activations of pictures of neither class, for random edits.
        directions: further directions, which are the caller's own.
    """

    plane: Hyperplane | None = None
    components: tuple[ClassComponents, ClassComponents] | None = None
    cav: tuple[str, np.ndarray] | None = None
    donors: LayerValues | None = None
    others: Tensor | None = None
    directions: Sequence[Direction] = ()


NOTHING = PairKnowledge()


@dataclass
class PairEdits:
    """The edits of some pictures of one class towards another.

    Args:
        edits: by kind and direction, one edit for each picture.
        twins: for each of them a random edit of the same positions: along a random vector of the same length at every
            position, or, for transplants and swaps, what another picture has at these positions.
        missing: by kind and direction the reason why an edit is not there.
        transplants: where the cells of the edits ``transplant`` come from, one for each picture, if there are any.
    """

    edits: dict[Name, list[Edit]] = field(default_factory=dict)
    twins: dict[Name, list[Edit]] = field(default_factory=dict)
    missing: dict[Name, str] = field(default_factory=dict)
    transplants: Sequence[Transplant] = ()

    def add(self, edits: Sequence[Edit], twins: Sequence[Edit]) -> None:
        """Add edits of one kind, one for each picture, and their twins."""
        name = (edits[0].kind, edits[0].direction)
        self.edits[name] = list(edits)
        self.twins[name] = list(twins)

    def sorted(self) -> PairEdits:
        """The same in the order of tables and figures."""
        kinds = list(EDIT_KINDS)
        vectors = [NO_VECTOR, *VECTORS]

        def place(name: Name) -> tuple[int, int]:
            kind, vector = name
            return kinds.index(kind), vectors.index(vector) if vector in vectors else len(vectors)

        names = sorted(self.edits, key=place)
        return replace(
            self,
            edits={name: self.edits[name] for name in names},
            twins={name: self.twins[name] for name in names},
        )


def edits_towards(
    layer: DecodableLayer,
    images: Sequence[int],
    pictures: LayerValues,
    pair: tuple[int, int],
    known: PairKnowledge = NOTHING,
    *,
    seed: int = 0,
    options: SearchOptions = DEFAULTS,
) -> PairEdits:
    """Every edit that can be made of what is known, one for each picture.

    Args:
        layer: the layer whose activations are edited, and the one that is decoded.
        images: ids ``[N]`` of the pictures: each has its own random edits.
        pictures: activations ``[N, C, h, w]`` of the pictures, of the first class of the pair, and what goes around the
            layer in them.
        pair: the class of the pictures, and the class that they are moved towards.
        known: what the study knows.
        seed: the seed of random edits.
        options: how far pictures are moved, and how.
    """
    maker = _Maker(
        layer=layer,
        images=images,
        pictures=pictures,
        pair=pair,
        known=known,
        seed=seed,
        options=options,
    )
    edits = PairEdits()
    maker.add_transplants(edits)
    maker.add_swaps(edits)
    maker.add_vectors(edits)
    maker.add_gradients(edits)
    return edits.sorted()


@dataclass(frozen=True)
class _Maker:
    """Makes edits; the fields are those of :func:`edits_towards`."""

    layer: DecodableLayer
    images: Sequence[int]
    pictures: LayerValues
    pair: tuple[int, int]
    known: PairKnowledge
    seed: int
    options: SearchOptions

    @property
    def activations(self) -> Tensor:
        """``[N, C, h, w]`` of the pictures."""
        return self.pictures.activations

    def add_transplants(self, pair_edits: PairEdits) -> None:
        """Cells of pictures of the second class."""
        name = TRANSPLANT
        if self.known.donors is None:
            pair_edits.missing[name] = self._few()
            return
        evidence = self._evidence_for_first()
        of_donors = self._evidence_for_second(self.known.donors)
        try:
            made = [
                transplant(
                    LayerOfPicture(self.layer.edited, self._around(number)),
                    values,
                    self.known.donors.activations,
                    evidence=(evidence[number], of_donors),
                    pair=self.pair,
                    cells=self.options.cells,
                    precision=self.options.precision,
                )
                for number, values in enumerate(self.activations)
            ]
        except NoEvidenceError as error:
            pair_edits.missing[name] = str(error)
            return
        self._add_cells(pair_edits, name, f"cells of {self._class(1)}", [(one.change, one.order) for one in made])
        if name in pair_edits.edits:
            pair_edits.transplants = made

    def add_swaps(self, pair_edits: PairEdits) -> None:
        """A component of the second class in place of one of the first."""
        name = ("swap", "component")
        if self.known.components is None or self.known.donors is None:
            pair_edits.missing[name] = (
                self._few() if self.known.donors is None else "a class of the pair has no components"
            )
            return
        swap = best_swap(
            self.layer.edited,
            self.pictures,
            self.known.donors.activations,
            components=self.known.components,
            target=self.pair[1],
            precision=self.options.precision,
            batch_size=self.options.batch_size,
        )
        origin = f"{swap.component + 1} of {self._class(0)} to {swap.other + 1} of {self._class(1)}"
        self._add_cells(pair_edits, name, origin, [(change, None) for change in swap.changes])

    def add_vectors(self, pair_edits: PairEdits) -> None:
        """A vector at all positions, or where the evidence lies, or along the gradient."""
        for given in self.known.directions:
            self._check(given)
        evidence = self._evidence_for_first()
        gradients = self._gradients()
        limit = self.options.limit
        vectors = self._vectors(gradients, evidence)
        for direction, (origin, vector) in vectors.items():
            values = torch.as_tensor(np.asarray(vector), dtype=torch.float32).to(self.activations)
            changes = {
                "located": [located(a, values, e, limit) for a, e in zip(self.activations, evidence, strict=True)]
            }
            changes["uniform"] = [uniform(a, values, limit) for a in self.activations]
            if direction in ("hyperplane", "cav"):
                product = gradients * values[:, None, None]
                changes["gradient_times"] = [along(a, p, limit) for a, p in zip(self.activations, product, strict=True)]
            for kind, of_pictures in changes.items():
                self._add_changes(pair_edits, (kind, direction), origin, of_pictures, random="vector")
        for given in self.known.directions:
            if given.values.ndim == 3:
                maps = [along(a, given.values.to(a), limit) for a in self.activations]
                self._add_changes(pair_edits, ("map", given.name), given.origin, maps, random="map")
        for direction in VECTORS:
            if direction not in vectors:
                pair_edits.missing[("located", direction)] = self._why_no_vector(direction)

    def add_gradients(self, pair_edits: PairEdits) -> None:
        """Gradients of the log probability: by the rest of the network, and through the decoder."""
        shifts = latent_shift_gradients(
            self.layer,
            self.activations,
            self.pair[1],
            precision=self.options.precision,
            batch_size=self.options.batch_size,
            around=self.pictures.around,
        )
        target = self._class(1)
        for kind, origin, maps in (
            ("gradient", f"log p({target})", self._gradients()),
            ("latent_shift", f"log p({target}), decoded", shifts),
        ):
            changes = [along(a, g, self.options.limit) for a, g in zip(self.activations, maps, strict=True)]
            self._add_changes(pair_edits, (kind, NO_VECTOR), origin, changes, random="map")

    def _vectors(self, gradients: Tensor, evidence: Tensor) -> Mapping[str, tuple[str, np.ndarray]]:
        """Origin and values of every vector that is known."""
        known = self.known
        first, second = (self._class(place) for place in (0, 1))
        named: dict[str, tuple[str, np.ndarray]] = {}
        if known.donors is not None:
            start = mean_where(self.activations, evidence)
            end = mean_where(known.donors.activations, self._evidence_for_second(known.donors))
            if start is not None and end is not None:
                named["means"] = (f"evidence of {second} minus that of {first}", (end - start).cpu().numpy())
        if known.plane is not None:
            named["hyperplane"] = (f"{first} to {second}", known.plane.normal)
        components = None if known.components is None else known.components[1].vectors
        if components is not None and len(components):
            best = strongest_component(torch.from_numpy(components).to(gradients), gradients)
            named["component"] = (f"component {best + 1} of {second}", components[best])
        if known.cav is not None:
            named["cav"] = known.cav
        for given in known.directions:
            if given.values.ndim == 1:
                named[given.name] = (given.origin, given.values.numpy())
        return {name: (origin, values) for name, (origin, values) in named.items() if np.any(values)}

    def _add_cells(
        self, pair_edits: PairEdits, name: Name, origin: str, changes: Sequence[tuple[Tensor, Tensor | None]]
    ) -> None:
        """Add edits that put something else in the place of cells, if none of the pictures stays as it is."""
        if not all(bool(change.any()) for change, _ in changes):
            pair_edits.missing[name] = "what would be put into a picture is there already"
            return
        edits = [
            self._edit(name, origin, number=number, change=change, order=order)
            for number, (change, order) in enumerate(changes)
        ]
        pair_edits.add(edits, self._twins_of_pictures(edits))

    def _add_changes(
        self, pair_edits: PairEdits, name: Name, origin: str, changes: Sequence[Tensor], random: str
    ) -> None:
        """Add edits that are a change of their own for each picture, if none of them is zero."""
        if not all(bool(change.any()) for change in changes):
            pair_edits.missing[name] = "the gradient of a picture is zero throughout, or its evidence"
            return
        edits = [self._edit(name, origin, number=number, change=change) for number, change in enumerate(changes)]
        twins = [
            random_twin(edit, self.seed, int(image), random) for edit, image in zip(edits, self.images, strict=True)
        ]
        pair_edits.add(edits, twins)

    def _twins_of_pictures(self, edits: Sequence[Edit]) -> list[Edit]:
        """The same cells of pictures of neither class; random vectors where there is no such picture."""
        others = self.known.others
        twins = []
        for edit, image, values in zip(edits, self.images, self.activations, strict=True):
            change = torch.zeros(())
            if others is not None:
                number = random_donor(self.seed, int(image), len(others))
                change = (others[number].cpu() - values.cpu()) * edit.change.any(dim=0)
            if change.any():
                twins.append(replace(edit, origin=RANDOM_BASELINE, change=change))
            else:
                twins.append(random_twin(edit, self.seed, int(image), "map"))
        return twins

    def _check(self, given: Direction) -> None:
        """Refuse a direction of another layer, or of another shape than activations have."""
        self.layer.check_edited(given.layer)
        shape = self.activations.shape[1:]
        if given.values.shape not in (shape[:1], shape):
            raise ShapeError(
                f"direction {given.name} {list(given.values.shape)} does not fit activations {list(shape)} "
                f"of {given.layer}"
            )

    def _evidence_for_first(self) -> Tensor:
        """Evidence of the pictures for the first class and against the second ``[N, h, w]``."""
        return margin_evidence(
            self.layer.edited,
            self.activations,
            self.pair,
            precision=self.options.precision,
            batch_size=self.options.batch_size,
            around=self.pictures.around,
        )

    def _evidence_for_second(self, donors: LayerValues) -> Tensor:
        """Evidence of the donors for the second class and against the first ``[D, h, w]``."""
        return margin_evidence(
            self.layer.edited,
            donors.activations,
            self.pair[::-1],
            precision=self.options.precision,
            batch_size=self.options.batch_size,
            around=donors.around,
        )

    def _gradients(self) -> Tensor:
        return log_probability_gradients(
            self.layer.edited,
            self.activations,
            self.pair[1],
            precision=self.options.precision,
            batch_size=self.options.batch_size,
            around=self.pictures.around,
        )

    def _edit(self, name: Name, origin: str, number: int, change: Tensor, order: Tensor | None = None) -> Edit:
        """The edit of one of the pictures."""
        kind, direction = name
        return Edit(
            kind,
            direction,
            origin=origin,
            layer=self.layer.edited.layer,
            change=change.cpu(),
            order=order,
            around=self._around(number),
        )

    def _around(self, number: int) -> tuple[Tensor, ...]:
        """What goes around the layer in one of the pictures."""
        return tuple(tensor[number : number + 1] for tensor in self.pictures.around)

    def _class(self, place: int) -> str:
        return short(self.layer.model.class_names[self.pair[place]])

    def _few(self) -> str:
        return f"fewer than min_images pictures are predicted as {self._class(1)}"

    def _why_no_vector(self, direction: str) -> str:
        reasons = {
            "means": self._few() if self.known.donors is None else "no position speaks for one of the classes",
            "hyperplane": "the pair has no hyperplane",
            "component": "the second class has no components",
            "cav": "no significant concept of the second class speaks for it",
        }
        return reasons[direction]


def random_donor(seed: int, image: int, count: int) -> int:
    """The number of the picture, of ``count`` others, whose cells the random twins of a picture's edits hold."""
    return int(generator(Stream.RANDOM_DONOR, seed, image).integers(count))


def mean_where(activations: Tensor, weights: Tensor) -> Tensor | None:
    r"""Mean activation, weighted position by position; ``None`` where all weights are zero.

    .. math:: \sum_{n,p} w_{np} a_{np} \,/\, \sum_{n,p} w_{np}

    Args:
        activations: ``a`` ``[N, C, h, w]``.
        weights: ``w`` ``[N, h, w]``, not negative.

    Returns:
        ``[C]``.

    Example:
        >>> mean_where(torch.tensor([[[[1.0, 5.0]]]]), torch.tensor([[[3.0, 1.0]]]))
        tensor([2.])
    """
    if not weights.any():
        return None
    return (activations.float() * weights[:, None]).sum(dim=(0, 2, 3)) / weights.sum()


def without(missing: Mapping[Name, str], unknown: Collection[str]) -> dict[Name, str]:
    """The reasons, without those of directions that a study does not look for.

    Example:
        >>> without({("located", "cav"): "no concept", ("transplant", "none"): "few"}, ["cav"])
        {('transplant', 'none'): 'few'}
    """
    return {name: reason for name, reason in missing.items() if name[1] not in unknown}
