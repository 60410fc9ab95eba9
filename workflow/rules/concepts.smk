"""Studies. From a model's predictions to what its classes consist of, and whether the model agrees.

attribute (per shard of classes) → factorize → prototypes → component_prediction, concept_recovery, figures.
factorize → importance, stability → component_tables, figures.
"""


rule attribute:
    input:
        unpack(predicted_inputs),
    output:
        attribution="studies/{study}/attribution/{shard}.npz",
    log:
        "logs/{study}/attribute/{shard}.log",
    priority: 1  # others wait for it: early
    resources:
        **needs(2000),
    params:
        **of_pictures("attribute"),
    shell:
        STEP


rule factorize:
    input:
        unpack(picture_inputs),
        **of_study(attributions="attribution/*.npz"),
    output:
        components="studies/{study}/components.npz",
    log:
        "logs/{study}/factorize.log",
    priority: 1  # others wait for it: early
    resources:
        **needs(2000),
    params:
        **of_pictures("factorize"),
    shell:
        STEP


rule importance:
    input:
        unpack(picture_inputs),
        **of_study(attributions="attribution/*.npz", components="components.npz"),
    output:
        importance="studies/{study}/importance.parquet",
        curves="studies/{study}/fidelity.parquet",
        answers="studies/{study}/reconstructed.parquet",
        figure=in_report("figures/{study}/fidelity.png", "fidelity"),
    log:
        "logs/{study}/importance.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("importance"),
    shell:
        STEP


rule stability:
    input:
        unpack(predicted_inputs),
        **of_study(attributions="attribution/*.npz", components="components.npz"),
    output:
        stability="studies/{study}/stability.csv",
    log:
        "logs/{study}/stability.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("stability"),
    shell:
        STEP


rule component_tables:
    input:
        **of_studies(names("concepts"), importance="importance.parquet", curves="fidelity.parquet"),
        **of_studies(names("concepts"), answers="reconstructed.parquet", stability="stability.csv"),
        **of_studies(with_truth("concepts"), prototypes="prototypes.parquet"),
        **dataset_files(with_truth("concepts"), indices="index.parquet", truths="truth.parquet"),
    output:
        tables=tables("component_tables", caption="component_table"),
    log:
        "logs/component_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("component_tables"),
    shell:
        STEP


rule prototypes:
    input:
        unpack(predicted_inputs),
        components="studies/{study}/components.npz",
    output:
        prototypes="studies/{study}/prototypes.parquet",
    log:
        "logs/{study}/prototypes.log",
    resources:
        **needs(2500),
    params:
        **of_pictures("prototypes"),
    shell:
        STEP


rule component_prediction:
    input:
        unpack(predicted_inputs),
        **of_study(components="components.npz", prototypes="prototypes.parquet"),
    output:
        prediction=in_report("studies/{study}/component_prediction.csv", "classes"),
    log:
        "logs/{study}/component_prediction.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("component_prediction"),
    shell:
        STEP


rule concept_recovery:
    input:
        unpack(known_inputs),
        prototypes="studies/{study}/prototypes.parquet",
    output:
        recovery="studies/{study}/concept_recovery.csv",
        purity="studies/{study}/component_purity.csv",
    log:
        "logs/{study}/concept_recovery.log",
    resources:
        **needs(1500, gpu=0),
    params:
        **of_pictures("concept_recovery"),
    shell:
        STEP


rule figures:
    input:
        unpack(predicted_inputs),
        **of_study(attributions="attribution/*.npz", components="components.npz", prototypes="prototypes.parquet"),
        **of_study(importance="importance.parquet", stability="stability.csv", prediction="component_prediction.csv"),
    output:
        cards=directory("figures/{study}/cards"),
        overview=in_report("figures/{study}/overview.png", "overview"),
        manifest="figures/{study}/cards.csv",
        pages="pages/{study}/classes.json",
    log:
        "logs/{study}/figures.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("figures"),
    shell:
        STEP
