"""Causes 7 to 10 and what was not tried before: the workflow as a whole, in a copy with a finished run."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..case import Action, Case, Preparation, nothing, step
from ..small_run import RUN, must, started
from .preparations import all_of, pipe, subfolder, written
from .steps import carried_out

RESULTS = f"clone/results/{RUN}"
TABLES = [RESULTS + "/tables", RESULTS + "/metrics.json"]
SNAKEMAKE = "snakemake --cores 2 --quiet rules"
STORE = "sqlite:///mlflow.db"
SCHEMA = "451aebb31d03"
LARGE = "create table a (b); " + "insert into a values (hex(randomblob(3000)));" * 9
ALEMBIC = "create table alembic_version (version_num varchar); insert into alembic_version values ('{}');"
FUTURE = time.time() + 10 * 365 * 86400


def command(*commands: str) -> Action:
    """Commands in the copy, one after the other; the last one's exit status counts."""

    def act() -> None:
        for line in commands[:-1]:
            must(line)
        sys.exit(started(commands[-1]).wait())

    return act


def whole(name: str, action: Action, prepare: Preparation = nothing, **options: object) -> Case:
    """A case with a copy of the repository and its finished run."""
    return Case(
        **{
            "name": name,
            "action": action,
            "prepare": prepare,
            "clone": True,
            "quick": False,
            "seconds": 240,
            "exit": 0,
            **options,
        }
    )


def holder(process: Callable[[], int], host: str = "") -> Preparation:
    """A lock, and the record of the process that holds it."""

    def prepare(folder: Path) -> None:
        run = folder / RESULTS
        outputs = ["metrics.json", "tracked.json", *(f"tables/{file.name}" for file in (run / "tables").iterdir())]
        written(".snakemake/locks/0.output.lock", "\n".join(outputs))(run)
        number = process()
        started_at = Path(f"/proc/{number}").stat().st_ctime if Path(f"/proc/{number}").exists() else 1.0
        if number == os.getpid():
            import psutil

            started_at = psutil.Process().create_time()
        record = {"host": host or socket.gethostname(), "process": number, "started": started_at}
        written(".snakemake/holders/other.json", json.dumps(record))(run)

    return prepare


