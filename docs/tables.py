"""Put the tables of committed runs into the documents: ``python docs/tables.py``.

A document holds ``<!-- table: NAME -->`` and ``<!-- end -->``; what stands between them is written anew from
``results/<run>/tables``. A test checks that nothing else stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from conceptrast.base.names import ALL_CLASSES
from conceptrast.base.statistics import wilson_interval
from conceptrast.models.confusion import right_of
from conceptrast.verification.claims import Metric

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "docs/results.md", "docs/method.md")
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(run: str, name: str) -> pd.DataFrame:
    """A table of a committed run."""
    return pd.read_csv(ROOT / "results" / run / "tables" / f"{name}.csv")


def markdown(rows: pd.DataFrame) -> str:
    """A Markdown table with the columns' names as its head."""
    lines = ["| " + " | ".join(rows.columns) + " |", "|" + "---|" * len(rows.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows.itertuples(index=False)]
    return "\n".join(lines) + "\n"


# What a class consists of


SELECTIONS = {"all": "all images", "exclude_target": "without the class's images"}


def prediction(run: str, studies: list[str] | None = None) -> str:
    """Component prediction of a run: matched classes by both selections, beside chance."""
    rows = table(run, "component_prediction")
    rows = rows if studies is None else rows[rows["study"].isin(studies)]
    columns = {}
    for selection, title in SELECTIONS.items():
        part = rows[rows["selection"] == selection]
        components = part[part["baseline"] == "none"]
        index = pd.MultiIndex.from_arrays([components["study"], components["recipe"]])
        cells = [f"{_matched(row)}, p = {row['probability_mean']:.2f}" for row in components.to_dict("records")]
        columns[title] = pd.Series(cells, index=index)
        columns[f"chance, {title}"] = _highest_chance(part).map(lambda rate: f"≤ {100 * rate:.0f} %")
    return markdown(pd.DataFrame(columns).loc[columns["all images"].index].reset_index(names=["study", "recipe"]))


def prediction_by_labels(run: str) -> str:
    """Matched classes of a run: all, those of the labels that a recipe was chosen on, and the others."""
    keys = ["study", "selection", "recipe", "baseline"]
    everything = table(run, "component_prediction").set_index(keys)
    by_labels = table(run, "component_prediction_by_labels").set_index(keys)
    others = by_labels["labels"] == "others"
    parts = {"all": everything, "labels it was chosen on": by_labels[~others], "other labels": by_labels[others]}
    groups = everything.xs("none", level="baseline").groupby(["study", "selection"], sort=False).groups
    rows = []
    for study, selection, recipe in (key for group in groups.values() for key in group):
        row = {"study": study, "images": SELECTIONS[selection], "recipe": recipe}
        for title, part in parts.items():
            cells = part.loc[(study, selection, recipe, "none")]
            row[title] = f"{_matched(cells)}, p = {cells['probability_mean']:.2f}"
        rows.append(row)
    return markdown(pd.DataFrame(rows))


def _matched(row: Mapping[str, float]) -> str:
    return f"{row['matched']} of {row['n_classes']} ({_percent(row, 'low', 'high')})"


def _highest_chance(rows: pd.DataFrame) -> pd.Series:
    """Highest rate of any chance row, by study and recipe."""
    return rows[rows["baseline"] != "none"].groupby(["study", "recipe"])["match_rate"].max()


def recovery() -> str:
    """Recovery of the known concepts of the default run."""
    return markdown(
        pd.DataFrame(
            {
                "study": row["study"],
                "recipe": row["recipe"],
                "digits found": _recovered(row),
                "purity of components": f"{row['purity']:.2f}",
            }
            for row in table("default", "concept_recovery").to_dict("records")
        )
    )


def _recovered(row: Mapping[str, float]) -> str:
    return f"{row['found']:.0f} of {row['n_concepts']:.0f} ({_percent(row, 'low', 'high')})"


def importance() -> str:
    """What the class's logit loses without a component that holds a true digit, and without one of texture."""
    rows = []
    for row in table("default", "importance_truth").to_dict("records"):
        if row["class_name"] != ALL_CLASSES:
            continue
        known = row["status"] == "ok"
        rows.append(
            {
                "study": row["study"],
                "recipe": row["recipe"],
                "components: digits, texture, other": "{n_true}, {n_texture}, {n_other}".format(**row),
                "pictures": f"{row['n_images']:.0f}" if known else "0",
                "without a digit": _mean(row, "true") if known else "unknown",
                "without texture": _mean(row, "texture") if known else "unknown",
                "difference": _mean(row, "difference", sign="+") if known else "unknown",
            }
        )
    return markdown(pd.DataFrame(rows))


def _mean(row: Mapping[str, float], name: str, sign: str = "") -> str:
    ends = f"{row[f'{name}_low']:{sign}.2f} to {row[f'{name}_high']:{sign}.2f}"
    return f"{row[name]:{sign}.2f} ({ends})"


def fidelity(run: str) -> str:
    """Areas under the curves of C-deletion and C-insertion beside random orders, and accuracy on components alone."""
    areas = table(run, "fidelity").set_index(["study", "recipe", "rest", "baseline"])
    accuracy = table(run, "reconstructed").set_index(["study", "recipe", "baseline"])
    rows = []
    for study, recipe in areas.index.droplevel(["rest", "baseline"]).unique():
        ordered = areas.loc[(study, recipe, "left_out", "none")]
        random = areas.loc[(study, recipe, "left_out", "random_order")]
        row = {"study": study, "recipe": recipe}
        for name in ("deletion", "insertion"):
            row |= {name: f"{ordered[name]:.2f}", f"{name}, random orders": f"{random[name]:.2f}"}
        for baseline, title in (("none", "named so"), ("other_class", "named so, another class's components")):
            part = accuracy.loc[(study, recipe, baseline)]
            row[title] = f"{100 * part['accuracy']:.0f} % ({_percent(part, 'low', 'high')})"
        rows.append(row)
    return markdown(pd.DataFrame(rows))


def stability(run: str) -> str:
    """Whether components come back in redrawn images, beside the components of other classes."""
    everything = table(run, "stability")
    everything = everything[everything["class_name"] == ALL_CLASSES]
    rows = everything.set_index(["study", "recipe", "sample", "baseline"])
    lines = []
    for study, recipe in rows.index.droplevel(["sample", "baseline"]).unique():
        chance = rows.loc[(study, recipe, "draws", "other_class")]
        halves, draws = (rows.loc[(study, recipe, sample, "none")] for sample in ("halves", "draws"))
        lines.append(
            {
                "study": study,
                "recipe": recipe,
                "cosine, drawn pictures": f"{draws['cosine']:.2f} ({draws['low']:.2f} to {draws['high']:.2f})",
                "cosine, halves": f"{halves['cosine']:.2f} ({halves['low']:.2f} to {halves['high']:.2f})",
                "cosine, other classes": f"{chance['cosine']:.2f} ({chance['low']:.2f} to {chance['high']:.2f})",
                "comes back": f"{100 * draws['back']:.0f} %",
                "comes back, other classes": f"{100 * chance['back']:.0f} %",
            }
        )
    return markdown(pd.DataFrame(lines))


# Why A, and why not B


def shifts(run: str) -> str:
    """Hyperplanes of a run by solver, and what shifting along their normals does, beside chance."""
    shift = table(run, "shift")
    keys = ["study", "hyperplane"]
    along_normal = shift[shift["baseline"] == "none"].set_index(keys)
    at_random = shift[shift["baseline"] == "random_direction"].set_index(keys)
    rows = []
    for plane in table(run, "hyperplanes").to_dict("records"):
        key = (plane["study"], plane["hyperplane"])
        rows.append(
            {
                "study": plane["study"],
                "hyperplanes": plane["hyperplane"],
                "accuracy, held out": _spread(plane, "heldout_accuracy"),
                "length": _spread(plane, "normal_length"),
                "p(B) before": f"{along_normal.loc[key]['before_mean']:.2g}",
                "p(B) after": _spread(along_normal.loc[key], "after"),
                "swapped": _spread(along_normal.loc[key], "swap_rate"),
                "swapped, random direction": _spread(at_random.loc[key], "swap_rate"),
                "swapped, as published": _spread(along_normal.loc[key], "swap_rate_published"),
            }
        )
    return markdown(pd.DataFrame(rows))


def masks(run: str) -> str:
    """Probabilities of A and B with nothing hidden and with a tenth and three tenths, beside a random order."""
    mask = table(run, "mask").set_index(["study", "baseline", "share"])
    rows = []
    for study in dict.fromkeys(mask.index.get_level_values("study")):
        for share in (0.0, 0.1, 0.3):
            row: dict[str, str] = {"study": study, "hidden": f"{100 * share:.0f} %"}
            for column, name in (("p_from_mean", "p(A)"), ("p_to_mean", "p(B)")):
                for baseline, title in (("none", "by the hyperplane"), ("random_order", "at random")):
                    row[f"{name}, {title}"] = f"{mask.loc[(study, baseline, share), column]:.2f}"
            rows.append(row)
    return markdown(pd.DataFrame(rows))


def contrast_recovery() -> str:
    """Whether the contrasts of the default run find the digit that is known to tell two classes apart."""
    return markdown(
        pd.DataFrame(
            {
                "study": row["study"],
                "plane": row["baseline"].replace("none", "hyperplane").replace("_", " "),
                "more mass on the own digit": _share(row, "mass", of="n_images", digits=1),
                "own digit strongest": _share(row, "component", of="n_pairs", digits=1),
            }
            for row in table("default", "contrast_recovery").to_dict("records")
        )
    )


def insertions(run: str) -> str:
    """What a pasted crop does to p(A) in images of B, beyond both controls."""
    insertion = table(run, "insertion")
    insertion = insertion[insertion["status"] == "ok"]
    several = len(set(insertion["insertion"])) > 1
    rows = []
    for (name, first, second), part in insertion.groupby(["insertion", "first_name", "second_name"], sort=False):
        conditions = part.set_index("condition")
        rows.append(
            ({"insertion": name} if several else {})
            | {
                "A": first,
                "pasted into images of B": second,
                "images": f"{conditions.loc['none', 'n_images']:.0f}",
                "p(A) before": f"{conditions.loc['none', 'p_first']:.3f}",
                "p(A) with the crop": f"{conditions.loc['crop', 'p_first']:.3f}",
                **_beyond_controls(conditions),
            }
        )
    return markdown(pd.DataFrame(rows))


def component_insertions(run: str) -> str:
    """What the patch of each component that speaks for A does to p(A) in images of B, beyond both controls."""
    insertion = table(run, "component_insertion")
    insertion = insertion[insertion["status"] == "ok"]
    rows = []
    for (first, second, component), part in insertion.groupby(["first_name", "second_name", "component"], sort=False):
        conditions = part.set_index("condition")
        before = conditions.loc["none"]
        rows.append(
            {
                "A": first,
                "pasted into images of B": second,
                "component": f"{component + 1:.0f}",
                "images": f"{before['n_images']:.0f}",
                "p(A) before": f"{before['p_first']:.3f}",
                "p(A) with the patch": f"{conditions.loc['crop', 'p_first']:.3f}",
                **_beyond_controls(conditions),
            }
        )
    return markdown(pd.DataFrame(rows))


def _beyond_controls(conditions: pd.DataFrame) -> dict[str, str]:
    """How much more a crop changes p(A) than each control does, with the interval."""
    words = "{change_first:+.3f} ({low_first:+.3f} to {high_first:+.3f})"
    return {f"beyond {control}": words.format(**conditions.loc[f"crop-{control}"]) for control in ("zeros", "shuffled")}


def shortcuts(run: str) -> str:
    """The best direction of each kind at ranking pictures with a planted thing, the true direction and chance."""
    ranked = table(run, "shortcut")
    ranked = ranked[(ranked["kind"] != "model") & (ranked["rank"] == 1)]
    rows = [
        {
            "direction": KINDS_OF_DIRECTION[row["kind"]],
            "which": row["name"],
            "with and without": _area(row, "auroc_pasted"),
            "as they are": _area(row, "auroc"),
            "cosine": f"{row['cosine']:+.2f}",
        }
        for row in ranked.to_dict("records")
    ]
    return markdown(pd.DataFrame(rows))


def _area(row: Mapping[str, float], name: str) -> str:
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f}–{row[f'{name}_high']:.2f})"


