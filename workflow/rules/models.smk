"""Models. Trains the models that the workflow trains, predicts every picture, and says what is taken for what."""


rule train:
    input:
        unpack(index_of),
    output:
        weights="models/{model}.safetensors",
        history=in_report("models/{model}.training.csv", "training"),
    log:
        "logs/train/{model}.log",
    priority: 10  # nearly everything waits for it
    threads: shared_cores(names("models"))
    resources:
        **needs(3000),
    params:
        **of_training("train"),
    shell:
        STEP


rule predict:
    input:
        unpack(picture_inputs),
    output:
        predictions="predictions/{model}/{dataset}.parquet",
        fingerprint="predictions/{model}/{dataset}.weights.txt",
    log:
        "logs/predict/{model}/{dataset}.log",
    threads: shared_cores({PLAN.predictions_file(study) for study in names("concepts")})
    resources:
        **needs(2500),
    params:
        **of_pictures("predict", key=weights_of),
    shell:
        STEP


if names("models"):

    rule confusion:
        input:
            predictions=[PLAN.held_out_file(model) for model in names("models")],
            class_names=[f"datasets/{PLAN.dataset_of(model=model)}/class_names.json" for model in names("models")],
        output:
            tables=tables("confusion", caption="confusion"),
            figures=[in_report(f"figures/confusion/{model}.png", "confusion", model=model) for model in names("models")],
        log:
            "logs/confusion.log",
        resources:
            **needs(1000, gpu=0),
        params:
            **of_run("confusion"),
        shell:
            STEP
