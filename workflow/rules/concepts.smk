"""Concepts among superpixels (ACE). From the images of a study's named classes to concept vectors and their test."""


rule ace:
    input:
        unpack(study_inputs),
        truth=truth_of,
        weights=weights_file,
    output:
        cavs="studies/{study}/ace.npz",
        concepts="studies/{study}/ace.csv",
        figures=report(
            directory("figures/{study}/ace"),
            patterns=["{name}.png"],
            caption="../report/ace.rst",
            category="Concepts",
            subcategory="{study}",
            labels={"class": "{name}"},
        ),
        manifest="figures/{study}/ace.csv",
    log:
        "logs/{study}/ace.log",
    benchmark:
        "benchmarks/{study}/ace.tsv"
    # Others wait for it: early.
    priority: 1
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("ace"),
        code=code("ace"),
        data=data_of,
        digest=weights_of,
        truth=truth_option,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.ace --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --cavs {output.cavs}"
        " --concepts {output.concepts} --figures {output.figures} --manifest {output.manifest} {params.truth}"
        " {params.weights} --threads {threads} --workers {resources.workers} --log {log}"


rule ace_tables:
    input:
        concepts=expand("studies/{study}/ace.csv", study=ACE_STUDIES),
    output:
        tables=[
            report(
                f"tables/{name}.csv",
                caption="../report/ace_table.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in PLAN.tables["ace_tables"]
        ],
    log:
        "logs/ace_tables.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1000,
    params:
        settings=settings("ace_tables"),
        code=code("ace_tables"),
    shell:
        "python -m conceptrast.steps.ace_tables --settings {params.settings:q} --concepts {input.concepts}"
        " --tables {output.tables} --log {log}"
