"""Ways in which a dataset goes wrong, each a function of a random generator, and what a check must say about it.

`content` mutations change what is recorded and write the dataset anew, statistics and checksums included, so that only
the meaning of the data can give them away. `table` mutations edit one file and renew the checksums. `byte` mutations
damage a file and leave the checksums.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lerobot_fakes import SPEC, bench_episode
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.sidecar import FILE, SUMS, read_sidecar, sums
from wamlab.data.store import EpisodeStore
from wamlab.types import Episode

Generator = np.random.Generator
STATE, MAIN, WRIST = "observation.state", "observation.images.main", "observation.images.wrist"


@dataclass
class Case:
    """A mutated dataset: where, what was done, and which checks must see it in which episodes (empty: any)."""

    root: Path
    words: str
    checks: tuple[str, ...] = ()
    episodes: tuple[int, ...] = ()


@dataclass(eq=False)
class Draft:
    """An episode's arrays, to be spoilt."""

    frames: dict[str, np.ndarray]
    state: np.ndarray
    action: np.ndarray
    success: np.ndarray
    truth: dict[str, np.ndarray]
    instruction: str
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, e: Episode) -> Draft:
        return cls({k: v.copy() for k, v in e.frames.items()}, e.state.copy(), e.action.copy(), e.success.copy(), dict(e.truth),
                   e.instruction,
                   dict(e.meta))

    def episode(self) -> Episode:
        return Episode("bench", self.instruction, self.frames, self.state, self.action, self.success, self.truth,
                       meta=self.meta)


ContentOp = Callable[[list[Draft], int, Generator], tuple[str, tuple[str, ...]]]
CONTENT: list[ContentOp] = []
TABLE: list[Callable[[Path, Generator], tuple[str, tuple[str, ...]]]] = []
BYTE: list[Callable[[Path, Generator], str]] = []


def content(op: ContentOp) -> ContentOp:
    CONTENT.append(op)
    return op


# ---- what is recorded -------------------------------------------------------------------------------------------


@content
def jump(drafts, k, g):
    row, channel = int(g.integers(3, len(drafts[k].state) - 3)), int(g.integers(2))
    drafts[k].state[row, channel] += g.choice([-1, 1]) * g.uniform(1.0, 5.0)
    return f"state channel {channel} jumps at row {row}", ("jump", "action semantics", "misaligned video")


@content
def stuck_channel(drafts, k, g):
    drafts[k].state[:, 2] = drafts[k].state[0, 2]
    return "the gripper's reading is stuck in one episode", ("constant channel", "action semantics")


@content
def dead_channel(drafts, k, g):
    channel = int(g.integers(3))
    for draft in drafts:
        draft.action[:, channel] = 0.25
    return f"action channel {channel} never changes", ("constant channel",)


@content
def duplicate(drafts, k, g):
    other = (k + 1) % len(drafts)
    drafts[k] = replace(drafts[other])
    return f"a copy of episode {other}", ("duplicate",)


@content
def near_duplicate(drafts, k, g):
    d = drafts[(k + 1) % len(drafts)]
    drafts[k] = replace(d, state=d.state + g.normal(0, 1e-4, d.state.shape).astype(np.float32))
    return "nearly a copy of another", ("duplicate",)


@content
def cut_copy(drafts, k, g):
    d, n = drafts[(k + 1) % len(drafts)], int(g.integers(10, 18))
    drafts[k] = replace(d, frames={c: f[:n + 1] for c, f in d.frames.items()}, state=d.state[:n + 1], action=d.action[:n],
                        success=d.success[:n + 1], truth={c: v[:n + 1] for c, v in d.truth.items()})
    return "a copy of another, cut short", ("duplicate",)


@content
def solved(drafts, k, g):
    drafts[k].success[:] = True
    return "solved at the start", ("already solved",)


@content
def idle(drafts, k, g):
    d = drafts[k]
    d.state[:] = d.state[0]
    d.action[:] = g.normal(0, 0.01, d.action.shape)
    for frames in d.frames.values():
        frames[:] = frames[0]
    return "nothing happens", ("already solved",)


@content
def frozen(drafts, k, g):
    start, camera = int(g.integers(1, 8)), str(g.choice(["main", "wrist"]))
    drafts[k].frames[camera][start:] = drafts[k].frames[camera][start]
    return f"camera {camera} frozen from frame {start}", ("frozen camera", "misaligned video")


