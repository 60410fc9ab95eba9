"""What a run consists of, worked out of its configuration: settings of each step, hashes, what is missing.

The rules ask this module; it imports neither torch nor mlflow when a run is planned.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptrast.configuration import Config, checked, load_schema, seen_from
from conceptrast.provenance import WEIGHT_SUFFIXES, code_hash, registry, weights_fingerprint

if TYPE_CHECKING:
    from conceptrast.data.dataset import Dataset

TRUTH_KINDS = frozenset({"digit_pairs"})
PICTURE_STEPS = frozenset(
    {"train", "predict", "attribute", "factorize", "prototypes", "component_prediction", "concept_recovery", "figures"}
)


@dataclass(frozen=True)
class Plan:
    """One run.

    Args:
        resolved: the checked configuration with its defaults, paths relative to the repository.
        source: folder of the package ``conceptrast``.
    """

    resolved: Config
    source: Path

    @classmethod
    def read(cls, config: Mapping[str, Any], source: Path, schema: Path) -> Plan:
        """The plan of a configuration.

        Raises:
            ConfigError: something in the configuration is wrong.
        """
        return cls(checked(config, load_schema(schema), source), source)

    @property
    def folder(self) -> str:
        """Where all results of the run land, relative to the repository."""
        return f"results/{self.resolved['run']}"

    @cached_property
    def config(self) -> Config:
        """The configuration as the steps need it: they work inside :attr:`folder`."""
        seen = seen_from(self.resolved, self.folder)
        for entry in seen["models"].values():
            entry.setdefault("seed", seen["seed"])
        return seen

    @property
    def studies(self) -> dict[str, Config]:
        """Studies by name."""
        return self.config["studies"]

    @property
    def models(self) -> dict[str, Config]:
        """Models by name."""
        return self.config["models"]

    @property
    def datasets(self) -> dict[str, Config]:
        """Datasets by name."""
        return self.config["datasets"]

    @property
    def studies_with_truth(self) -> list[str]:
        """Studies on datasets whose concepts are known."""
        return [name for name, study in self.studies.items() if self.datasets[study["dataset"]]["kind"] in TRUTH_KINDS]

    @property
    def trained_models(self) -> list[str]:
        """Models that the workflow trains and some study needs."""
        used = {study.get(key) for study in self.studies.values() for key in ("model", "predicted_by")}
        return [name for name, entry in self.models.items() if "train" in entry and name in used]

    @property
    def table_names(self) -> list[str]:
        """Tables of the run."""
        names = ["component_prediction", "studies"]
        names += ["concept_recovery"] if self.studies_with_truth else []
        return names + (["models"] if self.trained_models else [])

    def predictions_file(self, study: str) -> str:
        """Predictions that say which images belong to which class of a study."""
        entry = self.studies[study]
        return f"predictions/{entry.get('predicted_by', entry['model'])}/{entry['dataset']}.parquet"

    def class_names_file(self, study: str) -> str:
        """Names of the classes of a study's dataset."""
        return f"datasets/{self.studies[study]['dataset']}/class_names.json"

    def model_of(self, study: str | None = None, model: str | None = None, **_: str) -> str:
        """Model that a job with these wildcards uses."""
        return self.studies[study]["model"] if study is not None else str(model)

    def dataset_of(
        self, study: str | None = None, model: str | None = None, dataset: str | None = None, **_: str
    ) -> str:
        """Dataset that a job with these wildcards uses."""
        if study is not None:
            return str(self.studies[study]["dataset"])
        return str(dataset) if dataset is not None else str(self.models[str(model)]["train"]["dataset"])

    # Settings: no more than the step needs, so that a changed value reruns only what depends on it.

    def index_settings(self, dataset: str) -> Config:
        """Settings of the step ``index``."""
        return {"dataset": self.datasets[dataset], **self._values("seed", "max_rejected")}

    def check_layers_settings(self, jobs: Iterable[Mapping[str, str]]) -> Config:
        """Settings of the step ``check_layers``: the studies that jobs with these wildcards belong to or train for."""
        named = [dict(wildcards.items()) for wildcards in jobs]
        studies = {wildcards.get("study") for wildcards in named}
        trained = {wildcards.get("model") for wildcards in named}
        due = {name: study for name, study in self.studies.items() if name in studies or study["model"] in trained}
        layers = {name: {key: study[key] for key in ("model", "layer")} for name, study in due.items()}
        used = sorted({study["model"] for study in due.values()})
        return {"models": {name: self.models[name] for name in used}, "studies": layers}

    def train_settings(self, model: str) -> Config:
        """Settings of the step ``train``."""
        return self._pictures(model, self.dataset_of(model=model))

    def predict_settings(self, model: str, dataset: str) -> Config:
        """Settings of the step ``predict``."""
        return self._pictures(model, dataset)

    def attribute_settings(self, study: str, shard: str) -> Config:
        """Settings of the step ``attribute``."""
        return {
            **self._study(study),
            **self._values("attribution", "images_per_class", "min_images"),
            "classes": self.studies[study].get("classes"),
            "shard": int(shard),
            "shards": self.config["class_shards"],
        }

    def factorize_settings(self, study: str) -> Config:
        """Settings of the step ``factorize``."""
        return {
            **self._study(study),
            "rectify": self.studies[study]["rectify"],
            "recipes": self._recipes(study, "components", "weighting"),
        }

    def prototypes_settings(self, study: str) -> Config:
        """Settings of the step ``prototypes``."""
        return {
            **self._study(study),
            "rectify": self.studies[study]["rectify"],
            "recipes": self._recipes(study, "components", "weighting", "pooling", "window", "distinct"),
        }

    def component_prediction_settings(self, study: str) -> Config:
        """Settings of the step ``component_prediction``."""
        return {
            **self._study(study),
            **self._values("images_per_class", "min_images"),
            "classes": self.studies[study].get("classes"),
            "rectify": self.studies[study]["rectify"],
            "recipes": self._recipes(study),
        }

    def concept_recovery_settings(self, study: str) -> Config:
        """Settings of the step ``concept_recovery``."""
        entry = self.studies[study]
        return {
            "model": self.models[entry["model"]],
            "dataset": self.datasets[entry["dataset"]],
            **self._values("seed"),
        }

    def figures_settings(self, study: str) -> Config:
        """Settings of the step ``figures``."""
        recipes = self.config["recipes"]
        return {
            **self._study(study),
            "study": study,
            "card_recipe": "recommended" if "recommended" in recipes else list(recipes)[-1],
            "rectify": self.studies[study]["rectify"],
            "recipes": self._recipes(study),
        }

    def tables_settings(self) -> Config:
        """Settings of the step ``tables``."""
        keys = ("model", "dataset", "layer", "predicted_by", "published")
        return {
            "studies": [
                {"name": name, **{k: study[k] for k in keys if k in study}} for name, study in self.studies.items()
            ],
            "studies_with_truth": self.studies_with_truth,
            "trained_models": self.trained_models,
            "shards": self.config["class_shards"],
            "recipes": {name: {"components": entry["components"]} for name, entry in self.config["recipes"].items()},
        }

    def track_settings(self) -> Config:
        """Settings of the step ``track``."""
        return {
            "config": self.resolved,
            "code": self.run_code(),
            "data": self.data_fingerprints,
            "weights": self.weights_fingerprints,
            "repository": os.path.relpath(".", self.folder),
        }

    # What a result was made from.

    def code(self, step: str, **wildcards: str) -> str:
        """Hash of the library files that a job of ``step`` can reach."""
        modules = {f"conceptrast.steps.{step}"}
        if step == "index" or step in PICTURE_STEPS:
            modules.add(self._module("data", "KINDS", self.datasets[self.dataset_of(**wildcards)]["kind"]))
        if step in PICTURE_STEPS:
            modules.add(self._module("models", "ARCHITECTURES", self._architecture(self.model_of(**wildcards))))
        if step == "attribute":
            modules.add(self._module("attribution", "METHODS", self.config["attribution"]["method"]))
        return code_hash(modules - {""}, self.source)

    def run_code(self) -> str:
        """Hash of all library files that the run's results depend on."""
        steps = sorted(PICTURE_STEPS | {"index", "concept_recovery", "tables"})
        modules = {f"conceptrast.steps.{step}" for step in steps}
        modules |= {self._module("data", "KINDS", entry["kind"]) for entry in self.datasets.values()}
        modules |= {self._module("models", "ARCHITECTURES", self._architecture(name)) for name in self.models}
        modules.add(self._module("attribution", "METHODS", self.config["attribution"]["method"]))
        return code_hash(modules - {""}, self.source)

    @cached_property
    def data_fingerprints(self) -> dict[str, str]:
        """Fingerprint of each dataset's pictures; where they are missing, the one that its results were made with."""
        found = {}
        for name in self.datasets:
            dataset = self._opened(name)
            recorded = Path("datasets", name, "fingerprint.txt")
            found[name] = _recorded([recorded]) if dataset.missing() else dataset.fingerprint()
        return found

    @cached_property
    def weights_fingerprints(self) -> dict[str, str]:
        """Fingerprint of the weights that each model brings along; models that are trained here or random have none."""
        found = {}
        for name, entry in self.models.items():
            if entry.get("weights"):
                recorded = sorted(Path("predictions", name).glob("*.weights.txt"))
                found[name] = weights_fingerprint(entry.get("architecture", ""), entry["weights"]) or _recorded(
                    recorded
                )
        return found

    def missing(self, jobs: Iterable[Mapping[str, str]]) -> list[str]:
        """One line per dataset or weights file that jobs with these wildcards read and that is not there."""
        datasets, models = set(), set()
        for wildcards in jobs:
            named = dict(wildcards.items())
            datasets.add(self.dataset_of(**named))
            models |= {self.model_of(**named)} if {"study", "model"} & set(named) else set()
        lines = [f"dataset '{name}': {self._opened(name).missing()}" for name in sorted(datasets)]
        with_weights = sorted(models & set(self.weights_fingerprints))
        if with_weights:
            from conceptrast.models.opening import missing

            for name in with_weights:
                entry = self.models[name]
                path = Path(entry["weights"])
                weights = str(path.resolve()) if path.suffix in WEIGHT_SUFFIXES else entry["weights"]
                lines.append(f"model '{name}': {missing({**entry, 'weights': weights})}")
        return [line for line in lines if not line.endswith(": None")]

    def _opened(self, dataset: str) -> Dataset:
        from conceptrast.data.dataset import open_dataset

        return open_dataset(self.datasets[dataset], self.config["seed"])

    def _values(self, *keys: str) -> Config:
        return {key: self.config[key] for key in keys}

    def _pictures(self, model: str, dataset: str) -> Config:
        common = self._values("seed", "precision", "batch_size", "workers")
        return {"model": self.models[model], "dataset": self.datasets[dataset], **common}

    def _study(self, study: str) -> Config:
        entry = self.studies[study]
        return {**self._pictures(entry["model"], entry["dataset"]), "layer": entry["layer"]}

    def _recipes(self, study: str, *keys: str) -> Config:
        """Recipes with the study's own pooling and window, reduced to ``keys``."""
        own = {key: self.studies[study][key] for key in ("pooling", "window") if key in self.studies[study]}
        recipes = {name: {**entry, **own} for name, entry in self._all_recipes()}
        return {name: {key: entry[key] for key in keys or entry} for name, entry in recipes.items()}

    def _all_recipes(self) -> Iterable[tuple[str, Config]]:
        return self.config["recipes"].items()

    def _architecture(self, model: str) -> str:
        return str(self.models[model].get("architecture", ""))

    def _module(self, package: str, table: str, name: str) -> str:
        """Module that implements ``name``; empty where the registry has no line of its own for it."""
        return registry(self.source, package, table).get(name, ":").split(":")[0]


def _recorded(paths: Iterable[Path]) -> str:
    """What the first of these files that exists says."""
    return next((path.read_text() for path in paths if path.is_file()), "missing")


def prepare_environment(folder: Path) -> None:
    """Let the steps run the library in ``folder`` with the Python that runs now, wherever they work.

    So a clone runs its own code wherever the package was installed from, and ``.venv/bin/snakemake`` works without
    activating the environment. A relative ``CONCEPTRAST_MIRROR`` is seen from the folder where Snakemake was called.
    """
    for name, first in (("PYTHONPATH", folder), ("PATH", Path(sys.executable).parent)):
        others = [part for part in os.environ.get(name, "").split(os.pathsep) if part and part != str(first)]
        os.environ[name] = os.pathsep.join([str(first), *others])
    if os.environ.get("CONCEPTRAST_MIRROR"):
        os.environ["CONCEPTRAST_MIRROR"] = os.path.abspath(os.environ["CONCEPTRAST_MIRROR"])


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU; without importing torch."""
    return Path("/dev/nvidia0").exists()
