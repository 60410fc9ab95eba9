"""What a mistake gets: one or two lines before hours are spent, or a run that can be finished."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from .copies import REPOSITORY, Copy


@pytest.fixture
def plain(tmp_path: Path) -> Copy:
    """A copy without results whose default run is the tiny one."""
    copy = Copy.of_repository(tmp_path / "clone")
    tiny = (REPOSITORY / "config" / "tiny.yaml").read_text().replace("run: tiny", "run: default")
    (copy.folder / "config" / "config.yaml").write_text(tiny)
    return copy


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("images_per_class: 6", "images_per_clas: 6", "unknown key 'images_per_clas'; nearest: images_per_class"),
        ("seed: 0", "seed: often", "key 'seed' got 'often' (str); expected integer"),
    ],
)
def test_a_wrong_key_or_value_is_named(plain: Copy, old: str, new: str, said: str) -> None:
    plain.edit("config/config.yaml", old, new)
    done = plain.snakemake("-n")
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_layer_that_does_not_exist_ends_the_run_before_the_training(plain: Copy) -> None:
    plain.edit("config/config.yaml", "layer: layer3}", "layer: layr3}")
    done = plain.snakemake("models/pairs_resnet.safetensors")
    assert done.returncode != 0
    assert "'studies.pairs-layer3'" in done.stdout + done.stderr
    assert "layer3" in done.stdout + done.stderr
    assert not (plain.results / "models" / "pairs_resnet.safetensors").exists()


def test_imagenet_plans_without_data_and_a_run_says_what_is_missing(plain: Copy) -> None:
    config = ("--configfile", "config/imagenet.yaml")
    jobs = plain.planned(*config)
    assert (jobs["attribute"], jobs["prototypes"], jobs["predict"]) == (240, 6, 3)
    assert "train" not in jobs
    done = plain.snakemake(*config)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"dataset 'imagenet': root: the folder {plain.folder}/data/imagenet/val does not exist" in said
    assert "model 'resnet50_robust': resnet50: weights file" in said
    assert "Traceback" not in said


def test_a_config_stands_for_itself(plain: Copy) -> None:
    assert "train" not in plain.planned("--configfile", "config/imagenette.yaml")


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_no_room_leaves_nothing_half_written(finished: Copy, tmp_path: Path) -> None:
    source = finished.results / "datasets" / "digit_pairs" / "index.parquet"
    program = (
        "import sys; from conceptrast.files import read_table, write_table;"
        "write_table(read_table(sys.argv[1]), sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); {program}",
         str(source), str(tmp_path / "index.parquet")],
        preexec_fn=limit_files, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_a_killed_step_is_finished_by_the_next_run(copy: Copy, finished: Copy) -> None:
    name = "studies/pairs-layer4/prototypes.parquet"
    (copy.results / name).unlink()
    # Killed as if by the system while it writes: no handler runs, half of the file is on the disk.
    written = "    write_table(found, prototypes)\n"
    killed = "    import os\n\n    prototypes.write_bytes(b'half')\n    os.kill(os.getpid(), 9)\n"
    copy.edit("src/conceptrast/steps/prototypes.py", written, killed)
    assert copy.snakemake(name).returncode != 0
    assert not (copy.results / name).exists()
    copy.edit("src/conceptrast/steps/prototypes.py", killed, written)
    done = copy.snakemake(name)
    assert done.returncode == 0, done.stderr
    assert (copy.results / name).read_bytes() == (finished.results / name).read_bytes()
