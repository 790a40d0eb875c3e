"""Instructions that change within an episode: stored, windowed, imported, exported and shown, none narrowed to the first."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_fakes import SPEC, episode
from lerobot_fakes import bench_store
from wamlab.cli import main
from wamlab.data.check.run import check_dataset
from wamlab.data.formats.convert import import_lerobot
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.instructions import changes, spoken
from wamlab.data.record import pack, unpack
from wamlab.data.selection import identity
from wamlab.data.store import EpisodeStore
from wamlab.data.windows import Windows
from wamlab.errors import DataError
from wamlab.report.browse import browse_dataset

OPEN, PUT, CLOSE = "öffne die Schublade 🗄️", "lege den Würfel hinein", "close it"


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_an_episode_says_what_was_to_be_done_at_each_moment(texts):
    (_, first), *later = changes(texts)
    made = replace(episode(0, len(texts) - 1), instruction=first, later=tuple(later))
    assert [made.instruction_at(t) for t in range(len(texts))] == texts
    assert made.instructions == changes(texts) and all(a[1] != b[1] for a, b in zip(made.instructions, later, strict=False))


@pytest.mark.parametrize("later", [((0, PUT),), ((6, PUT),), ((3, PUT), (2, CLOSE)), ((2, PUT), (2, CLOSE)), ((-1, PUT),)])
def test_instructions_out_of_order_are_refused(later):
    with pytest.raises(DataError, match="out of order"):
        replace(episode(0, 5), later=later)
    assert replace(episode(0, 5), later=((5, PUT),)).instruction_at(5) == PUT  # the control: the last observation has one too


def test_files_of_episodes_with_one_instruction_have_not_changed(tmp_path):
    arrays, text = pack(episode(0, 5))
    said = json.loads(text)
    assert list(said) == ["task", "instruction", "imagined", "meta"] and unpack(arrays, said, tmp_path).later == ()
    two = replace(episode(0, 5), later=((2, PUT), (4, CLOSE)))
    assert unpack(arrays, json.loads(pack(two)[1]), tmp_path).instructions == ((0, "count up 0"), (2, PUT), (4, CLOSE))
    for damaged in ([[2]], 3, [["x", "y"]], [[9, "y"]], [[2, 3]], {"2": "y"}):
        with pytest.raises(DataError):
            unpack(arrays, said | {"later": damaged}, tmp_path)


def test_a_window_has_the_instruction_of_its_current_observation(tmp_path):
    """In mixtures too: each store's windows say what their own episode says."""
    stores = [EpisodeStore.create(tmp_path / name, SPEC, "r") for name in "ab"]
    stores[0].append(replace(episode(0, 6), instruction=OPEN, later=((2, PUT), (5, CLOSE))))
    stores[0].append(episode(1, 2))
    stores[1].append(replace(episode(2, 4), instruction=PUT, later=((3, OPEN),)))
    windows = Windows(stores, history=3, chunk=4, offsets=(1, 3))
    said = windows.batch(np.arange(12)).context.instruction
    assert said == (OPEN, OPEN, PUT, PUT, PUT, CLOSE, "count up 1", "count up 1", PUT, PUT, PUT, OPEN)
    order = np.array([11, 0, 5, 3])
    assert windows.batch(order, frames=False).context.instruction == tuple(said[i] for i in order)


def test_data_with_other_instructions_is_other_data():
    records = [replace(episode(0, 5), later=later) for later in ((), ((2, PUT),), ((3, PUT),), ((2, CLOSE),))]
    assert len({identity([], record.state, [record]) for record in records}) == 4


def test_instructions_survive_the_way_to_lerobot_and_back(tmp_path, capsys):
    """Five rows of each in the columns of a dataset; and none is lost in what the commands say."""
    plain = bench_store(tmp_path / "plain", 2)
    store = EpisodeStore.create(tmp_path / "a", plain.task_spec, plain.renderer, {"source": "test"})
    last = len(plain[0])
    store.append(replace(plain[0], instruction=OPEN, later=((5, PUT), (last, CLOSE))))
    store.append(plain[1])
    root = export_lerobot(store, tmp_path / "b")
    rows = pq.read_table(root / "data/chunk-000/file-000.parquet")["task_index"].to_pylist()
    assert rows == [0] * 5 + [1] * (last - 5) + [2] + [3] * (len(plain[1]) + 1)
    assert [row.tasks for row in LeRobot.open(root).rows] == [(OPEN, PUT, CLOSE), ("grip the block",)]
    assert not [finding for finding in check_dataset(root) if finding.check in ("tasks", "instruction")]
    back = import_lerobot(root, tmp_path / "c").store
    assert back[0].instructions == ((0, OPEN), (5, PUT), (last, CLOSE)) and back[1].instructions == ((0, "grip the block"),)
    for folder in ("b", "c"):
        assert main(["data", "info", str(tmp_path / folder), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["tasks" if folder == "b" else "instructions"] == [OPEN, PUT, CLOSE, "grip the block"]
        browse_dataset(tmp_path / folder, tmp_path / "page.html")
        assert json.dumps(spoken(store[0].instructions))[1:-1] in (tmp_path / "page.html").read_text()


def test_a_part_without_instruction_is_found(tmp_path):
    store = EpisodeStore.create(tmp_path / "a", bench_store(tmp_path / "plain", 1).task_spec, "bench-1", {"source": "test"})
    plain = EpisodeStore.open(tmp_path / "plain")[0]
    store.append(replace(plain, later=((7, " "),)))
    found = [f for f in check_dataset(tmp_path / "a") if f.check == "instruction"]
    assert [f.problem for f in found] == ["the episode has no instruction from row 7 on"]
    assert not [f for f in check_dataset(tmp_path / "plain") if f.check == "instruction"]
