"""Latent bias. Trains an autoencoder and a plain ResNet on rotated pictures: which latent space shows the rotation?"""


rule train_autoencoder:
    input:
        index=bias_index,
    output:
        weights="latent_bias/{bias}/{condition}/autoencoder-{seed}.safetensors",
        history="latent_bias/{bias}/{condition}/autoencoder-{seed}.training.csv",
    log:
        "logs/train_autoencoder/{bias}/{condition}/{seed}.log",
    benchmark:
        "benchmarks/train_autoencoder/{bias}/{condition}/{seed}.tsv"
    # It takes all cores: early, so that no core waits for the other later.
    priority: 5
    conda:
        "../envs/conceptrast.yaml"
    threads: all_cores()
    resources:
        mem_mb=3000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("train_autoencoder"),
        code=code("train_autoencoder"),
        data=data_of,
    shell:
        "python -m conceptrast.steps.train_autoencoder --settings {params.settings:q} --index {input.index}"
        " --weights {output.weights} --history {output.history} --key {params.code:q}/{params.data:q}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule train_latent_resnet:
    input:
        index=bias_index,
        class_names=bias_class_names,
    output:
        weights="latent_bias/{bias}/{condition}/resnet-{seed}.safetensors",
        history="latent_bias/{bias}/{condition}/resnet-{seed}.training.csv",
    log:
        "logs/train_latent_resnet/{bias}/{condition}/{seed}.log",
    benchmark:
        "benchmarks/train_latent_resnet/{bias}/{condition}/{seed}.tsv"
    # It takes all cores: early, so that no core waits for the other later.
    priority: 5
    conda:
        "../envs/conceptrast.yaml"
    threads: all_cores()
    resources:
        mem_mb=3000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("train_latent_resnet"),
        code=code("train"),
        data=data_of,
    shell:
        "python -m conceptrast.steps.train --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --weights {output.weights} --history {output.history}"
        " --key {params.code:q}/{params.data:q} --threads {threads} --workers {resources.workers} --log {log}"


rule latent_bias:
    input:
        unpack(bias_networks),
        class_names=bias_class_names,
    output:
        codes="latent_bias/{bias}/codes.npz",
        positions="latent_bias/{bias}/positions.parquet",
        figures=[
            report(
                f"figures/latent_bias/{{bias}}/{figure}.png",
                caption=f"../report/latent_bias_{figure.partition('-')[0]}.rst",
                category="Latent bias",
                labels={"bias": "{bias}", "figure": figure},
            )
            for figure in BIAS_FIGURES
        ],
    log:
        "logs/latent_bias/{bias}.log",
    benchmark:
        "benchmarks/latent_bias/{bias}.tsv"
    # It takes all cores: early, so that no core waits for the other later.
    priority: 5
    conda:
        "../envs/conceptrast.yaml"
    threads: all_cores()
    resources:
        mem_mb=3000,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("latent_bias"),
        code=code("latent_bias"),
        data=data_of,
    shell:
        "python -m conceptrast.steps.latent_bias --settings {params.settings:q} --indices {input.indices}"
        " --class-names {input.class_names} --weights {input.weights} --codes {output.codes}"
        " --positions {output.positions} --figures {output.figures}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule latent_bias_tables:
    input:
        positions=expand("latent_bias/{bias}/positions.parquet", bias=BIASES),
        histories=[
            f"latent_bias/{bias}/{name}.training.csv"
            for bias in BIASES
            for name in PLAN.bias_networks(bias)
        ],
    output:
        tables=[
            report(
                f"tables/{name}.csv",
                caption="../report/latent_bias_table.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in PLAN.tables["latent_bias_tables"]
        ],
    log:
        "logs/latent_bias_tables.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1000,
    params:
        settings=settings("latent_bias_tables"),
        code=code("latent_bias_tables"),
    shell:
        "python -m conceptrast.steps.latent_bias_tables --settings {params.settings:q} --positions {input.positions}"
        " --histories {input.histories} --tables {output.tables} --log {log}"
