"""Demonstrations replayed from their own starts succeed; recordings that do not belong to their scene are found out."""

from dataclasses import replace

import numpy as np
import pytest

from wamlab.control.collect import collect
from wamlab.errors import DataError
from wamlab.evaluate.scoring.demonstrations import MODEL, oracle_replay


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    return tuple(collect("pushworld", 6, tmp_path_factory.mktemp("d") / "expert", kind="expert", workers=1))


def told(episodes):
    return {s.metric: s for s in oracle_replay("pushworld", episodes)}


def test_replay_from_the_own_start_is_the_demonstration(demonstrations):
    scores = told(demonstrations)
    assert all(e.solved for e in demonstrations)
    assert scores["success"].value == 1 and scores["success"].n == 6 and scores["success"].model == MODEL
    assert scores["success.drift"].value == 0 and scores["success.held"].value == 1
    assert scores["success"].low < 1 == scores["success"].high


def test_the_control_can_fail(demonstrations):
    moved = [replace(e, meta=dict(e.meta) | {"scene": int(e.meta["scene"]) + 1}) for e in demonstrations]
    scores = told(moved)
    assert scores["success"].value < 0.5 and scores["success.drift"].value > 1


def test_what_was_solved_from_the_start_or_never_is_left_out(demonstrations):
    first = demonstrations[0]
    early, never = np.array(first.success), np.zeros_like(first.success)
    early[0] = True
    assert told([*demonstrations, replace(first, success=early), replace(first, success=never)])["success"].n == 6
    (score,) = oracle_replay("pushworld", [replace(first, success=never)])
    assert score.value is None and "no demonstration" in score.unavailable


def test_a_demonstration_without_its_scene_is_refused(demonstrations):
    with pytest.raises(DataError, match="which scene"):
        told([replace(demonstrations[0], meta={})])
