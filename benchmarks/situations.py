"""What becomes of datasets that are not as they should be: a table of situations, each tried on a copy of a dataset.

    python benchmarks/situations.py docs/results/situations.json
    python benchmarks/situations.py mine.json --dataset downloads/pusht --limit 30

A LeRobot dataset (v3.0; of your own, or a small one that is made here) is copied and spoilt in one way at a time: files that
are gone, cut short or changed by a bit, rates that contradict each other, columns under other names, numbers that are none,
headers that no tool would write; so is the episode store that it is imported into. For every situation stand what `wam data
check` said of it and what `wam data import` did. Nothing here may end in a traceback or hang. `--dataset` is only read.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wamlab.cli import main
from wamlab.control.collect import collect
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.evaluate.provenance import provenance

OURS = ("meta/wamlab.json", "meta/wamlab-files.json")
HANG = 60
"""seconds after which a command counts as hanging"""


@dataclass(frozen=True)
class Situation:
    kind: str
    input: str
    """what is unusual about it, in words"""
    spoil: Callable[[Path], object]
    """changes a copy of the dataset"""
    options: tuple[str, ...] = ()
    """of the import"""
    foreign: bool = True
    """the copy is another tool's: without the files by which an export of wamlab says what it holds"""


class Hangs(Exception):
    """A command took longer than `HANG` seconds."""


def said_by(*words: str | Path) -> dict[str, Any]:
    """What a command of `wam` does, within this process: its exit status, first line of error or last of output, seconds."""
    def late(*_: object) -> None:
        raise Hangs

    out, err, start = io.StringIO(), io.StringIO(), time.perf_counter()
    signal.signal(signal.SIGALRM, late)
    signal.alarm(HANG)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status: object = main([str(word) for word in words])
    except SystemExit as stop:
        status = stop.code
    except Hangs:
        status = "hangs"
    except Exception as error:  # what is counted here: a user would see a traceback
        status = f"traceback: {error!r}"[:160]
    finally:
        signal.alarm(0)
    lines = [line.strip() for line in err.getvalue().splitlines() if line.startswith("error")]
    lines = lines or [line.strip() for line in out.getvalue().splitlines() if line.strip()] or [""]
    return {"status": status, "said": lines[0][:200], "seconds": round(time.perf_counter() - start, 2)}


def outcome(situation: Situation, base: Path, folder: Path) -> dict[str, Any]:
    """One line of the table."""
    root, kept = folder / "dataset", folder / "imported"
    shutil.copytree(base, root)
    for name in OURS if situation.foreign else ():
        (root / name).unlink(missing_ok=True)
    situation.spoil(root)
    row: dict[str, Any] = {"kind": situation.kind, "input": situation.input, "check": said_by("data", "check", root)}
    row["import"] = said_by("data", "import", root, "--out", kept, *situation.options)
    if row["import"]["status"] == 0:
        row["import"]["episodes"] = len(list((kept / "episodes").glob("*.safetensors")))
    return row


def outcome_of_store(situation: Situation, base: Path, folder: Path) -> dict[str, Any]:
    """One line of the table, of an episode store."""
    shutil.copytree(base, folder / "store")
    situation.spoil(folder / "store")
    return {"kind": situation.kind, "input": situation.input, "check": said_by("data", "check", folder / "store"),
            "info": said_by("data", "info", folder / "store")}


def files_of(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())


def info(change: Callable[[dict[str, Any]], object], name: str = "meta/info.json") -> Callable[[Path], None]:
    """Edit a header."""
    def spoil(root: Path) -> None:
        file = root / name
        table = json.loads(file.read_text())
        change(table)
        file.write_text(json.dumps(table))
    return spoil


def raw(content: bytes) -> Callable[[Path], object]:
    """Other bytes in place of meta/info.json."""
    return lambda root: (root / "meta/info.json").write_bytes(content)


