"""Studies. From a model's predictions to what its classes consist of, and whether the model agrees.

attribute (per shard of classes) → factorize → prototypes → component_prediction, concept_recovery, figures.
"""


rule attribute:
    input:
        unpack(study_inputs),
        weights=weights_file,
    output:
        attribution="studies/{study}/attribution/{shard}.npz",
    log:
        "logs/{study}/attribute/{shard}.log",
    benchmark:
        "benchmarks/{study}/attribute/{shard}.tsv"
    # Others wait for it: early.
    priority: 1
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("attribute"),
        code=code("attribute"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.attribute --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --attribution {output.attribution}"
        " {params.weights} --threads {threads} --workers {resources.workers} --log {log}"


rule factorize:
    input:
        unpack(index_of),
        attributions=expand("studies/{{study}}/attribution/{shard}.npz", shard=SHARDS),
        weights=weights_file,
    output:
        components="studies/{study}/components.npz",
    log:
        "logs/{study}/factorize.log",
    benchmark:
        "benchmarks/{study}/factorize.tsv"
    # Others wait for it: early.
    priority: 1
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("factorize"),
        code=code("factorize"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.factorize --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --attributions {input.attributions} --components {output.components}"
        " {params.weights} --threads {threads} --workers {resources.workers} --log {log}"


rule prototypes:
    input:
        unpack(study_inputs),
        components="studies/{study}/components.npz",
        weights=weights_file,
    output:
        prototypes="studies/{study}/prototypes.parquet",
    log:
        "logs/{study}/prototypes.log",
    benchmark:
        "benchmarks/{study}/prototypes.tsv"
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("prototypes"),
        code=code("prototypes"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.prototypes --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --components {input.components}"
        " --prototypes {output.prototypes} {params.weights} --threads {threads} --workers {resources.workers} --log {log}"


rule component_prediction:
    input:
        unpack(study_inputs),
        components="studies/{study}/components.npz",
        prototypes="studies/{study}/prototypes.parquet",
        weights=weights_file,
    output:
        prediction=report(
            "studies/{study}/component_prediction.csv",
            caption="../report/classes.rst",
            category="Component prediction",
            subcategory="Classes",
            labels={"study": "{study}", "table": "one row per class"},
        ),
    log:
        "logs/{study}/component_prediction.log",
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("component_prediction"),
        code=code("component_prediction"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.component_prediction --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --components {input.components}"
        " --prototypes {input.prototypes} --prediction {output.prediction} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule concept_recovery:
    input:
        unpack(truth_inputs),
        prototypes="studies/{study}/prototypes.parquet",
        weights=weights_file,
    output:
        recovery="studies/{study}/concept_recovery.csv",
        purity="studies/{study}/component_purity.csv",
    log:
        "logs/{study}/concept_recovery.log",
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=1500,
    params:
        settings=settings("concept_recovery"),
        code=code("concept_recovery"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.concept_recovery --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --truth {input.truth} --prototypes {input.prototypes}"
        " --recovery {output.recovery} --purity {output.purity} {params.weights} --threads {threads} --log {log}"


rule figures:
    input:
        unpack(study_inputs),
        attributions=expand("studies/{{study}}/attribution/{shard}.npz", shard=SHARDS),
        components="studies/{study}/components.npz",
        prototypes="studies/{study}/prototypes.parquet",
        prediction="studies/{study}/component_prediction.csv",
        weights=weights_file,
    output:
        cards=report(
            directory("figures/{study}/cards"),
            patterns=["{name}.png"],
            caption="../report/class_card.rst",
            category="Class cards",
            subcategory="{study}",
            labels={"class": "{name}"},
        ),
        overview=report(
            "figures/{study}/overview.png",
            caption="../report/overview.rst",
            category="Overview",
            labels={"study": "{study}", "figure": "all classes"},
        ),
        manifest="figures/{study}/cards.csv",
    log:
        "logs/{study}/figures.log",
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("figures"),
        code=code("figures"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.figures --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --attributions {input.attributions}"
        " --components {input.components} --prototypes {input.prototypes} --prediction {input.prediction}"
        " --cards {output.cards} --overview {output.overview} --manifest {output.manifest} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"
