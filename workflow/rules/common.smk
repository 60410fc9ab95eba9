"""What the rules share: the checked configuration, targets, settings of the steps, hashes. All functions live here."""

import json
import re
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

SOURCE = Path(workflow.basedir) / "src" / "conceptrast"
SCHEMA = Path(workflow.basedir) / "workflow" / "schemas" / "config.schema.yaml"
sys.path.insert(0, str(SOURCE.parent))

from conceptrast.plan.before_start import missing, unknown_classes
from conceptrast.base.errors import ConceptrastError
from conceptrast.bias.comparison import CONDITIONS, FIGURES as BIAS_FIGURES
from conceptrast.plan.plan import Plan, has_gpu, prepare_environment

prepare_environment(SOURCE.parents[1])


def plan():
    """The checked plan of this run; a mistake in the configuration ends Snakemake with its one or two lines."""
    try:
        return Plan.read(config, SOURCE, SCHEMA)
    except ConceptrastError as error:
        raise WorkflowError(str(error)) from None


PLAN = plan()
config.update(PLAN.resolved)
RESULTS = PLAN.folder
STUDIES = list(PLAN.studies)
TRUTH_STUDIES = PLAN.studies_with_truth
CONTRASTED = PLAN.contrasted
CONTRAST_TRUTH_STUDIES = PLAN.contrasted_with_truth
DECODED = PLAN.decoded
INSERTIONS = list(PLAN.insertions)
ACE_STUDIES = PLAN.studies_with_ace
VIEWS = list(PLAN.views)
TRUTH_VIEWS = PLAN.views_with_truth
DFFS = list(PLAN.dffs)
BIASES = list(PLAN.biases)
TRAINED = PLAN.trained_models
SHARDS = range(PLAN.config["class_shards"])
TABLES = expand("tables/{table}.csv", table=sum(PLAN.tables.values(), []))
MANIFESTS = expand("figures/{study}/cards.csv", study=STUDIES)
MANIFESTS += expand("figures/{study}/contrasts.csv", study=CONTRASTED)
MANIFESTS += expand("figures/{study}/counterfactuals.csv", study=DECODED)
MANIFESTS += expand("figures/{study}/ace.csv", study=ACE_STUDIES)
MANIFESTS += expand("figures/dff/{dff}.csv", dff=DFFS)
FIGURES_OF_MODELS = expand("figures/confusion/{model}.png", model=TRAINED)
FIGURES_OF_BIASES = expand(
    "figures/latent_bias/{bias}/{figure}.png", bias=BIASES, figure=BIAS_FIGURES
)
FIGURES_OF_VIEWS = expand(
    "figures/saliency/{view}/{figure}.png", view=VIEWS, figure=["maps", "tests"]
)
GPU = int(has_gpu())
# A resource and no parameter: how many processes decode pictures changes no result.
WORKERS = PLAN.config["workers"]


wildcard_constraints:
    dataset="[A-Za-z0-9_.-]+",
    model="[A-Za-z0-9_.-]+",
    study="|".join(map(re.escape, PLAN.studies)),
    insertion="[A-Za-z0-9_.-]+",
    view="|".join(map(re.escape, PLAN.views)),
    dff="|".join(map(re.escape, PLAN.dffs)),
    bias="[A-Za-z0-9_.-]+",
    condition="|".join(CONDITIONS),
    seed=r"\d+",
    shard=r"\d+",


def all_cores():
    """Number of cores that one job may take; executors for clusters know none."""
    return workflow.cores or 1


def settings(step):
    """Function of the wildcards that gives a step's settings as JSON."""
    return lambda wildcards: json.dumps(
        PLAN.settings(step, **wildcards), sort_keys=True
    )


def code(step):
    """Function of the wildcards that gives the hash of the library files a step can reach."""
    return lambda wildcards: PLAN.code(step, **wildcards)


def data_of(wildcards):
    """Fingerprint of the pictures a job reads."""
    return " ".join(
        PLAN.data_fingerprints[name] for name in PLAN.datasets_of(**wildcards)
    )


def weights_of(wildcards):
    """Fingerprint of the weights, class names and code that a job's model brings along; nothing where it does not."""
    return PLAN.model_fingerprints.get(PLAN.model_of(**wildcards), "")


def index_of(wildcards):
    """Index and class names of a job's dataset."""
    folder = f"datasets/{PLAN.dataset_of(**wildcards)}"
    return {
        "index": f"{folder}/index.parquet",
        "class_names": f"{folder}/class_names.json",
    }


def trained_index(wildcards):
    """Index and class names of the dataset that a model is trained on."""
    folder = f"datasets/{PLAN.models[wildcards.model]['train']['dataset']}"
    return {
        "index": f"{folder}/index.parquet",
        "class_names": f"{folder}/class_names.json",
    }


def weights_file(wildcards):
    """Trained weights of a job's model, if the workflow trains it."""
    name = PLAN.model_of(**wildcards)
    return [f"models/{name}.safetensors"] if "train" in PLAN.models[name] else []


