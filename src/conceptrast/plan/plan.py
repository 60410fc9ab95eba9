"""The plan of a run, worked out from its configuration: entries, files, tables, settings of steps, hashes.

The workflow's rules ask this module. Planning a run imports neither torch nor mlflow.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptrast.base.environment import set_environment
from conceptrast.base.errors import ConceptrastError, ConfigError, unknown_name
from conceptrast.models.published import file_fingerprint, is_file_name, weights_fingerprint
from conceptrast.plan.analyses import analyses
from conceptrast.plan.analysis import Analysis, Plot, ReportEntry, Step, Table
from conceptrast.plan.configuration import checked, inner_dataset, sections_with_entries, seen_from
from conceptrast.plan.key_types import Config, naming
from conceptrast.plan.provenance import code_hash, module_fingerprint, registry

if TYPE_CHECKING:
    from conceptrast.data.dataset import Dataset


@dataclass(frozen=True)
class Plan:
    """One run.

    Args:
        resolved: the checked configuration with its defaults; paths are relative to the repository.
        source: folder of the package ``conceptrast``.
    """

    resolved: Config
    source: Path

    @classmethod
    def read(cls, config: Mapping[str, Any], source: Path) -> Plan:
        """The plan of a configuration.

        Raises:
            ConfigError: the configuration is wrong.
        """
        plan = cls(checked(config, source), source)
        for name in plan.datasets:
            plan.opened(name)
        return plan

    @property
    def folder(self) -> str:
        """The folder of all results of the run, relative to the repository."""
        return f"results/{self.resolved['run']}"

    @cached_property
    def config(self) -> Config:
        """The configuration with paths as the steps need them, which work inside :attr:`folder`."""
        seen = seen_from(self.resolved, self.folder, self.source)
        for name, dataset in seen["datasets"].items():
            names = model_names_for(self.resolved, name)
            if names is not None:
                dataset["class_names"] = names
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

    # What the run consists of.

    def entries(self, analysis: str) -> dict[str, Config]:
        """Entries of an analysis by name: its own entries, or the studies that switch it on."""
        descriptor = analyses()[analysis]
        entries: dict[str, Config] = self.config[descriptor.entries] if descriptor.entries else {}
        if descriptor.study_key is None:
            return entries
        return {name: entry for name, entry in entries.items() if descriptor.study_key[0] in entry}

    def names(self, analysis: str) -> list[str]:
        """Names of an analysis's entries in the names of files."""
        descriptor = analyses()[analysis]
        return list(self.entries(analysis)) if descriptor.names is None else descriptor.names(self)

    @cached_property
    def active(self) -> list[Analysis]:
        """Analyses of the run: those with entries, and ``models``."""
        return [analysis for name, analysis in analyses().items() if not analysis.entries or self.entries(name)]

    def with_truth(self, analysis: str) -> list[str]:
        """Names of an analysis's entries whose dataset knows its concepts."""
        descriptor = analyses()[analysis]
        return [name for name, entry in self.entries(analysis).items() if self._knows_truth(descriptor, entry)]

    def knows_truth(self, **wildcards: str) -> bool:
        """Whether the concepts in a job's pictures are known, and its analysis can use them."""
        owner = self._owner(**wildcards)
        return owner is not None and self._knows_truth(*owner)

    def _knows_truth(self, analysis: Analysis, entry: Config) -> bool:
        kinds = registry(self.source, "data", "KINDS_WITH_TRUTH")
        datasets = analysis.datasets(entry)
        return analysis.known(entry) and all(self.datasets[name]["kind"] in kinds for name in datasets)

    @property
    def wants_gpu(self) -> bool:
        """Whether steps that run a model take a GPU: if the run asks for one, or leaves it open and there is one."""
        device = self.config["device"]
        return device == "cuda" or (device == "auto" and has_gpu())

    @cached_property
    def trained_models(self) -> list[str]:
        """Models that the run needs and the workflow trains."""
        used = {
            value
            for key, section in sections_with_entries().items()
            if key != "models"
            for entry in self.config[key].values()
            for _, value, _ in naming(section, entry, "model")
        }
        used |= {name for analysis in self.active for name in analysis.models(self)}
        return [name for name, entry in self.models.items() if "train" in entry and name in used]

    def tables_of(self, analysis: Analysis) -> list[Table]:
        """The run's tables of one analysis."""
        return [table for table in analysis.tables if table.when(self)]

    @property
    def tables(self) -> dict[str, list[str]]:
        """Names of the run's tables by the step that writes them."""
        tables: dict[str, list[str]] = {}
        for analysis in self.active:
            for table in self.tables_of(analysis):
                tables.setdefault(table.step, []).append(table.name)
        return tables

    @property
    def plots(self) -> dict[str, Plot]:
        """How DVC plots the run's tables of curves, by name of the table."""
        tables = (table for analysis in self.active for table in self.tables_of(analysis))
        return {table.name: table.plot for table in tables if table.plot is not None}

    def files(self, kind: str) -> list[str]:
        """All files of one kind, ``figures``, ``manifests`` or ``pages``, for all entries of all analyses."""
        return [
            pattern.format(**{analysis.wildcard: name})
            for analysis in self.active
            for pattern in getattr(analysis, kind)
            for name in self.names(analysis.name)
        ]

    def in_report(self, caption: str) -> ReportEntry:
        """Category, subcategory and labels in the report for the figures or tables with this caption.

        Raises:
            ConfigError: no analysis has this caption.
        """
        entries = {name: entry for analysis in analyses().values() for name, entry in analysis.report.items()}
        if caption not in entries:
            raise ConfigError(unknown_name("caption", caption, entries))
        return entries[caption]

    @property
    def wildcards(self) -> dict[str, list[str]]:
        """The names that each wildcard of the analyses may have."""
        names: dict[str, list[str]] = {}
        for analysis, name, _ in self._all_entries():
            names.setdefault(analysis.wildcard, []).append(name)
        return names

    @property
    def folders(self) -> list[str]:
        """Folders that the run's analyses fill, for DVC."""
        folders = dict.fromkeys(folder for analysis in self.active for folder in analysis.folders)
        predicted = any(analysis.predicted(entry) for analysis, _, entry in self._all_entries())
        empty = set() if self.trained_models else {"models"}
        if not self.datasets:
            empty.add("datasets")
        if not predicted and not self.trained_models:
            empty.add("predictions")
        return [folder for folder in folders if folder not in empty]

    def predictions_file(self, study: str) -> str:
        """File of the predictions that assign images to the classes of a study."""
        entry = self.studies[study]
        return f"predictions/{entry.get('predicted_by', entry['model'])}/{entry['dataset']}.parquet"

    def held_out_file(self, model: str) -> str:
        """File of a trained model's predictions on the pictures that were held out of its training."""
        return f"predictions/{model}/{self.dataset_of(model=model)}.parquet"

    def class_names_file(self, study: str) -> str:
        """File of the class names of a study's dataset."""
        return f"datasets/{self.studies[study]['dataset']}/class_names.json"

    # What a job belongs to.

    def _all_entries(self) -> Iterator[tuple[Analysis, str, Config]]:
        """All entries, each once: the analysis whose key holds it, its name, and the entry."""
        for analysis in analyses().values():
            if analysis.entries and analysis.study_key is None:
                for name, entry in self.config[analysis.entries].items():
                    yield analysis, name, entry

    def _owner(self, **wildcards: str) -> tuple[Analysis, Config] | None:
        """The analysis and the entry of a job with these wildcards."""
        for analysis in analyses().values():
            if analysis.entries and analysis.wildcard in wildcards:
                return analysis, self.config[analysis.entries][wildcards[analysis.wildcard]]
        return None

    def entry_of(self, **wildcards: str) -> Config:
        """The entry of a job with these wildcards; empty if it has none."""
        owner = self._owner(**wildcards)
        return {} if owner is None else owner[1]

    def model_of(self, model: str | None = None, **wildcards: str) -> str:
        """The model that a job with these wildcards uses; empty if it uses no model of the configuration."""
        owner = self._owner(**wildcards)
        return str(model) if owner is None else str(owner[1].get("model", ""))

    def dataset_of(self, **wildcards: str) -> str:
        """The dataset that a job with these wildcards uses; the first if there are several."""
        return self.datasets_of(**wildcards)[0]

    def datasets_of(self, model: str | None = None, dataset: str | None = None, **wildcards: str) -> list[str]:
        """All datasets that a job with these wildcards reads."""
        owner = self._owner(**wildcards)
        if owner is not None:
            analysis, entry = owner
            others = {name: value for name, value in wildcards.items() if name != analysis.wildcard}
            return analysis.datasets(entry, **others)
        return [str(dataset) if dataset is not None else str(self.models[str(model)]["train"]["dataset"])]

    def due(
        self, jobs: Iterable[Mapping[str, str]], with_training: bool = False
    ) -> Iterator[tuple[str, str, Config, list[str]]]:
        """The entries of jobs with these wildcards: key in the configuration, name, entry, checks of its analyses.

        Args:
            jobs: the wildcards of each job.
            with_training: also return entries whose model one of the jobs trains.
        """
        named = [dict(wildcards.items()) for wildcards in jobs]
        trained = {wildcards.get("model") for wildcards in named} if with_training else set()
        for analysis, name, entry in self._all_entries():
            is_named = any(wildcards.get(analysis.wildcard) == name for wildcards in named)
            if is_named or entry.get("model", "") in trained:
                yield analysis.entries, name, entry, _checks(analysis, entry)

    # The settings of a step, and the hashes of what a result was made from.

    def step(self, name: str) -> Step:
        """A step of the workflow by name.

        Raises:
            KeyError: no analysis has this step.
        """
        return next(analysis.steps[name] for analysis in analyses().values() if name in analysis.steps)

    def module(self, step: str) -> str:
        """The module whose ``main`` a step runs."""
        return f"conceptrast.steps.{self.step(step).module or step}"

    def settings(self, step: str, **wildcards: Any) -> Config:
        """Only the settings that a step needs, so that a changed value reruns only what depends on it."""
        return self.step(step).settings(self, **wildcards)

    def code(self, step: str, **wildcards: str) -> str:
        """Hash of the library files that a job of ``step`` can reach."""
        return code_hash(self._modules(step, **wildcards), self.source)

    def run_code(self) -> str:
        """Hash of all library files that the run's results depend on."""
        return code_hash(self.run_modules(), self.source)

    def run_modules(self) -> set[str]:
        """Modules that the code of all jobs of the run starts from."""
        modules: set[str] = set()
        for analysis in self.active:
            for name, step in analysis.steps.items():
                modules.add(self.module(name))
                for entry in self.names(analysis.name) if analysis.entries else ():
                    modules |= _modules(step.implementations(self, **{analysis.wildcard: entry}))
        for dataset in self.datasets.values():
            modules |= self._kinds(dataset)
        for model in self.models:
            modules.add(self._family(model))
        for unwanted in ("track", "atlas", "check_layers"):
            modules.discard(f"conceptrast.steps.{unwanted}")
        return modules - {""}

    def _modules(self, name: str, **wildcards: str) -> set[str]:
        """Modules that a job's code starts from: its step, and the methods that the configuration chooses."""
        step = self.step(name)
        modules = {self.module(name)}
        if step.dataset:
            for dataset in self.datasets_of(**wildcards):
                modules |= self._kinds(self.datasets[dataset])
        if step.model:
            modules.add(self._family(self.model_of(**wildcards)))
        modules |= _modules(step.implementations(self, **wildcards))
        return modules - {""}

    @cached_property
    def data_fingerprints(self) -> dict[str, str]:
        """Fingerprint of each dataset's pictures. If they are missing, it is the one recorded with the results."""
        fingerprints = {}
        for name in self.datasets:
            dataset = self.opened(name)
            recorded = Path("datasets", name, "fingerprint.txt")
            fingerprints[name] = _recorded([recorded]) if dataset.missing() else dataset.fingerprint()
        return fingerprints

    @cached_property
    def model_fingerprints(self) -> dict[str, str]:
        """Fingerprint of each model's own files: weights, file of class names, module of its factory.

        Models without such files (trained here, or random) have none. If a file is missing, it is the fingerprint that
        the predictions were made with.
        """
        fingerprints = {}
        for name, entry in self.models.items():
            parts: list[str | None] = []
            if entry.get("weights"):
                parts.append(weights_fingerprint(entry.get("architecture", ""), entry["weights"]))
            if isinstance(entry.get("class_names"), str):
                parts.append(file_fingerprint(Path(entry["class_names"])))
            if "factory" in entry:
                parts.append(module_fingerprint(entry["factory"], self.source.parents[1]))
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                fingerprints[name] = _recorded(sorted(Path("predictions", name).glob("*.weights.txt")))
            elif any(known):
                fingerprints[name] = " ".join(filter(None, known))
        return fingerprints

    def files_of(self, **wildcards: str) -> list[Path]:
        """Files of the user that the entry of a job names, e.g. the picture of a crop."""
        owner = self._owner(**wildcards)
        if owner is None:
            return []
        section = sections_with_entries()[owner[0].entries]
        return [Path(value) for _, value, _ in naming(section, owner[1], "file")]

    def file_fingerprints(self, **wildcards: str) -> str:
        """MD5 of the files that :meth:`files_of` returns."""
        return " ".join(file_fingerprint(path) or "missing" for path in self.files_of(**wildcards))

    def opened(self, dataset: str) -> Dataset:
        """A dataset by name.

        Raises:
            ConfigError: its entry is wrong.
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
        """Modules that make the pictures of a dataset, and of the dataset whose pictures it uses."""
        kinds = registry(self.source, "data", "DATASET_KINDS")
        return _modules(kinds[entry["kind"]] for entry in (dataset, inner_dataset(dataset)) if entry)

    def _family(self, model: str) -> str:
        """Module of a model's family; empty for torchvision's classifiers and for factories."""
        architecture = self.models[model].get("architecture", "")
        return registry(self.source, "models", "ARCHITECTURES").get(architecture, "").partition(":")[0]


def _checks(owner: Analysis, entry: Config) -> list[str]:
    """The functions that check an entry: that of the analysis whose key holds it, and of those that it switches on."""
    switched_on = [
        analysis
        for analysis in analyses().values()
        if analysis.entries == owner.entries and analysis.study_key is not None and analysis.study_key[0] in entry
    ]
    return [analysis.check for analysis in (owner, *switched_on) if analysis.check]


def _modules(implementations: Iterable[str]) -> set[str]:
    """Modules of ``package.module:name``."""
    return {implementation.partition(":")[0] for implementation in implementations}


def _recorded(paths: Iterable[Path]) -> str:
    """The content of the first of these files that exists."""
    return next((path.read_text() for path in paths if path.is_file()), "missing")


def model_names_for(config: Config, dataset: str) -> list[str] | str | None:
    """Class names that a dataset takes from the models of its studies, where its ``class_file`` names classes by name.

    Args:
        config: a checked configuration.
        dataset: name of a dataset.

    Returns:
        The names, or ``imagenet``; ``None`` if the dataset has names, needs none, or its models have none or several.
    """
    entry = config["datasets"][dataset]
    if "class_file" not in entry or "class_names" in entry:
        return None
    models = {study["model"] for study in config.get("studies", {}).values() if study.get("dataset") == dataset}
    names = [_names_of(config["models"][model]) for model in models if model in config["models"]]
    return names[0] if len(names) == 1 else None


def _names_of(model: Config) -> list[str] | str | None:
    """The class names that a model is known to have before it is opened."""
    if isinstance(model.get("class_names"), list):
        return list(model["class_names"])
    weights = model.get("weights")
    published = weights is not None and not is_file_name(weights) and "train" not in model
    return "imagenet" if published and "class_names" not in model else None


def prepare_environment(repository: Path) -> None:
    """Let the steps run this clone's library with the current Python, in any folder.

    So a clone runs its own code even if the package was installed from elsewhere. It finds a ``factory`` in a module in
    the repository's root. ``.venv/bin/snakemake`` works without activating the environment. A relative
    ``CONCEPTRAST_MIRROR`` is relative to the folder where Snakemake was called. The steps keep their memory without
    growing, and their threads share the cores with other work, see :mod:`conceptrast.base.environment`.
    """
    set_environment()
    for name, folders in (("PYTHONPATH", (repository / "src", repository)), ("PATH", (Path(sys.executable).parent,))):
        first = [str(folder) for folder in folders]
        others = [part for part in os.environ.get(name, "").split(os.pathsep) if part and part not in first]
        os.environ[name] = os.pathsep.join([*first, *others])
    if os.environ.get("CONCEPTRAST_MIRROR"):
        os.environ["CONCEPTRAST_MIRROR"] = os.path.abspath(os.environ["CONCEPTRAST_MIRROR"])


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU; torch is not imported."""
    return Path("/dev/nvidia0").exists()
