"""What the rules share: the checked configuration, targets, the command of a step, its parameters and inputs."""

import atexit
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

SOURCE = Path(workflow.basedir) / "src" / "conceptrast"
sys.path.insert(0, str(SOURCE.parent))

from conceptrast.base.device import ask_for
from conceptrast.base.errors import ConceptrastError
from conceptrast.bias.comparison import FIGURES as BIAS_FIGURES
from conceptrast.plan.analyses.bias import backbone_of, networks
from conceptrast.plan.analyses.counterfactual import judge_of, reader_of
from conceptrast.plan.analyses.seeds import repeated_runs
from conceptrast.plan.before_start import judges_of_other_classes, missing, too_many_shards, unknown_classes
from conceptrast.plan.config_lines import located
from conceptrast.plan.plan import Plan, prepare_environment
from conceptrast.plan.run_folder import end_with_steps, hold, mend_dates, release_stale_lock
from conceptrast.steps.fork_server import start_server

prepare_environment(SOURCE.parents[1])


def plan():
    """The checked plan of this run; a mistake in the configuration ends Snakemake with its one or two lines."""
    try:
        return Plan.read(config, SOURCE)
    except ConceptrastError as error:
        raise WorkflowError(in_files(str(error))) from None


def in_files(message):
    """A message about the configuration, with the file and the line of each key that it names."""
    return located(message, CONFIG_FILES, workflow.config_settings.config)


# The configuration's files, by their paths in the repository.
CONFIG_FILES = {
    os.path.relpath(file, workflow.basedir): Path(file).resolve()
    for file in workflow.overwrite_configfiles or [Path(workflow.basedir) / "config" / "config.yaml"]
}
PLAN = plan()
config.update(PLAN.resolved)
ask_for(PLAN.config["device"])
SHARDS = range(PLAN.config["class_shards"])
TABLES = expand("tables/{table}.csv", table=sum(PLAN.tables.values(), []))
MANIFESTS = PLAN.files("manifests")
FIGURES = PLAN.files("figures")
PAGES = PLAN.files("pages")
# In a fresh clone the tables of repeated runs are there, from git; the runs are not, and have to be asked for.
REPEATED = expand("seeds/{run}/metrics.json", run=repeated_runs(PLAN))
GPU = int(PLAN.wants_gpu)
WORKERS = PLAN.config["workers"]
ENVIRONMENT = "../envs/conceptrast.yaml"
# A plain command, so that it runs wherever a job does. `files` are the inputs and outputs of the rule by their names.
STEP = (
    "python -m conceptrast.steps.start {params.step} --settings {params.settings:q} {params.files}"
    " --threads {threads} --workers {resources.workers} --log {log:q} --rule {params.rule}"
)


include: "report.smk"


# Names of entries stand in names of files: only those that the run has.
wildcard_constraints:
    **{wildcard: "|".join(map(re.escape, names)) for wildcard, names in PLAN.wildcards.items()},
    dataset="[A-Za-z0-9_.-]+",
    model="[A-Za-z0-9_.-]+",
    condition="[a-z]+",
    seed=r"\d+",
    shard=r"\d+",


def all_cores():
    """Number of cores that one job may take; executors for clusters know none."""
    return workflow.cores or 1


