"""Every damaged, missing or unsuitable dataset ends in one clear error that names the place, and leaves nothing behind."""

import errno
import json
import os
import shutil
import stat
import tempfile
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from data_fakes import SPEC, episode, imagined_episode
from wamlab.data.record import pack
from wamlab.data.store import EpisodeStore, checksum
from wamlab.data.windows import Windows
from wamlab.errors import DataError, SpecError, WamError
from wamlab.types import Episode

CUT = {"history": 1, "chunk": 2, "offsets": (1,)}


@pytest.fixture
def store(tmp_path):
    made = EpisodeStore.create(tmp_path / "d", SPEC, "r")
    made.put(0, episode(0, 4))
    return made


def everything(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


@pytest.fixture
def unchecked():
    """Users run without the tests' type checker, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@contextmanager
def unprivileged():
    """Root may write anywhere: be nobody for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def read_only():
    """A dataset with an episode in a folder that nobody may write to."""
    folder = Path(tempfile.mkdtemp(prefix="wamlab-read-only-"))
    EpisodeStore.create(folder / "d", SPEC, "r").put(0, episode(0, 4))
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder)


# --- opening a dataset ---

@pytest.mark.parametrize("name, content, words", [
    ("truncated", b'{"format": "wamlab-data', ["damaged"]),
    ("empty", b"", ["damaged"]),
    ("binary", bytes(range(256)), ["damaged"]),
    ("a list", b"[1, 2]", ["no wamlab dataset", "list"]),
    ("another format", b'{"format": "lerobot", "version": 1}', ["no wamlab dataset", "lerobot"]),
    ("no format", b"{}", ["no wamlab dataset"]),
    ("another version", b'{"format": "wamlab-dataset", "version": 99}', ["another version", "expected: 1", "got: 99"]),
    ("no version", b'{"format": "wamlab-dataset"}', ["another version"]),
    ("no renderer", b'{"format": "wamlab-dataset", "version": 1, "task_spec": {}}', ["damaged", "renderer"]),
    ("an empty spec", b'{"format": "wamlab-dataset", "version": 1, "renderer": "r", "provenance": {}, "task_spec": {}}',
     ["damaged", "task_spec.action"]),
])
def test_a_damaged_description(store, name, content, words):
    (store.path / "dataset.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        EpisodeStore.open(store.path)
    assert all(word in str(caught.value) for word in [*words, "dataset.json"]), str(caught.value)


@pytest.mark.parametrize("field, value, words", [
    ("cameras", [], ["camera"]), ("cameras", "main", ["cameras"]), ("cameras", [3], ["cameras"]),
    ("image_size", [64], ["image_size"]), ("image_size", [0, 64], ["image_size"]), ("max_steps", "many", ["max_steps"]),
    ("entities", [{}], ["entities[0].name"]), ("task", 5, ["task"]),
    ("action", {"names": ["a", "b"], "low": [0], "high": [1], "units": ["m"], "kind": "delta"}, ["differ in number"]),
    ("action", {"names": ["a"], "low": [0], "high": [1], "units": ["m"], "kind": "jump"}, ["kind", "jump", "delta, relative"]),
])
def test_a_damaged_spec(store, field, value, words):
    file = store.path / "dataset.json"
    said = json.loads(file.read_text())
    said["task_spec"][field] = value
    file.write_text(json.dumps(said))
    with pytest.raises(DataError) as caught:
        EpisodeStore.open(store.path)
    assert all(word in str(caught.value) for word in [*words, "dataset.json"]), str(caught.value)


def test_a_dataset_that_is_not_there(tmp_path):
    (tmp_path / "file").touch()
    for path, word in [(tmp_path / "nothing", "no such folder"), (tmp_path, "without dataset.json"),
                       (tmp_path / "file", "no such folder")]:
        with pytest.raises(DataError, match="no dataset here") as caught:
            EpisodeStore.open(path)
        assert word in str(caught.value) and str(path) in str(caught.value)


def test_names_in_the_description_are_no_paths(tmp_path):
    spec = replace(SPEC, task="../../escape", cameras=("../../../camera", "/etc/x"))
    made = EpisodeStore.create(tmp_path / "in" / "d", spec, "../r")
    plain = episode(0, 2)
    frames = {"../../../camera": plain.frames["main"]}
    made.put(0, Episode("../../escape", "x", frames, plain.state, plain.action, plain.success))
    assert len(Windows([EpisodeStore.open(made.path)], **CUT)) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["in"] and [p.name for p in (tmp_path / "in").iterdir()] == ["d"]


# --- reading an episode ---

def test_every_truncation_is_noticed(store):
    file = store.files()[0]
    whole = file.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged") as caught:
            store[0]
        assert str(file) in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("flip")
    store = EpisodeStore.create(folder, SPEC, "r")
    store.put(0, imagined_episode())
    file = store.files()[0]
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    file.write_bytes(bytes(content))
    with pytest.raises(DataError):
        store[0]


@pytest.mark.parametrize("content", [b"garbage" * 50, b"\xff" * 64, (2**62).to_bytes(8, "little") + b"{}",
                                     b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.", b"PK\x03\x04" + bytes(60)])
def test_garbage_in_place_of_an_episode(store, content):
    store.files()[0].write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        store[0]
    with pytest.raises(DataError, match="damaged"):
        Windows([store], **CUT)
    assert not list(store.path.rglob(".*"))


def forge(store, index=0, header=None, **changes):
    """Write an episode file whose checksums are right but whose content is not."""
    arrays, text = pack(episode(index, 4))
    for name, value in changes.items():
        arrays.pop(name.replace("__", "/"))
        if value is not None:
            arrays[name.replace("__", "/")] = value
    text = json.dumps(json.loads(text) | (header or {}))
    save_file(arrays, store.path / "episodes" / f"{index:08d}.safetensors",
              {"episode": text, "checksums": json.dumps({name: checksum(value) for name, value in arrays.items()}),
               "header_checksum": str(zlib.crc32(text.encode()))})


@pytest.mark.parametrize("changes, words", [
    ({"state": np.zeros((9, 2), np.float32)}, ["state has the wrong length", "expected: 5", "got: 9"]),
    ({"success": np.zeros(2, bool)}, ["success has the wrong length"]),
    ({"imitate": np.zeros(9, bool)}, ["imitate has the wrong length"]),
    ({"frames__main": np.zeros((3, 4, 6, 3), np.uint8)}, ["frames/main has the wrong length"]),
    ({"truth__arm": np.zeros((3, 3))}, ["truth/arm has the wrong length"]),
    ({"state": np.full((5, 2), np.nan, np.float32)}, ["state is not finite at step 0"]),
    ({"action": np.full((4, 2), np.inf, np.float32)}, ["action is not finite"]),
    ({"truth__arm": np.full((5, 3), np.nan)}, ["truth/arm is not finite"]),
    ({"state": np.zeros((5, 7), np.float32)}, ["state does not fit", "(5, 2)", "(5, 7)"]),
    ({"action": np.zeros((4, 3), np.float32)}, ["action does not fit", "(4, 2)", "(4, 3)"]),
    ({"truth__arm": np.zeros((5, 4))}, ["truth/arm does not fit"]),
    ({"frames__main": np.zeros((5, 8, 8, 3), np.uint8)}, ["frames/main does not fit"]),
    ({"frames__main": np.zeros((5, 4, 6, 3), np.float32)}, ["not an image sequence", "float32"]),
    ({"frames__main": None}, ["lacks the main camera"]),
    ({"state": np.zeros((5, 2), np.float64)}, ["state has the wrong type", "float64"]),
    ({"success": np.zeros(5, np.uint8)}, ["success has the wrong type"]),
    ({"action": None}, ["lacks a field", "action"]),
    ({"header": {"task": "another"}}, ["of another task", "counter", "another"]),
    ({"header": {"meta": 3}}, ["lacks a field"]),
    ({"header": {"imagined": [{"step": 0, "offsets": [], "seconds": 0}]}}, ["lacks a field", "imagined/0/action"]),
])
def test_an_episode_that_cannot_be(unchecked, store, changes, words):
    forge(store)
    assert np.array_equal(store[0].state, episode(0, 4).state)  # the forgery as such is fine
    forge(store, **changes)
    with pytest.raises(DataError) as caught:
        store[0]
    assert all(word in str(caught.value) for word in [*words, str(store.files()[0])]), str(caught.value)


def test_an_episode_that_is_not_there(store):
    for index, word in [(3, "no such episode"), (-1, "count from 0")]:
        with pytest.raises(DataError, match=word):
            store[index]
    save_file({"state": np.zeros(3)}, store.files()[0])  # a file of something else
    with pytest.raises(DataError, match="damaged"):
        store[0]
    store.files()[0].unlink()
    (store.path / "episodes" / "00000000.safetensors").mkdir()
    with pytest.raises(DataError):
        store[0]


# --- writing ---

@pytest.mark.parametrize("make, words", [
    (lambda: episode(0, 4, note=object()), ["provenance is not JSON"]),
    (lambda: episode(0, 4, note=float("nan")), ["provenance is not JSON"]),
    (lambda: episode(0, 4, renderer="other-2"), ["rendered differently", "other-2"]),
    (lambda: changed(task="walker"), ["of another task", "walker"]),
    (lambda: changed(state=np.zeros((5, 3), np.float32)), ["state does not fit"]),
    (lambda: changed(action=np.zeros((4, 3), np.float32)), ["action does not fit"]),
    (lambda: changed(truth={"leg": np.zeros((5, 3))}), ["unknown entity 'leg'"]),
    (lambda: changed(frames={"side": np.zeros((5, 4, 6, 3), np.uint8)}), ["unknown camera 'side'"]),
    (lambda: changed(frames={}), ["lacks the main camera"]),
])
def test_an_episode_that_does_not_belong(store, make, words):
    before = everything(store.path)
    with pytest.raises(DataError) as caught:
        store.put(1, make())
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert everything(store.path) == before


def changed(**fields):
    plain = episode(0, 4)
    names = ("task", "instruction", "frames", "state", "action", "success", "truth", "meta")
    return Episode(**({name: getattr(plain, name) for name in names} | fields))


@pytest.mark.parametrize("fields, words", [
    ({"state": np.zeros((4, 2), np.float32)}, ["state has the wrong length", "T + 1 observations"]),
    ({"state": np.full((5, 2), np.nan, np.float32)}, ["state is not finite"]),
])
def test_an_episode_that_contradicts_itself_is_never_made(unchecked, fields, words):
    with pytest.raises(DataError) as caught:
        changed(**fields)
    assert all(word in str(caught.value) for word in words)


def test_episodes_are_never_overwritten(store):
    before = store.files()[0].read_bytes()
    with pytest.raises(DataError, match="there already"):
        store.put(0, episode(0, 2))
    assert store.files()[0].read_bytes() == before


def test_a_dataset_is_never_overwritten(store):
    with pytest.raises(DataError, match="a dataset here already"):
        EpisodeStore.create(store.path, SPEC, "r")
    (store.path / "dataset.json").unlink()  # even one that lost its description
    with pytest.raises(DataError, match="a dataset here already"):
        EpisodeStore.create(store.path, SPEC, "r")


@pytest.mark.parametrize("other, word", [
    ({"renderer": "r2"}, "another renderer"), ({"provenance": {"a": 1}}, "another provenance"),
    ({"task_spec": replace(SPEC, max_steps=9)}, "another task_spec")])
def test_going_on_under_other_conditions(store, other, word):
    with pytest.raises(DataError, match=word):
        EpisodeStore.open_or_create(store.path, **({"task_spec": SPEC, "renderer": "r"} | other))


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    for path in [tmp_path / "file", tmp_path / "file" / "deeper"]:
        with pytest.raises(DataError, match="a file stands"):
            EpisodeStore.create(path, SPEC, "r")


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number, words", [
    (errno.ENOSPC, ["disk is full", "free some space"]), (errno.EDQUOT, ["disk is full"]),
    (errno.EROFS, ["cannot be written", "another output folder"]), (errno.EIO, ["cannot be written", "Input/output error"])])
def test_a_failing_disk_leaves_nothing_half_written(store, monkeypatch, call, number, words):
    before = everything(store.path)

    def fail(*args):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(f"wamlab.data.atomic.os.{call}", fail)
        with pytest.raises(DataError) as caught:
            store.put(1, episode(1, 4))
        assert all(word in str(caught.value) for word in [*words, str(store.path)]), str(caught.value)
        assert everything(store.path) == before
        with pytest.raises(DataError):
            EpisodeStore.create(store.path.parent / "new", SPEC, "r")
    assert not list(store.path.parent.rglob("*.tmp")) and not (store.path.parent / "new" / "dataset.json").exists()
    store.put(1, episode(1, 4))  # once there is room again, the same call goes through
    assert len(EpisodeStore.open(store.path)) == 2


@pytest.mark.parametrize("room", [0, 1, 100, 1000])
def test_a_write_that_stops_in_the_middle(store, room):
    """A real one: the system refuses to let any file grow beyond `room` bytes."""
    resource = pytest.importorskip("resource")
    before, limits = everything(store.path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(DataError, match="cannot be written"):
            store.put(1, episode(1, 40))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert everything(store.path) == before


def test_a_read_only_folder(read_only):
    before = everything(read_only)
    with unprivileged():
        opened = EpisodeStore.open(read_only / "d")
        assert len(opened[0]) == 4
        for act in (lambda: opened.put(1, episode(1, 4)), lambda: EpisodeStore.create(read_only / "new", SPEC, "r")):
            with pytest.raises(DataError, match="cannot be written") as caught:
                act()
            assert "fix: choose another output folder" in str(caught.value)
        with pytest.warns(UserWarning, match="no frame cache"):  # reading goes on without the cache, and says so
            windows = Windows([opened], **CUT)
        assert windows.batch(np.arange(4)).context.frames[:, 0, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert everything(read_only) == before


def test_no_room_for_the_cache(store, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("wamlab.data.atomic.os.fsync", fail)
    with pytest.warns(UserWarning, match=r"No space left.*in memory"):
        windows = Windows([store], **CUT)
    assert windows.frames[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4] and not list((store.path / "cache").iterdir())


# --- cutting windows ---

def test_datasets_that_do_not_go_together(tmp_path, store):
    rendered = EpisodeStore.create(tmp_path / "b", SPEC, "other")
    rendered.put(0, episode(0, 2))
    with pytest.raises(DataError, match="rendered differently") as caught:
        Windows([store, rendered], **CUT)
    assert "other" in str(caught.value) and str(rendered.path) in str(caught.value)
    for name, spec in {"c": replace(SPEC, control_hz=20.0), "g": replace(SPEC, action=replace(SPEC.action, kind="delta")),
                       "e": replace(SPEC, image_size=(8, 8)), "f": replace(SPEC, cameras=("side",))}.items():
        with pytest.raises(SpecError, match="disagree on"):
            Windows([store, EpisodeStore.create(tmp_path / name, spec, "r")], **CUT)


@pytest.mark.parametrize("settings, error, words", [
    ({"episodes": [[0, 7]]}, DataError, ["no episode 7", "[0]"]),
    ({"episodes": [[0], [0]]}, DataError, ["one list of episodes per dataset"]),
    ({"camera": "side"}, SpecError, ["no camera 'side'", "main"]),
    ({"history": 0}, WamError, ["at least one context frame"]),
    ({"chunk": 0}, WamError, ["at least one context frame"]),
    ({"offsets": (0, 1)}, WamError, ["offsets ahead of now"]),
])
def test_windows_that_cannot_be_cut(store, settings, error, words):
    with pytest.raises(error) as caught:
        Windows([store], **{**CUT, **settings})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_nothing_to_cut_from(tmp_path):
    with pytest.raises(DataError, match="no dataset was given"):
        Windows([], **CUT)
    with pytest.raises(DataError, match="hold no episodes") as caught:
        Windows([EpisodeStore.create(tmp_path, SPEC, "r")], **CUT)
    assert "wam collect" in str(caught.value)


def test_truth_that_nobody_reports(store):
    with pytest.raises(SpecError, match="no episode reports 'leg'") as caught:
        Windows([store], **CUT).truth("leg")
    assert "arm" in str(caught.value)


def test_truth_that_means_two_things(tmp_path, store):
    arm = replace(SPEC.entities[0], channels=("angle",), units=("rad",))
    other = EpisodeStore.create(tmp_path / "b", replace(SPEC, entities=(arm,)), "r")
    other.put(0, changed(truth={"arm": np.zeros((5, 1))}))
    windows = Windows([store, other], **CUT)  # two tasks together may well be trained on
    with pytest.raises(SpecError, match="disagree on what 'arm' reports"):
        windows.truth("arm")
