"""Contrasts. From a study's attributions to what tells its classes apart, for studies that name pairs of classes.

features (per shard of classes) → hyperplanes (per shard of pairs) → shift, mask, contrastive_components,
contrast_recovery → contrast_figures, contrast_tables.
"""


rule features:
    input:
        unpack(picture_inputs),
        attribution="studies/{study}/attribution/{shard}.npz",
    output:
        features="studies/{study}/features/{shard}.npz",
    log:
        "logs/{study}/features/{shard}.log",
    priority: 1  # others wait for it: early
    resources:
        **needs(2000),
    params:
        **of_pictures("features"),
    shell:
        STEP


rule hyperplanes:
    input:
        **of_study(features="features/*.npz"),
    output:
        hyperplanes="studies/{study}/hyperplanes/{shard}.npz",
    log:
        "logs/{study}/hyperplanes/{shard}.log",
    priority: 1  # others wait for it: early
    resources:
        **needs(2000),
    params:
        **of_run("hyperplanes"),
    shell:
        STEP


rule shift:
    input:
        unpack(picture_inputs),
        **of_study(features="features/*.npz", hyperplanes="hyperplanes/*.npz"),
        attribution="studies/{study}/attribution/{shard}.npz",
    output:
        shift="studies/{study}/shift/{shard}.csv",
    log:
        "logs/{study}/shift/{shard}.log",
    resources:
        **needs(2500),
    params:
        **of_pictures("shift"),
    shell:
        STEP


rule mask:
    input:
        unpack(picture_inputs),
        **of_study(attributions="attribution/*.npz", features="features/*.npz", hyperplanes="hyperplanes/*.npz"),
    output:
        mask="studies/{study}/mask.csv",
        examples="studies/{study}/mask_examples.npz",
    log:
        "logs/{study}/mask.log",
    resources:
        **needs(2500),
    params:
        **of_pictures("mask"),
    shell:
        STEP


rule contrastive_components:
    input:
        unpack(known_predicted_inputs),
        **of_study(attributions="attribution/*.npz", features="features/*.npz", hyperplanes="hyperplanes/*.npz"),
    output:
        components="studies/{study}/contrastive_components.npz",
        prototypes="studies/{study}/contrastive_prototypes.parquet",
        pairs="studies/{study}/contrast_pairs.csv",
    log:
        "logs/{study}/contrastive_components.log",
    resources:
        **needs(2500),
    params:
        **of_pictures("contrastive_components"),
    shell:
        STEP


rule contrast_recovery:
    input:
        unpack(known_inputs),
        **of_study(attributions="attribution/*.npz", features="features/*.npz", hyperplanes="hyperplanes/*.npz"),
        prototypes="studies/{study}/contrastive_prototypes.parquet",
    output:
        mass="studies/{study}/contrast_recovery/mass.csv",
        strongest="studies/{study}/contrast_recovery/strongest.csv",
    log:
        "logs/{study}/contrast_recovery.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("contrast_recovery"),
    shell:
        STEP


rule contrast_figures:
    input:
        unpack(predicted_inputs),
        **CONTRAST_FILES,
    output:
        contrasts=directory("figures/{study}/contrasts"),
        shift_figure=in_report("figures/{study}/shift.png", "shift"),
        mask_figure=in_report("figures/{study}/mask.png", "mask"),
        manifest="figures/{study}/contrasts.csv",
        pages="pages/{study}/contrasts.json",
    log:
        "logs/{study}/contrast_figures.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("contrast_figures"),
    shell:
        STEP


rule contrast_tables:
    input:
        **of_studies(
            names("contrast"), features="features/*.npz", hyperplanes="hyperplanes/*.npz", shifts="shift/*.csv"
        ),
        **of_studies(names("contrast"), masks="mask.csv", pairs="contrast_pairs.csv"),
        **of_studies(with_truth("contrast"), masses="contrast_recovery/mass.csv"),
        **of_studies(with_truth("contrast"), strongest="contrast_recovery/strongest.csv"),
    output:
        tables=tables("contrast_tables", caption="contrast_table"),
    log:
        "logs/contrast_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("contrast_tables"),
    shell:
        STEP
