"""Damaged, special and absurd input, each with the words that tell its user what is wrong: status 2 and one error."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_fakes import SPEC, episode, imagined_episode
from lerobot_fakes import bench_store
from synthetic import write_run
from wamlab import cli
from wamlab.control.collect import collect
from wamlab.data.store import EpisodeStore
from wamlab.errors import DataError, WamError
from wamlab.evaluate.log import EvalLog, Score
from wamlab.job.run_config import RunConfig
from wamlab.ranges import COUNT, SEED, SHARE, Within, check
from wamlab.reading import parse_json, regular
from wamlab.reading_tensors import load_arrays, load_tensors, tensor_header

DEEP = "[" * 100_000 + "]" * 100_000


def say(capsys, *line: str) -> tuple[int, str, str]:
    capsys.readouterr()
    try:
        status = cli.main(list(line))
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, *capsys.readouterr()


@pytest.fixture
def store(tmp_path) -> EpisodeStore:
    made = EpisodeStore.create(tmp_path / "store", SPEC, "r", {"source": "collect"})
    made.put(0, episode(0, 4))
    return made


@pytest.mark.parametrize("text, words", [
    (DEEP, "nested too deeply"), ('{"a":' * 3000 + "1" + "}" * 3000, "nested too deeply"), ("[]", "list"),
    ('{"format": NaN}', "not finite"), ('{"version": 1e999}', "not finite"), ('{"version": ' + "9" * 400 + "}", "too large"),
    ('{"x": "\\ud800"}', "half a character"),
    ('{"format": "wamlab-dataset", "version": 1, "renderer": "r", "provenance": [], "task_spec": {}}', "provenance"),
    ('{"a": 1, "a": 2}', "twice"), ("", "damaged")])
def test_a_description_that_is_none(store, capsys, text, words):
    assert say(capsys, "show", str(store.path))[0] == 0
    (store.path / "dataset.json").write_text(text)
    for command in (("show",), ("data", "info"), ("eval",), ("data", "export", "--out", "x")):
        status, out, err = say(capsys, *command, str(store.path), "--json")
        assert status == 2 and not out and err.count("error:") == 1, err
        assert words in err and "dataset.json" in err
    status, out, err = say(capsys, "data", "check", str(store.path), "--json")  # whose result is a list of what is wrong
    assert status == 2 and words in json.loads(out)[0]["problem"] + str(json.loads(out)[0]) and "error:" not in err


@pytest.mark.skipif(os.name == "nt", reason="no pipes there")
@pytest.mark.parametrize("place", ["dataset.json", "episodes/00000000.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.timeout(30)
def test_special_files_neither_hang_nor_fill_the_memory(store, capsys, place, kind):
    file = store.path / place
    file.unlink()
    os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/zero")
    for command in (("show",), ("data", "check"), ("data", "info"), ("eval",)):
        status, out, err = say(capsys, *command, str(store.path))
        assert status == 2 and "no regular file" in out + err, out + err


def test_scoring_what_is_no_rollout(tmp_path, store, capsys):
    status, out, err = say(capsys, "eval", str(store.path), "--metric", "success")
    assert status == 2 and not out and "no rollouts" in err and "source collect" in err
    EpisodeStore.create(tmp_path / "empty", SPEC, "r")
    status, _, err = say(capsys, "eval", str(tmp_path / "empty"), "--json")
    assert status == 2 and "0 episodes" in err
    acted = EpisodeStore.create(tmp_path / "acted", SPEC, "r")
    acted.put(0, imagined_episode())
    assert say(capsys, "eval", str(tmp_path / "acted"), "--metric", "success")[0] == 0  # one that is


def test_a_dataset_without_episodes_is_no_sound_one(tmp_path, capsys):
    store = bench_store(tmp_path / "bench", 1)
    assert "holds no episodes" not in say(capsys, "data", "check", str(store.path))[1]
    store.files()[0].unlink()
    status, out, _ = say(capsys, "data", "check", str(store.path))
    assert status == 2 and "holds no episodes" in out and str(store.path) in out


def test_scoring_a_run_of_which_the_log_is_left(tmp_path, capsys):
    write_run(tmp_path / "run")
    assert say(capsys, "eval", str(tmp_path / "run"), "--metric", "success")[0] == 0
    shutil.rmtree(tmp_path / "run/rollouts")
    for with_record in (False, True):
        if with_record:
            (tmp_path / "run/run.json").write_text(json.dumps({"models": ["uwm", "vla"], "seed": 0}))
        status, out, err = say(capsys, "eval", str(tmp_path / "run"), "--metric", "success", "--json")
        assert status == 2 and not out and "only the log is left" in err, err
    assert say(capsys, "show", str(tmp_path / "run"))[0] == 0  # what needs the log alone goes on


@pytest.mark.parametrize("record", ['{"models": "uwm", "seed": 0}', '{"models": ["uwm"], "seed": 1e999}', '{"models": [3]}',
                                    DEEP, '{"models": ["uwm"], "seed": -1}', "[1]"])
def test_a_damaged_record_of_a_run(tmp_path, capsys, record):
    write_run(tmp_path / "run")
    (tmp_path / "run/run.json").write_text(record)
    status, out, err = say(capsys, "eval", str(tmp_path / "run"), "--json")
    assert status == 2 and not out and "the run's record is damaged" in err and "run.json" in err


@pytest.mark.parametrize("line, words", [
    ("data import x --out y --size 0 0", "--size: 1 or more"), ("data import x --out y --size -4 64", "--size: 1 or more"),
    ("data import x --out y --size 100000000 100000000", "--size: at most 8192"),
    ("data import x --out y --seconds nan", "--seconds: above 0"),
    ("data import x --out y --seconds inf", "--seconds: above 0"),
    ("data import x --out y --seconds -1", "--seconds: above 0"), ("train uwm --data x --out y --seed -1", "--seed: 0 or more"),
    ("train uwm --data x --out y --steps 5000000000", "--steps: at most 1000000"),
    ("train uwm --data x --out y --seed 99999999999999999999999", "--seed: at most 4294967295"),
    ("imagine x --data y --seed 99999999999999999999999", "--seed: at most 4294967295"),
    ("rollout x pushworld --episodes 1 --workers -3 --out r", "--workers: 1 or more"),
    ("collect pushworld --teleop --view 100000000 --out t", "--view: at most 8192"),
    ("collect pushworld --teleop --speed nan --out t", "--speed: above 0"),
    ("power --rate nan --threshold 0.5", "--rate: 0 or more"), ("run --minutes inf", "--minutes: above 0"),
    ("run --seed -5", "--seed: 0 or more"), ("card x --starts -1", "--starts: 0 or more"),
    ("data value a b --out c --fractions 0 2", "--fractions: 0 or more, at most 1"),
    ("data umi x --out y --hz inf", "--hz: above 0"), ("conformance --contexts 3000000000", "--contexts: at most 1000000")])
def test_options_out_of_their_range(capsys, line, words):
    option, _, expected = words.partition(": ")
    status, out, err = say(capsys, *line.split())
    assert status == 2 and not out and err.count("error:") == 1
    assert f"where: {option}\n" in err and expected in err and "got: " in err


@pytest.mark.parametrize("line", [["data", "check", ""], ["run", "--out", ""], ["collect", "pushworld", "--out", ""],
                                  ["data", "check", "a\0b"], ["collect", "pushworld", "--out", "\0"], ["show", "\0"]])
def test_paths_that_are_none(capsys, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    status, out, err = say(capsys, *line)
    assert status == 2 and not out and ("empty text" in err or "NUL" in err)
    assert not list(tmp_path.iterdir())


def test_ranges_hold_in_the_library_as_well(tmp_path):
    for bad in (-1, 2**64):
        with pytest.raises(WamError, match="seed"):
            collect("pushworld", 1, tmp_path / "x", seed=bad)
    with pytest.raises(WamError, match="--seed"):
        RunConfig(seed=-1).check()
    RunConfig(seed=int(SEED.high)).check()
    assert np.int64(3) in COUNT and np.float32(0.5) in SHARE and 1 in SHARE and np.nan not in SHARE and 0 not in COUNT
    assert 0.0 not in Within(0, 1, whole=False, above=True) and "above 0" in str(Within(0, 1, whole=False, above=True))
    with pytest.raises(WamError, match="episodes"):
        check(RunConfig(episodes=0))


def written(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@pytest.mark.parametrize("header, data, words", [
    (b'{"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', bytes(8), None),
    (b'{"x": {"dtype": "F32", "shape": [100000000000000], "data_offsets": [0, 400000000000000]}}', bytes(8), "cannot"),
    (b'{"x": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 8]}}', bytes(8), "does not fit"),
    (b'{"x": {"dtype": "F32", "shape": [0, 9007199254740992], "data_offsets": [0, 0]}}', b"", "does not fit"),
    (b'{"x": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}', bytes(8), "no tensor"),
    (b'{"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}', bytes(8), "cannot"),
    (b'{"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', bytes(8), "do not fill"),
    (b'{"x": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}', bytes(8), "no tensor"),
    (b'{"x": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}', bytes(8), "not read here"),
    (b'{"x": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}', b"\x02\x00", "neither true nor false"),
    (b'{"x": 3}', b"", "no tensor"), (b"[]", b"", "table"), (b'{"__metadata__": {"a": 1}}', b"", "text"),
    (DEEP.encode(), b"", "nested too deeply")])
def test_tensors_that_cannot_be(tmp_path, header, data, words):
    path = written(tmp_path / "x.safetensors", header, data)
    if words is None:
        assert load_arrays(path).arrays["x"].tolist() == [0, 0] == load_tensors(path)["x"].tolist()
        return
    with pytest.raises(DataError, match=words) as caught:
        load_arrays(path, "the file")
    assert str(path) in str(caught.value)


def test_tensors_of_short_types_are_read(tmp_path):
    header = b'{"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}'
    path = written(tmp_path / "x.safetensors", header, b"\x80\x3f\x00\x40")
    assert load_tensors(path)["x"].tolist() == [1, 2] and tensor_header(path).entries["x"].shape == (2,)


@pytest.mark.parametrize("length", [0, 1, 2**40, 2**64 - 1])
def test_headers_that_lie_about_their_length(tmp_path, length):
    (tmp_path / "x").write_bytes(length.to_bytes(8, "little") + b"{}")
    with pytest.raises(DataError, match="length is impossible"):
        tensor_header(tmp_path / "x")


def test_what_could_not_be_read_again_is_not_written(store):
    for bad in (2**70, "\ud800", {"a": [[[float("nan")]]]}, json.loads("[" * 80 + "]" * 80)):
        with pytest.raises(DataError, match="provenance is not JSON"):
            store.put(1, episode(1, 4, note=bad))
    assert store.indices() == [0]
    store.put(1, episode(1, 4, note=2**60))
    assert store.meta(1)["note"] == 2**60


@pytest.mark.parametrize("change", [{"value": "1"}, {"value": True}, {"n": None}, {"model": 3}, {"timing": 1}, {"low": []}])
def test_a_score_of_another_type(tmp_path, change):
    EvalLog({}, (Score("m", "t", "success", 0.5),)).save(tmp_path)
    record = json.loads((tmp_path / "log.json").read_text())
    record["scores"][0] |= change
    (tmp_path / "log.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=f"field {next(iter(change))}"):
        EvalLog.load(tmp_path)
    (tmp_path / "log.json").write_text(json.dumps(record | {"scores": [{"model": "m", "task": "t", "metric": "x"}]}))
    with pytest.raises(DataError, match="field value"):
        EvalLog.load(tmp_path)


@settings(max_examples=300, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-2**63, 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))
def test_plain_json_is_read_as_the_standard_reads_it(value):
    text = json.dumps(value)
    if "\\ud" not in text:
        assert parse_json(text.encode(), "here") == json.loads(text)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="no regular file"):
        regular(tmp_path)
    with pytest.raises(DataError, match="larger than any"):
        (tmp_path / "x").write_bytes(bytes(11))
        regular(tmp_path / "x", 10)


@pytest.mark.parametrize("curve", [3, {"loss": 3}, {"loss": [3]}, {"loss": [[0, "x"]]}, {"loss": [[0, 1, 2]]}])
def test_curves_that_cannot_be_drawn(tmp_path, capsys, curve):
    write_run(tmp_path / "run")
    file = tmp_path / "run/log/log.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"curves": {"uwm": curve}}))
    status, out, err = say(capsys, "report", str(tmp_path / "run"), "--json")
    assert status == 2 and not out and "curves.uwm" in err and "log.json" in err
