"""Insertion tests. A crop is pasted into pictures of one class: does the model say another?"""


rule insertion:
    input:
        unpack(insertion_inputs),
        weights=weights_file,
    output:
        insertion="insertion/{insertion}.csv",
        figure=report(
            "figures/insertion/{insertion}.png",
            caption="../report/insertion.rst",
            category="Insertion tests",
            labels={"test": "{insertion}"},
        ),
    log:
        "logs/insertion/{insertion}.log",
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("insertion"),
        code=code("insertion"),
        data=data_of,
        digest=weights_of,
        crop=crop_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.insertion --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --insertion {output.insertion}"
        " --figure {output.figure} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule insertion_tables:
    input:
        insertions=expand("insertion/{insertion}.csv", insertion=INSERTIONS),
    output:
        tables=report(
            "tables/insertion.csv",
            caption="../report/insertion_table.rst",
            category="Tables",
            labels={"table": "insertion"},
        ),
    log:
        "logs/insertion_tables.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1000,
    params:
        settings=settings("insertion_tables"),
        code=code("insertion_tables"),
    shell:
        "python -m conceptrast.steps.insertion_tables --settings {params.settings:q} --insertions {input.insertions}"
        " --tables {output.tables} --log {log}"
