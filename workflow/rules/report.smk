"""The report. What each figure and table is called in its menu; captions are in `workflow/report/`, by the same names.

It says where results are from. Folders of pictures, such as cards of classes, are not in it: the atlas shows them.
"""

TABLE = ("Tables", None, {})


def in_report(path, caption, entry=None, **labels):
    """A figure or table that the report shows; `labels` come on top of those of its entry."""
    category, subcategory, usual = entry or PLAN.in_report(caption)
    return report(
        path,
        caption=f"../report/{caption}.rst",
        category=category,
        subcategory=subcategory,
        labels=usual | labels,
    )


def bias_figure(figure):
    """A figure of a comparison of latent spaces; the strips of both conditions have one caption."""
    caption = f"latent_bias_{figure.partition('-')[0]}"
    return in_report(f"figures/latent_bias/{{bias}}/{figure}.png", caption, figure=figure)


def tables(step, caption):
    """The tables of the run that a step writes; the report shows all of them."""
    return [in_report(f"tables/{name}.csv", caption, TABLE, table=name) for name in PLAN.tables[step]]
