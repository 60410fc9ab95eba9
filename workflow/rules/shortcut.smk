"""Shortcuts. Which direction of a study ranks the pictures with a planted thing first? Does the model fall for it?"""


rule shortcut:
    input:
        unpack(shortcut_inputs),
    output:
        shortcut="studies/{study}/shortcut.csv",
        figure=in_report("figures/{study}/shortcut.png", "shortcut"),
    log:
        "logs/{study}/shortcut.log",
    resources:
        **needs(2500),
    params:
        **of_pictures("shortcut"),
    shell:
        STEP


rule shortcut_tables:
    input:
        **of_studies(names("shortcut"), shortcuts="shortcut.csv"),
    output:
        tables=tables("shortcut_tables", caption="shortcut_table"),
    log:
        "logs/shortcut_tables.log",
    resources:
        **needs(1000, gpu=0),
    params:
        **of_run("shortcut_tables"),
    shell:
        STEP
