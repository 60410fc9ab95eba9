"""Deep feature factorization. What a layer holds of some pictures, as concepts with the classes they speak for."""


rule dff:
    input:
        unpack(dff_inputs),
    output:
        concepts="dff/{dff}.csv",
        arrays="dff/{dff}.npz",
        figures=directory("figures/dff/{dff}"),
        manifest="figures/dff/{dff}.csv",
    log:
        "logs/dff/{dff}.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("dff"),
    shell:
        STEP


rule dff_tables:
    input:
        concepts=expand("dff/{dff}.csv", dff=names("dff")),
    output:
        tables=tables("dff_tables", caption="dff_table"),
    log:
        "logs/dff_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("dff_tables"),
    shell:
        STEP
