"""The report. What each figure and table is called in its menu; captions are in `workflow/report/`, by the same names."""

# By caption: category, subcategory, labels. `{name}` is a file of a folder, all else a wildcard of the rule.
IN_REPORT = {
    "training": ("Models", None, {"model": "{model}", "table": "training"}),
    "confusion": ("Models", None, {"model": "{model}", "table": "confusion"}),
    "decoder": ("Models", None, {"model": "decoder of {study}", "table": "training"}),
    "classes": ("Component prediction", "Classes", {"study": "{study}", "table": "one row per class"}),
    "overview": ("Overview", None, {"study": "{study}", "figure": "all classes"}),
    "class_card": ("Class cards", "{study}", {"class": "{name}"}),
    "contrast": ("Contrasts", "{study}", {"A not B": "{name}"}),
    "shift": ("Contrasts", "{study}", {"A not B": "shift test, all pairs"}),
    "mask": ("Contrasts", "{study}", {"A not B": "mask test"}),
    "ace": ("Concepts", "{study}", {"class": "{name}"}),
    "counterfactual": ("Counterfactuals", "{study}", {"from A to B": "{name}"}),
    "insertion": ("Insertion tests", None, {"test": "{insertion}"}),
    "saliency": ("Saliency", None, {"view": "{view}", "figure": "maps"}),
    "saliency_tests": ("Saliency", None, {"view": "{view}", "figure": "tests"}),
    "dff": ("Deep feature factorization", "{dff}", {"pictures": "{name}"}),
    "latent_bias_maps": ("Latent bias", None, {"bias": "{bias}"}),
    "latent_bias_rotations": ("Latent bias", None, {"bias": "{bias}"}),
    "latent_bias_navigation": ("Latent bias", None, {"bias": "{bias}"}),
}


TABLE = ("Tables", None, {})


def in_report(path, caption, entry=None, **labels):
    """A figure or table that the report shows; `labels` come on top of those of its entry."""
    category, subcategory, usual = entry or IN_REPORT[caption]
    return report(
        path,
        caption=f"../report/{caption}.rst",
        category=category,
        subcategory=subcategory,
        labels=usual | labels,
    )


def figures_in_report(folder, caption):
    """A folder whose figures the report shows, each under its name."""
    category, subcategory, labels = IN_REPORT[caption]
    return report(
        directory(folder),
        patterns=["{name}.png", "{name}.gif"],
        caption=f"../report/{caption}.rst",
        category=category,
        subcategory=subcategory,
        labels=labels,
    )


def bias_figure(figure):
    """A figure of a comparison of latent spaces; the strips of both conditions have one caption."""
    caption = f"latent_bias_{figure.partition('-')[0]}"
    return in_report(f"figures/latent_bias/{{bias}}/{figure}.png", caption, figure=figure)


def tables(step, caption):
    """The tables of the run that a step writes; the report shows all of them."""
    return [in_report(f"tables/{name}.csv", caption, TABLE, table=name) for name in PLAN.tables[step]]
