"""Counterfactuals. A decoder from a study's layer back to pictures; images of one class moved towards another.

decoder → counterfactual → counterfactual_tables, for studies that name pairs of classes.
"""


rule decoder:
    input:
        unpack(index_of),
        weights=weights_file,
    output:
        decoder="studies/{study}/decoder.safetensors",
        history=report(
            "studies/{study}/decoder.training.csv",
            caption="../report/decoder.rst",
            category="Models",
            labels={"model": "decoder of {study}", "table": "training"},
        ),
        reconstruction="studies/{study}/reconstruction.csv",
    log:
        "logs/{study}/decoder.log",
    benchmark:
        "benchmarks/{study}/decoder.tsv"
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
        settings=settings("decoder"),
        code=code("decoder"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
    shell:
        "python -m conceptrast.steps.decoder --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --decoder {output.decoder} --history {output.history}"
        " --reconstruction {output.reconstruction} {params.weights}"
        " --key {params.code:q}/{params.data:q}/{params.digest:q}"
        " --threads {threads} --workers {resources.workers} --log {log}"


rule counterfactual:
    input:
        unpack(study_inputs),
        unpack(direction_inputs),
        decoder="studies/{study}/decoder.safetensors",
        weights=weights_file,
    output:
        counterfactual="studies/{study}/counterfactual.csv",
        pictures=report(
            directory("figures/{study}/counterfactuals"),
            patterns=["{name}.png", "{name}.gif"],
            caption="../report/counterfactual.rst",
            category="Counterfactuals",
            subcategory="{study}",
            labels={"from A to B": "{name}"},
        ),
        manifest="figures/{study}/counterfactuals.csv",
    log:
        "logs/{study}/counterfactual.log",
    benchmark:
        "benchmarks/{study}/counterfactual.tsv"
    # The longest on one core: as soon as it can start.
    priority: 1
    conda:
        "../envs/conceptrast.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        workers=WORKERS,
        gpu=GPU,
    params:
        settings=settings("counterfactual"),
        code=code("counterfactual"),
        data=data_of,
        digest=weights_of,
        weights=weights_option,
        ace=ace_option,
    shell:
        "python -m conceptrast.steps.counterfactual --settings {params.settings:q} --index {input.index}"
        " --class-names {input.class_names} --predictions {input.predictions} --decoder {input.decoder}"
        " --components {input.components} --hyperplanes {input.hyperplanes} {params.ace}"
        " --counterfactual {output.counterfactual} --pictures-folder {output.pictures} --manifest {output.manifest}"
        " {params.weights} --threads {threads} --workers {resources.workers} --log {log}"


rule counterfactual_tables:
    input:
        reconstructions=expand("studies/{study}/reconstruction.csv", study=DECODED),
        counterfactuals=expand("studies/{study}/counterfactual.csv", study=DECODED),
    output:
        tables=[
            report(
                f"tables/{name}.csv",
                caption="../report/counterfactual_table.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in PLAN.tables["counterfactual_tables"]
        ],
    log:
        "logs/counterfactual_tables.log",
    conda:
        "../envs/conceptrast.yaml"
    resources:
        mem_mb=1000,
    params:
        settings=settings("counterfactual_tables"),
        code=code("counterfactual_tables"),
    shell:
        "python -m conceptrast.steps.counterfactual_tables --settings {params.settings:q}"
        " --reconstructions {input.reconstructions} --counterfactuals {input.counterfactuals}"
        " --tables {output.tables} --log {log}"
