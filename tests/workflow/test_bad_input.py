"""What a mistake gets: one or two lines before hours are spent, or a run that can be finished."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from conceptrast.steps.fork_server import SERVER

from .copies import REPOSITORY, Copy


@pytest.fixture
def plain(tmp_path: Path) -> Copy:
    """A copy without results whose default run is the tiny one."""
    copy = Copy.of_repository(tmp_path / "clone")
    tiny = (REPOSITORY / "config" / "tiny.yaml").read_text().replace("run: tiny", "run: default")
    (copy.folder / "config" / "config.yaml").write_text(tiny)
    return copy


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("images_per_class: 6", "images_per_clas: 6", "unknown key 'images_per_clas'; nearest: images_per_class"),
        ("train: 500", "train: many", "config: 'datasets.digit_pairs': "),
        ("architecture: resnet10", "architecture: resnet01", "'models.pairs_resnet': unknown architecture 'resnet01'"),
    ],
)
def test_a_wrong_key_or_value_is_named(plain: Copy, old: str, new: str, message: str) -> None:
    """Other mistakes are tried in ``tests/unit``."""
    plain.edit("config/config.yaml", old, new)
    done = plain.snakemake("-n")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_layer_that_does_not_exist_ends_the_run_before_the_training(plain: Copy) -> None:
    plain.edit("config/config.yaml", "layer: layer3, labels", "layer: layr3, labels")
    done = plain.snakemake("models/pairs_resnet.safetensors")
    assert done.returncode != 0
    assert "'studies.pairs-layer3'" in done.stdout + done.stderr
    assert "layer3" in done.stdout + done.stderr
    assert not (plain.results / "models" / "pairs_resnet.safetensors").exists()


def test_more_concepts_than_positions_end_the_run_before_the_training(plain: Copy) -> None:
    plain.edit("config/config.yaml", "images: 2, components: [2]", "images: 2, components: [2, 10]")
    done = plain.snakemake("models/pairs_resnet.safetensors")
    assert done.returncode != 0
    assert "'dff.labels': 10 concepts are more than the number of positions, 9" in done.stdout + done.stderr
    assert not (plain.results / "models" / "pairs_resnet.safetensors").exists()


def test_a_class_that_does_not_exist_ends_the_run_before_the_training(plain: Copy) -> None:
    plain.edit("config/config.yaml", "layer: layer3, labels", "layer: layer3, classes: [3+77], labels")
    done = plain.snakemake()
    assert done.returncode != 0
    assert "'studies.pairs-layer3.classes': unknown class '3+77'; nearest: 3+7" in done.stdout + done.stderr
    assert not (plain.results / "datasets").exists()


def test_more_jobs_than_classes_end_the_run_before_it_starts(plain: Copy) -> None:
    plain.edit("config/config.yaml", "class_shards: 2", "class_shards: 40")
    done = plain.snakemake()
    assert done.returncode != 0
    message = "'class_shards' is 40, but the model of 'studies.pairs-layer4' has 10 classes: set it to 10 at most"
    assert message in done.stdout + done.stderr
    assert not (plain.results / "datasets").exists()


def test_a_gpu_that_is_not_there_ends_the_run_before_it_starts(plain: Copy) -> None:
    plain.edit("config/config.yaml", "seed: 0", "seed: 0\ndevice: cuda")
    done = plain.run("snakemake", "--cores", "1", env={"CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode != 0
    assert "error: 'device' is cuda, but " in done.stdout + done.stderr
    assert not (plain.results / "datasets").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "contrast: [[3+7, 0+7]]",
            "contrast: [[3+7, 0+7], [3+7, 3+88]]",
            "'studies.pairs-layer4.contrast': unknown class '3+88'; nearest: 3+8",
        ),
        ("size: 32", "size: 97", "'insertions.portrait': the crop has 97×97 pixels and the model's view 96×96"),
        (
            "box: [50, 160",
            "box: [450, 160",
            "'insertions.portrait': box [top 450, left 160, height 140, width 140] is not",
        ),
    ],
)
def test_a_contrast_or_crop_that_cannot_be_ends_the_run_before_the_training(
    plain: Copy, old: str, new: str, message: str
) -> None:
    plain.edit("config/config.yaml", old, new)
    done = plain.snakemake()
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (plain.results / "models" / "pairs_resnet.safetensors").exists()


def test_refused_pictures_are_in_the_log_of_the_failed_job(plain: Copy) -> None:
    (plain.folder / "data" / "mine" / "ant").mkdir(parents=True)
    (plain.folder / "data" / "mine" / "ant" / "a.png").write_bytes(b"no picture")
    plain.edit("config/config.yaml", "datasets:\n", "datasets:\n  mine: {kind: image_folder, root: data/mine}\n")
    # With a server of its own, as every run has that is started by hand.
    done = plain.snakemake("datasets/mine/index.parquet", env={SERVER: ""})
    assert done.returncode != 0
    assert "rejected ant/a.png: " in (plain.results / "logs" / "index" / "mine.log").read_text()


def test_imagenet_plans_without_data_and_a_run_says_what_is_missing(plain: Copy) -> None:
    # Two shards stand for the forty: Snakemake takes its time to plan a thousand jobs.
    plain.edit("config/imagenet.yaml", "class_shards: 40", "class_shards: 2")
    config = ("--configfile", "config/imagenet.yaml")
    jobs = plain.planned(*config)
    assert (jobs["attribute"], jobs["prototypes"], jobs["predict"]) == (2 * 6, 6, 3)
    assert (jobs["hyperplanes"], jobs["shift"], jobs["mask"], jobs["insertion"]) == (2 * 6, 2 * 6, 6, 2)
    assert "train" not in jobs
    done = plain.snakemake("predictions/resnet50_robust/imagenet.parquet", *config)
    assert done.returncode != 0
    message = done.stdout + done.stderr
    assert f"dataset 'imagenet': root: the folder {plain.folder}/data/imagenet/val does not exist" in message
    assert "model 'resnet50_robust': resnet50: weights file" in message
    assert "Traceback" not in message


def test_a_config_stands_for_itself(plain: Copy) -> None:
    assert "train" not in plain.planned("--configfile", "config/imagenette.yaml")


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_no_room_is_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    settings = {"dataset": {"kind": "digit_pairs", "train": 60, "validation": 20}, "seed": 0, "max_rejected": 0.01}
    names = ("index.parquet", "rejected.csv", "truth.parquet", "class_names.json")
    options = [word for name in names for word in (f"--{name.split('.')[0].replace('_', '-')}", str(tmp_path / name))]
    command = [sys.executable, "-m", "conceptrast.steps.index", "--settings", json.dumps(settings), *options]
    done = subprocess.run(command, preexec_fn=limit_files, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: no room left on the disk while writing" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"rejected.csv"}
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_a_killed_step_is_finished_by_the_next_run(copy: Copy, finished: Copy) -> None:
    name = "studies/pairs-layer4/prototypes.parquet"
    (copy.results / name).unlink()
    # Killed as if by the system while it writes: no handler runs, half of the file is on the disk.
    written = "    write_table(ranked, outputs.prototypes)\n"
    killed = "    import os\n\n    outputs.prototypes.write_bytes(b'half')\n    os.kill(os.getpid(), 9)\n"
    copy.edit("src/conceptrast/steps/prototypes.py", written, killed)
    assert copy.snakemake(name).returncode != 0
    assert not (copy.results / name).exists()
    copy.edit("src/conceptrast/steps/prototypes.py", killed, written)
    done = copy.snakemake(name)
    assert done.returncode == 0, done.stderr
    assert (copy.results / name).read_bytes() == (finished.results / name).read_bytes()
