"""Training: resumes to the same bits, stops when it diverges, streams like it remembers."""

import errno
import itertools
import resource

import pandas as pd
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ConfigError, ModelError
from conceptrast.data.dataset import open_dataset
from conceptrast.models import training as module_under_test
from conceptrast.models.checkpoints import Checkpoint
from conceptrast.models.opening import load_model
from conceptrast.models.training import TrainOptions, learning_rate_at, train
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import write_state

ENTRY = {"kind": "digit_pairs", "train": 40, "validation": 10}
DATASET = open_dataset(ENTRY, seed=2)
TABLE = DATASET.build_index().table
OPTIONS = TrainOptions(epochs=3, batch_size=16, learning_rate=0.05, precision="float32")


def fresh():
    return load_model("resnet10", class_names=DATASET.class_names, input_size=32, seed=1)


def split(name, model, memory=2**30):
    return TrainingPictures(DATASET, TABLE[TABLE["split"] == name], model.preprocess, OPTIONS.batch_size, memory=memory)


def trained(checkpoint=None, model=None, options=OPTIONS, memory=2**30, key="", seed=0):
    model = model or fresh()
    history = train(
        model,
        training=split("train", model, memory),
        validation=split("validation", model, memory),
        options=options,
        checkpoint=checkpoint,
        seed=seed,
        key=key,
    )
    return model, history.drop(columns="seconds")


@pytest.mark.parametrize("memory", [2**30, 0])
def test_pictures_come_in_the_order_of_the_table_whether_they_are_kept_or_not(memory):
    pictures = split("train", fresh(), memory)
    in_order = torch.cat(list(pictures.in_order()))
    assert len(in_order) == len(pictures)
    [(last, _)] = pictures.batches(torch.tensor([len(pictures) - 1]))
    assert torch.equal(in_order[-1:], last)


@pytest.fixture(scope="module")
def undisturbed():
    return trained()


def same_weights(one, other):
    pairs = zip(one.module.state_dict().values(), other.module.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def test_history_has_a_row_per_epoch_and_the_model_ends_frozen(undisturbed):
    model, history = undisturbed
    assert list(history.columns) == ["epoch", "train_loss", "train_accuracy", "validation_accuracy"]
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["validation_accuracy"].between(0, 1).all()
    assert not model.module.training
    assert not any(weight.requires_grad for weight in model.module.parameters())


def test_it_learns_what_it_is_shown():
    _, history = trained(options=TrainOptions(epochs=12, batch_size=10, learning_rate=0.05, precision="float32"))
    assert history["train_accuracy"].iloc[-1] > 0.9  # of ten classes; chance is 0.1
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0] / 2


class Killed(BaseException):
    """Stands for a signal: nothing in the code may catch it."""


@pytest.mark.parametrize("steps_before", [1, 3, 5])
def test_a_killed_training_resumes_to_the_same_bits(tmp_path, monkeypatch, undisturbed, steps_before):
    checkpoint = tmp_path / "weights.safetensors.checkpoint.pt"
    real = module_under_test.learning_rate_at
    calls = itertools.count()

    def killing(*arguments):
        if next(calls) == steps_before:
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module_under_test, "learning_rate_at", killing)
        with pytest.raises(Killed):
            trained(checkpoint)
    assert checkpoint.exists() == (steps_before >= 2)  # two steps an epoch
    resumed, history = trained(checkpoint)
    assert same_weights(resumed, undisturbed[0])
    pd.testing.assert_frame_equal(history, undisturbed[1])


def test_a_checkpoint_of_the_last_epoch_is_the_result(tmp_path, undisturbed):
    trained(tmp_path / "c.pt")
    resumed, history = trained(
        tmp_path / "c.pt", model=load_model("resnet10", class_names=DATASET.class_names, input_size=32)
    )
    assert same_weights(resumed, undisturbed[0])
    assert len(history) == 3
    assert not any(weight.requires_grad for weight in resumed.module.parameters())


def test_checkpoints_of_other_settings_and_broken_ones_are_ignored(tmp_path, undisturbed):
    trained(tmp_path / "c.pt", key="another data set")
    assert same_weights(trained(tmp_path / "c.pt")[0], undisturbed[0])
    (tmp_path / "c.pt").write_bytes(b"cut off")
    assert same_weights(trained(tmp_path / "c.pt")[0], undisturbed[0])


def test_a_full_disk_is_an_error_of_the_system(tmp_path):
    module = nn.Linear(100, 100)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    checkpoint = Checkpoint(tmp_path / "c.pt", "key", {"module": module, "optimiser": optimiser})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    errors = []
    for write in (lambda: write_state(module.state_dict(), tmp_path / "w.safetensors"), lambda: checkpoint.save([])):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        try:
            write()
        except OSError as error:
            errors.append(error.errno)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert errors == [errno.EFBIG] * 2
    assert list(tmp_path.iterdir()) == []


def test_streamed_pictures_give_the_same_weights_as_remembered_ones(undisturbed):
    assert same_weights(trained(memory=0)[0], undisturbed[0])


def test_the_seed_decides_and_the_global_state_does_not(undisturbed):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert same_weights(trained()[0], undisturbed[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert not same_weights(trained(seed=4)[0], undisturbed[0])


def test_a_diverging_training_stops_with_epoch_and_loss():
    with pytest.raises(ModelError, match=r"diverged: loss (nan|inf) in epoch \d.*lower learning_rate .it is 1e\+30"):
        trained(options=TrainOptions(epochs=3, batch_size=8, learning_rate=1e30, precision="float32"))


def test_no_pictures_and_labels_without_an_output_are_refused():
    model = load_model("resnet10", class_names=["only", "two"], input_size=32)
    with pytest.raises(ModelError, match="has 2 outputs, but the dataset has label 9"):
        trained(model=model)
    empty = TrainingPictures(DATASET, TABLE[TABLE["split"] == "test"], model.preprocess, 8)
    with pytest.raises(ModelError, match="no pictures in its split 'train'"):
        train(model, empty, empty, OPTIONS)


def test_learning_rate_rises_then_falls_to_zero():
    rates = [learning_rate_at(step, 100, 0.5) for step in range(100)]
    top = rates.index(max(rates))
    assert max(rates) == 0.5
    assert 20 <= top <= 25
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.001


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"epoch": 3}, "unknown option of train 'epoch'; nearest: epochs"),
        ({"epochs": 0}, "epochs must be positive, got 0"),
        ({"learning_rate": -1}, "learning_rate must be positive"),
        ({"precision": "float16"}, "unknown precision 'float16'; nearest: bfloat16, float32"),
    ],
)
def test_options_are_checked(entry, message):
    with pytest.raises(ConfigError, match=message):
        TrainOptions.of({"dataset": "any", **entry}, "float32")
