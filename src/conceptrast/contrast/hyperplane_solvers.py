"""Solvers: the named ways to fit a hyperplane that a configuration lists. All of them are fitted and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from conceptrast.base.errors import ConfigError, unknown_name

SOLVERS = ("gradient_descent", "logistic")
INITS = ("zero", "random")


@dataclass(frozen=True)
class Solver:
    """One way to fit a hyperplane.

    Args:
        name: the solver's key in ``contrast.hyperplanes:``.
        solver: ``"gradient_descent"`` is the published recipe: binary cross-entropy over all features at once,
            ``steps`` steps of ``learning_rate``. ``"logistic"`` is scikit-learn's logistic regression (L2, C = 1), run
            until it converges.
        init: where gradient descent starts. With ``"zero"`` (ours) the plane of (B, A) is the negative of (A, B), so
            only half of the planes are computed. ``"random"`` (published) starts like torch's linear layer, with a new
            draw for every ordered pair.
        steps: the number of steps of gradient descent.
        learning_rate: the learning rate of gradient descent.

    Raises:
        ConfigError: a value cannot be used; the message names the key and the value.
    """

    name: str
    solver: Literal["gradient_descent", "logistic"] = "gradient_descent"
    init: Literal["zero", "random"] = "zero"
    steps: int = 100
    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        for key, valid in (("solver", SOLVERS), ("init", INITS)):
            if getattr(self, key) not in valid:
                raise ConfigError(f"contrast.hyperplanes.{self.name}: {unknown_name(key, getattr(self, key), valid)}")
        if self.steps < 1:
            raise ConfigError(f"contrast.hyperplanes.{self.name}.steps is {self.steps}; it must be 1 or more")
        if not self.learning_rate > 0:
            raise ConfigError(
                f"contrast.hyperplanes.{self.name}.learning_rate is {self.learning_rate}; it must be above 0"
            )

    @property
    def antisymmetric(self) -> bool:
        """Whether the plane of (B, A) is the negative of that of (A, B)."""
        return self.solver == "logistic" or self.init == "zero"

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, Any]) -> Solver:
        """The solver that a configuration entry describes.

        Raises:
            ConfigError: a key or a value is unknown.

        Example:
            >>> Solver.from_settings("published", {"init": "random"}).antisymmetric
            False
        """
        valid = sorted({field.name for field in fields(cls)} - {"name"})
        for key in settings:
            if key not in valid:
                raise ConfigError(f"contrast.hyperplanes.{name}: {unknown_name('key', key, valid)}")
        return cls(name, **settings)


def solvers_from_settings(settings: Sequence[Mapping[str, Any]]) -> list[Solver]:
    """The solvers of a step's settings. They are a list because their order counts, and a mapping would lose its order.

    Example:
        >>> solvers = solvers_from_settings([{"name": "zero"}, {"name": "random", "init": "random"}])
        >>> [solver.antisymmetric for solver in solvers]
        [True, False]
    """
    return [
        Solver.from_settings(entry["name"], {key: value for key, value in entry.items() if key != "name"})
        for entry in settings
    ]
