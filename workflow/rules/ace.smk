"""Concepts among superpixels (ACE). From the images of a study's named classes to concept vectors and their test."""


rule ace:
    input:
        unpack(known_predicted_inputs),
    output:
        cavs="studies/{study}/ace.npz",
        concepts="studies/{study}/ace.csv",
        figures=directory("figures/{study}/ace"),
        manifest="figures/{study}/ace.csv",
    log:
        "logs/{study}/ace.log",
    priority: 1  # others wait for it: early
    resources:
        **needs(2500),
    params:
        **of_pictures("ace"),
    shell:
        STEP


rule ace_tables:
    input:
        **of_studies(names("ace"), concepts="ace.csv"),
    output:
        tables=tables("ace_tables", caption="ace_table"),
    log:
        "logs/ace_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("ace_tables"),
    shell:
        STEP
