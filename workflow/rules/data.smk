"""Datasets. From the pictures of a dataset to its index: one row per usable picture, and a list of the refused ones."""


rule index:
    output:
        index="datasets/{dataset}/index.parquet",
        rejected="datasets/{dataset}/rejected.csv",
        truth="datasets/{dataset}/truth.parquet",
        class_names="datasets/{dataset}/class_names.json",
        fingerprint="datasets/{dataset}/fingerprint.txt",
    log:
        "logs/index/{dataset}.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1500,
        workers=WORKERS,
    params:
        settings=settings("index"),
        code=code("index"),
        data=data_of,
    shell:
        "python -m conceptrast.steps.index --settings {params.settings:q} --index {output.index}"
        " --rejected {output.rejected} --truth {output.truth} --class-names {output.class_names}"
        " --workers {resources.workers} --log {log}"
        " && printf %s {params.data:q} > {output.fingerprint}"
