"""Models. Trains the models that the workflow trains, predicts every picture, and says what is taken for what."""


rule train:
    input:
        unpack(trained_index),
    output:
        weights="models/{model}.safetensors",
        history=report(
            "models/{model}.training.csv",
            caption="../report/training.rst",
            category="Models",
            labels={"model": "{model}", "table": "training"},
        ),
    log:
        "logs/train/{model}.log",
    benchmark:
        "benchmarks/train/{model}.tsv"
    # It takes all cores: early, so that no core waits for the other later.
    priority: 10
    conda:
        "../envs/conceptrast.yaml"
    threads: all_cores()
    resources:
        mem_mb=3000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("train"),
        code=code("train"),
        data=data_of,
        digest=weights_of,
    shell:
        "python -m conceptrast.steps.train --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --weights {output.weights} --history {output.history}"
        " --key {params.code:q}/{params.data:q}/{params.digest:q} --threads {threads} --workers {resources.workers} --log {log}"


rule predict:
    input:
        unpack(index_of),
        weights=weights_file,
    output:
        predictions="predictions/{model}/{dataset}.parquet",
        fingerprint="predictions/{model}/{dataset}.weights.txt",
    log:
        "logs/predict/{model}/{dataset}.log",
    benchmark:
        "benchmarks/predict/{model}/{dataset}.tsv"
    # It takes all cores: early, so that no core waits for the other later.
    priority: 5
    conda:
        "../envs/conceptrast.yaml"
    threads: all_cores()
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("predict"),
        code=code("predict"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.predict --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {output.predictions} {params.weights}"
        " --threads {threads} --workers {resources.workers} --log {log}"
        " && printf %s {params.digest:q} > {output.fingerprint}"


if TRAINED:

    rule confusion:
        input:
            predictions=[PLAN.held_out_file(model) for model in TRAINED],
            class_names=[
                f"datasets/{PLAN.dataset_of(model=model)}/class_names.json"
                for model in TRAINED
            ],
        output:
            tables=report(
                "tables/confusion.csv",
                caption="../report/confusion.rst",
                category="Tables",
                labels={"table": "confusion"},
            ),
            figures=[
                report(
                    f"figures/confusion/{model}.png",
                    caption="../report/confusion.rst",
                    category="Models",
                    labels={"model": model, "table": "confusion"},
                )
                for model in TRAINED
            ],
        log:
            "logs/confusion.log",
        conda:
            "../envs/conceptrast.yaml"
        resources:
            mem_mb=1000,
        params:
            settings=settings("confusion"),
            code=code("confusion"),
        shell:
            "python -m conceptrast.steps.confusion --settings {params.settings:q} --predictions {input.predictions}"
            " --class-names {input.class_names} --tables {output.tables} --figures {output.figures} --log {log}"
