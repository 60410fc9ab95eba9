"""Saliency. Where a model looks: class activation maps of some pictures, and tests of whether they say the truth.

saliency → saliency_tests → saliency_tables, for the views that the configuration names.
"""


rule saliency:
    input:
        unpack(known_predicted_inputs),
    output:
        maps="saliency/{view}.npz",
        subjects="saliency/{view}.csv",
        figure=in_report("figures/saliency/{view}/maps.png", "saliency"),
    log:
        "logs/saliency/{view}.log",
    priority: 1  # the longest on one core: as soon as it can start
    resources:
        **needs(2500),
    params:
        **of_pictures("saliency"),
    shell:
        STEP


rule saliency_tests:
    input:
        unpack(known_inputs),
        maps="saliency/{view}.npz",
        subjects="saliency/{view}.csv",
    output:
        **of_views(["{view}"], faithfulness="faithfulness.csv", randomisation="randomisation.csv"),
        **of_views(["{view}"], recovery="truth.csv"),
        figure=in_report("figures/saliency/{view}/tests.png", "saliency_tests"),
    log:
        "logs/saliency_tests/{view}.log",
    priority: 1  # the longest on one core: as soon as it can start
    resources:
        **needs(2500),
    params:
        **of_pictures("saliency_tests"),
    shell:
        STEP


rule saliency_tables:
    input:
        **of_views(names("saliency"), subjects="csv", faithfulness="faithfulness.csv"),
        **of_views(names("saliency"), randomisation="randomisation.csv"),
        **of_views(with_truth("saliency"), recovery="truth.csv"),
    output:
        tables=tables("saliency_tables", caption="saliency_table"),
    log:
        "logs/saliency_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("saliency_tables"),
    shell:
        STEP
