"""From images to concepts to a verdict: every table and figure of one run.

The run is described by one configuration, `config/config.yaml` unless `--configfile` names another. All of it lands
under `results/<run>/`. The rules are in `workflow/rules/`, what they share in `common.smk`.
"""

from snakemake.utils import min_version

min_version("9.0")


# A configuration stands for itself: `--configfile` would otherwise be merged into the default one.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


# Absolute: on a cluster, the Snakemake that a job starts is in there already.
workdir: f"{workflow.basedir}/{RESULTS}"


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"


if STUDIES:

    include: "workflow/rules/concepts.smk"


if CONTRASTED:

    include: "workflow/rules/contrast.smk"


if DECODED:

    include: "workflow/rules/counterfactual.smk"


if INSERTIONS:

    include: "workflow/rules/insertion.smk"


if VIEWS:

    include: "workflow/rules/saliency.smk"


if ACE_STUDIES:

    include: "workflow/rules/ace.smk"


if DFFS:

    include: "workflow/rules/dff.smk"


if BIASES:

    include: "workflow/rules/bias.smk"


include: "workflow/rules/track.smk"


# All steps run in one environment.
for step in workflow.rules:
    step.conda_env = ENVIRONMENT


localrules:
    all,


rule all:
    default_target: True
    input:
        TABLES,
        MANIFESTS,
        expand("figures/insertion/{insertion}.png", insertion=INSERTIONS),
        FIGURES_OF_VIEWS,
        FIGURES_OF_MODELS,
        FIGURES_OF_BIASES,
        "tracked.json",


onstart:
    check_before_start(list(workflow.dag.needrun_jobs()))