def rows(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    """Edit every table of rows."""
    def spoil(root: Path) -> None:
        for file in sorted(root.glob("data/*/*.parquet")):
            pq.write_table(change(pq.read_table(file)), file)
    return spoil


def renamed(old: str, new: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        def change(table: dict[str, Any]) -> None:
            table["features"] = {new if name == old else name: entry for name, entry in table["features"].items()}
        info(change)(root)
        rows(lambda t: t.rename_columns([new if name == old else name for name in t.column_names]))(root)
    return spoil


def with_value(column: str, row: int, value: float) -> Callable[[Path], None]:
    """One number of a vector column replaced, in the first table of rows."""
    def spoil(root: Path) -> None:
        file = sorted(root.glob("data/*/*.parquet"))[0]
        table = pq.read_table(file)
        values = table[column].to_pylist()
        values[row][0] = value
        place = table.column_names.index(column)
        field = table.schema.field(place)
        pq.write_table(table.set_column(place, field, pa.array(values, field.type)), file)
    return spoil


def one_outcome(root: Path) -> None:
    """Success in the last row of each episode alone, as simulators that end on success write it."""
    def change(table: pa.Table) -> pa.Table:
        episode = table["episode_index"].to_numpy()
        last = np.append(episode[1:] != episode[:-1], True)
        kept = table.drop_columns(["next.success"]) if "next.success" in table.column_names else table
        return kept.append_column("next.success", pa.array(last))
    rows(change)(root)
    info(lambda t: t["features"].update({"next.success": {"dtype": "bool", "shape": [1], "names": None}}))(root)


def piped(name: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        (root / name).unlink()
        os.mkfifo(root / name)
    return spoil


def cut(path: Path) -> Callable[[Path], object]:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:(root / path).stat().st_size // 2])


def flipped(path: Path) -> Callable[[Path], object]:
    def spoil(root: Path) -> None:
        content = bytearray((root / path).read_bytes())
        content[len(content) // 2] ^= 0x10
        (root / path).write_bytes(content)
    return spoil


def situations(base: Path) -> Iterator[Situation]:
    """All situations of a dataset."""
    yield Situation("as it is", "the dataset itself", lambda root: None, foreign=False)
    yield Situation("as it is", "without the files by which an export of wamlab says what it holds", lambda root: None)
    for path in files_of(base):
        yield Situation("a file is gone", str(path), lambda root, p=path: (root / p).unlink(), foreign=False)
        yield Situation("a file is cut short", str(path), cut(path), foreign=False)
        yield Situation("a bit of a file changed", str(path), flipped(path), foreign=False)
    yield Situation("rates", "info.json states three times the rate", info(lambda t: t.update(fps=t["fps"] * 3)))
    yield Situation("rates", "info.json states a third of the rate", info(lambda t: t.update(fps=max(1, t["fps"] // 3))))
    yield Situation("outcomes", "success in the last row alone", one_outcome)
    yield Situation("names", "names in a list inside a list",
                    info(lambda t: t["features"]["action"].update(names=[t["features"]["action"]["names"]])))
    yield Situation("names", "names as a table of positions, in another order", info(lambda t: t["features"]["action"].update(
        names={name: place for place, name in reversed(list(enumerate(t["features"]["action"]["names"])))})))
    yield Situation("names", "one name too few",
                    info(lambda t: t["features"]["action"].update(names=t["features"]["action"]["names"][1:])))
    yield Situation("columns", "action is called actions", renamed("action", "actions"))
    yield Situation("columns", "state under a name of its own", renamed("observation.state", "robot.joints"))
    yield Situation("columns", "state under a name of its own, told with --state", renamed("observation.state", "robot.joints"),
                    ("--state", "robot.joints"))
    for value in (float("nan"), float("inf"), 1e30):
        yield Situation("numbers", f"an action of the first episode is {value}", with_value("action", 3, value))
        yield Situation("numbers", f"the same, with --skip-bad: {value}", with_value("action", 3, value), ("--skip-bad",))
    for words, content in (("nested a thousand deep", b"[" * 1000 + b"]" * 1000), ("a list", b"[]"), ("empty", b""),
                           ("a number beyond 64 bits", b'{"fps": ' + b"9" * 400 + b"}"), ("NaN", b'{"fps": NaN}'),
                           ("half a character", b'{"robot_type": "\\ud800"}'), ("one field twice", b'{"fps": 1, "fps": 2}')):
        yield Situation("headers", f"info.json: {words}", raw(content))
    for rate in (-1, 0, 1e999, "ten", None):
        yield Situation("headers", f"info.json: a rate of {rate}", info(lambda t, r=rate: t.update(fps=r)))
    yield Situation("headers", "info.json: a picture of 60000 x 60000", info(
        lambda t: [e.update(shape=[60000, 60000, 3]) for e in t["features"].values() if e["dtype"] in ("video", "image")]))
    yield Situation("headers", "info.json: a path that leaves the folder",
                    info(lambda t: t.update(data_path="../../{chunk_index}/{file_index}")))
    yield Situation("special files", "a pipe in place of info.json", piped("meta/info.json"))
    for size in ("0 0", "-4 64", "100000000 100000000"):
        yield Situation("options", f"--size {size}", lambda root: None, ("--size", *size.split()))


def store_situations(base: Path) -> Iterator[Situation]:
    """All situations of an episode store."""
    first = sorted(base.glob("episodes/*.safetensors"))[0].relative_to(base)
    for path in (Path("dataset.json"), first):
        yield Situation("a file of a store is gone", str(path), lambda root, p=path: (root / p).unlink())
        yield Situation("a file of a store is cut short", str(path), cut(path))
        yield Situation("a bit of a store's file changed", str(path), flipped(path))
        yield Situation("special files", f"a pipe in place of {path}", piped(str(path)))
    for field, value in (("control_hz", -1), ("control_hz", 1e999), ("max_steps", -7), ("max_steps", 1e999),
                         ("cameras", "main"), ("image_size", [10**9, 10**9]), ("state", ["x", "x"])):
        yield Situation("headers", f"dataset.json: {field} of {value}", info(
            lambda t, f=field, v=value: t["task_spec"].update({f: v}), "dataset.json"))
    for limit in (float("nan"), float("inf"), 1e300):
        yield Situation("headers", f"dataset.json: an action limit of {limit}", info(
            lambda t, v=limit: t["task_spec"]["action"].update(high=[v] * len(t["task_spec"]["action"]["high"])),
            "dataset.json"))


def small(folder: Path) -> Path:
    """PushWorld demonstrations as a LeRobot dataset."""
    export_lerobot(collect("pushworld", 6, folder / "store", workers=1, kind="mixed", options={"size": 48}), folder / "lerobot")
    return folder / "lerobot"


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="JSON file of the table")
    parser.add_argument("--dataset", type=Path, help="a LeRobot dataset of your own; only read")
    parser.add_argument("--limit", type=int, default=200, help="MiB above which a dataset is not copied again and again")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        base = chosen.dataset or small(Path(place))
        size = sum((base / path).stat().st_size for path in files_of(base)) / 2**20
        if size > chosen.limit:
            parser.error(f"{base} has {size:.0f} MiB: give a part of it, or --limit {size + 1:.0f}")
        table: list[dict[str, Any]] = []

        def tried(judge: Callable[[Situation, Path, Path], dict[str, Any]], some: Iterator[Situation], base: Path) -> None:
            for situation in some:
                folder = Path(place) / "one"
                folder.mkdir()
                row = judge(situation, base, folder)
                table.append(json.loads(json.dumps(row).replace(str(folder), "DIR")))
                shutil.rmtree(folder)
                print(f"{row['kind']:>31} | {row['input'][:60]:<60} | " + " | ".join(
                    f"{name} {row[name]['status']}: {row[name]['said'][:60]}" for name in list(row)[2:]), flush=True)

        tried(outcome, situations(base), base)
        said_by("data", "import", base, "--out", Path(place) / "store of it")
        tried(outcome_of_store, store_situations(Path(place) / "store of it"), Path(place) / "store of it")
    wrong = [row for row in table for part in list(row)[2:] if row[part]["status"] not in (0, 2)]
    facts = provenance("python benchmarks/situations.py docs/results/situations.json")
    chosen.out.write_text(json.dumps(facts | {"situations": len(table), "tracebacks and hangs": len(wrong), "table": table},
                                     indent=1) + "\n")
    print(f"{len(table)} situations, {len(wrong)} tracebacks or hangs")


if __name__ == "__main__":
    run()
