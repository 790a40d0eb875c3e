"""The recorder loses nothing: not to `kill -9`, not to a disk that fails at any call, not to a journal cut anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disk_faults import KINDS, Disk, failing
from lerobot_fakes import SPEC, bench_episode
from wamlab.data.check.run import check_dataset
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.sidecar import read_sidecar
from wamlab.data.recorder import Recorder
from wamlab.data.recorder_health import BLACK, FROZEN, LATE, MISSING
from wamlab.data.recorder_journal import END, MAGIC, STEP, Journal, Step, read_journal
from wamlab.data.recorder_recovery import recover
from wamlab.errors import DataError
from wamlab.evaluate.provenance import provenance

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs/results/recorder.json"
SHORT = [bench_episode(number, steps=5) for number in range(3)]


def note(name: str, value: object) -> None:
    """Put one measurement into the results."""
    said = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    facts = provenance("pytest -m slow tests/test_recorder.py")
    RESULTS.write_text(json.dumps(facts | {k: v for k, v in said.items() if k not in facts} | {name: value}, indent=1) + "\n")


def rows(recorder, episode, count=None, retry=False):
    for t in range(len(episode) + 1 if count is None else count):
        arguments = ({name: frames[t] for name, frames in episode.frames.items()}, episode.state[t],
                     episode.action[t] if t < len(episode) else None)
        more = {"success": bool(episode.success[t]), "now_ns": t * 100_000_000}  # a clock of its own: the machine may be busy
        try:
            recorder.add(*arguments, **more)
        except DataError:
            if not retry:
                raise
            recorder.add(*arguments, **more)


def test_what_is_recorded_is_read_back(tmp_path):
    with Recorder(tmp_path / "set", SPEC, renderer="bench-1") as recorder:
        for number in range(6):
            episode = bench_episode(number)
            recorder.begin(episode.instruction, {"operator": "test"})
            rows(recorder, episode)
            assert recorder.save({"good": True}) == number
    dataset = LeRobot.open(tmp_path / "set")
    for number in dataset.indices():
        episode, columns = bench_episode(number), dataset.columns(number)
        assert np.array_equal(columns["observation.state"], episode.state)
        assert np.array_equal(columns["action"], np.concatenate([episode.action, episode.action[-1:]]))
        assert np.array_equal(columns["next.success"][:-1, 0], episode.success[1:])
        assert columns["wam.imitate"][:, 0].tolist() == [True] * len(episode) + [False]
        for name, frames in episode.frames.items():
            seen = dataset.frames(number, f"observation.images.{name}").astype(float)
            assert ((seen - frames) ** 2).mean((1, 2, 3)).max() < 250
    sidecar = read_sidecar(tmp_path / "set")
    assert sidecar.episodes[2]["meta"] == {"renderer": "bench-1", "source": "recorder", "operator": "test", "good": True}
    assert check_dataset(tmp_path / "set") == []
    with Recorder(tmp_path / "set", SPEC, renderer="bench-1") as recorder:  # goes on
        recorder.begin("another task")
        rows(recorder, bench_episode(6))
        assert recorder.save() == 6
    assert sorted(LeRobot.open(tmp_path / "set").tasks.values()) == ["another task", "grip the block"]
    assert check_dataset(tmp_path / "set") == []


def test_misuse_is_refused(tmp_path):
    with Recorder(tmp_path / "set", SPEC) as recorder:
        episode = SHORT[0]
        frames = {name: f[0] for name, f in episode.frames.items()}
        with pytest.raises(DataError, match="no episode is open"):
            recorder.add(frames, episode.state[0], episode.action[0])
        recorder.begin("a")
        with pytest.raises(DataError, match="open already"):
            recorder.begin("b")
        for state, action in ((episode.state[0] * np.nan, episode.action[0]), (episode.state[0][:2], episode.action[0]),
                              (episode.state[0], episode.action[0] + np.inf)):
            with pytest.raises(DataError, match="cannot be recorded"):
                recorder.add(frames, state, action)
        with pytest.raises(DataError, match="camera main"):
            recorder.add({"main": np.zeros((4, 4, 3), np.uint8)}, episode.state[0], episode.action[0])
        with pytest.raises(DataError, match="nothing to save"):
            recorder.save()
        rows(recorder, episode)
        recorder.discard()
        assert recorder.episodes == 0 and recover.__doc__
        (tmp_path / "set/recording/lock").write_text(str(os.getppid()))
        with pytest.raises(DataError, match="another recorder"):
            recover(tmp_path / "set")
    with pytest.raises(DataError, match="something else here"):
        Recorder(HERE, SPEC)


@pytest.mark.parametrize("kind,flag", [("frozen", FROZEN), ("frozen clock", FROZEN), ("black", BLACK), ("late", LATE),
                                       ("missing", MISSING)])
def test_bad_cameras_are_marked_within_three_frames(tmp_path, kind, flag):
    episode, start = bench_episode(0), 8
    with Recorder(tmp_path / "set", SPEC, renderer="bench-1") as recorder:
        recorder.begin("grip the block")
        seen = []
        for t in range(len(episode) + 1):
            frames = {name: f[t] for name, f in episode.frames.items()}
            now = t * 100_000_000
            captured = {"main": now, "wrist": now}
            if t >= start:
                if kind == "missing":
                    del frames["wrist"]
                frames |= {"frozen": {"wrist": episode.frames["wrist"][start]},
                           "black": {"wrist": np.zeros((32, 32, 3), np.uint8)}}.get(kind, {})
                captured["wrist"] = {"late": now - 250_000_000, "frozen clock": (start - 1) * 100_000_000}.get(kind, now)
            seen.append(recorder.add(frames, episode.state[t], episode.action[t] if t < len(episode) else None,
                                     captured_ns=captured,
                                     now_ns=now))
        index = recorder.save()
    first = next(t for t, marks in enumerate(seen) if marks.get("wrist", 0) & flag)
    assert start <= first < start + 3
    assert not any(marks for marks in seen[:start]) and not any("main" in marks for marks in seen)
    columns = LeRobot.open(tmp_path / "set").columns(index)
    assert np.array_equal(columns["camera_flags.wrist"][:, 0], [marks.get("wrist", 0) for marks in seen])
    assert read_sidecar(tmp_path / "set").episodes[index]["camera_marks"]["wrist"] > 0
    assert any(one.check == "camera marks" and one.episode == index for one in check_dataset(tmp_path / "set"))


def test_a_still_scene_is_no_frozen_camera_where_that_is_said(tmp_path):
    episode = bench_episode(0)
    for still, expected in ((True, {}), (False, {"main": FROZEN, "wrist": FROZEN})):
        with Recorder(tmp_path / str(still), SPEC, still_scenes=still) as recorder:
            recorder.begin("wait")
            for t in range(6):
                marks = recorder.add({name: f[0] for name, f in episode.frames.items()}, episode.state[0], episode.action[0],
                                     now_ns=t * 100_000_000)
            assert marks == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_a_journal_cut_or_damaged_anywhere_keeps_its_whole_prefix(tmp_path_factory, place, damage):
    path = tmp_path_factory.mktemp("journal") / "a.journal"
    journal = Journal(path, {"instruction": "x"})
    ends, steps = [journal.good], []
    for t in range(5):
        steps.append(Step(np.full(3, t, np.float32), np.full(2, -t, np.float32), False, True, (t, 0), (0, 1),
                          (bytes([t]) * 50, b"")))
        journal.append(STEP, steps[-1].packed())
        ends.append(journal.good)
    journal.append(END, b"{}")
    journal.close()
    content = bytearray(path.read_bytes())
    place %= len(content)
    if damage:
        content[place] ^= 0xFF
    path.write_bytes(content if damage else content[:place])
    found = read_journal(path)
    whole = sum(end <= place for end in ends) - 1
    assert (found is None) == (whole < 0)
    if found is not None:
        assert len(found.steps) == whole and found.end is None
        assert all(a.packed() == b.packed() for a, b in zip(found.steps, steps, strict=False))
    assert content[:len(MAGIC)] != MAGIC or found is not None or place < ends[0]


def kill_many(kills: int, folder: Path, seed: int) -> list[dict]:
    env = os.environ | {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(HERE / "recorder_kills.py"), str(folder), str(kills), str(seed)], env=env,
                          capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def judge_kills(found: list[dict]) -> None:
    for one in found:
        assert one["episodes"] >= one["acknowledged"], one
        assert one["rows lost"] <= 0.5 * SPEC.control_hz and one["wrong"] == 0 and one["findings"] == [], one
        assert one["twice"] == [[], []] if "twice" in one else True, one


def test_kills_lose_nothing(tmp_path):
    judge_kills(kill_many(5, tmp_path, 1))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_over_two_hundred_kills(tmp_path):
    start = time.time()
    found = kill_many(150, tmp_path, 2)
    judge_kills(found)
    kills = sum(one["sessions"] for one in found)
    assert kills >= 200
    note("kills", {"recordings": len(found), "kills": kills, "acknowledged episodes": sum(one["acknowledged"] for one in found),
                   "acknowledged episodes lost": 0, "open episodes at the kill": sum(one["rows open"] > 0 for one in found),
                   "acknowledged rows of open episodes": sum(one["rows open"] for one in found),
                   "rows lost of those": sum(one["rows lost"] for one in found), "wrong values or pictures": 0,
                   "findings of the check afterwards": 0, "minutes": round((time.time() - start) / 60, 1)})


def scenario(folder: Path, disk: Disk) -> tuple[list[int], int, list[str]]:
    """Record three short episodes on a failing disk; (acknowledged numbers, rows of the one that stayed open, errors)."""
    acknowledged, errors, number, open_rows = [], [], 0, 0
    with failing(disk):
        try:
            recorder = Recorder(folder, SPEC, renderer="bench-1")
            for number, episode in enumerate(SHORT):
                recorder.begin(episode.instruction, {"number": number})
                rows(recorder, episode, retry="for good" not in disk.kind)
                try:
                    index = recorder.save()
                except DataError as error:
                    errors.append(str(error.where))
                    index = recorder.save()  # once more: a disk that had a moment's trouble takes it
                acknowledged.append(index)
            recorder.begin("left open")
            rows(recorder, SHORT[0], 4, retry=True)
            open_rows = 4
        except DataError as error:
            errors.append(str(error.where))
    return acknowledged, open_rows, errors


def judge_fault(folder: Path, point: int, kind: str) -> str:
    """Run one scenario, then mend the disk and recover; returns the call that failed."""
    disk = Disk(point, kind)
    acknowledged, open_rows, errors = scenario(folder, disk)
    where = f"point {point} ({disk.fired}), {kind}"
    assert not disk.fired or errors or acknowledged == [0, 1, 2], where
    assert all(str(folder) in error for error in errors), f"{where}: the error does not name the path: {errors}"
    if not (folder / "recording/plan.json").exists():
        assert not acknowledged
        return disk.fired
    recover(folder)
    dataset = LeRobot.open(folder)
    assert len(dataset) >= len(acknowledged), where
    for index in dataset.indices():
        episode, columns, length = SHORT[index % 3], dataset.columns(index), dataset.row(index).length
        assert index not in acknowledged or length == len(episode) + 1, where
        assert np.array_equal(columns["observation.state"], episode.state[:length]), where
        for name, frames in episode.frames.items():
            seen = dataset.frames(index, f"observation.images.{name}").astype(float)
            assert ((seen - frames[:length]) ** 2).mean((1, 2, 3)).max() < 250, f"{where}, episode {index}, {name}"
    if open_rows:
        assert len(dataset) == 4 and dataset.row(3).length >= open_rows, where
    said = check_dataset(folder) if len(dataset) else []
    assert {one.check for one in said if one.severity == "error"} <= {"duplicate"}, where  # episodes come again on purpose
    return disk.fired


def test_disks_that_fail(tmp_path):
    disk = Disk()
    scenario(tmp_path / "whole", disk)
    assert disk.count > 100
    for number, point in enumerate(np.linspace(1, disk.count, 18).astype(int)):
        judge_fault(tmp_path / str(number), int(point), KINDS[number % len(KINDS)])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_over_three_hundred_fault_points(tmp_path):
    disk = Disk()
    scenario(tmp_path / "whole", disk)
    done: Counter = Counter()
    every = range(1, disk.count + 1)
    cases = [(point, KINDS[point % len(KINDS)]) for point in every] + [(point, KINDS[(point + 2) % len(KINDS)])
                                                                       for point in every[::2]]
    assert len(cases) >= 300
    for number, (point, kind) in enumerate(cases):
        call = judge_fault(tmp_path / str(number), point, kind)
        done[f"{call or 'not reached'}: {kind}"] += 1
    note("disk faults", {"fault points": len(cases), "calls in the scenario": disk.count, "valid prefix afterwards": len(cases),
                         "kinds": dict(sorted(done.items()))})


def test_a_file_size_limit_of_the_system_is_survived(tmp_path):
    """A real refusal by the kernel, in a process of its own."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
