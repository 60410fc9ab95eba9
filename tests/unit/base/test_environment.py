"""What processes find in their environment before they start."""

from __future__ import annotations

import os

import pytest

from conceptrast.base.environment import FEW_SPINS, POLICY, SPINS, TUNABLES, WITHOUT_CACHES, set_environment


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (TUNABLES, SPINS, POLICY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")


def test_it_is_set_once() -> None:
    assert set_environment()
    assert (os.environ[TUNABLES], os.environ[SPINS]) == (":".join(WITHOUT_CACHES), FEW_SPINS)
    assert not set_environment()


def test_a_tunable_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TUNABLES, "glibc.malloc.arena_max=2")
    assert set_environment()
    assert os.environ[TUNABLES] == f"glibc.malloc.arena_max=2:{':'.join(WITHOUT_CACHES)}"
    assert not set_environment()
    monkeypatch.setenv(TUNABLES, "glibc.malloc.tcache_count=3")
    assert set_environment()
    assert os.environ[TUNABLES] == f"glibc.malloc.tcache_count=3:{WITHOUT_CACHES[1]}"


@pytest.mark.parametrize(("name", "value"), [(SPINS, "infinity"), (POLICY, "active")])
def test_a_user_who_says_how_threads_wait_is_heard(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert set_environment()
    assert os.environ[name] == value
    assert {SPINS, POLICY} & set(os.environ) == {name}
    assert not set_environment()


def test_nothing_is_set_on_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert not set_environment()
    assert not {TUNABLES, SPINS} & set(os.environ)
