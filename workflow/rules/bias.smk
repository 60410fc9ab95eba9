"""Latent bias. Trains an autoencoder and a plain classifier on rotated pictures: do they go by it, and who sees that?"""


rule train_autoencoder:
    input:
        index=bias_index,
        backbone=backbone_weights("autoencoder"),
    output:
        weights="latent_bias/{bias}/{condition}/autoencoder-{seed}.safetensors",
        history="latent_bias/{bias}/{condition}/autoencoder-{seed}.training.csv",
    log:
        "logs/train_autoencoder/{bias}/{condition}/{seed}.log",
    priority: 5  # others wait for it: early
    resources:
        **needs(3000),
    params:
        **of_training("train_autoencoder", digest=backbone_digest("autoencoder")),
    shell:
        STEP


rule train_latent_resnet:
    input:
        unpack(index_of),
    output:
        weights="latent_bias/{bias}/{condition}/resnet-{seed}.safetensors",
        history="latent_bias/{bias}/{condition}/resnet-{seed}.training.csv",
    log:
        "logs/train_latent_resnet/{bias}/{condition}/{seed}.log",
    priority: 5  # others wait for it: early
    resources:
        **needs(3000),
    params:
        **of_training("train_latent_resnet"),
    shell:
        STEP


rule train_rotation_regressor:
    input:
        index=control_index,
        backbone=backbone_weights("regressor"),
    output:
        weights="latent_bias/{bias}/regressor.safetensors",
        history="latent_bias/{bias}/regressor.training.csv",
    log:
        "logs/train_rotation_regressor/{bias}.log",
    priority: 5  # others wait for it: early
    resources:
        **needs(3000),
    params:
        **of_pictures("train_rotation_regressor", digest=backbone_digest("regressor")),
    shell:
        STEP


rule latent_bias:
    input:
        unpack(bias_networks),
    output:
        codes="latent_bias/{bias}/codes.npz",
        positions="latent_bias/{bias}/positions.parquet",
        turned="latent_bias/{bias}/turned.parquet",
        directions="latent_bias/{bias}/directions.csv",
        content="latent_bias/{bias}/content.csv",
        figures=[bias_figure(figure) for figure in BIAS_FIGURES],
    log:
        "logs/latent_bias/{bias}.log",
    resources:
        **needs(3000),
    params:
        **of_pictures("latent_bias"),
    shell:
        STEP


rule latent_bias_tables:
    input:
        positions=expand("latent_bias/{bias}/positions.parquet", bias=names("bias")),
        turned=expand("latent_bias/{bias}/turned.parquet", bias=names("bias")),
        directions=expand("latent_bias/{bias}/directions.csv", bias=names("bias")),
        content=expand("latent_bias/{bias}/content.csv", bias=names("bias")),
        regressors=expand("latent_bias/{bias}/regressor.training.csv", bias=names("bias")),
        histories=[f"latent_bias/{bias}/{name}.training.csv" for bias in names("bias") for name in networks(PLAN, bias)],
    output:
        tables=tables("latent_bias_tables", caption="latent_bias_table"),
    log:
        "logs/latent_bias_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("latent_bias_tables"),
    shell:
        STEP
