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
    resources:
        **needs(1500, gpu=0),
    params:
        **of_pictures("index", key=data_of),
    shell:
        STEP
