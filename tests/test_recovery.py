"""Recovery deletes nothing: whatever file of a dataset is gone, cut short or damaged, every saved episode's files stay, in
their places or aside, and what follows from others is made again to the byte."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lerobot_fakes import SPEC as BENCH
from lerobot_fakes import bench_episode, bench_lerobot
from wamlab.cli import main
from wamlab.data.check.run import check_dataset
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.sidecar import read_sidecar
from wamlab.data.recorder import Recorder
from wamlab.data.recorder_files import Dataset
from wamlab.data.recorder_journal import BEGIN, END, HEAD, MAGIC, STEP, read_journal
from wamlab.data.recorder_recovery import Recovery, recover
from wamlab.data.store import EpisodeStore
from wamlab.errors import DataError, WamError

SPEC = replace(BENCH, cameras=("main",))
EPISODES = [bench_episode(number, steps=4) for number in range(4)]
TEXTS = ("grip the block", "lift the block", "grip the block")


def rows(recorder: Recorder, number: int, count: int | None = None) -> None:
    episode = EPISODES[number]
    for t in range(len(episode) + 1 if count is None else count):
        recorder.add({name: frames[t] for name, frames in episode.frames.items()}, episode.state[t],
                     episode.action[t] if t < len(episode) else None, success=bool(episode.success[t]), now_ns=t * 100_000_000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Three saved episodes of two tasks."""
    folder = tmp_path_factory.mktemp("whole") / "set"
    with Recorder(folder, SPEC, renderer="bench-1") as recorder:
        for number, text in enumerate(TEXTS):
            recorder.begin(text, {"operator": "ada"})
            rows(recorder, number)
            recorder.save()
    return folder


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    shutil.copytree(whole, tmp_path / "set")
    return tmp_path / "set"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def lost(folder: Path, before: dict[str, bytes]) -> list[str]:
    """Which of the data, video and table files of `before` are neither in their place nor aside, with their content."""
    now = contents(folder)
    aside = {(name.split("/", 3)[3], content) for name, content in now.items() if name.startswith("recording/aside/")}
    return [name for name, content in before.items() if name.startswith(("data/", "videos/", "meta/episodes/", "episodes/"))
            and now.get(name) != content and (name, content) not in aside]


