"""Put the tables of committed runs into the documents: ``python docs/tables.py``.

A document holds ``<!-- table: NAME -->`` and ``<!-- end -->``; what stands between them is written anew from
``results/<run>/tables``. A test checks that nothing else stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from conceptrast.base.statistics import wilson_interval
from conceptrast.models.confusion import right_of

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "docs/method.md")
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(run: str, name: str) -> pd.DataFrame:
    """A table of a committed run."""
    return pd.read_csv(ROOT / "results" / run / "tables" / f"{name}.csv")


def markdown(rows: pd.DataFrame) -> str:
    """A Markdown table with the columns' names as its head."""
    lines = ["| " + " | ".join(rows.columns) + " |", "|" + "---|" * len(rows.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def matches(rows: pd.DataFrame) -> list[str]:
    """Classes matched of classes tested, and the rate's interval, of rows of one selection and baseline."""
    return [
        f"{row.matched} of {row.n_classes} ({100 * row.low:.0f}–{100 * row.high:.0f} %), p = {row.probability_mean:.2f}"
        for row in rows.itertuples()
    ]


def prediction(run: str, studies: list[str] | None = None) -> str:
    """Component prediction of a run: matched classes by both selections, beside chance."""
    rows = table(run, "component_prediction")
    rows = rows if studies is None else rows[rows["study"].isin(studies)]
    found = {}
    for selection, title in (("all", "all images"), ("exclude_target", "without the class's images")):
        part = rows[rows["selection"] == selection]
        own, chance = part[part["baseline"] == "none"], part[part["baseline"] != "none"]
        keys = [own["study"], own["recipe"]]
        found[title] = pd.Series(matches(own), index=pd.MultiIndex.from_arrays(keys))
        worst = chance.groupby(["study", "recipe"])["match_rate"].max()
        found[f"chance, {title}"] = worst.map(lambda rate: f"≤ {100 * rate:.0f} %")
    return markdown(pd.DataFrame(found).loc[found["all images"].index].reset_index(names=["study", "recipe"]))


def recovery() -> str:
    """Recovery of the known concepts of the default run."""
    rows = table("default", "concept_recovery")
    found = [
        f"{row.found} of {row.n_concepts} ({100 * row.low:.0f}–{100 * row.high:.0f} %)" for row in rows.itertuples()
    ]
    shown = {"study": rows["study"], "recipe": rows["recipe"], "digits found": found}
    return markdown(pd.DataFrame({**shown, "purity of components": rows["purity"].map("{:.2f}".format)}))


def shifts(run: str) -> str:
    """Hyperplanes of a run by solver, and what shifting along their normals does, beside chance."""
    planes, moved = table(run, "hyperplanes"), table(run, "shift")
    keys = ["study", "hyperplane"]
    own, chance = (moved[moved["baseline"] == baseline].set_index(keys) for baseline in ("none", "random_direction"))
    rows = []
    for plane in planes.to_dict("records"):
        one, other = (part.loc[(plane["study"], plane["hyperplane"])] for part in (own, chance))
        rows.append(
            {
                "study": plane["study"],
                "hyperplanes": plane["hyperplane"],
                "accuracy, held out": _spread(plane, "heldout_accuracy"),
                "length": _spread(plane, "normal_length"),
                "p(B) before": f"{one['before_mean']:.2g}",
                "p(B) after": _spread(one, "after"),
                "swapped": _spread(one, "swap_rate"),
                "swapped, random direction": _spread(other, "swap_rate"),
                "swapped, as published": _spread(one, "swap_rate_published"),
            }
        )
    return markdown(pd.DataFrame(rows))


def _spread(row: Mapping[str, float], name: str) -> str:
    return f"{row[f'{name}_mean']:.2f} ± {row[f'{name}_sd']:.2f}"


def masks(run: str) -> str:
    """Probabilities of A and B with nothing hidden and with a tenth and three tenths, beside a random order."""
    rows = table(run, "mask").set_index(["study", "baseline", "share"])
    found = []
    for study in dict.fromkeys(rows.index.get_level_values("study")):
        for share in (0.0, 0.1, 0.3):
            row: dict[str, str] = {"study": study, "hidden": f"{100 * share:.0f} %"}
            for column, name in (("p_from_mean", "p(A)"), ("p_to_mean", "p(B)")):
                for baseline, title in (("none", "by the hyperplane"), ("random_order", "at random")):
                    row[f"{name}, {title}"] = f"{rows.loc[(study, baseline, share), column]:.2f}"
            found.append(row)
    return markdown(pd.DataFrame(found))


def contrast_recovery() -> str:
    """Whether the contrasts of the default run find the digit that is known to tell two classes apart."""
    rows = []
    for row in table("default", "contrast_recovery").to_dict("records"):
        found = {"study": row["study"], "plane": row["baseline"].replace("none", "hyperplane").replace("_", " ")}
        for name, title in (("mass", "more mass on the own digit"), ("component", "own digit strongest")):
            interval = f"{100 * row[f'{name}_low']:.0f}–{100 * row[f'{name}_high']:.0f} %"
            n = row["n_images" if name == "mass" else "n_pairs"]
            found[title] = f"{100 * row[f'{name}_share']:.1f} % of {n} ({interval})"
        rows.append(found)
    return markdown(pd.DataFrame(rows))


def insertions(run: str) -> str:
    """What a pasted crop does to p(A) in images of B, beyond both controls."""
    rows = table(run, "insertion")
    found = []
    for (first, second), part in rows[rows["status"] == "ok"].groupby(["first_name", "second_name"], sort=False):
        said = part.set_index("condition")
        found.append(
            {
                "A": first,
                "pasted into images of B": second,
                "images": f"{said.loc['none', 'n_images']:.0f}",
                "p(A) before": f"{said.loc['none', 'p_first']:.3f}",
                "p(A) with the crop": f"{said.loc['crop', 'p_first']:.3f}",
                **{
                    f"beyond {control}": "{change_first:+.3f} ({low_first:+.3f} to {high_first:+.3f})".format(
                        **said.loc[f"crop-{control}"]
                    )
                    for control in ("zeros", "shuffled")
                },
            }
        )
    return markdown(pd.DataFrame(found))


def decoders(run: str) -> str:
    """How near decoded pictures of a run are, and how often they keep their class, beside the mean picture."""
    rows = []
    for row in table(run, "decoder").to_dict("records"):
        interval = f"({100 * row['low']:.0f}–{100 * row['high']:.0f} %)"
        rows.append(
            {
                "study": row["study"],
                "picture": row["baseline"].replace("none", "decoded").replace("_", " "),
                "PSNR": f"{row['psnr_mean']:.1f} ± {row['psnr_sd']:.1f} dB",
                "SSIM": f"{row['ssim_mean']:.2f} ± {row['ssim_sd']:.2f}",
                "same class": f"{100 * row['same_class']:.1f} % of {row['n_images']} {interval}",
            }
        )
    return markdown(pd.DataFrame(rows))


def counterfactuals(run: str) -> str:
    """Shares of images of a run whose activations, and whose decoded pictures, become another class."""
    rows = table(run, "counterfactual")
    whole = rows[(rows["to_name"] == "all") & (rows["status"] == "ok")].set_index(["study", "direction", "stop"])
    found = []
    for study, direction in dict.fromkeys(whole.index.droplevel("stop")):
        row: dict[str, str] = {"study": study, "direction": direction.replace("_", " ")}
        for stop, title, end in (("suffix", "activations are B", "there"), ("picture", "picture is B", "at the end")):
            own = whole.loc[(study, direction, stop)]
            row[title] = f"{100 * own['found']:.0f} % of {own['n_images']:.0f}, λ = {own['lambda_median']:.2f}"
            interval = f"({100 * own['low']:.0f}–{100 * own['high']:.0f} %)"
            row[f"picture changes its class {end}"] = f"{100 * own['changed']:.0f} % of {own['n_kept']:.0f} {interval}"
        found.append(row)
    return markdown(pd.DataFrame(found))


def superpixels(run: str) -> str:
    """What ACE's concepts of a run truly show, and which way they speak, over all classes; beside random segments."""
    rows = table(run, "ace_recovery")
    found = []
    for row in rows[(rows["class_name"] == "all classes") & (rows["status"] == "ok")].to_dict("records"):
        kinds = {"digits of the class": "own", "other digits, portrait": "other", "textures": "texture"}
        counts = {
            f"{title}: for, against, neither": f"{row[f'{key}_for']}, {row[f'{key}_against']}, "
            f"{row[key] - row[f'{key}_for'] - row[f'{key}_against']}"
            for title, key in kinds.items()
        }
        found.append(
            {
                "study": row["study"],
                "segments": f"{row['segments_as'].replace('_', ' ')}{_chance(row['baseline'])}",
                **counts,
                "digits found": f"{row['n_found']:.0f} of {row['n_true']:.0f}",
            }
        )
    return markdown(pd.DataFrame(found))


def _chance(baseline: str) -> str:
    return "" if baseline == "none" else f", chance: {baseline.replace('_', ' ')}"


def biases(run: str) -> str:
    """How far the planted rotation goes along with the position, by network and condition; how well they learned."""
    trained, means = table(run, "latent_bias"), table(run, "latent_bias_summary")
    found = []
    for row in means.to_dict("records"):
        part = trained[(trained["condition"] == row["condition"]) & (trained["network"] == row["network"])]
        done, planned = (sorted(set(part[name])) for name in ("epochs", "epochs_planned"))
        several = row["n_seeds"] > 1
        within = f"{row['rho_within_mean']:+.2f}"
        one = part.iloc[0]
        spread = f" ± {row['rho_within_sd']:.2f}" if several else _interval(one, "rho_within")
        found.append(
            {
                "pictures": row["condition"],
                "network": row["network"],
                "epochs": f"{'–'.join(map(str, done))} of {planned[0]}",
                "accuracy": f"{row['accuracy_mean']:.2f}" + (f" ± {row['accuracy_sd']:.2f}" if several else ""),
                "AUC": f"{row['auc_mean']:.2f}" + (f" ± {row['auc_sd']:.2f}" if several else ""),
                "ρ within classes": within + spread,
                "ρ over all": f"{row['rho_all_mean']:+.2f}",
            }
        )
    return markdown(pd.DataFrame(found))


def _interval(row: pd.Series, name: str) -> str:
    return f" ({row[f'{name}_low']:+.2f} to {row[f'{name}_high']:+.2f})"


KINDS = {"predicted": "", "class": ", why A", "difference": ", why A and not B"}
CHANCE_MAPS = {"random": "chance: random map", "centre": "chance: blob in the middle"}


def maps(run: str) -> str:
    """Faithfulness of class activation maps beside chance, and whether they see what lies above their layer."""
    changes = table(run, "saliency_randomisation")
    changes = changes[changes["status"] == "ok"]
    above = changes[changes["above_layer"].astype(bool)].groupby(["view", "method"]).tail(1)
    above = above.set_index(["view", "method"])
    found = []
    faithful = table(run, "saliency_faithfulness")
    for row in faithful[faithful["status"] == "ok"].to_dict("records"):
        key = (row["view"], row["method"])
        same = "" if key not in above.index else f"{above.loc[key, 'rank_correlation']:.2f}"
        found.append(
            {
                "view": f"{row['view']}{KINDS[row['target_kind']]}",
                "map": CHANCE_MAPS.get(row["baseline"]) or row["method"].replace("_", " "),
                "maps": f"{row['n_images']:.0f}" + (f", {row['n_flat']:.0f} empty" if row["n_flat"] else ""),
                "ROAD": f"{row['road']:+.2f} ({row['road_low']:+.2f} to {row['road_high']:+.2f})",
                "insertion": f"{row['insertion']:.2f}",
                "deletion": f"{row['deletion']:.2f}",
                "ρ, random above": f"**{same}, unchanged**" if same and above.loc[key, "unchanged"] else same,
            }
        )
    return markdown(pd.DataFrame(found))


def pointing(run: str) -> str:
    """Where maps of pairs of classes lie, on the digit that tells the two apart or on the one that they share."""
    found = []
    truth = table(run, "saliency_truth")
    for row in truth[truth["status"] == "ok"].to_dict("records"):
        found.append(
            {
                "view": f"{row['view']}{KINDS[row['target_kind']]}",
                "map": CHANCE_MAPS.get(row["baseline"]) or row["method"].replace("_", " "),
                "mass on A's own digit": f"{row['own_mass']:.2f}",
                "on the shared one": f"{row['shared_mass']:.2f}",
                "more on its own": _share(row, "more"),
                "maximum on its own": _share(row, "hit"),
            }
        )
    return markdown(pd.DataFrame(found))


def _share(row: Mapping[str, float], name: str) -> str:
    interval = f"{100 * row[f'{name}_low']:.0f}–{100 * row[f'{name}_high']:.0f} %"
    return f"{100 * row[name]:.0f} % of {row['n_images']:.0f} ({interval})"


def factorizations(run: str) -> str:
    """What the concepts of deep feature factorization come to, for each number of them."""
    found = []
    for row in table(run, "dff_summary").to_dict("records"):
        found.append(
            {
                "pictures": row["dff"],
                "k": row["n_components"],
                "concepts": row["n_concepts"],
                "missed": f"{100 * row['reconstruction_error']:.0f} %",
                "one class in all ways": f"{100 * row['agree']:.0f} % "
                f"({100 * row['low']:.0f}–{100 * row['high']:.0f} %)",
                "drop when blurred": f"{row['blur']:.2f}",
                "elsewhere": f"{row['blur_chance']:.2f}",
                "beyond": f"{row['beyond_chance']:+.2f} ({row['beyond_low']:+.2f} to {row['beyond_high']:+.2f})",
            }
        )
    return markdown(pd.DataFrame(found))


def accuracies(run: str) -> str:
    """How often the trained models of a run are right on the pictures held out of their training."""
    rows = table(run, "confusion")
    found = []
    for model, part in rows.groupby("model", sort=False):
        right, n = right_of(part)
        low, high = wilson_interval(right, n)
        found.append({"model": model, "right": f"{right} of {n} ({100 * low:.1f}–{100 * high:.1f} %)"})
    return markdown(pd.DataFrame(found))


TABLES: dict[str, Callable[[], str]] = {
    "default": lambda: prediction("default"),
    "recovery": recovery,
    "imagenette": lambda: prediction("imagenette"),
    "recipes": lambda: prediction("recipes"),
    "shift": lambda: shifts("default"),
    "mask": lambda: masks("default"),
    "contrast-recovery": contrast_recovery,
    "insertion": lambda: insertions("default"),
    "decoder": lambda: decoders("default"),
    "counterfactual": lambda: counterfactuals("default"),
    "ace": lambda: superpixels("default"),
    "confusion": lambda: accuracies("default"),
    "maps": lambda: maps("default"),
    "pointing": lambda: pointing("default"),
    "dff": lambda: factorizations("default"),
    "imagenette-dff": lambda: factorizations("imagenette"),
    "imagenette-maps": lambda: maps("imagenette"),
    "bias": lambda: biases("default"),
    "pets": lambda: biases("pets"),
    "imagenette-shift": lambda: shifts("imagenette"),
    "imagenette-mask": lambda: masks("imagenette"),
    "imagenette-insertion": lambda: insertions("imagenette"),
}


def updated(text: str) -> str:
    """A document with its tables written anew."""
    return BLOCK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> None:
    """Write the documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(updated(path.read_text()))


if __name__ == "__main__":
    main()
