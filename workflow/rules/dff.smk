"""Deep feature factorization. What a layer holds of some pictures, as concepts with the classes they speak for."""


rule dff:
    input:
        unpack(dff_inputs),
        weights=weights_file,
    output:
        concepts="dff/{dff}.csv",
        arrays="dff/{dff}.npz",
        figures=report(
            directory("figures/dff/{dff}"),
            patterns=["{name}.png"],
            caption="../report/dff.rst",
            category="Deep feature factorization",
            subcategory="{dff}",
            labels={"pictures": "{name}"},
        ),
        manifest="figures/dff/{dff}.csv",
    log:
        "logs/dff/{dff}.log",
    benchmark:
        "benchmarks/dff/{dff}.tsv"
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("dff"),
        code=code("dff"),
        data=data_of,
        digest=weights_of,
        predictions=predictions_option,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.dff --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --concepts {output.concepts} --arrays {output.arrays}"
        " --figures {output.figures} --manifest {output.manifest} {params.predictions} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule dff_tables:
    input:
        concepts=expand("dff/{dff}.csv", dff=DFFS),
    output:
        tables=[
            report(
                f"tables/{name}.csv",
                caption="../report/dff_table.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in PLAN.tables["dff_tables"]
        ],
    log:
        "logs/dff_tables.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1000,
    params:
        settings=settings("dff_tables"),
        code=code("dff_tables"),
    shell:
        "python -m conceptrast.steps.dff_tables --settings {params.settings:q} --concepts {input.concepts}"
        " --tables {output.tables} --log {log}"
