"""Results. From the files of all studies to tables, the run's metrics, its atlas, and its record in MLflow."""

if "tables" in PLAN.tables:

    rule tables:
        input:
            **of_studies(names("concepts"), attributions="attribution/*.npz", components="components.npz"),
            **of_studies(names("concepts"), prediction="component_prediction.csv"),
            **of_studies(with_truth("concepts"), recovery="concept_recovery.csv", purity="component_purity.csv"),
            predictions=[PLAN.predictions_file(study) for study in names("concepts")],
            class_names=[PLAN.class_names_file(study) for study in names("concepts")],
            histories=expand("models/{model}.training.csv", model=names("models")),
        output:
            tables=tables("tables", caption="table"),
        log:
            "logs/tables.log",
        resources:
            **needs(1000, gpu=0),
        params:
            **of_run("tables"),
        shell:
            STEP


rule metrics:
    input:
        tables=TABLES,
    output:
        metrics="metrics.json",
    log:
        "logs/metrics.log",
    resources:
        workers=WORKERS,
    params:
        **of_run("metrics"),
    shell:
        STEP


rule track:
    input:
        tables=TABLES,
        metrics="metrics.json",
        manifests=MANIFESTS,
        figures=FIGURES,
    output:
        receipt="tracked.json",
    log:
        "logs/track.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("track"),
    shell:
        STEP


rule atlas:
    input:
        tables=TABLES,
        metrics="metrics.json",
        manifests=MANIFESTS,
        figures=FIGURES,
        pages=PAGES,
    output:
        atlas=directory("atlas"),
        headlines="headlines.json",
    log:
        "logs/atlas.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("atlas"),
    shell:
        STEP