def weights_option(wildcards, input):
    """`--weights` with the trained weights, if there are any."""
    return f"--weights {input.weights}" if input.weights else ""


def study_inputs(wildcards):
    """What every step of a study reads: index, class names, predictions."""
    study = PLAN.studies[wildcards.study]
    predicted_by = study.get("predicted_by", study["model"])
    return index_of(wildcards) | {
        "predictions": f"predictions/{predicted_by}/{study['dataset']}.parquet"
    }


def truth_inputs(wildcards):
    """What is where in the pictures of a study, and their index and predictions."""
    return study_inputs(wildcards) | {"truth": truth_of(wildcards)}


def plane_inputs(wildcards):
    """Features and hyperplanes of all shards of a study."""
    return {
        part: [f"studies/{wildcards.study}/{part}/{shard}.npz" for shard in SHARDS]
        for part in ("features", "hyperplanes")
    }


def direction_inputs(wildcards):
    """What the other parts of a study have found that gives directions: components, hyperplanes, concept vectors."""
    study = wildcards.study
    shards = SHARDS if study in CONTRASTED else []
    return {
        "components": f"studies/{study}/components.npz",
        "hyperplanes": [f"studies/{study}/hyperplanes/{shard}.npz" for shard in shards],
        "ace": [f"studies/{study}/ace.npz"] if study in ACE_STUDIES else [],
    }


def ace_option(wildcards, input):
    """`--ace` with the concept vectors, if there are any."""
    return f"--ace {input.ace}" if input.ace else ""


def truth_of(wildcards):
    """What is where in the pictures of a study, if it is known."""
    study = wildcards.study
    folder = f"datasets/{PLAN.studies[study]['dataset']}"
    return [f"{folder}/truth.parquet"] if study in TRUTH_STUDIES else []


def truth_option(wildcards, input):
    """`--truth` with the file, if there is one."""
    return f"--truth {input.truth}" if input.truth else ""


def insertion_inputs(wildcards):
    """Index, class names and predictions of an insertion test's dataset."""
    entry = PLAN.insertions[wildcards.insertion]
    return index_of(wildcards) | {
        "predictions": f"predictions/{entry['model']}/{entry['dataset']}.parquet"
    }


def view_predictions(wildcards):
    """What a view's model says of its dataset."""
    entry = PLAN.views[wildcards.view]
    return f"predictions/{entry['model']}/{entry['dataset']}.parquet"


def view_truth(wildcards):
    """What is where in the pictures of a view of pairs, if it is known."""
    folder = f"datasets/{PLAN.views[wildcards.view]['dataset']}"
    return [f"{folder}/truth.parquet"] if wildcards.view in TRUTH_VIEWS else []


def dff_inputs(wildcards):
    """Index and class names of a factorization's dataset, and predictions where they choose its pictures."""
    entry = PLAN.dffs[wildcards.dff]
    chosen = [f"predictions/{entry['model']}/{entry['dataset']}.parquet"]
    return index_of(wildcards) | {"predictions": chosen if "class" in entry else []}


def predictions_option(wildcards, input):
    """`--predictions` with the file, if there is one."""
    return f"--predictions {input.predictions}" if input.predictions else ""


def bias_index(wildcards):
    """Index of the pictures that a network of a comparison of latent spaces is trained on."""
    return index_of(wildcards)["index"]


def bias_class_names(wildcards):
    """Names of both classes; those of the control are the same."""
    return index_of(wildcards)["class_names"]


def bias_networks(wildcards):
    """Indices of both conditions and the weights of all networks of a comparison of latent spaces."""
    bias = wildcards.bias
    return {
        "indices": [
            f"datasets/{name}/index.parquet" for name in PLAN.datasets_of(bias=bias)
        ],
        "weights": [
            f"latent_bias/{bias}/{name}.safetensors"
            for name in PLAN.bias_networks(bias)
        ],
    }


def crop_of(wildcards):
    """Fingerprint of the picture that an insertion test takes its crop from."""
    return PLAN.crop_fingerprint(wildcards.insertion)


def check_before_start(jobs):
    """End within seconds where these jobs would fail after hours: missing data or weights, a wrong class or layer.

    This is no rule: an input that only has to be there first would hide from Snakemake what else has changed.
    """
    stop_if_wrong(jobs)
    due = PLAN.settings("check_layers", jobs=[job.wildcards for job in jobs])
    command = [sys.executable, "-m", "conceptrast.steps.check_layers", "--settings"]
    parts = [due[key] for key in ("layers", "insertions", "dffs")]
    if any(parts) and subprocess.run([*command, json.dumps(due)]).returncode:
        raise WorkflowError("this run cannot start: see the error above")


def stop_if_wrong(jobs):
    """End with one line per missing dataset or file that these jobs would read, and per class that does not exist."""
    named = [job.wildcards for job in jobs if hasattr(job.params, "data")]
    try:
        lines = missing(PLAN, named) or unknown_classes(PLAN, named)
    except ConceptrastError as error:
        lines = [str(error)]
    if lines:
        raise WorkflowError("this run cannot start:\n" + "\n".join(lines))