def shared_cores(jobs):
    """Number of cores for each of so many jobs that can run side by side: two of one core each take less time than
    one after the other on two."""
    return max(1, all_cores() // max(1, len(jobs)))


def names(analysis):
    """Names of an analysis's entries: its own, or those of the studies that it is switched on for."""
    return PLAN.names(analysis)


def with_truth(analysis):
    """Those of them whose true concepts are known."""
    return PLAN.with_truth(analysis)


def needs(mem_mb, gpu=GPU):
    """Resources of a step. How many processes decode pictures is no parameter: it changes no result."""
    return {"mem_mb": mem_mb, "workers": WORKERS, "gpu": gpu}


def data_of(wildcards):
    """Fingerprint of the pictures a job reads, and of other files that its entry names."""
    fingerprints = [PLAN.data_fingerprints[name] for name in PLAN.datasets_of(**wildcards)]
    return " ".join(filter(None, [*fingerprints, PLAN.file_fingerprints(**wildcards)]))


def weights_of(wildcards):
    """Fingerprint of the weights, class names and code that a job's model brings along; nothing where it does not."""
    return PLAN.model_fingerprints.get(PLAN.model_of(**wildcards), "")


def of_run(step, files=None):
    """Parameters of a step that reads files of the run alone: its settings, the hash of its code, its files."""
    return {
        "rule": lambda wildcards: step,
        "step": PLAN.module(step),
        "settings": settings(step),
        "code": lambda wildcards: PLAN.code(step, **wildcards),
        "files": files or options,
    }


def of_pictures(step, key=None, digest=weights_of):
    """Parameters of a step that opens pictures: fingerprints of these and of its model too. `key` becomes `--key`."""
    files = with_key(key) if key else options
    return of_run(step, files) | {"data": data_of, "digest": digest}


def of_training(step, digest=weights_of):
    """Parameters of a step that trains. Its key says what a training that was killed was made of."""

    def key(wildcards):
        return "/".join((PLAN.code(step, **wildcards), data_of(wildcards), digest(wildcards)))

    return of_pictures(step, key, digest)


def settings(step):
    """Function of the wildcards that gives a step's settings as JSON."""
    return lambda wildcards: json.dumps(PLAN.settings(step, **wildcards), sort_keys=True)


def options(wildcards, input, output):
    """All files of a job as options of its step, quoted for the shell; what is empty is left out."""
    words = []
    for name, files in (*input.items(), *output.items()):
        paths = [files] if isinstance(files, str) else list(files)
        if paths:
            words += [f"--{name.replace('_', '-')}", *paths]
    return shlex.join(words)


def with_key(key):
    """The files of a job as options, and a key that depends on its wildcards."""
    return lambda wildcards, input, output: f"{options(wildcards, input, output)} --key {shlex.quote(key(wildcards))}"


def index_of(wildcards):
    """Index and class names of a job's dataset; of a model that is trained, those of its training."""
    folder = f"datasets/{PLAN.dataset_of(**wildcards)}"
    return {"index": f"{folder}/index.parquet", "class_names": f"{folder}/class_names.json"}


def picture_inputs(wildcards):
    """What a job's pictures and model are opened from; weights where the workflow trains the model."""
    model = PLAN.model_of(**wildcards)
    weights = [f"models/{model}.safetensors"] if "train" in PLAN.models[model] else []
    return index_of(wildcards) | {"weights": weights}


def predicted_inputs(wildcards):
    """Pictures and model of a job, and what a model says of the pictures: its own, unless the study names another."""
    study = PLAN.studies.get(wildcards.get("study"), {})
    model = study.get("predicted_by", PLAN.model_of(**wildcards))
    return picture_inputs(wildcards) | {"predictions": f"predictions/{model}/{PLAN.dataset_of(**wildcards)}.parquet"}


def known_predicted_inputs(wildcards):
    """All of these, and what is where in the pictures, if it is known."""
    return predicted_inputs(wildcards) | {"truth": truth_of(wildcards)}


def known_inputs(wildcards):
    """Pictures and model of a job, and what is where in the pictures; no predictions."""
    return picture_inputs(wildcards) | {"truth": truth_of(wildcards)}


def truth_of(wildcards):
    """What is where in the pictures of a job, if it is known."""
    known = PLAN.knows_truth(**wildcards)
    return [f"datasets/{PLAN.dataset_of(**wildcards)}/truth.parquet"] if known else []


def dff_inputs(wildcards):
    """Pictures and model of a factorization, what is known of them, and predictions where they choose its pictures."""
    chosen_by_class = "class" in PLAN.entry_of(**wildcards)
    return known_predicted_inputs(wildcards) if chosen_by_class else known_inputs(wildcards)


def counterfactual_inputs(wildcards):
    """Pictures, model, decoder and judge of a study, and what its other parts have found that edits are made of."""
    study = wildcards.study
    shards = SHARDS if study in names("contrast") else []
    return known_predicted_inputs(wildcards) | {
        "decoder": f"studies/{study}/decoder.safetensors",
        "components": f"studies/{study}/components.npz",
        "attribution": [f"studies/{study}/attribution/{shard}.npz" for shard in SHARDS],
        "hyperplanes": [f"studies/{study}/hyperplanes/{shard}.npz" for shard in shards],
        "ace": [f"studies/{study}/ace.npz"] if study in names("ace") else [],
        "judge": trained_weights(judge_of(PLAN)),
    }


def concept_picture_inputs(wildcards):
    """The same, with a reader in place of the judge."""
    files = counterfactual_inputs(wildcards)
    files.pop("judge")
    return files | {"reader": trained_weights(reader_of(PLAN))}


def trained_weights(model):
    """Weights of a model that looks at decoded pictures, where there is one and the workflow trains it."""
    return [f"models/{model}.safetensors"] if model and "train" in PLAN.models[model] else []


def judge_digest(wildcards):
    """Fingerprint of the weights, class names and code that the judge brings along; nothing where it does not."""
    return PLAN.model_fingerprints.get(judge_of(PLAN), "")


def reader_digest(wildcards):
    """The same of the reader."""
    return PLAN.model_fingerprints.get(reader_of(PLAN), "")


def bias_index(wildcards):
    """Index of the pictures that an autoencoder is trained on."""
    return index_of(wildcards)["index"]


def backbone_weights(network):
    """Function that gives the weights of the model that a network starts from, if the workflow trains it."""
    return lambda wildcards: trained_weights(backbone_of(PLAN, wildcards.bias, network))


def backbone_digest(network):
    """Function that gives the fingerprint of the weights, class names and code that this model brings along."""
    return lambda wildcards: PLAN.model_fingerprints.get(backbone_of(PLAN, wildcards.bias, network), "")


def insertion_inputs(wildcards):
    """Pictures, model and predictions of a job, and a study's patches where an insertion test pastes these."""
    study = PLAN.entries("insertion")[wildcards.insertion]["crop"].get("component")
    patches = {"prototypes": f"studies/{study}/contrastive_prototypes.parquet"} if study else {}
    return predicted_inputs(wildcards) | patches


def shortcut_inputs(wildcards):
    """Pictures and model of a study, what is where in them, and the study's results that give directions."""
    study = wildcards.study
    shards = SHARDS if study in names("contrast") else []
    return known_inputs(wildcards) | {
        "components": f"studies/{study}/components.npz",
        "hyperplanes": [f"studies/{study}/hyperplanes/{shard}.npz" for shard in shards],
        "ace": [f"studies/{study}/ace.npz"] if study in names("ace") else [],
    }


def control_index(wildcards):
    """Index of the pictures that the regressor of a comparison is trained on."""
    return f"datasets/{PLAN.datasets_of(condition='control', **wildcards)[0]}/index.parquet"


def bias_networks(wildcards):
    """Indices of both conditions, their class names, and the weights of all networks of a comparison."""
    bias = wildcards.bias
    return {
        "indices": [f"datasets/{name}/index.parquet" for name in PLAN.datasets_of(bias=bias)],
        "class_names": index_of(wildcards)["class_names"],
        "weights": [f"latent_bias/{bias}/{name}.safetensors" for name in networks(PLAN, bias)],
        "regressor": f"latent_bias/{bias}/regressor.safetensors",
    }


def of_study(**files):
    """Files of a job's study by name; `*` stands for all shards."""
    lists = of_studies(["{study}"], **files)
    return {name: paths if "*" in files[name] else paths[0] for name, paths in lists.items()}


def of_views(views, **endings):
    """Files of some views by name."""
    return {name: [f"saliency/{view}.{ending}" for view in views] for name, ending in endings.items()}


def of_studies(studies, **files):
    """Files of some studies by name, one study after the other; `*` stands for all shards."""
    return {
        name: [
            f"studies/{study}/{file.replace('*', str(shard))}"
            for study in studies
            for shard in (SHARDS if "*" in file else [""])
        ]
        for name, file in files.items()
    }


def dataset_files(studies, **files):
    """Files of the datasets of some studies by name, one study after the other."""
    datasets = [PLAN.dataset_of(study=study) for study in studies]
    return {name: [f"datasets/{dataset}/{file}" for dataset in datasets] for name, file in files.items()}


# What the steps of a study's contrasts have written, for its figures.
CONTRAST_FILES = of_study(
    attributions="attribution/*.npz",
    hyperplanes="hyperplanes/*.npz",
    shifts="shift/*.csv",
    components="contrastive_components.npz",
    prototypes="contrastive_prototypes.parquet",
    mask="mask.csv",
    examples="mask_examples.npz",
)


def check_before_start(jobs):
    """End within seconds where these jobs would fail after hours: missing data or weights, a wrong class or layer.

    This is no rule: an input that only has to be there first would hide from Snakemake what else has changed.
    """
    signal.signal(signal.SIGTERM, end_with_steps)
    if workflow.local_exec:
        start_server()
    say(mend_dates(Path(file) for job in jobs for file in job.input))
    stop_if_wrong(jobs)
    due = PLAN.settings("check_layers", jobs=[job.wildcards for job in jobs])
    # Only this machine is asked for a GPU: on a cluster, the nodes may have one that this machine lacks.
    due["device"] = workflow.local_exec and any(job.resources.get("gpu") for job in jobs)
    command = [sys.executable, "-m", "conceptrast.steps.start", "conceptrast.steps.check_layers", "--settings"]
    if (due["checks"] or due["device"]) and subprocess.run([*command, json.dumps(due)]).returncode:
        raise WorkflowError("this run cannot start: see the error above")


def take_folder():
    """Remove the lock that a killed run has left, name the process that holds another one, and record this process.

    Snakemake locks the folder later, and ends if another one holds the lock."""
    folder = Path(workflow.basedir) / PLAN.folder
    say(release_stale_lock(folder))
    atexit.register(hold(folder))


def say(line):
    """Print a line for the user, if there is one."""
    if line:
        logger.warning(line)


def stop_if_wrong(jobs):
    """End with one line per missing dataset or file that these jobs would read, class that does not exist, empty job."""
    named = [job.wildcards for job in jobs if hasattr(job.params, "data")]
    try:
        lines = missing(PLAN, named) or [
            line
            for problems in (unknown_classes, judges_of_other_classes, too_many_shards)
            for line in problems(PLAN, named)
        ]
    except ConceptrastError as error:
        lines = [str(error)]
    if lines:
        raise WorkflowError("\n".join(["this run cannot start:", in_files("\n".join(lines))]))