KINDS_OF_DIRECTION = {
    "component": "component",
    "cav": "concept (ACE)",
    "hyperplane": "hyperplane",
    "true": "true direction",
    "random": "chance",
}


def attacks(run: str) -> str:
    """What the model says of the attacked class's pictures, as they are and with the planted thing."""
    model = table(run, "shortcut")
    rows = [
        {
            "pictures": f"{row['attacked']} {'as they are' if row['name'] == 'clean' else 'with the portrait'}",
            "right": _share(row, "accuracy"),
            f"named {row['planted']}": _share(row, "named_planted"),
        }
        for row in model[model["kind"] == "model"].to_dict("records")
    ]
    return markdown(pd.DataFrame(rows))


# What would have to be different


def decoders(run: str) -> str:
    """How near decoded pictures of a run are, and how often they keep their class, beside the mean picture."""
    rows = []
    for row in table(run, "decoder").to_dict("records"):
        rows.append(
            {
                "study": row["study"],
                "picture": row["baseline"].replace("none", "decoded").replace("_", " "),
                "PSNR": f"{row['psnr_mean']:.1f} ± {row['psnr_sd']:.1f} dB",
                "SSIM": f"{row['ssim_mean']:.2f} ± {row['ssim_sd']:.2f}",
                "distance of activations": f"{row['feature_distance_mean']:.2f} ± {row['feature_distance_sd']:.2f}",
                "same class": f"{100 * row['same_class']:.1f} % of {row['n_images']} ({_percent(row, 'low', 'high')})",
            }
        )
    return markdown(pd.DataFrame(rows))