@content
def black(drafts, k, g):
    start, camera = int(g.integers(0, 15)), str(g.choice(["main", "wrist"]))
    drafts[k].frames[camera][start:start + int(g.integers(1, 9))] = 0
    return f"camera {camera} black from frame {start}", ("black frames",)


@content
def mirrored(drafts, k, g):
    camera = str(g.choice(["main", "wrist"]))
    name = str(g.choice(["left-right", "up-down", "turned", "red-blue", "inverted", "rot90"]))
    change = {"left-right": lambda f: f[:, :, ::-1], "up-down": lambda f: f[:, ::-1], "turned": lambda f: f[:, ::-1, ::-1],
              "red-blue": lambda f: f[..., ::-1], "inverted": lambda f: 255 - f,
              "rot90": lambda f: np.rot90(f, 1, (1, 2))}[name]
    drafts[k].frames[camera] = np.ascontiguousarray(change(drafts[k].frames[camera]))
    return f"camera {camera} {name}", ("camera flip", "renderer mix", "misaligned video")


@content
def swapped_cameras(drafts, k, g):
    f = drafts[k].frames
    f["main"], f["wrist"] = f["wrist"], f["main"]
    return "cameras exchanged", ("camera flip", "renderer mix", "misaligned video")


@content
def late_video(drafts, k, g):
    lag = int(g.choice([-3, -2, 2, 3]))
    f = drafts[k].frames["wrist"]
    at = np.clip(np.arange(len(f)) - lag, 0, len(f) - 1)
    drafts[k].frames["wrist"] = f[at]
    return f"the wrist's video is {lag} frames late", ("misaligned video", "frozen camera")


@content
def foreign_video(drafts, k, g):
    a, b = drafts[k], drafts[(k + 1 + int(g.integers(len(drafts) - 1))) % len(drafts)]
    n = min(len(a.frames["wrist"]), len(b.frames["wrist"]))
    mine, theirs = a.frames["wrist"][:n].copy(), b.frames["wrist"][:n].copy()
    a.frames["wrist"][:n], b.frames["wrist"][:n] = theirs, mine
    return "wrist videos of two episodes exchanged", ("misaligned video",)


@content
def copied_video(drafts, k, g):
    a, b, camera = drafts[k], drafts[(k + 1) % len(drafts)], str(g.choice(["main", "wrist"]))
    at = np.minimum(np.arange(len(a.frames[camera])), len(b.frames[camera]) - 1)
    a.frames[camera] = b.frames[camera][at]
    return f"the {camera} pictures are another episode's", ("duplicate", "misaligned video")


@content
def action_sign(drafts, k, g):
    channel = int(g.integers(3))
    drafts[k].action[:, channel] *= -1
    return f"action channel {channel} has the opposite sign", ("action semantics",)


@content
def action_shift(drafts, k, g):
    lag = int(g.choice([-3, -2, -1, 1, 2, 3]))
    drafts[k].action = np.roll(drafts[k].action, lag, 0)
    return f"actions shifted by {lag} rows", ("action semantics",)


@content
def action_unit(drafts, k, g):
    drafts[k].action *= np.float32(g.choice([57.3, 1000, 100, 10, 0.1, 0.01]))
    return "actions in another unit", ("action semantics", "limits")


@content
def absolute_actions(drafts, k, g):
    drafts[k].action = drafts[k].state[1:].astype(np.float32)
    return "actions are positions in one episode", ("action semantics", "limits")


@content
def shuffled_actions(drafts, k, g):
    drafts[k].action = g.permutation(drafts[k].action, axis=0)
    return "actions in random order", ("action semantics",)


@content
def renderer(drafts, k, g):
    drafts[k].meta["renderer"] = "egl-other"
    return "another renderer", ("renderer mix",)


@content
def exposure(drafts, k, g):
    camera, factor = str(g.choice(["main", "wrist"])), float(g.choice([0.35, 0.5, 1.8]))
    frames = drafts[k].frames[camera]
    drafts[k].frames[camera] = np.clip(frames.astype(np.float64) * factor, 0, 255).astype(np.uint8)
    return f"camera {camera} {factor} times as bright", ("renderer mix", "camera flip")


@content
def noise(drafts, k, g):
    camera = str(g.choice(["main", "wrist"]))
    frames = drafts[k].frames[camera]
    drafts[k].frames[camera] = np.clip(frames + g.normal(0, 30, frames.shape), 0, 255).astype(np.uint8)
    return f"camera {camera} is noisy", ("renderer mix",)


