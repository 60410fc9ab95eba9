"""Results. From the files of all studies to the tables that explain classes, the run's metrics, its record in MLflow."""

if "tables" in PLAN.tables:

    rule tables:
        input:
            predictions=[PLAN.predictions_file(study) for study in STUDIES],
            class_names=[PLAN.class_names_file(study) for study in STUDIES],
            attributions=expand(
                "studies/{study}/attribution/{shard}.npz", study=STUDIES, shard=SHARDS
            ),
            components=expand("studies/{study}/components.npz", study=STUDIES),
            prediction=expand("studies/{study}/component_prediction.csv", study=STUDIES),
            recovery=expand("studies/{study}/concept_recovery.csv", study=TRUTH_STUDIES),
            purity=expand("studies/{study}/component_purity.csv", study=TRUTH_STUDIES),
            histories=expand("models/{model}.training.csv", model=TRAINED),
        output:
            tables=[
                report(
                    f"tables/{name}.csv",
                    caption="../report/table.rst",
                    category="Tables",
                    labels={"table": name},
                )
                for name in PLAN.tables["tables"]
            ],
        log:
            "logs/tables.log",
        conda:
            "../envs/conceptrast.yaml"
        resources:
            mem_mb=1000,
        params:
            settings=settings("tables"),
            code=code("tables"),
        shell:
            "python -m conceptrast.steps.tables --settings {params.settings:q} --predictions {input.predictions}"
            " --class-names {input.class_names}"
            " --attributions {input.attributions} --components {input.components} --prediction {input.prediction}"
            " --recovery {input.recovery} --purity {input.purity} --histories {input.histories}"
            " --tables {output.tables} --log {log}"


rule metrics:
    input:
        tables=TABLES,
    output:
        metrics="metrics.json",
    log:
        "logs/metrics.log",
    conda:
        "../envs/conceptrast.yaml"
    params:
        settings=settings("metrics"),
        code=code("metrics"),
    shell:
        "python -m conceptrast.steps.metrics --settings {params.settings:q} --tables {input.tables}"
        " --metrics {output.metrics} --log {log}"


rule track:
    input:
        tables=TABLES,
        metrics="metrics.json",
        manifests=MANIFESTS,
        figures=[
            *expand("figures/{study}/overview.png", study=STUDIES),
            *expand("figures/{study}/shift.png", study=CONTRASTED),
            *expand("figures/{study}/mask.png", study=CONTRASTED),
            *expand("figures/insertion/{insertion}.png", insertion=INSERTIONS),
            *FIGURES_OF_VIEWS,
            *FIGURES_OF_MODELS,
            *FIGURES_OF_BIASES,
        ],
    output:
        receipt="tracked.json",
    log:
        "logs/track.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1000,
    params:
        settings=settings("track"),
        code=code("track"),
    shell:
        "python -m conceptrast.steps.track --settings {params.settings:q} --tables {input.tables}"
        " --metrics {input.metrics} --figures {input.figures} --manifests {input.manifests} --receipt {output.receipt} --log {log}"