def counterfactuals(run: str) -> str:
    """Pictures of a run that edits turn into another class, by the model and the judge, beside random edits."""
    ways = _ways(run, "none")
    twins = _ways(run, "random")
    pairs = table(run, "counterfactual").query("to_name != 'all' and baseline == 'none' and stop == 'picture'")
    by_pair = pairs.groupby(["study", "edit", "direction"])["judged"].agg(["min", "max"])
    rows = []
    for key in dict.fromkeys(ways.index.droplevel("stop")):
        study, edit, direction = key
        activations = ways.loc[(*key, "suffix")]
        picture = ways.loc[(*key, "picture")]
        twin = twins.loc[(*key, "picture")]
        rows.append(
            {
                "study": study,
                "edit": edit.replace("_", " "),
                "along": "" if direction == "none" else direction,
                "activations are B": f"{100 * activations['found']:.0f} %",
                "picture is B": f"{100 * picture['reached']:.0f} % of {picture['n_kept']:.0f}",
                "judge says B": f"{100 * picture['judged']:.0f} % ({_percent(picture, 'low', 'high')})",
                "by pair": _percent(by_pair.loc[key], "min", "max"),
                "judge, random": f"{100 * twin['judged']:.0f} %",
                "positions": f"{picture['cells']:.0f}",
                "λ": f"{picture['lambda_median']:.2f}",
                "change in the digit's cell": f"{100 * picture['inside']:.0f} %",
            }
        )
    columns = pd.DataFrame(rows)
    return markdown(columns if ways["inside"].notna().any() else columns.drop(columns="change in the digit's cell"))


