"""From images to concepts to a verdict: every table and figure of one run.

The run is described by one configuration, `config/config.yaml` unless `--configfile` names another. All of it lands
under `results/<run>/`. The rules are in `workflow/rules/`, a file for each analysis; what they share is in `common.smk`.
"""

from snakemake.utils import min_version

min_version("9.0")


# A configuration stands for itself: `--configfile` would otherwise be merged into the default one. The path is absolute,
# because on a cluster the Snakemake that a job starts is in the run's folder already.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"


# Jobs on a cluster have a Snakemake of their own, which takes no lock.
if workflow.is_main_process:
    take_folder()


# The first page of Snakemake's report.
report: "workflow/report/run.rst"


# Absolute for the same reason.
workdir: f"{workflow.basedir}/{PLAN.folder}"


include: "workflow/rules/data.smk"


for analysis in PLAN.active:

    include: f"workflow/rules/{analysis.name}.smk"


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
        FIGURES,
        REPEATED,
        "atlas",
        "tracked.json",


onstart:
    check_before_start(list(workflow.dag.needrun_jobs()))
