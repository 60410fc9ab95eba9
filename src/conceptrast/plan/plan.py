"""What a run consists of, worked out of its configuration: studies, files, tables, hashes.

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

from conceptrast.base.errors import ConceptrastError, ConfigError
from conceptrast.bias.comparison import CONDITIONS, trained_networks
from conceptrast.models.published import file_fingerprint, weights_fingerprint
from conceptrast.plan import step_settings
from conceptrast.plan.configuration import Config, checked, inner_dataset, load_schema, seen_from
from conceptrast.plan.provenance import code_hash, module_fingerprint, registry

if TYPE_CHECKING:
    from conceptrast.data.dataset import Dataset

PICTURE_STEPS = frozenset(
    {
        *("train", "predict", "attribute", "factorize", "prototypes", "component_prediction", "concept_recovery"),
        *("figures", "features", "shift", "mask", "contrastive_components", "contrast_recovery", "contrast_figures"),
        *("insertion", "decoder", "counterfactual", "ace", "latent_bias", "saliency", "saliency_tests", "dff"),
    }
)
"""Steps that open a model and look at pictures."""


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
        plan = cls(checked(config, load_schema(schema), source), source)
        for name in plan.datasets:
            plan.opened(name)
        return plan

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
    def insertions(self) -> dict[str, Config]:
        """Insertion tests by name."""
        return self.config["insertions"]

    @property
    def views(self) -> dict[str, Config]:
        """Views by class activation maps, by name."""
        return self.config["saliency"]

    @property
    def views_with_truth(self) -> list[str]:
        """Views of pairs of classes on datasets whose concepts are known."""
        kinds = registry(self.source, "data", "KINDS_WITH_TRUTH")
        return [
            name
            for name, view in self.views.items()
            if view["pairs"] and self.datasets[view["dataset"]]["kind"] in kinds
        ]

    @property
    def dffs(self) -> dict[str, Config]:
        """Deep feature factorizations by name."""
        return self.config["dff"]

    @property
    def parts(self) -> dict[str, dict[str, Config]]:
        """What uses one model on one dataset, by the wildcard of its jobs."""
        return {"study": self.studies, "insertion": self.insertions, "view": self.views, "dff": self.dffs}

    @property
    def biases(self) -> dict[str, Config]:
        """Comparisons of latent spaces on pictures with a planted bias, by name."""
        return self.config["latent_bias"]

    def bias_networks(self, bias: str) -> list[str]:
        """``<condition>/<network>-<seed>`` of every network of a comparison, in the order of its files."""
        named = trained_networks(self.biases[bias]["seeds"])
        return [f"{condition}/{network}-{seed}" for condition, network, seed in named]

    @property
    def contrasted(self) -> list[str]:
        """Studies that name pairs of classes to contrast."""
        return [name for name, study in self.studies.items() if "contrast" in study]

    @property
    def decoded(self) -> list[str]:
        """Studies that name pairs of classes to decode counterfactuals of."""
        return [name for name, study in self.studies.items() if "counterfactual" in study]

    @property
    def studies_with_truth(self) -> list[str]:
        """Studies on datasets whose concepts are known."""
        kinds = registry(self.source, "data", "KINDS_WITH_TRUTH")
        return [name for name, study in self.studies.items() if self.datasets[study["dataset"]]["kind"] in kinds]

    @property
    def contrasted_with_truth(self) -> list[str]:
        """Contrasted studies on datasets whose concepts are known."""
        return [name for name in self.contrasted if name in self.studies_with_truth]

    @property
    def studies_with_ace(self) -> list[str]:
        """Studies that name classes whose concepts are found among superpixels."""
        return [name for name, study in self.studies.items() if "ace" in study]

    @property
    def trained_models(self) -> list[str]:
        """Models that the workflow trains and some part of the run needs."""
        entries = [entry for part in self.parts.values() for entry in part.values()]
        used = {entry.get(key) for entry in entries for key in ("model", "predicted_by")}
        return [name for name, entry in self.models.items() if "train" in entry and name in used]

    @property
    def tables(self) -> dict[str, list[str]]:
        """Tables of the run by the step that writes them."""
        explained = ["component_prediction", "studies"] if self.studies else []
        explained += ["concept_recovery"] if self.studies_with_truth else []
        explained += ["models"] if self.trained_models else []
        tables = {"tables": explained} if explained else {}
        if self.trained_models:
            tables["confusion"] = ["confusion"]
        if self.contrasted:
            tables["contrast_tables"] = ["contrast_classes", "contrast_pairs", "hyperplanes", "shift", "mask"]
            tables["contrast_tables"] += ["contrast_recovery"] if self.contrasted_with_truth else []
        if self.decoded:
            tables["counterfactual_tables"] = ["decoder", "counterfactual"]
        if self.insertions:
            tables["insertion_tables"] = ["insertion"]
        if self.views:
            truth = ["saliency_truth"] if self.views_with_truth else []
            tables["saliency_tables"] = ["saliency_faithfulness", "saliency_randomisation", *truth]
        if self.studies_with_ace:
            known = set(self.studies_with_ace) & set(self.studies_with_truth)
            tables["ace_tables"] = ["ace", *(["ace_recovery"] if known else [])]
        if self.dffs:
            tables["dff_tables"] = ["dff_concepts", "dff_summary"]
        if self.biases:
            tables["latent_bias_tables"] = ["latent_bias", "latent_bias_summary"]
        return tables

    def predictions_file(self, study: str) -> str:
        """Predictions that say which images belong to which class of a study."""
        entry = self.studies[study]
        return f"predictions/{entry.get('predicted_by', entry['model'])}/{entry['dataset']}.parquet"

    def held_out_file(self, model: str) -> str:
        """Predictions of a trained model on the pictures that were held out of its training."""
        return f"predictions/{model}/{self.dataset_of(model=model)}.parquet"

    def class_names_file(self, study: str) -> str:
        """Names of the classes of a study's dataset."""
        return f"datasets/{self.studies[study]['dataset']}/class_names.json"

    def _entry(self, **wildcards: str) -> Config | None:
        """Study, insertion test, view or factorization that a job with these wildcards belongs to."""
        return next((part[wildcards[key]] for key, part in self.parts.items() if key in wildcards), None)

    def model_of(self, model: str | None = None, **wildcards: str) -> str:
        """Model that a job with these wildcards uses."""
        entry = self._entry(**wildcards)
        return str(model if entry is None else entry["model"])

    def dataset_of(self, model: str | None = None, dataset: str | None = None, **wildcards: str) -> str:
        """Dataset that a job with these wildcards uses."""
        entry = self._entry(**wildcards)
        if "bias" in wildcards:
            return str(self.biases[wildcards["bias"]][wildcards.get("condition", CONDITIONS[0])])
        if entry is not None:
            return str(entry["dataset"])
        return str(dataset) if dataset is not None else str(self.models[str(model)]["train"]["dataset"])

    def datasets_of(self, **wildcards: str) -> list[str]:
        """All datasets that a job with these wildcards reads."""
        if "bias" in wildcards and "condition" not in wildcards:
            return [self.dataset_of(condition=condition, **wildcards) for condition in CONDITIONS]
        return [self.dataset_of(**wildcards)]

    def settings(self, step: str, **wildcards: Any) -> Config:
        """Settings of a step: no more than it needs, so that a changed value reruns only what depends on it."""
        found: Config = getattr(step_settings, step)(self, **wildcards)
        return found

    # What a result was made from.

    def code(self, step: str, **wildcards: str) -> str:
        """Hash of the library files that a job of ``step`` can reach."""
        modules = {f"conceptrast.steps.{step}"}
        if step in ("index", "train_autoencoder") or step in PICTURE_STEPS:
            modules |= self._kinds(self.datasets[self.dataset_of(**wildcards)])
        if step in PICTURE_STEPS and "bias" in wildcards:
            architecture = self.biases[wildcards["bias"]]["resnet"]["architecture"]
            modules.add(self._module("models", "ARCHITECTURES", architecture))
        elif step in PICTURE_STEPS:
            modules.add(self._module("models", "ARCHITECTURES", self._architecture(self.model_of(**wildcards))))
        if "view" in wildcards:
            methods = self.views[wildcards["view"]]["methods"]
            modules |= {self._module("saliency", "METHODS", method) for method in methods}
        if step == "attribute":
            modules.add(self._module("attribution", "METHODS", self.config["attribution"]["method"]))
        return code_hash(modules - {""}, self.source)

    def run_code(self) -> str:
        """Hash of all library files that the run's results depend on."""
        steps = sorted(PICTURE_STEPS | {"index", "train_autoencoder", "hyperplanes", "metrics", *self.tables})
        modules = {f"conceptrast.steps.{step}" for step in steps}
        modules |= {module for entry in self.datasets.values() for module in self._kinds(entry)}
        modules |= {self._module("models", "ARCHITECTURES", self._architecture(name)) for name in self.models}
        modules |= {
            self._module("saliency", "METHODS", name) for view in self.views.values() for name in view["methods"]
        }
        modules.add(self._module("attribution", "METHODS", self.config["attribution"]["method"]))
        return code_hash(modules - {""}, self.source)

    @cached_property
    def data_fingerprints(self) -> dict[str, str]:
        """Fingerprint of each dataset's pictures; where they are missing, the one that its results were made with."""
        found = {}
        for name in self.datasets:
            dataset = self.opened(name)
            recorded = Path("datasets", name, "fingerprint.txt")
            found[name] = _recorded([recorded]) if dataset.missing() else dataset.fingerprint()
        return found

    @cached_property
    def model_fingerprints(self) -> dict[str, str]:
        """Fingerprint of what each model brings along: weights, file of class names, module of its factory.

        Models that bring nothing along (trained here, or random) have none. Where a file is missing, it is the
        fingerprint that the predictions were made with.
        """
        found = {}
        for name, entry in self.models.items():
            parts: list[str | None] = []
            if entry.get("weights"):
                parts.append(weights_fingerprint(self._architecture(name), entry["weights"]))
            if isinstance(entry.get("class_names"), str):
                parts.append(file_fingerprint(Path(entry["class_names"])))
            if "factory" in entry:
                parts.append(module_fingerprint(entry["factory"], self.source.parents[1]))
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                found[name] = _recorded(sorted(Path("predictions", name).glob("*.weights.txt")))
            elif any(known):
                found[name] = " ".join(filter(None, known))
        return found

    def crop_fingerprint(self, insertion: str) -> str:
        """What identifies the picture that an insertion test takes its crop from: md5 of a file of the user's own."""
        file = self.insertions[insertion]["crop"].get("file")
        return "" if file is None else file_fingerprint(Path(file)) or "missing"

    def opened(self, dataset: str) -> Dataset:
        """A dataset by name.

        Raises:
            ConfigError: its entry says something that cannot be.
        """
        from conceptrast.data.dataset import open_dataset

        try:
            return open_dataset(self.datasets[dataset], self.config["seed"])
        except ConceptrastError as error:
            raise ConfigError(f"config: 'datasets.{dataset}': {error}") from error
        except (TypeError, ValueError) as error:
            options = self.resolved["datasets"][dataset]
            raise ConfigError(f"config: 'datasets.{dataset}' got {options}: {error}") from error

    def _kinds(self, dataset: Config) -> set[str]:
        """Modules that make the pictures of a dataset, and of the one that it takes its pictures from."""
        entries = [entry for entry in (dataset, inner_dataset(dataset)) if entry]
        return {self._module("data", "DATASET_KINDS", entry["kind"]) for entry in entries}

    def _architecture(self, model: str) -> str:
        return str(self.models[model].get("architecture", ""))

    def _module(self, package: str, table: str, name: str) -> str:
        """Module that implements ``name``; empty where the registry has no line of its own for it."""
        return registry(self.source, package, table).get(name, ":").split(":")[0]


def _recorded(paths: Iterable[Path]) -> str:
    """What the first of these files that exists says."""
    return next((path.read_text() for path in paths if path.is_file()), "missing")


def prepare_environment(repository: Path) -> None:
    """Let the steps run this clone's library with the Python that runs now, wherever they work.

    So a clone runs its own code wherever the package was installed from, finds a ``factory`` in a module of the
    repository's root, and ``.venv/bin/snakemake`` works without activating the environment. A relative
    ``CONCEPTRAST_MIRROR`` is seen from the folder where Snakemake was called.
    """
    for name, folders in (("PYTHONPATH", (repository / "src", repository)), ("PATH", (Path(sys.executable).parent,))):
        first = [str(folder) for folder in folders]
        others = [part for part in os.environ.get(name, "").split(os.pathsep) if part and part not in first]
        os.environ[name] = os.pathsep.join([*first, *others])
    if os.environ.get("CONCEPTRAST_MIRROR"):
        os.environ["CONCEPTRAST_MIRROR"] = os.path.abspath(os.environ["CONCEPTRAST_MIRROR"])


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU; without importing torch."""
    return Path("/dev/nvidia0").exists()