def concept_reading(run: str) -> str:
    """How often a network that reads digits names what a decoded concept shows, beside its most frequent answer."""
    rows = [
        {
            "study": row["study"],
            "concepts": {"ace": "of superpixels (ACE)", "hyperplane": "hyperplanes"}.get(row["kind"], "components"),
            "digit read": f"{100 * row['right']:.0f} % of {row['n_concepts']} ({_percent(row, 'low', 'high')})",
            "always the most frequent digit": f"{100 * row['chance']:.0f} %",
        }
        for row in table(run, "concept_reading").to_dict("records")
    ]
    return markdown(pd.DataFrame(rows))


def _ways(run: str, baseline: str) -> pd.DataFrame:
    """Ways over all pairs of classes, by study, edit, direction and where they end."""
    rows = table(run, "counterfactual")
    rows = rows[(rows["to_name"] == "all") & (rows["status"] == "ok") & (rows["baseline"] == baseline)]
    return rows.set_index(["study", "edit", "direction", "stop"])


def superpixels(run: str) -> str:
    """What ACE's concepts of a run truly show, and which way they speak, over all classes; beside random segments."""
    concepts = table(run, "ace_recovery")
    concepts = concepts[(concepts["class_name"] == "all classes") & (concepts["status"] == "ok")]
    kinds = {"digits of the class": "own", "other digits, portrait": "other", "textures": "texture"}
    rows = []
    for row in concepts.to_dict("records"):
        counts = {
            f"{title}: for, against, neither": f"{row[f'{key}_for']}, {row[f'{key}_against']}, "
            f"{row[key] - row[f'{key}_for'] - row[f'{key}_against']}"
            for title, key in kinds.items()
        }
        chance = "" if row["baseline"] == "none" else f", chance: {row['baseline'].replace('_', ' ')}"
        rows.append(
            {
                "study": row["study"],
                "segments": row["segments_as"].replace("_", " ") + chance,
                **counts,
                "digits found": f"{row['n_found']:.0f} of {row['n_true']:.0f}",
            }
        )
    return markdown(pd.DataFrame(rows))


# Where does it look, and what does a layer hold

KINDS = {"predicted": "", "class": ", why A", "difference": ", why A and not B"}
CHANCE_MAPS = {"random": "chance: random map", "centre": "chance: blob in the middle"}