@content
def no_instruction(drafts, k, g):
    drafts[k].instruction = str(g.choice(["", "  "]))
    return "no instruction", ("instruction", "tasks")


@content
def beyond_limits(drafts, k, g):
    drafts[k].action[int(g.integers(len(drafts[k].action))), int(g.integers(3))] = g.choice([-1, 1]) * g.uniform(1.01, 3)
    return "an action beyond its limits", ("limits",)


# ---- single files -----------------------------------------------------------------------------------------------


def table(op):
    TABLE.append(op)
    return op


DATA, EPISODES = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"


def edit_rows(root: Path, file: str, change: Callable[[dict[str, list[Any]]], None]) -> None:
    """Change a table's columns as lists and write it with its types and row groups by episode."""
    read = pq.read_table(root / file)
    columns = read.to_pydict()
    change(columns)
    new = pa.table({name: pa.array(values, read.schema.field(name).type) for name, values in columns.items()})
    pq.write_table(new.replace_schema_metadata(read.schema.metadata), root / file, write_page_checksum=True)


def edit_json(root: Path, file: str, change: Callable[[dict[str, Any]], None]) -> None:
    said = json.loads((root / file).read_text())
    change(said)
    (root / file).write_text(json.dumps(said))


@table
def column_value(root, g):
    name = str(g.choice(["timestamp", "frame_index", "index", "task_index", "episode_index"]))
    def change(c):
        row = int(g.integers(len(c[name])))
        c[name][row] = type(c[name][row])(c[name][row] + int(g.choice([-3, -2, -1, 1, 2, 7])))
    edit_rows(root, DATA, change)
    return f"{name} changed in one row", ()


@table
def non_finite(root, g):
    name = str(g.choice([STATE, "action"]))
    def change(c):
        row = int(g.integers(len(c[name]) - 1))
        c[name][row] = [float(g.choice([np.nan, np.inf, -np.inf])), *c[name][row][1:]]
    edit_rows(root, DATA, change)
    return f"{name} is not finite", ()


@table
def drift(root, g):
    factor = float(g.choice([0.97, 0.98, 1.02, 1.03]))
    edit_rows(root, DATA, lambda c: c.update(timestamp=[t * factor for t in c["timestamp"]]))
    return f"timestamps drift by {factor}", ("timestamps",)


@table
def lost_row(root, g):
    def change(c):
        row = int(g.integers(len(c["index"])))
        for values in c.values():
            del values[row]
    edit_rows(root, DATA, change)
    return "a row is lost", ("unreadable",)


@table
def doubled_row(root, g):
    def change(c):
        row = int(g.integers(len(c["index"])))
        for values in c.values():
            values.insert(row, values[row])
    edit_rows(root, DATA, change)
    return "a row is there twice", ("unreadable",)


@table
def rows_exchanged(root, g):
    def change(c):
        row = int(g.integers(len(c["index"]) - 1))
        for values in c.values():
            values[row], values[row + 1] = values[row + 1], values[row]
    edit_rows(root, DATA, change)
    return "two rows exchanged", ()


@table
def column_gone(root, g):
    read = pq.read_table(root / DATA)
    name = str(g.choice(read.column_names))
    pq.write_table(read.drop_columns([name]), root / DATA)
    return f"column {name} gone", ()


@table
def column_type(root, g):
    read = pq.read_table(root / DATA)
    name = str(g.choice(["timestamp", "frame_index", "index", "episode_index", "task_index"]))
    at = read.column_names.index(name)
    pq.write_table(read.set_column(at, name, pa.array([str(v) for v in read[name].to_pylist()])), root / DATA)
    return f"column {name} is text", ()


@table
def vector_width(root, g):
    read = pq.read_table(root / DATA)
    at = read.column_names.index(STATE)
    pq.write_table(read.set_column(at, STATE, pa.array([row[:-1] for row in read[STATE].to_pylist()], pa.list_(pa.float32()))),
                   root / DATA)
    return "the state is narrower", ()


@table
def episode_number(root, g):
    name = str(g.choice(["length", "dataset_from_index", "dataset_to_index", "episode_index", "data/chunk_index",
                         "data/file_index",
                         f"videos/{MAIN}/chunk_index", f"videos/{WRIST}/file_index"]))
    def change(c):
        row = int(g.integers(len(c[name])))
        c[name][row] = max(0, c[name][row] + int(g.choice([-2, -1, 1, 3]))) if c[name][row] else int(g.integers(1, 4))
    edit_rows(root, EPISODES, change)
    return f"{name} changed in the table of episodes", ()


