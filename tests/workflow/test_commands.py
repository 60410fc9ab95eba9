"""The commands of the rules: what their steps understand, and no rule that is long."""

from __future__ import annotations

import importlib
import re
import shlex
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from conceptrast.steps.runner import parser_of

from .copies import REPOSITORY, Copy

COMMAND = re.compile(
    r"^Shell command: (python -m conceptrast\.steps\.start (conceptrast\.steps\.\w+) .*)$", re.MULTILINE
)
RULE = re.compile(r"^( *)rule (\w+):\n(?:\1 .*\n|\n(?=\1 ))*", re.MULTILINE)
RULES = REPOSITORY / "workflow" / "rules"


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, list[str]]]:
    """Module and words of every command that the default run would carry out."""
    copy = Copy.of_repository(tmp_path_factory.mktemp("commands") / "a clone")
    done = copy.snakemake("-n", "--printshellcmds")
    assert done.returncode == 0, done.stdout + done.stderr
    return [(module, shlex.split(command)) for command, module in COMMAND.findall(done.stdout + done.stderr)]


def test_every_step_understands_its_command(commands: list[tuple[str, list[str]]]) -> None:
    assert len({module for module, _ in commands}) >= 30
    for module, words in commands:
        parsed = parser_of(importlib.import_module(module).main).parse_args(words[4:])
        assert parsed.log is not None, module
        assert parsed.threads >= 1, module


def test_commands_leave_out_what_is_empty_and_name_all_files_of_a_list(commands: list[tuple[str, list[str]]]) -> None:
    for module, words in commands:
        for word, following in pairwise(words):
            assert not (word.startswith("--") and following.startswith("--")), (module, word)
    [words] = [words for module, words in commands if module == "conceptrast.steps.contrast_tables"]
    files = words[words.index("--features") + 1 : words.index("--hyperplanes")]
    assert len(files) >= 2
    assert all(file.endswith(".npz") for file in files)


def test_a_key_says_what_a_training_is_made_of(commands: list[tuple[str, list[str]]]) -> None:
    keys = {
        words[words.index("--key") + 1]
        for module, words in commands
        if module in ("conceptrast.steps.train", "conceptrast.steps.train_autoencoder", "conceptrast.steps.decoder")
    }
    assert keys
    assert all(re.fullmatch(r"[0-9a-f]{16}/[^/]+/.*", key) for key in keys)


def rule_lengths() -> dict[str, int]:
    """Lines of every rule from its name to the end of its command."""
    text = {path: path.read_text() for path in sorted(RULES.glob("*.smk"))}
    return {rule[2]: len(rule[0].rstrip().splitlines()) for path in text for rule in RULE.finditer(text[path])}


def test_rules_are_short() -> None:
    lengths = rule_lengths()
    assert len(lengths) >= 37
    assert {name: length for name, length in lengths.items() if length > 18} == {}
    assert median(lengths.values()) <= 15


@pytest.mark.parametrize("path", sorted(RULES.glob("*.smk")), ids=lambda path: path.stem)
def test_no_function_stands_beside_rules_and_each_part_says_what_it_does(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""')
    assert not ("\nrule " in text and re.search(r"^ *def ", text, re.MULTILINE))