def maps(run: str) -> str:
    """Faithfulness of class activation maps beside chance, and whether they see what lies above their layer."""
    randomisation = table(run, "saliency_randomisation")
    randomisation = randomisation[randomisation["status"] == "ok"]
    above = randomisation[randomisation["above_layer"].astype(bool)].groupby(["view", "method"]).tail(1)
    above = above.set_index(["view", "method"])
    faithfulness = table(run, "saliency_faithfulness")
    rows = []
    for row in faithfulness[faithfulness["status"] == "ok"].to_dict("records"):
        key = (row["view"], row["method"])
        correlation = "" if key not in above.index else f"{above.loc[key, 'rank_correlation']:.2f}"
        flagged = correlation and above.loc[key, "unchanged"]
        rows.append(
            {
                **_map_names(row),
                "maps": f"{row['n_images']:.0f}" + (f", {row['n_flat']:.0f} empty" if row["n_flat"] else ""),
                "ROAD": f"{row['road']:+.2f} ({row['road_low']:+.2f} to {row['road_high']:+.2f})",
                "insertion": f"{row['insertion']:.2f}",
                "deletion": f"{row['deletion']:.2f}",
                "ρ, random above": f"**{correlation}, unchanged**" if flagged else correlation,
            }
        )
    return markdown(pd.DataFrame(rows))


def _map_names(row: Mapping[str, str]) -> dict[str, str]:
    method = CHANCE_MAPS.get(row["baseline"]) or row["method"].replace("_", " ")
    return {"view": f"{row['view']}{KINDS[row['target_kind']]}", "map": method}


def pointing(run: str) -> str:
    """Where maps of pairs of classes lie, on the digit that tells the two apart or on the one that they share."""
    truth = table(run, "saliency_truth")
    return markdown(
        pd.DataFrame(
            {
                **_map_names(row),
                "mass on A's own digit": f"{row['own_mass']:.2f}",
                "on the shared one": f"{row['shared_mass']:.2f}",
                "more on its own": _share(row, "more"),
                "maximum on its own": _share(row, "hit"),
            }
            for row in truth[truth["status"] == "ok"].to_dict("records")
        )
    )


def factorizations(run: str) -> str:
    """What the concepts of deep feature factorization come to, for each number of them."""
    rows = []
    for row in table(run, "dff_summary").to_dict("records"):
        rows.append(
            {
                "pictures": row["dff"],
                "k": row["n_components"],
                "concepts": row["n_concepts"],
                "missed": f"{100 * row['reconstruction_error']:.0f} %",
                "one class in all ways": f"{100 * row['agree']:.0f} % ({_percent(row, 'low', 'high')})",
                "drop when blurred": f"{row['blur']:.2f}",
                "elsewhere": f"{row['blur_chance']:.2f}",
                "beyond": _beyond(row),
            }
        )
    return markdown(pd.DataFrame(rows))


def things() -> str:
    """Where the concepts of two photographs side by side lie, and whose class they have."""
    rows = table("default", "dff_summary")
    return markdown(
        pd.DataFrame(
            {
                "k": row["n_components"],
                "heat in the thing that has most of it": f"{100 * row['thing_share']:.0f} %",
                "the same of even heat": f"{100 * row['thing_area']:.0f} %",
                "class of that thing": f"{100 * row['own_class']:.0f} %",
                "class of the other thing": f"{100 * row['other_class']:.0f} %",
            }
            for row in rows[rows["dff"] == "two_things"].to_dict("records")
        )
    )


def _beyond(row: Mapping[str, float]) -> str:
    return f"{row['beyond_chance']:+.2f} ({row['beyond_low']:+.2f} to {row['beyond_high']:+.2f})"


def accuracies(run: str) -> str:
    """How often the trained models of a run are right on the pictures held out of their training."""
    rows = []
    for model, part in table(run, "confusion").groupby("model", sort=False):
        right, n = right_of(part)
        low, high = wilson_interval(right, n)
        rows.append({"model": model, "right": f"{right} of {n} ({100 * low:.1f}–{100 * high:.1f} %)"})
    return markdown(pd.DataFrame(rows))


# Does a latent space show a planted bias


def biases(run: str) -> str:
    """Does each network rely on the planted rotation, and what is seen of it; means over seeds."""
    rows = []
    for means in table(run, "latent_bias_summary").to_dict("records"):
        part = _trainings(run, means)
        epochs, kept = ("–".join(map(str, sorted(set(part[column])))) for column in ("epochs", "epoch_kept"))
        decoded = means["decoded_turn_mean"]
        rows.append(
            {
                "pictures": means["condition"],
                "network": means["network"],
                "epochs": f"{epochs} of {min(part['epochs_planned'])}" + (f", {kept} kept" if kept != epochs else ""),
                **_at_angles(means),
                "reliance": _over_seeds(means, part.iloc[0], "reliance", "+.2f"),
                "p(class 2) turned": f"{means['probability_turned_mean']:+.2f}",
                "turn along the direction": _over_seeds(means, part.iloc[0], "turn", "+.0f", unit="°"),
                "of decoded pictures": "" if pd.isna(decoded) else f"{decoded:+.0f}°",
                "relies": means["relies"],
                "shows": means["shows"],
            }
        )
    return markdown(pd.DataFrame(rows))