@table
def video_times(root, g):
    camera, amount = str(g.choice([MAIN, WRIST])), float(g.choice([0.004, 0.02, 0.1, 0.3]))
    def change(c):
        first = int(g.integers(1, len(c["length"])))
        for row in range(first, len(c["length"])):
            for part in ("from", "to"):
                c[f"videos/{camera}/{part}_timestamp"][row] += amount * (row - first + 1)
    edit_rows(root, EPISODES, change)
    return f"stated video times drift by {amount} s an episode", ("timestamps", "video")


@table
def episode_lost(root, g):
    def change(c):
        row = int(g.integers(len(c["length"])))
        for values in c.values():
            del values[row]
    edit_rows(root, EPISODES, change)
    return "an episode is missing from the table", ()


@table
def episodes_exchanged(root, g):
    def change(c):
        row = int(g.integers(len(c["length"]) - 1))
        for values in c.values():
            values[row], values[row + 1] = values[row + 1], values[row]
    edit_rows(root, EPISODES, change)
    return "the table of episodes is out of order", ("order",)


@table
def episode_task(root, g):
    edit_rows(root, EPISODES, lambda c: c["tasks"].__setitem__(int(g.integers(len(c["tasks"]))),
                                                               [str(g.choice(["", "another"]))]))
    return "an episode is of a task that is not in the table", ("tasks",)


@table
def statistic(root, g):
    name, kind = str(g.choice([STATE, "action", MAIN, WRIST, "timestamp"])), str(g.choice(["mean", "std", "min", "max"]))
    if name in (MAIN, WRIST):
        kind = str(g.choice(["mean", "std"]))
    how = str(g.choice(["zero", "scale", "gone", "text", "nan"]))
    def change(said):
        value = np.array(said[name][kind], float)
        said[name][kind] = {"zero": (value * 0 - 3).tolist(), "scale": (value * 2 + 1).tolist(), "gone": None, "text": "many",
                            "nan": (value * np.nan).tolist()}[how]
        if how == "gone":
            del said[name][kind]
    edit_json(root, "meta/stats.json", change)
    return f"stats.json: {name}.{kind} {how}", ("statistics",)


@table
def episode_statistic(root, g):
    name, kind = str(g.choice([STATE, "action"])), str(g.choice(["mean", "std", "min", "max"]))
    def change(c):
        row = int(g.integers(len(c["length"])))
        c[f"stats/{name}/{kind}"][row] = [value + 0.5 for value in c[f"stats/{name}/{kind}"][row]]
    edit_rows(root, EPISODES, change)
    return f"statistics of an episode: {name}.{kind}", ("statistics",)


@table
def info_field(root, g):
    options: list[tuple[str, Any]] = [
        ("fps", 20), ("fps", 0), ("fps", -10), ("fps", "ten"), ("fps", None), ("total_episodes", 7),
        ("total_episodes", 10 ** 9),
        ("total_frames", 1), ("total_frames", -1), ("total_tasks", 5), ("codebase_version", "v9.0"), ("codebase_version", 3),
        ("data_path", None), ("video_path", None), ("features", {}), ("features", []), ("splits", {"train": "0:99"}),
        ("splits", {"train": "many"}), ("splits", []), ("chunks_size", 0), ("chunks_size", "a"), ("chunks_size", 500),
        ("robot_type", None),
        ("data_files_size_in_mb", -4), ("video_files_size_in_mb", 1)]
    name, value = options[int(g.integers(len(options)))]
    edit_json(root, "meta/info.json", lambda said: said.update({name: value}))
    return f"info.json: {name} = {value!r}", ()


@table
def hostile_path(root, g):
    options = ["../../{chunk_index}/{file_index}", "/etc/passwd", "{chunk_index.__class__}", "{chunk_index!r}/{file_index}",
               "data/{file_index:1000000000d}", "{0}", "data/{unknown}.parquet", "..\\{chunk_index}\\{file_index}", "",
               "data/{chunk_index",
               "http://host/{chunk_index}/{file_index}", "data/./../../{chunk_index}", "file:///{chunk_index}",
               "data/\0{chunk_index}"]
    name, value = str(g.choice(["data_path", "video_path"])), options[int(g.integers(len(options)))]
    edit_json(root, "meta/info.json", lambda said: said.update({name: value}))
    return f"{name} = {value!r}", ("unreadable",)


