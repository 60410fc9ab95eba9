"""Insertion tests. A crop, or a component's patch, is pasted into pictures of one class: does the model say another?"""


rule insertion:
    input:
        unpack(insertion_inputs),
    output:
        insertion="insertion/{insertion}.csv",
        figure=in_report("figures/insertion/{insertion}.png", "insertion"),
    log:
        "logs/insertion/{insertion}.log",
    resources:
        **needs(2000),
    params:
        **of_pictures("insertion"),
    shell:
        STEP


rule insertion_tables:
    input:
        insertions=expand("insertion/{insertion}.csv", insertion=names("insertion")),
    output:
        tables=tables("insertion_tables", caption="insertion_table"),
    log:
        "logs/insertion_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("insertion_tables"),
    shell:
        STEP