def bias_steps(run: str) -> str:
    """What each step of a comparison gained: both networks on biased pictures, and what they know of the control."""
    summary = table(run, "latent_bias_summary")
    control = summary[summary["condition"] == "control"].set_index(["bias", "network"])
    rows = []
    for network in summary["network"].unique():
        biased = summary[(summary["condition"] == "biased") & (summary["network"] == network)]
        for means in biased.to_dict("records"):
            of_control = control.loc[(means["bias"], network)]
            rows.append(
                {
                    "network": network,
                    "step": means["bias"],
                    "biased angles": _with_interval(run, means, "accuracy_biased"),
                    "counter-biased angles": _with_interval(run, means, "accuracy_counter_biased"),
                    "reliance": _with_interval(run, means, "reliance"),
                    "p(class 2) turned": f"{means['probability_turned_mean']:+.2f}",
                    "accuracy of the control": f"{of_control['accuracy_mean']:.2f}",
                    "relies": f"{means['relies']} (control: {of_control['relies']})",
                }
            )
    return markdown(pd.DataFrame(rows))


def _with_interval(run: str, means: Mapping[str, float], name: str) -> str:
    """A measure over seeds; of a single training with its interval over pictures."""
    return _over_seeds(means, _trainings(run, means).iloc[0], name, "+.2f" if name == "reliance" else ".2f")


def _trainings(run: str, means: Mapping[str, float]) -> pd.DataFrame:
    """The trainings that a row of the summary stands for."""
    trainings = table(run, "latent_bias")
    keys = ["bias", "condition", "network"]
    return trainings[(trainings[keys] == [means[key] for key in keys]).all(axis=1)]


def _at_angles(means: Mapping[str, float]) -> dict[str, str]:
    """Accuracy at biased, unbiased and counter-biased angles."""
    angles = ("biased", "unbiased", "counter_biased")
    return {f"{name.replace('_', '-')} angles": f"{means[f'accuracy_{name}_mean']:.2f}" for name in angles}


def _over_seeds(means: Mapping[str, float], training: pd.Series, name: str, form: str, unit: str = "") -> str:
    """Mean over seeds and its standard deviation; of a single training, the interval over pictures."""
    mean = f"{means[f'{name}_mean']:{form}}{unit}"
    if means["n_seeds"] > 1:
        return f"{mean} ± {means[f'{name}_sd']:{form.removeprefix('+')}}{unit}"
    return f"{mean} ({training[f'{name}_low']:{form}} to {training[f'{name}_high']:{form}})"


# How far the results hold


def spread(run: str) -> str:
    """The numbers of every claim about a run that was repeated with several seeds, of those that are still made."""
    rows = []
    previous = ""
    claims = table(run, "claims")
    claims = claims[claims["sentence"].isin(claimed_sentences())]
    for (sentence, metric, relation, _), part in claims.groupby(
        ["sentence", "metric", "relation", "bound"], sort=False
    ):
        rows.append(
            {
                "sentence": "" if sentence == previous else sentence,
                "number": _number_of_claim(metric),
                "at the seeds": _ends(part["value"]),
                "has to be": f"{relation} {_ends(part['limit'])}",
                "holds": f"{part['holds'].sum()} of {len(part)}",
            }
        )
        previous = sentence
    return markdown(pd.DataFrame(rows))


def claimed_sentences() -> set[str]:
    """The sentences that docs/claims.csv lists."""
    return set(pd.read_csv(ROOT / "docs" / "claims.csv")["sentence"])


def _number_of_claim(text: str) -> str:
    """The number that a claim is about, in words."""
    metric = Metric.parse(text)
    if not metric.table:
        return metric.text
    places = [" / ".join(values) for _, values in metric.rows if values != ("none",)]
    return f"{metric.column} in {metric.table}" + (f" ({', '.join(places)})" if places else "")


def _ends(values: pd.Series) -> str:
    return " to ".join(dict.fromkeys(f"{value:.3g}" for value in (values.min(), values.max())))


# Excerpts for the README: few rows, few columns