import test_recorder as t
from wamlab.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recorder = t.Recorder(Path({str(tmp_path / 'set')!r}), t.SPEC, renderer="bench-1")
recorder.begin("grip the block"); t.rows(recorder, t.SHORT[0]); print(recorder.save())
recorder.begin("grip the block"); t.rows(recorder, t.SHORT[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
try:
    recorder.save()
except DataError as error:
    print(error.problem)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(recorder.save())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["0", "the file cannot be written", "1"], done.stdout + done.stderr
    assert len(LeRobot.open(tmp_path / "set")) == 2


def test_saving_again_after_the_journal_could_not_be_removed_saves_once(tmp_path, monkeypatch):
    recorder, unlink, refused = Recorder(tmp_path / "set", SPEC, renderer="bench-1"), Path.unlink, []

    def refuse_once(path, *arguments, **named):
        if path.suffix == ".journal" and not refused:
            refused.append(path)
            raise OSError(5, "Input/output error")
        unlink(path, *arguments, **named)

    monkeypatch.setattr(Path, "unlink", refuse_once)
    recorder.begin("grip the block")
    rows(recorder, SHORT[0])
    with pytest.raises(DataError, match="Input/output"):
        recorder.save()
    assert recorder.save() == 0 and recorder.episodes == 1
    recorder.begin("grip the block")
    rows(recorder, SHORT[1])
    assert recorder.save() == 1 and len(LeRobot.open(tmp_path / "set")) == 2
