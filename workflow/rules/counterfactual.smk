"""Counterfactuals. A decoder from a study's layer back to pictures; pictures of one class edited towards another.

decoder → counterfactual, concept_pictures → counterfactual_tables, for studies that name pairs of classes.
"""


rule decoder:
    input:
        unpack(picture_inputs),
    output:
        decoder="studies/{study}/decoder.safetensors",
        history=in_report("studies/{study}/decoder.training.csv", "decoder"),
        reconstruction="studies/{study}/reconstruction.csv",
    log:
        "logs/{study}/decoder.log",
    priority: 5  # the longest chain begins with it
    threads: shared_cores(names("concepts"))  # jobs of other studies run beside it
    resources:
        **needs(3000),
    params:
        **of_training("decoder"),
    shell:
        STEP


rule counterfactual:
    input:
        unpack(counterfactual_inputs),
    output:
        counterfactual="studies/{study}/counterfactual.csv",
        pictures=directory("figures/{study}/counterfactuals"),
        manifest="figures/{study}/counterfactuals.csv",
        pages="pages/{study}/counterfactuals.json",
    log:
        "logs/{study}/counterfactual.log",
    priority: 1  # the longest on one core: as soon as it can start
    resources:
        **needs(2500),
    params:
        **of_pictures("counterfactual"),
        judge=judge_digest,
    shell:
        STEP


rule concept_pictures:
    input:
        unpack(concept_picture_inputs),
    output:
        concepts="studies/{study}/concept_pictures.csv",
        pictures=directory("figures/{study}/concept_pictures"),
        manifest="figures/{study}/concept_pictures.csv",
        pages="pages/{study}/concept_pictures.json",
    log:
        "logs/{study}/concept_pictures.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("concept_pictures"),
        reader=reader_digest,
    shell:
        STEP


rule counterfactual_tables:
    input:
        **of_studies(
            names("counterfactual"),
            reconstructions="reconstruction.csv",
            counterfactuals="counterfactual.csv",
            concepts="concept_pictures.csv",
        ),
    output:
        tables=tables("counterfactual_tables", caption="counterfactual_table"),
    log:
        "logs/counterfactual_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("counterfactual_tables"),
    shell:
        STEP