def removed(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for place in range(len(content) // 3, min(len(content) // 3 + 40, len(content))):
        content[place] ^= 0xFF
    file.write_bytes(content)


HARMS: tuple[Callable[[Path], None], ...] = (removed, cut, emptied, damaged)


def tried(action: Callable[[], object]) -> object:
    """What came of it: a result, or the error that a person reads. Any other exception is a failure of the test."""
    try:
        return action()
    except WamError as error:
        assert error.where and error.fix, error
        return error


def opened(folder: Path) -> int:
    with Recorder(folder, SPEC, renderer="bench-1") as recorder:
        assert not any("rebuilt" in line or "aside" in line for line in recorder.recovery.said)  # recovery was done before
        return recorder.episodes


def test_no_file_that_is_gone_cut_or_damaged_costs_a_saved_episode(whole, tmp_path):
    original = contents(whole)
    assert sum(name.startswith(("data/", "videos/")) for name in original) == 6
    for number, name in enumerate(original):
        follows = name.startswith(("meta/", "recording/"))
        for harm in HARMS if name.endswith(".json") else (removed, cut, damaged):
            folder = tmp_path / f"{number}-{harm.__name__}"
            shutil.copytree(whole, folder)
            harm(folder / name)
            harmed = contents(folder)
            done = tried(lambda folder=folder: recover(folder))
            assert lost(folder, harmed) == [], (name, harm.__name__, done)
            assert isinstance(done, Recovery), (name, harm.__name__, done)
            if follows and name != "meta/wamlab.json" and harmed.get(name) != original[name]:
                assert (folder / name).read_bytes() == original[name] or done.said == (), (name, harm.__name__, done)
                assert name in "".join(done.said) or pq.read_table(folder / name).equals(pq.read_table(whole / name))
            elif harmed.get(name) != original[name] and not (harm is damaged and name.endswith(".mp4")):
                assert any(name in line for line in done.said), (name, harm.__name__, done)
            assert tried(lambda folder=folder: opened(folder)) == 3 and lost(folder, harmed) == []
            if follows:
                assert harm is not removed or sum(one.severity == "error" for one in check_dataset(folder)) == 0
                read = LeRobot.open(folder)
                assert [read.tasks[int(read.columns(e)["task_index"][0, 0])] for e in range(3)] == list(TEXTS)
            shutil.rmtree(folder)


def test_the_count_of_lost_files_can_fail(copy):
    before = contents(copy)
    assert lost(copy, before) == []
    (copy / "data/chunk-000/file-001.parquet").unlink()
    cut(copy / "videos/observation.images.main/chunk-000/file-000.mp4")
    assert len(lost(copy, before)) == 2


def test_two_files_gone_are_rebuilt_or_refused_and_then_nothing_is_touched(whole, tmp_path):
    """Recovery either makes a whole dataset again or changes nothing at all."""
    pairs = [(("meta/info.json", "meta/episodes/chunk-000/file-002.parquet"), True),
             (("meta/info.json", "recording/plan.json"), True),
             (("meta/info.json", "meta/stats.json", "meta/tasks.parquet"), True),
             (("meta/episodes/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-002.parquet"), True),
             # the list of tasks follows from the tables: with one left of each task, from these
             (("meta/tasks.parquet", "meta/episodes/chunk-000/file-002.parquet"), True),
             (("meta/tasks.parquet", "meta/episodes/chunk-000/file-001.parquet"), False),
             (("recording/plan.json", "meta/wamlab.json"), False),
             (("meta/episodes/chunk-000/file-001.parquet", "data/chunk-000/file-001.parquet"), False),
             (("meta/episodes/chunk-000/file-002.parquet", "data/chunk-000/file-002.parquet", "meta/info.json"), True),
             (("meta/episodes/chunk-000/file-002.parquet", "videos/observation.images.main/chunk-000/file-002.mp4"), False)]
    for number, (names, mends) in enumerate(pairs):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        for name in names:
            (folder / name).unlink()
        before = contents(folder)
        done = tried(lambda folder=folder: recover(folder))
        assert isinstance(done, Recovery) == mends, (names, done)
        assert lost(folder, before) == [], names
        if not mends:
            assert contents(folder) == before and isinstance(done, DataError)
            again = tried(lambda folder=folder: Recorder(folder, SPEC, renderer="bench-1"))
            assert isinstance(again, Recorder if names[0] == "recording/plan.json" else DataError)  # it knows the plan
            del again
            assert lost(folder, before) == [], names
        elif "data/chunk-000/file-002.parquet" not in names:
            assert LeRobot.open(folder).indices() == [0, 1, 2]
            assert sum(one.severity == "error" for one in check_dataset(folder)) == 0
        else:  # neither numbers nor table of the last one are left: its pictures lie aside, and that is said
            assert LeRobot.open(folder).indices() == [0, 1] and "belongs to no saved episode" in "".join(done.said)


def test_all_of_meta_gone_is_refused_and_the_recorder_takes_the_same_way(copy, capsys):
    shutil.rmtree(copy / "meta")
    before = contents(copy)
    for action in (lambda: recover(copy), lambda: opened(copy)):
        error = tried(action)
        assert isinstance(error, DataError) and "task" in error.problem and contents(copy) == before
    assert main(["data", "recover", str(copy)]) == 2
    assert "Traceback" not in capsys.readouterr().err and contents(copy) == before


def test_what_recovery_did_is_printed_and_the_next_episode_goes_on(copy, capsys):
    (copy / "meta/info.json").write_bytes(b"")
    (copy / "meta/episodes/chunk-000/file-001.parquet").unlink()
    assert main(["data", "recover", str(copy)]) == 0
    printed = capsys.readouterr().out
    assert "meta/episodes/chunk-000/file-001.parquet: rebuilt" in printed and "recording/aside/0/meta/info.json" in printed
    with Recorder(copy, SPEC, renderer="bench-1") as recorder:
        recorder.begin("place the block")
        rows(recorder, 3)
        assert recorder.save() == 3
    read = LeRobot.open(copy)
    assert [read.tasks[int(read.columns(e)["task_index"][0, 0])] for e in range(4)] == [*TEXTS, "place the block"]
    assert np.array_equal(read.columns(3)["observation.state"], EPISODES[3].state)


def test_a_lost_list_of_tasks_renames_no_episode(copy):
    (copy / "meta/tasks.parquet").unlink()
    with Recorder(copy, SPEC, renderer="bench-1") as recorder:
        recorder.begin("place the block")
        rows(recorder, 3)
        recorder.save()
    assert LeRobot.open(copy).tasks == {0: TEXTS[0], 1: TEXTS[1], 2: "place the block"}


def test_what_the_sidecar_alone_knew_is_unknown_afterwards(copy):
    (copy / "meta/wamlab.json").unlink()
    done = recover(copy)
    notes = read_sidecar(copy).episodes
    assert [set(note) for note in notes.values()] == [{"meta", "rebuilt", "camera_marks"}] * 3
    assert all("solved_at_start" not in note and "operator" not in note["meta"] for note in notes.values())
    assert any("0, 1, 2" in line for line in done.said)


def test_files_that_contradict_each_other_are_named(copy):
    plan = json.loads((copy / "recording/plan.json").read_text())
    (copy / "recording/plan.json").write_text(json.dumps(plan | {"renderer": "another"}))
    before = contents(copy)
    with pytest.raises(DataError, match=r"disagree on renderer(.|\n)*plan.json(.|\n)*wamlab.json"):
        recover(copy)
    assert contents(copy) == before
    (copy / "recording/plan.json").write_text(json.dumps(plan | {"version": 2}))
    with pytest.raises(DataError, match=r"another version(.|\n)*wamlab-recording 2"):
        opened(copy)
    (copy / "recording/plan.json").write_text(json.dumps(plan))
    info = json.loads((copy / "meta/info.json").read_text())
    (copy / "meta/info.json").write_text(json.dumps(info | {"codebase_version": "v3.1"}))
    with pytest.raises(DataError, match="another tool"):
        recover(copy)
    for wrong in ({"fps": 90}, {"total_episodes": 8}, {"total_episodes": 1}):
        (copy / "meta/info.json").write_text(json.dumps(info | wrong))
        assert len(recover(copy).said) >= 1 and json.loads((copy / "meta/info.json").read_text()) == info


def test_a_recording_that_was_rearranged_by_another_tool_is_left_alone(copy):
    base = copy / "meta/episodes/chunk-000"
    tables = [pq.read_table(file) for file in sorted(base.iterdir())]
    import pyarrow as pa

    pq.write_table(pa.concat_tables(tables), base / "file-000.parquet")
    for number in (1, 2):
        (base / f"file-00{number}.parquet").unlink()
    before = contents(copy)
    with pytest.raises(DataError, match="rearranged"):
        opened(copy)
    assert contents(copy) == before


def record(kind: int, payload: bytes) -> bytes:
    return HEAD.pack(kind, len(payload), zlib.crc32(payload, zlib.crc32(bytes([kind])))) + payload


def journal_of(folder: Path, number: int, count: int | None = None) -> bytes:
    """A journal of an episode as a recorder leaves it when it is killed."""
    with Recorder(folder, SPEC, renderer="bench-1") as recorder:
        recorder.begin("place the block")
        rows(recorder, number, count)
        path = recorder.journal.path
    return path.read_bytes()


def split(content: bytes) -> list[tuple[int, bytes]]:
    place, found = len(MAGIC), []
    while place < len(content):
        kind, length, _ = HEAD.unpack_from(content, place)
        found.append((kind, content[place + HEAD.size:place + HEAD.size + length]))
        place += HEAD.size + length
    return found


def joined(records: list[tuple[int, bytes]]) -> bytes:
    return MAGIC + b"".join(record(kind, payload) for kind, payload in records)


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> bytes:
    return journal_of(tmp_path_factory.mktemp("journal") / "set", 3)


def test_stray_journals_move_aside(copy, journal):
    names = ["abc.journal", "-0000001.journal", "3.journal", "99999999999.journal", "0000000\u0663.journal",
             "00000003 (copy).journal"]
    for name in names:
        (copy / "recording" / name).write_bytes(journal)
    (copy / "recording/00000005.journal").mkdir()
    os.mkfifo(copy / "recording/00000006.journal")
    before = contents(copy)
    done = recover(copy)
    assert lost(copy, before) == [] and done.completed == done.salvaged == () and len(done.said) == 8
    aside = {path.name for path in (copy / "recording/aside/0/recording").iterdir()}
    assert aside == {*names, "00000005.journal", "00000006.journal"} and opened(copy) == 3
    # the control: the same content under the name of the next episode is one
    (copy / "recording/00000003.journal").write_bytes(journal)
    assert recover(copy) == Recovery(salvaged=((3, len(EPISODES[3]) + 1),))


def test_a_journal_of_a_saved_episode_with_other_rows_overwrites_nothing(copy, journal):
    before = contents(copy)
    (copy / "recording/00000001.journal").write_bytes(journal)
    done = recover(copy)
    assert lost(copy, before) == [] and any("other rows" in line for line in done.said) and done.salvaged == ()
    assert (copy / "recording/aside/0/recording/00000001.journal").read_bytes() == journal


def test_the_journal_of_a_saved_episode_mends_its_files(whole, copy, tmp_path):
    """Saved, and killed before the journal was removed; then a file is lost as well."""
    own = journal_of(tmp_path / "other", 2)
    records = split(own)
    begin = json.dumps(json.loads(records[0][1]) | {"instruction": TEXTS[2]}).encode()
    end = json.dumps({"rows": len(EPISODES[2]) + 1, "meta": {}}).encode()
    (copy / "recording/00000002.journal").write_bytes(joined([(BEGIN, begin), *records[1:], (END, end)]))
    for name in ("data/chunk-000/file-002.parquet", "videos/observation.images.main/chunk-000/file-002.mp4"):
        (copy / name).unlink()
    assert recover(copy).completed == (2,)
    assert all(contents(copy)[name] == contents(whole)[name] for name in contents(whole) if name.startswith(("data/", "vid")))


BAD = {
    "a first record that is no JSON": lambda r: [(BEGIN, b"{"), *r[1:]],
    "a first record that is a list": lambda r: [(BEGIN, b"[]"), *r[1:]],
    "a first record nested a thousand deep": lambda r: [(BEGIN, b'{"meta":' + b"[" * 1000 + b"]" * 1000 + b"}"), *r[1:]],
    "an instruction that is a number": lambda r: [(BEGIN, b'{"instruction": 3, "meta": {}}'), *r[1:]],
    "a meta that is a list": lambda r: [(BEGIN, b'{"instruction": "x", "meta": []}'), *r[1:]],
    "no first record": lambda r: r[1:],
    "a row that is too short": lambda r: [*r[:3], (STEP, b"\x01"), *r[3:]],
    "a row that says it has more numbers": lambda r: [*r[:3], (STEP, b"\xff\xff" + r[3][1][2:]), *r[4:]],
    "a row that is longer than it says": lambda r: [*r[:3], (STEP, r[3][1] + b"more"), *r[4:]],
    "a row of another robot": lambda r: [*r[:3], (STEP, b"\x02\x00\x01\x00\x00\x01\x00" + bytes(12)), *r[4:]],
    "a row that is not finite": lambda r: [*r[:3], (STEP, r[3][1][:7] + b"\xff" * 12 + r[3][1][19:]), *r[4:]],
    "pictures that are none": lambda r: [r[0], *[(STEP, one[:-40] + bytes(40)) for _, one in r[1:]]],
    "an unknown kind": lambda r: [*r[:3], (77, b"?"), *r[3:]],
    "an end that tells of other rows": lambda r: [*r, (END, b'{"rows": 99, "meta": {}}')],
    "an end that is no table": lambda r: [*r, (END, b"3")],
    "rows behind the end": lambda r: [*r[:4], (END, b'{"rows": 3, "meta": {}}'), *r[4:]],
}


@pytest.mark.parametrize("what", BAD)
def test_damage_that_bears_a_valid_checksum_stops_nothing_and_is_kept(copy, journal, what):
    made = joined(BAD[what](split(journal)))
    (copy / "recording/00000003.journal").write_bytes(made)
    before = contents(copy)
    done = recover(copy)
    assert lost(copy, before) == [] and not (copy / "recording/00000003.journal").exists()
    assert [path.read_bytes() for path in (copy / "recording/aside").rglob("*.journal")] == [made]
    assert any("00000003.journal" in line for line in done.said) and done.completed == (() if "behind" not in what else (3,))
    assert opened(copy) == 3 + len(done.completed) + len(done.salvaged)
    read = LeRobot.open(copy)
    for index, count in done.salvaged:
        assert np.array_equal(read.columns(index)["observation.state"], EPISODES[3].state[:count])


def test_the_journals_that_are_damaged_above_are_read_whole_without(journal):
    records = split(journal)
    assert [kind for kind, _ in records] == [BEGIN, *[STEP] * (len(EPISODES[3]) + 1)] and joined(records) == journal


def test_a_flipped_bit_at_the_start_of_a_journal_does_not_delete_it(copy, journal):
    for place in (0, len(MAGIC), len(MAGIC) + 3):  # the sign, the kind, the length of the first record
        content = bytearray(journal)
        content[place] ^= 1
        (copy / "recording/00000003.journal").write_bytes(content)
        assert recover(copy).dropped == 1
        assert bytes(content) in [path.read_bytes() for path in (copy / "recording/aside").rglob("*.journal")]
    (copy / "recording/00000003.journal").write_bytes(journal[:len(MAGIC) + HEAD.size + len(split(journal)[0][1])])
    kept = len(list((copy / "recording/aside").iterdir()))
    assert recover(copy) == Recovery(dropped=1) and len(list((copy / "recording/aside").iterdir())) == kept  # it held no row


def test_files_of_an_episode_that_was_never_saved_move_aside(copy):
    """A save that failed half way and was then discarded."""
    for name in ("data/chunk-000/file-003.parquet", "videos/observation.images.main/chunk-000/file-003.mp4"):
        shutil.copy(copy / name.replace("003", "002"), copy / name)
    before = contents(copy)
    done = recover(copy)
    assert lost(copy, before) == [] and sum("no saved episode" in line for line in done.said) == 2 and opened(copy) == 3
    assert not (copy / "data/chunk-000/file-003.parquet").exists()


def test_a_disk_that_refuses_the_journal_keeps_it(copy, journal, monkeypatch):
    (copy / "recording/00000003.journal").write_bytes(journal)
    with monkeypatch.context() as broken:
        broken.setattr(Dataset, "_put", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(DataError, match="full"):
            recover(copy)
    assert read_journal(copy / "recording/00000003.journal") is not None and not (copy / "recording/aside").exists()
    assert recover(copy).salvaged == ((3, len(EPISODES[3]) + 1),)


def test_what_could_not_be_read_back_is_not_begun(tmp_path):
    with Recorder(tmp_path / "set", SPEC) as recorder:
        for meta in ({"a": float("nan")}, {"a": object()}, {"a": 10**30}, {"a": "\ud800"}):
            with pytest.raises(DataError):
                recorder.begin("x", meta)
        with pytest.raises(DataError):
            recorder.begin("half a \udc00 character")
        assert not list((tmp_path / "set/recording").glob("*.journal"))
        recorder.begin("x", {"a": "ä"})
        rows(recorder, 0)
        with pytest.raises(DataError):
            recorder.save({"a": float("inf")})
        assert recorder.save({"a": 1.5}) == 0
    assert read_sidecar(tmp_path / "set").episodes[0]["meta"]["a"] == 1.5


@pytest.mark.parametrize("kind", ["store", "lerobot"])
def test_what_is_no_recording_is_left_alone(tmp_path, kind):
    """An episode store and an exported dataset, with each of their files harmed in turn."""
    bench_lerobot(tmp_path, 1)
    original = tmp_path / kind
    EpisodeStore.open(tmp_path / "store")
    names = [name for name in contents(original)]
    for number, name in enumerate(names):
        for harm in HARMS:
            folder = tmp_path / f"{number}-{harm.__name__}"
            shutil.copytree(original, folder)
            harm(folder / name)
            before = contents(folder)
            for action in (lambda f=folder: recover(f), lambda f=folder: opened(f), lambda f=folder: list(EpisodeStore.open(f)),
                           lambda f=folder: EpisodeStore.open_or_create(f, BENCH, "bench-1", {"source": "test"}),
                           lambda f=folder: len(LeRobot.open(f))):
                with suppress(WamError):
                    action()
                if not (kind == "store" and name == "dataset.json"):
                    assert contents(folder) == before, (name, harm.__name__)
            assert lost(folder, before) == []
            shutil.rmtree(folder)