def flipped(name: str) -> Preparation:
    """Turn bytes in the middle of a result."""

    def prepare(folder: Path) -> None:
        file = folder / RESULTS / name
        content = bytearray(file.read_bytes())
        for place in range(len(content) // 2, len(content) // 2 + min(60, len(content) // 4)):
            content[place] ^= 0x15
        file.write_bytes(bytes(content))

    return prepare


def dated(*names: str) -> Preparation:
    """Results dated ten years ahead."""

    def prepare(folder: Path) -> None:
        for name in names:
            os.utime(folder / RESULTS / name, (FUTURE, FUTURE))

    return prepare


def stopped(how: signal.Signals) -> Action:
    """A run that is ended while a step works; then the same command."""

    def act() -> None:
        log = Path(RESULTS, "logs/train/lenet.log")
        log.unlink(missing_ok=True)
        command_line = f"{SNAKEMAKE} --forcerun train"
        snakemake = started(command_line)
        while not log.exists() and snakemake.poll() is None:
            time.sleep(0.05)
        os.kill(snakemake.pid, how)
        begin = time.monotonic()
        snakemake.wait(timeout=60)
        print(f"ended after {time.monotonic() - begin:.1f} s with {snakemake.returncode}")
        sys.exit(started(command_line).wait())

    return act


def database(name: str, statement: str) -> Preparation:
    """A database of sqlite."""

    def prepare(folder: Path) -> None:
        connection = sqlite3.connect(folder / name)
        connection.executescript(statement)
        connection.close()

    return prepare


def tracked(store: str, around: Callable[[], object] = lambda: None) -> Action:
    """The step that records a run of one metric in a store; ``around`` is done first and its result kept."""

    def act() -> None:
        os.environ["MLFLOW_TRACKING_URI"] = store
        kept = around()
        step("track", json.dumps({"repository": "."}), "--metrics metrics.json --receipt tracked.json")()
        assert kept is not False

    return act


def locked() -> sqlite3.Connection:
    """Hold the lock of the database."""
    connection = sqlite3.connect("mlflow.db")
    connection.execute("begin exclusive")
    return connection


def silent_server() -> socket.socket:
    """A server that takes connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    os.environ["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return listener


def recorded_in(store: str, around: Callable[[], object] = lambda: None) -> Action:
    """The rule ``track`` of the finished run, with another store."""

    def act() -> None:
        os.environ["MLFLOW_TRACKING_URI"] = store.format(folder=os.getcwd())
        around()
        carried_out("track")

    return act


def deleted_experiment() -> None:
    """An experiment in the store that was deleted."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
    client.delete_experiment(client.create_experiment("conceptrast-faults"))


def of_store(name: str, store: str, *says: str, prepare: Preparation = nothing, **options: object) -> Case:
    """A store of MLflow that cannot be used."""
    around = options.pop("around", lambda: None)
    return Case(
        **{
            "name": f"MLflow: {name}",
            "action": tracked(store, around),
            "cause": 10,
            "lines": 2,
            "seconds": 10,
            "prepare": all_of(written("metrics.json", '{"a/b": 1.0}'), prepare),
            "absent": ["tracked.json"],
            "says": [*says, "tables and figures are kept"],
            "unchanged": ["metrics.json"],
            **options,
        }
    )


STORES = [
    of_store(
        "noise in place of the database",
        STORE,
        "mlflow.db is damaged",
        prepare=written("mlflow.db", bytes(range(256)) * 40),
    ),
    of_store(
        "a text in place of the database", STORE, "mlflow.db is damaged", prepare=written("mlflow.db", "text" * 99)
    ),
    of_store(
        "half a database",
        STORE,
        "damaged",
        "mlflow.db",
        prepare=all_of(
            database("mlflow.db", ALEMBIC.format(SCHEMA) + LARGE),
            lambda folder: os.truncate(folder / "mlflow.db", 9000),
        ),
    ),
    of_store("a folder in place of the database", STORE, "is a folder", prepare=subfolder("mlflow.db")),
    of_store("a pipe in place of the database", STORE, "is a pipe", prepare=pipe("mlflow.db")),
    of_store(
        "a locked database",
        STORE,
        "locked by another program",
        around=locked,
        prepare=database("mlflow.db", ALEMBIC.format(SCHEMA)),
        quick=False,
    ),
    of_store(
        "a database of a newer version",
        STORE,
        "newer MLflow",
        "ffffffffffff",
        prepare=database("mlflow.db", ALEMBIC.format("ffffffffffff")),
    ),
    of_store(
        "a database of something else",
        STORE,
        "something else than MLflow",
        prepare=database("mlflow.db", "create table a (b);"),
    ),
    of_store(
        "a database that may not be written",
        STORE,
        "cannot be written",
        user=True,
        unchanged=["mlflow.db"],
        prepare=all_of(
            database("mlflow.db", ALEMBIC.format(SCHEMA)), lambda folder: (folder / "mlflow.db").chmod(0o444)
        ),
    ),
    of_store("a database below a file", "sqlite:///names.json/mlflow.db", "names.json is no folder"),
    of_store("no server", "http://127.0.0.1:9", "does not answer"),
    of_store("a server that never answers", "", "does not answer", around=silent_server, quick=False),
    of_store("an address that is none", "http://", "does not answer"),
]


def shown_by_ui() -> None:
    """Start the user interface as ``make ui`` does, and ask for its page."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    server = started("mlflow ui --host 127.0.0.1 --port 5077 --backend-store-uri sqlite:///mlflow.db")
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen("http://127.0.0.1:5077/", timeout=5) as page:
                    print("page", page.status)
                    return
            except OSError:
                time.sleep(0.2)
        sys.exit("no page")
    finally:
        os.killpg(server.pid, signal.SIGKILL)


def put_back() -> None:
    """Damage a file, run, put it back, run again."""
    file = Path(RESULTS, "studies/digits/prototypes.parquet")
    content = file.read_bytes()
    flipped("studies/digits/prototypes.parquet")(Path())
    must(SNAKEMAKE, status=1)
    file.write_bytes(content)
    must(SNAKEMAKE)
    sys.exit(started(SNAKEMAKE).wait())


def made_again() -> None:
    """Damage a file, delete it, and make it again."""
    name = "studies/digits/prototypes.parquet"
    flipped(name)(Path())
    must(f"rm results/{RUN}/{name}")
    must(f"snakemake --cores 2 -- {name}")
    must(SNAKEMAKE)
    sys.exit(started(f"conceptrast verify {RUN}").wait())


KILLED_WHILE_LISTING = """
import os, signal, sys
from dvc_data.index.index import DataIndex

commit, parts = DataIndex.commit, []

def commit_and_die(index):
    commit(index)
    parts.append(index)
    if len(parts) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

DataIndex.commit = commit_and_die
from dvc.cli import main
sys.exit(main(sys.argv[2:]))
"""
"""DVC that is killed when it has written so many parts of its list of files."""


EMPTIED = """
from pathlib import Path

for file in Path("../conceptrast-dvc").rglob("*"):
    if file.is_file() and not file.name.endswith(".dir"):
        file.unlink()
"""
"""A remote in which only the lists of folders are left."""


def recorded() -> None:
    """Record the run of the copy, which has no remote results yet."""
    must("git add -A")
    must("git -c user.name=t -c user.email=t@localhost commit -q -m run")
    must("python -m conceptrast.plan.record config/config.yaml")


def pushed(*before: str) -> Action:
    """Record the run, push it as a user who is interrupted, and see whether another clone gets everything."""

    def act() -> None:
        recorded()
        Path("clone/killed.py").write_text(KILLED_WHILE_LISTING)
        Path("clone/emptied.py").write_text(EMPTIED)
        for line in before:
            interrupted(line)
        must("rm killed.py emptied.py")
        must("conceptrast push")
        in_another_clone("dvc pull small")

    return act


def pulled(*before: str) -> Action:
    """The same for a pull."""

    def act() -> None:
        recorded()
        must("conceptrast push")
        in_another_clone(*before, "dvc pull small")

    return act


def interrupted(line: str) -> None:
    """A command that may be killed; ``N s`` in front kills it after so many seconds."""
    wait, _, rest = line.partition(" s ")
    if not rest:
        started(line).wait()
        return
    process = started(rest)
    time.sleep(float(wait))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def in_another_clone(*lines: str) -> None:
    """Clone the copy, pull there with these commands, of which the last has to succeed, and see that it is whole."""
    must("git add -A")
    must("git -c user.name=t -c user.email=t@localhost commit -q -m results")
    must("git clone -q . ../second")
    os.rename("clone", "first")
    os.rename("second", "clone")
    Path("clone/killed.py").write_text(KILLED_WHILE_LISTING)
    for line in lines[:-1]:
        interrupted(line)
    must(lines[-1])
    must("rm killed.py")
    must(f"conceptrast verify {RUN}")
    sys.exit(started(f"{SNAKEMAKE} -n").wait())


def lost() -> None:
    """Push when a file is neither in the cache nor in the remote."""
    recorded()
    cached = sorted(path for path in Path("clone/.dvc/cache/files/md5").rglob("*") if path.is_file())
    next(path for path in cached if path.suffix != ".dir").unlink()
    sys.exit(started("conceptrast push").wait())


AT_TIMES = [f"{wait} s dvc {{}}" for wait in (1.5, 3.0, 4.5)]


CASES = [
    *(
        whole(f"sharing: {name}", action, seconds=400, says=["Nothing to be done"], never=["has changed since"])
        for name, action in {
            "dvc push killed three times": pushed(*(line.format("push") for line in AT_TIMES)),
            "dvc push killed while it lists the files": pushed("python killed.py 3 push"),
            "dvc push killed, and a plain one after it": pushed("python killed.py 3 push", "dvc push"),
            "a folder's list pushed without its files": pushed("dvc push", "python emptied.py"),
            "dvc pull killed three times": pulled(*(line.format("pull small") for line in AT_TIMES)),
            "dvc pull killed while it lists the files": pulled("python killed.py 3 pull small", "dvc pull small"),
        }.items()
    ),
    whole("sharing: a file that is lost", lost, exit=1, says=["lacks", "make them again"], seconds=240),
    *STORES,
    whole("a finished run", command(SNAKEMAKE), says=["Nothing to be done"], unchanged=TABLES),
    # Cause 10, where MLflow itself is asked.
    whole(
        "MLflow: a store of an unknown kind",
        recorded_in("nonsense://store"),
        exit=1,
        cause=10,
        unchanged=TABLES,
        says=["MLflow cannot record the run", "tables and figures are kept"],
    ),
    whole(
        "MLflow: a deleted experiment",
        recorded_in("sqlite:///{folder}/mlflow.db", deleted_experiment),
        says=["the experiment 'conceptrast-faults' is deleted", "restore", "are kept"],
        exit=1,
        cause=10,
        unchanged=TABLES,
    ),
    # Cause 7.
    whole(
        "the lock of a killed run",
        command(f"{SNAKEMAKE} --forcerun metrics"),
        holder(lambda: 2**22 - 1),
        cause=7,
        says=["an earlier run was killed; its lock is removed"],
        never=["LockException"],
    ),
    whole(
        "the lock of a run that works",
        command(f"{SNAKEMAKE} --forcerun metrics"),
        holder(os.getpid),
        exit=1,
        cause=7,
        says=["is in use by process", "LockException"],
        unchanged=TABLES,
    ),
    whole(
        "the lock of a run on another machine",
        command(f"{SNAKEMAKE} --forcerun metrics"),
        cause=7,
        exit=1,
        prepare=holder(lambda: 5, "other-machine"),
        says=["process 5 on other-machine"],
        unchanged=TABLES,
    ),
    whole(
        "a dry run beside the lock of a killed run",
        command(f"{SNAKEMAKE} -n"),
        holder(lambda: 2**22 - 1),
        cause=7,
        unchanged=TABLES,
    ),
    whole(
        "a record of the holder that is damaged",
        command(SNAKEMAKE),
        cause=7,
        unchanged=TABLES,
        prepare=written(f"{RESULTS}/.snakemake/holders/other.json", "{"),
    ),
    whole(
        "a record of the holder that names nobody",
        command(SNAKEMAKE),
        cause=7,
        unchanged=TABLES,
        prepare=all_of(
            written(f"{RESULTS}/.snakemake/locks/0.output.lock", "metrics.json"),
            written(f"{RESULTS}/.snakemake/holders/other.json", '{"host": null, "process": null, "started": null}'),
        ),
        exit=1,
        says=["LockException"],
    ),
    whole(
        "snakemake killed while a step runs",
        stopped(signal.SIGKILL),
        cause=7,
        says=["its lock is removed"],
        unchanged=[*TABLES, RESULTS + "/models/lenet.safetensors"],
    ),
    whole(
        "snakemake ended while a step runs",
        stopped(signal.SIGTERM),
        cause=7,
        unchanged=[*TABLES, RESULTS + "/models/lenet.safetensors"],
    ),
    whole(
        "snakemake interrupted while a step runs",
        stopped(signal.SIGINT),
        cause=7,
        unchanged=[*TABLES, RESULTS + "/models/lenet.safetensors"],
    ),
    # Cause 8.
    whole(
        "flipped bytes in prototypes.parquet",
        command(SNAKEMAKE),
        flipped("studies/digits/prototypes.parquet"),
        exit=1,
        says=["prototypes.parquet has changed since rule prototypes wrote it"],
        unchanged=TABLES,
        cause=8,
    ),
    whole(
        "an edited table of a study",
        command(SNAKEMAKE),
        cause=8,
        exit=1,
        prepare=flipped("studies/digits/component_prediction.csv"),
        says=["has changed since rule component_prediction wrote it"],
    ),
    whole(
        "flipped bits in trained weights",
        command(SNAKEMAKE),
        flipped("models/lenet.safetensors"),
        exit=1,
        cause=8,
        says=["lenet.safetensors has changed since rule train wrote it"],
        unchanged=TABLES,
    ),
    whole("flipped bytes, put back", put_back, cause=8, unchanged=TABLES, says=["Nothing to be done"]),
    whole("a damaged file, made again as the message says", made_again, cause=8, unchanged=TABLES),
    whole("verify of a whole run", command(f"conceptrast verify {RUN}"), says=["files as they were written"], cause=8),
    whole(
        "verify of an edited table",
        command(f"conceptrast verify {RUN} --summary"),
        cause=8,
        exit=1,
        prepare=flipped("tables/studies.csv"),
        says=["tables/studies.csv has changed since rule tables wrote it"],
    ),
    whole(
        "verify of a damaged record",
        command(f"conceptrast verify {RUN}"),
        cause=8,
        exit=1,
        lines=2,
        prepare=written(f"{RESULTS}/hashes/metrics.json", "{"),
        says=["hashes/metrics.json is damaged"],
    ),
    whole("verify without records", command("rm -r results/" + RUN + "/hashes", f"conceptrast verify {RUN}"), cause=8),
    # Cause 9.
    whole(
        "inputs dated into the future",
        command(f"{SNAKEMAKE} --forcerun predict"),
        cause=9,
        prepare=dated("datasets/digits/index.parquet", "models/lenet.safetensors"),
        says=["dated into the future", "index.parquet"],
        never=["clock skew"],
        unchanged=TABLES,
    ),
    whole(
        "results dated into the future",
        command(SNAKEMAKE),
        cause=9,
        unchanged=TABLES,
        prepare=dated("tables/studies.csv", "metrics.json", "studies/digits/components.npz"),
    ),
    whole("make ui", shown_by_ui, says=["page 200"]),
]
