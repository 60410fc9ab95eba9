"""Seeds. Carries out whole runs with other seeds: how far do numbers spread, and which claims hold at every seed?"""


rule seed:
    output:
        metrics="seeds/{repeated}/{seed}/metrics.json",
        tables=directory("seeds/{repeated}/{seed}/tables"),
    log:
        "logs/seed/{repeated}/{seed}.log",
    threads: all_cores()
    resources:
        **needs(4000),
    params:
        **of_run("seed"),
    shell:
        STEP


rule seed_tables:
    input:
        metrics=REPEATED,
        folders=expand("seeds/{run}/tables", run=repeated_runs(PLAN)),
    output:
        tables=tables("seed_tables", caption="seeds_table"),
    log:
        "logs/seed_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("seed_tables"),
    shell:
        STEP
