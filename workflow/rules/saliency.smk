"""Saliency. Where a model looks: class activation maps of some pictures, and tests of whether they say the truth.

saliency → saliency_tests → saliency_tables, for the views that the configuration names.
"""


rule saliency:
    input:
        unpack(index_of),
        predictions=view_predictions,
        truth=view_truth,
        weights=weights_file,
    output:
        maps="saliency/{view}.npz",
        subjects="saliency/{view}.csv",
        figure=report(
            "figures/saliency/{view}/maps.png",
            caption="../report/saliency.rst",
            category="Saliency",
            labels={"view": "{view}", "figure": "maps"},
        ),
    log:
        "logs/saliency/{view}.log",
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("saliency"),
        code=code("saliency"),
        data=data_of,
        digest=weights_of,
        truth=truth_option,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.saliency --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --maps {output.maps}"
        " --subjects {output.subjects} --figure {output.figure} {params.truth} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule saliency_tests:
    input:
        unpack(index_of),
        truth=view_truth,
        maps="saliency/{view}.npz",
        subjects="saliency/{view}.csv",
        weights=weights_file,
    output:
        faithfulness="saliency/{view}.faithfulness.csv",
        randomisation="saliency/{view}.randomisation.csv",
        recovery="saliency/{view}.truth.csv",
        figure=report(
            "figures/saliency/{view}/tests.png",
            caption="../report/saliency_tests.rst",
            category="Saliency",
            labels={"view": "{view}", "figure": "tests"},
        ),
    log:
        "logs/saliency_tests/{view}.log",
    benchmark:
        "benchmarks/saliency_tests/{view}.tsv"
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("saliency_tests"),
        code=code("saliency_tests"),
        data=data_of,
        digest=weights_of,
        truth=truth_option,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.saliency_tests --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --maps {input.maps} --subjects {input.subjects}"
        " --faithfulness {output.faithfulness} --randomisation {output.randomisation} --recovery {output.recovery}"
        " --figure {output.figure} {params.truth} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule saliency_tables:
    input:
        subjects=expand("saliency/{view}.csv", view=VIEWS),
        faithfulness=expand("saliency/{view}.faithfulness.csv", view=VIEWS),
        randomisation=expand("saliency/{view}.randomisation.csv", view=VIEWS),
        recovery=expand("saliency/{view}.truth.csv", view=TRUTH_VIEWS),
    output:
        tables=[
            report(
                f"tables/{name}.csv",
                caption="../report/saliency_table.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in PLAN.tables["saliency_tables"]
        ],
    log:
        "logs/saliency_tables.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1000,
    params:
        settings=settings("saliency_tables"),
        code=code("saliency_tables"),
    shell:
        "python -m conceptrast.steps.saliency_tables --settings {params.settings:q} --subjects {input.subjects}"
        " --faithfulness {input.faithfulness} --randomisation {input.randomisation} --recovery {input.recovery}"
        " --tables {output.tables} --log {log}"