TRAINED = {
    ("default", "pairs-layer3"): "small ResNet, layer 3",
    ("default", "pairs-layer4"): "small ResNet, layer 4",
    ("imagenette", "lite0-head"): "EfficientNet-Lite0, last layer",
    ("imagenette", "lite0-block11"): "EfficientNet-Lite0, block 11",
}
SLED_DOGS = {("husky", "lite0-head"): "its last layer, pictures of sled dogs"}
UNTRAINED = {
    ("default", "pairs-layer3-random"): "the small ResNet untrained, layer 3",
    ("default", "pairs-layer4-random"): "the small ResNet untrained, layer 4",
}
EDITS = {
    ("transplant", "none"): "cells of pictures of B, at most 4",
    ("swap", "component"): "a concept of A becomes one of B",
    ("located", "means"): "a vector towards B, where A's evidence lies",
    ("uniform", "hyperplane"): "the hyperplane's normal, everywhere",
    ("gradient", "none"): "the picture's own gradient",
    ("latent_shift", "none"): "the same through the decoder (latent shift)",
}


def readme_concepts() -> str:
    """Recommended recipe, patches from other classes' pictures: classes named and digits found, beside chance."""
    rows = []
    for (run, study), title in {**TRAINED, **UNTRAINED}.items():
        part = table(run, "component_prediction")
        part = part[(part["study"] == study) & (part["recipe"] == "recommended")]
        part = part[part["selection"] == "exclude_target"]
        components = part[part["baseline"] == "none"].iloc[0]
        digits = "unknown"
        if run == "default":
            concepts = table(run, "concept_recovery").set_index(["study", "recipe"])
            digits = _recovered(concepts.loc[(study, "recommended")])
        rows.append(
            {
                "network and layer": title,
                "classes recognised": _matched(components),
                "chance": f"{100 * _highest_chance(part).iloc[0]:.0f} %",
                "true digits found": digits,
            }
        )
    return markdown(pd.DataFrame(rows))


def readme_contrast() -> str:
    """Hyperplanes from zero: pairs that are swapped, and images whose contrast lies on the own digit, beside chance."""
    rows = []
    for (run, study), title in {**TRAINED, **SLED_DOGS}.items():
        shift = table(run, "shift").set_index(["study", "hyperplane", "baseline"])
        row = {
            "network and layer": title,
            "A becomes B": _rate(shift.loc[(study, "zero", "none")], "swap_rate"),
            "chance": _rate(shift.loc[(study, "zero", "random_direction")], "swap_rate"),
            "on A's own digit": "unknown",
            "chance, random plane": "",
        }
        if run == "default":
            planes = table(run, "contrast_recovery").set_index(["study", "baseline"])
            row["on A's own digit"] = _share(planes.loc[(study, "none")], "mass", digits=1)
            row["chance, random plane"] = f"{100 * planes.loc[(study, 'random_direction'), 'mass_share']:.1f} %"
        rows.append(row)
    return markdown(pd.DataFrame(rows))


def readme_counterfactual() -> str:
    """Layer 3 of the default run: how often each edit turns a picture into B, as the model and the judge see it."""
    ways = _ways("default", "none")
    twins = _ways("default", "random")
    rows = []
    for edit, title in EDITS.items():
        way, twin = (of.loc[("pairs-layer3", *edit, "picture")] for of in (ways, twins))
        rows.append(
            {
                "what is changed": title,
                "the network says B": f"{100 * way['reached']:.0f} % of {way['n_kept']:.0f}",
                "another network says B": f"{100 * way['judged']:.0f} % ({_percent(way, 'low', 'high')})",
                "chance": f"{100 * twin['judged']:.0f} %",
            }
        )
    return markdown(pd.DataFrame(rows))


def readme_maps() -> str:
    """Grad-CAM for A and for A and not B, and concepts of a layer when they are blurred, beside chance."""
    truth = table("default", "saliency_truth").set_index(["view", "target_kind", "baseline"])
    rows = []
    for kind, question in (("class", "Why A?"), ("difference", "Why A and not B?")):
        chance = [f"{100 * truth.loc[('pairs', kind, name), 'more']:.0f} %" for name in ("random", "centre")]
        rows.append(
            {
                "question": f"{question} Maps that lie more on A's own digit than on the shared one",
                "answer": _share(truth.loc[("pairs", kind, "none")], "more"),
                "chance": f"{chance[0]} (random map), {chance[1]} (blob in the middle)",
            }
        )
    summary = table("default", "dff_summary").set_index(["dff", "n_components"])
    for name, title in (("pairs", "pictures of 3+7"), ("photographs", "photographs")):
        row = summary.loc[(name, 2)]
        rows.append(
            {
                "question": f"What does a layer hold? Drop of a probability when a concept is blurred, {title}",
                "answer": f"{row['blur']:.2f}",
                "chance": f"{row['blur_chance']:.2f} (elsewhere); difference {_beyond(row)}",
            }
        )
    return markdown(pd.DataFrame(rows))


