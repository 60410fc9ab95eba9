"""Contrasts. From a study's attributions to what tells its classes apart, for studies that name pairs of classes.

features (per shard of classes) → hyperplanes (per shard of pairs) → shift, mask, contrastive_components,
contrast_recovery → contrast_figures, contrast_tables.
"""


rule features:
    input:
        unpack(index_of),
        attribution="studies/{study}/attribution/{shard}.npz",
        weights=weights_file,
    output:
        features="studies/{study}/features/{shard}.npz",
    log:
        "logs/{study}/features/{shard}.log",
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
        settings=settings("features"),
        code=code("features"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.features --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --attribution {input.attribution} --features {output.features}"
        " {params.weights} --threads {threads} --workers {resources.workers} --log {log}"


rule hyperplanes:
    input:
        features=expand("studies/{{study}}/features/{shard}.npz", shard=SHARDS),
    output:
        hyperplanes="studies/{study}/hyperplanes/{shard}.npz",
    log:
        "logs/{study}/hyperplanes/{shard}.log",
    benchmark:
        "benchmarks/{study}/hyperplanes/{shard}.tsv"
    # Others wait for it: early.
    priority: 1
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        gpu=GPU,
    params:
        settings=settings("hyperplanes"),
        code=code("hyperplanes"),
    shell:
        "python -m conceptrast.steps.hyperplanes --settings {params.settings:q} --features {input.features}"
        " --hyperplanes {output.hyperplanes} --threads {threads} --log {log}"


rule shift:
    input:
        unpack(index_of),
        unpack(plane_inputs),
        attribution="studies/{study}/attribution/{shard}.npz",
        weights=weights_file,
    output:
        shift="studies/{study}/shift/{shard}.csv",
    log:
        "logs/{study}/shift/{shard}.log",
    benchmark:
        "benchmarks/{study}/shift/{shard}.tsv"
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("shift"),
        code=code("shift"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.shift --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --attribution {input.attribution} --features {input.features}"
        " --hyperplanes {input.hyperplanes} --shift {output.shift} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule mask:
    input:
        unpack(index_of),
        unpack(plane_inputs),
        attributions=expand("studies/{{study}}/attribution/{shard}.npz", shard=SHARDS),
        weights=weights_file,
    output:
        mask="studies/{study}/mask.csv",
        examples="studies/{study}/mask_examples.npz",
    log:
        "logs/{study}/mask.log",
    benchmark:
        "benchmarks/{study}/mask.tsv"
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("mask"),
        code=code("mask"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.mask --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --attributions {input.attributions} --features {input.features}"
        " --hyperplanes {input.hyperplanes} --mask {output.mask} --examples {output.examples} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule contrastive_components:
    input:
        unpack(study_inputs),
        unpack(plane_inputs),
        attributions=expand("studies/{{study}}/attribution/{shard}.npz", shard=SHARDS),
        truth=truth_of,
        weights=weights_file,
    output:
        components="studies/{study}/contrastive_components.npz",
        prototypes="studies/{study}/contrastive_prototypes.parquet",
        pairs="studies/{study}/contrast_pairs.csv",
    log:
        "logs/{study}/contrastive_components.log",
    benchmark:
        "benchmarks/{study}/contrastive_components.tsv"
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("contrastive_components"),
        code=code("contrastive_components"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
        truth=truth_option,
    shell:
        "python -m conceptrast.steps.contrastive_components --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --attributions {input.attributions}"
        " --features {input.features} --hyperplanes {input.hyperplanes} --components {output.components}"
        " --prototypes {output.prototypes} --pairs {output.pairs} {params.truth} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule contrast_recovery:
    input:
        unpack(index_of),
        unpack(plane_inputs),
        attributions=expand("studies/{{study}}/attribution/{shard}.npz", shard=SHARDS),
        truth=truth_of,
        prototypes="studies/{study}/contrastive_prototypes.parquet",
        weights=weights_file,
    output:
        mass="studies/{study}/contrast_recovery/mass.csv",
        strongest="studies/{study}/contrast_recovery/strongest.csv",
    log:
        "logs/{study}/contrast_recovery.log",
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("contrast_recovery"),
        code=code("contrast_recovery"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.contrast_recovery --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --attributions {input.attributions} --features {input.features}"
        " --hyperplanes {input.hyperplanes} --prototypes {input.prototypes} --truth {input.truth}"
        " --mass {output.mass} --strongest {output.strongest} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule contrast_figures:
    input:
        unpack(study_inputs),
        attributions=expand("studies/{{study}}/attribution/{shard}.npz", shard=SHARDS),
        hyperplanes=expand("studies/{{study}}/hyperplanes/{shard}.npz", shard=SHARDS),
        components="studies/{study}/contrastive_components.npz",
        prototypes="studies/{study}/contrastive_prototypes.parquet",
        shifts=expand("studies/{{study}}/shift/{shard}.csv", shard=SHARDS),
        mask="studies/{study}/mask.csv",
        examples="studies/{study}/mask_examples.npz",
        weights=weights_file,
    output:
        contrasts=report(
            directory("figures/{study}/contrasts"),
            patterns=["{name}.png"],
            caption="../report/contrast.rst",
            category="Contrasts",
            subcategory="{study}",
            labels={"A not B": "{name}"},
        ),
        shift=report(
            "figures/{study}/shift.png",
            caption="../report/shift.rst",
            category="Contrasts",
            subcategory="{study}",
            labels={"A not B": "shift test, all pairs"},
        ),
        mask=report(
            "figures/{study}/mask.png",
            caption="../report/mask.rst",
            category="Contrasts",
            subcategory="{study}",
            labels={"A not B": "mask test"},
        ),
        manifest="figures/{study}/contrasts.csv",
    log:
        "logs/{study}/contrast_figures.log",
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("contrast_figures"),
        code=code("contrast_figures"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.contrast_figures --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --attributions {input.attributions}"
        " --hyperplanes {input.hyperplanes} --components {input.components} --prototypes {input.prototypes}"
        " --shifts {input.shifts} --mask {input.mask} --examples {input.examples} --contrasts {output.contrasts}"
        " --manifest {output.manifest} --shift-figure {output.shift} --mask-figure {output.mask} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule contrast_tables:
    input:
        features=expand(
            "studies/{study}/features/{shard}.npz", study=CONTRASTED, shard=SHARDS
        ),
        hyperplanes=expand(
            "studies/{study}/hyperplanes/{shard}.npz", study=CONTRASTED, shard=SHARDS
        ),
        shifts=expand(
            "studies/{study}/shift/{shard}.csv", study=CONTRASTED, shard=SHARDS
        ),
        masks=expand("studies/{study}/mask.csv", study=CONTRASTED),
        pairs=expand("studies/{study}/contrast_pairs.csv", study=CONTRASTED),
        masses=expand(
            "studies/{study}/contrast_recovery/mass.csv", study=CONTRAST_TRUTH_STUDIES
        ),
        strongest=expand(
            "studies/{study}/contrast_recovery/strongest.csv",
            study=CONTRAST_TRUTH_STUDIES,
        ),
    output:
        tables=[
            report(
                f"tables/{name}.csv",
                caption="../report/contrast_table.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in PLAN.tables["contrast_tables"]
        ],
    log:
        "logs/contrast_tables.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1000,
    params:
        settings=settings("contrast_tables"),
        code=code("contrast_tables"),
    shell:
        "python -m conceptrast.steps.contrast_tables --settings {params.settings:q} --features {input.features}"
        " --hyperplanes {input.hyperplanes} --shifts {input.shifts} --masks {input.masks} --pairs {input.pairs}"
        " --masses {input.masses} --strongest {input.strongest} --tables {output.tables} --log {log}"