@table
def feature_entry(root, g):
    name = str(g.choice([STATE, "action", MAIN, "timestamp", "next.success"]))
    options = [("dtype", "object"), ("dtype", 5), ("dtype", "video"), ("shape", []), ("shape", [0]), ("shape", [10 ** 12]),
               ("shape", [2, 2]),
               ("shape", "3"), ("shape", [-1]), ("shape", [float("nan")]), ("names", ["only one"] * 9), ("shape", [64, 64, 3])]
    key, value = options[int(g.integers(len(options)))]
    edit_json(root, "meta/info.json", lambda said: said["features"][name].update({key: value}))
    return f"features.{name}.{key} = {value!r}", ()


@table
def feature_name(root, g):
    old, new = str(g.choice([STATE, "action", MAIN])), str(g.choice(["../up", "a/b", "", "x" * 300, "..",
                                                                     "observation.images.other"]))
    edit_json(root, "meta/info.json", lambda said: said["features"].update({new: said["features"].pop(old)}))
    return f"feature {old} renamed to {new[:20]!r}", ()


@table
def channel_names(root, g):
    name = str(g.choice([STATE, "action"]))
    edit_json(root, "meta/info.json",
              lambda said: said["features"][name].update(names=list(reversed(said["features"][name]["names"]))))
    return f"names of {name} in another order", ("spec",)


@table
def sidecar_field(root, g):
    def change(said):
        spec = said["task_spec"]
        which = int(g.integers(9))
        if which == 0:
            spec["action"]["kind"] = "absolute"
        elif which == 1:
            spec["action"]["low"] = [-0.2] * 3
        elif which == 2:
            spec["control_hz"] = 30.0
        elif which == 3:
            spec["state"] = ["a", "b", "c"]
        elif which == 4:
            said["renderer"] = "other"
        elif which == 5:
            del said["task_spec"]
        elif which == 6:
            said["version"] = 99
        elif which == 7:
            said["episodes"] = {"-1": {}}
        else:
            spec["cameras"] = ["main"]
    edit_json(root, FILE, change)
    return "the sidecar is changed", ()


@table
def tasks_table(root, g):
    read = pq.read_table(root / "meta/tasks.parquet")
    which = int(g.integers(3))
    text = ["", "   "][which % 2]
    numbers = [3] if which == 2 else [0]
    new = pa.table([pa.array(numbers, pa.int64()), pa.array([text if which < 2 else "grip the block"])],
                   names=read.column_names)
    pq.write_table(new.replace_schema_metadata(read.schema.metadata), root / "meta/tasks.parquet")
    return "the table of tasks is changed", ()


@table
def video_again(root, g):
    """One frame fewer, one more, another size, or another rate."""
    from wamlab.data.formats.video import VideoWriter, probe, read_frames
    camera, which = str(g.choice([MAIN, WRIST])), str(g.choice(["fewer", "more", "size", "rate", "none"]))
    file = root / f"videos/{camera}/chunk-000/file-000.mp4"
    frames = np.stack(list(read_frames(probe(file), np.arange(len(probe(file))))))
    if which == "fewer":
        frames = np.delete(frames, int(g.integers(len(frames))), 0)
    elif which == "more":
        frames = np.insert(frames, int(g.integers(len(frames))), frames[0], 0)
    elif which == "size":
        frames = frames[:, ::2, ::2]
    file.unlink()
    if which != "none":
        writer = VideoWriter(str(file), frames.shape[1:3], 15 if which == "rate" else 10)
        writer.add(frames)
        writer.close()
    return f"{camera}: {which}", ()


@table
def odd_file(root, g):
    """A link out of the dataset, a pipe, a folder, an empty file, or a stray one."""
    file = root / str(g.choice([DATA, EPISODES, "meta/stats.json", "meta/info.json", "meta/tasks.parquet",
                                f"videos/{MAIN}/chunk-000/file-000.mp4"]))
    which = str(g.choice(["link", "pipe", "folder", "empty", "gone", "stray", "loop"]))
    if which == "stray":
        shutil.copy(root / DATA, root / "data/chunk-000/file-001.parquet")
        return "a stray data file", ("stray file",)
    outside = root.parent / f"outside-{file.name}"
    shutil.copy(file, outside)
    file.unlink()
    if which == "link":
        file.symlink_to(outside)
    elif which == "pipe":
        os.mkfifo(file)
    elif which == "folder":
        file.mkdir()
    elif which == "empty":
        file.touch()
    elif which == "loop":
        file.symlink_to(file)
    return f"{file.name}: {which}", ()