def readme_bias() -> str:
    """Accuracy at other angles and both verdicts of the default run."""
    rows = [
        {
            "pictures": means["condition"],
            "network": means["network"],
            **_at_angles(means),
            "relies": means["relies"],
            "shows": means["shows"],
        }
        for means in table("default", "latent_bias_summary").to_dict("records")
    ]
    return markdown(pd.DataFrame(rows))


# Cells


def _spread(row: Mapping[str, float], name: str) -> str:
    return f"{row[f'{name}_mean']:.2f} ± {row[f'{name}_sd']:.2f}"


def _rate(row: Mapping[str, float], name: str) -> str:
    """Mean and standard deviation over draws; where all draws hold the same pairs, one number and their count."""
    if pd.isna(row[f"{name}_sd"]):
        return f"{100 * row[f'{name}_mean']:.0f} % of {row['n_different']:.0f}"
    return f"{100 * row[f'{name}_mean']:.0f} ± {100 * row[f'{name}_sd']:.0f} %"


def _percent(row: Mapping[str, float], low: str, high: str) -> str:
    ends = dict.fromkeys(f"{100 * row[end]:.0f}" for end in (low, high))
    return f"{'–'.join(ends)} %"


def _share(row: Mapping[str, float], name: str, of: str = "n_images", digits: int = 0) -> str:
    share = row[name] if name in row else row[f"{name}_share"]
    return f"{100 * share:.{digits}f} % of {row[of]:.0f} ({_percent(row, f'{name}_low', f'{name}_high')})"


TABLES: dict[str, Callable[[], str]] = {
    "readme-concepts": readme_concepts,
    "readme-contrast": readme_contrast,
    "readme-counterfactual": readme_counterfactual,
    "readme-maps": readme_maps,
    "readme-bias": readme_bias,
    "default": lambda: prediction("default"),
    "recovery": recovery,
    "importance": importance,
    "fidelity": lambda: fidelity("default"),
    "stability": lambda: stability("default"),
    "imagenette": lambda: prediction("imagenette"),
    "imagenette-labels": lambda: prediction_by_labels("imagenette"),
    "imagenette-fidelity": lambda: fidelity("imagenette"),
    "imagenette-stability": lambda: stability("imagenette"),
    "recipes": lambda: prediction("recipes"),
    "shift": lambda: shifts("default"),
    "mask": lambda: masks("default"),
    "contrast-recovery": contrast_recovery,
    "insertion": lambda: insertions("default"),
    "component-insertion": lambda: component_insertions("default"),
    "shortcut": lambda: shortcuts("default"),
    "shortcut-attack": lambda: attacks("default"),
    "decoder": lambda: decoders("default"),
    "counterfactual": lambda: counterfactuals("default"),
    "counterfactual-photographs": lambda: counterfactuals("imagenette-counterfactual"),
    "decoder-photographs": lambda: decoders("imagenette-counterfactual"),
    "concept_reading": lambda: concept_reading("default"),
    "ace": lambda: superpixels("default"),
    "confusion": lambda: accuracies("default"),
    "maps": lambda: maps("default"),
    "pointing": lambda: pointing("default"),
    "dff": lambda: factorizations("default"),
    "dff-things": things,
    "imagenette-dff": lambda: factorizations("imagenette"),
    "imagenette-maps": lambda: maps("imagenette"),
    "bias": lambda: biases("default"),
    "pets": lambda: biases("pets"),
    "pets-steps": lambda: bias_steps("pets-steps"),
    "imagenette-shift": lambda: shifts("imagenette"),
    "imagenette-mask": lambda: masks("imagenette"),
    "imagenette-insertion": lambda: insertions("imagenette"),
    "husky-prediction": lambda: prediction("husky"),
    "husky-insertion": lambda: insertions("husky"),
    "husky-fidelity": lambda: fidelity("husky"),
    "husky-stability": lambda: stability("husky"),
    "husky-component-insertion": lambda: component_insertions("husky"),
    "spread": lambda: spread("seeds"),
}


def updated(text: str) -> str:
    """A document with its tables written anew."""
    return BLOCK.sub(lambda block: block[1] + TABLES[block[2]]() + block[3], text)


def main() -> None:
    """Write the documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(updated(path.read_text()))


if __name__ == "__main__":
    main()