# ---- bytes ------------------------------------------------------------------------------------------------------


def some_file(root: Path, g: Generator) -> Path:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return files[int(g.integers(len(files)))]


def flip_bits(root, g):
    file = some_file(root, g)
    content = bytearray(file.read_bytes())
    for place in g.integers(0, len(content), int(g.integers(1, 5))):
        content[place] ^= 1 << int(g.integers(8))
    file.write_bytes(content)
    return f"bits flipped in {file.name}"


def overwrite(root, g):
    file = some_file(root, g)
    content = bytearray(file.read_bytes())
    start = int(g.integers(len(content)))
    length = int(g.integers(1, 200))
    content[start:start + length] = g.bytes(len(content[start:start + length]))
    file.write_bytes(content)
    return f"bytes overwritten in {file.name}"


def cut(root, g):
    file = some_file(root, g)
    os.truncate(file, int(g.integers(file.stat().st_size)))
    return f"{file.name} cut short"


def longer(root, g):
    file = some_file(root, g)
    with open(file, "ab") as out:
        out.write(g.bytes(int(g.integers(1, 100))))
    return f"bytes after the end of {file.name}"


def lost(root, g):
    file = some_file(root, g)
    file.unlink()
    return f"{file.name} lost"


def exchanged(root, g):
    videos = sorted(root.rglob("*.mp4"))
    a, b = videos[0].read_bytes(), videos[1].read_bytes()
    videos[0].write_bytes(b)
    videos[1].write_bytes(a)
    return "the videos of two cameras exchanged"


BYTE += [flip_bits, overwrite, cut, longer, lost, exchanged]


# ---- putting a case together ------------------------------------------------------------------------------------


def kind_of(seed: int) -> tuple[str, int]:
    """Which mutation number `seed` is: of every ten four of content, four of a table, two of bytes."""
    tens, one = divmod(seed, 10)
    if one < 4:
        return "content", (tens * 4 + one) % len(CONTENT)
    return ("table", (tens * 4 + one - 4) % len(TABLE)) if one < 8 else ("bytes", (tens * 2 + one - 8) % len(BYTE))


def make_case(seed: int, base: Path, folder: Path, episodes: int = 10) -> Case:
    """Mutation number `seed`."""
    g = np.random.default_rng([7, seed])
    kind, number = kind_of(seed)
    root = folder / "mutated"
    if kind == "content":
        drafts = [Draft.of(bench_episode(n)) for n in range(episodes)]
        k = int(g.integers(episodes))
        words, checks = CONTENT[number](drafts, k, g)
        store = EpisodeStore.create(folder / "store", SPEC, "bench-1")
        for draft in drafts:
            meta = draft.meta.pop("renderer", "bench-1")
            store.append(draft.episode())
            draft.meta["renderer"] = meta
        export_lerobot(store, root)
        others = [d.meta["renderer"] for d in drafts]
        if set(others) != {"bench-1"}:
            edit_json(root, FILE, lambda said: [said["episodes"][str(n)]["meta"].update(renderer=name) for n,
                                                name in enumerate(others)])
            (root / SUMS).write_bytes(sums(root))
        return Case(root, f"{CONTENT[number].__name__}: episode {k}, {words}", checks, (k,))
    shutil.copytree(base, root)
    if kind == "table":
        words, checks = TABLE[number](root, g)
        (root / SUMS).write_bytes(sums(root))
        return Case(root, f"{TABLE[number].__name__}: {words}", checks)
    return Case(root, f"{BYTE[number].__name__}: {BYTE[number](root, g)}", ())


def fingerprint(root: Path) -> str:
    """A hash of all that a model could learn from the dataset: numbers, pictures, texts, rates, names, spec."""
    dataset, sidecar = LeRobot.open(root), read_sidecar(root)
    state = hashlib.blake2b(digest_size=12)
    names = {name: (feature.dtype, feature.shape, feature.names) for name, feature in sorted(dataset.info.features.items())}
    state.update(repr([dataset.info.fps, dataset.info.version, names, sidecar]).encode())
    for index in dataset.indices():
        for name, values in sorted(dataset.columns(index).items()):
            state.update(name.encode() + np.ascontiguousarray(values).tobytes())
        for camera in dataset.info.cameras:
            state.update(np.ascontiguousarray(dataset.frames(index, camera)).tobytes())
        state.update(dataset.instruction(index, int(dataset.columns(index, ["task_index"])["task_index"][0, 0])).encode())
    return state.hexdigest()
