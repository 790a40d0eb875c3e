"""Imagined futures are decoded, executed and scored by their consequences; what cannot be done is told apart."""

import numpy as np
import pytest

from wamlab.errors import DataError
from wamlab.evaluate.ask.branches import Protocol, make_branches
from wamlab.evaluate.ask.imagining import Futures
from wamlab.evaluate.eyes.plausibility.decoders import kinematic
from wamlab.evaluate.metrics import Evidence, get
from wamlab.evaluate.scoring.plausibility import decode_branches, score_plausibility

OFFSETS = (2, 4)
OPTIONS = {"size": 32}


@pytest.fixture(scope="module")
def branches(tmp_path_factory):
    protocol = Protocol("pushworld", OFFSETS, contexts=9, horizon=4, options=OPTIONS)
    return make_branches(protocol, tmp_path_factory.mktemp("branches"), workers=1)


@pytest.fixture(scope="module")
def read(branches):
    """A perfect readout: every picture of these branches is known."""
    known, names = {}, list(branches.truth)
    for c in range(len(branches)):
        known[branches.context_frames[c, -1].tobytes()] = {n: branches.truth[n][c, 0, 0] for n in names}
        for k in range(branches.actions.shape[1]):
            for f, offset in enumerate(OFFSETS):
                known[branches.frames[c, k, f].tobytes()] = {n: branches.truth[n][c, k, offset] for n in names}

    def states(frames):
        flat = [known[frame.tobytes()] for frame in frames.reshape(-1, *frames.shape[-3:])]
        return {n: np.stack([one[n] for one in flat]).reshape(*frames.shape[:-3], -1) for n in names}

    return states


class Exact:
    """Knows the truth of every stretch in the branches, in the order in which they are asked; else it stays."""

    name = "exact"

    def __init__(self, branches):
        self.made = {}
        for c in range(len(branches)):
            for k in range(branches.actions.shape[1]):
                before, t = branches.context_frames[c, -1], 0
                for f, offset in enumerate(OFFSETS):
                    after = branches.frames[c, k, f]
                    self.made[before.tobytes() + after.tobytes()] = branches.actions[c, k, t:offset].mean(0)
                    before, t = after, offset

    def __call__(self, before, after, steps):
        return np.stack([self.made.get(a.tobytes() + b.tobytes(), np.zeros(2)) for a, b in zip(before, after, strict=True)])


@pytest.fixture(scope="module")
def decoders(branches, read):
    contexts, kinds = branches.actions.shape[:2]
    truth = branches.truth["robot"].reshape(contexts * kinds, -1, 2)[:, :3]
    actions = branches.actions.reshape(contexts * kinds, -1, 2)[:, :2]
    return kinematic(read, branches.spec.entity("robot"), truth, actions), Exact(branches)


def told(branches, read, decoders, frames):
    decoded = decode_branches(branches, Futures(np.ascontiguousarray(frames), OFFSETS), read, decoders)
    return {s.metric.removeprefix("plausibility."): s.value for s in score_plausibility("m", branches, decoded)}


def test_what_really_happens_can_be_done(branches, read, decoders):
    scores = told(branches, read, decoders, branches.frames)
    for name in ("kinematic", "exact"):
        for part in ("error", "reached", "limits"):
            assert scores[f"{name}.{part}"] == scores[f"{name}.{part}.ceiling"]
    # actions change within a stretch only in the random chunk, so the mean of a stretch is what was done
    assert scores["exact.reached"] == 1 and scores["exact.error"] < 0.05 and scores["exact.actions.ceiling"] < 1e-6
    assert scores["kinematic.reached"] > 0.85 and scores["kinematic.limits"] == 0 and scores["kinematic.actions.ceiling"] < 0.2
    assert scores["speed"] == scores["workspace"] == 0


def test_jumps_and_futures_of_other_scenes_cannot(branches, read, decoders):
    elsewhere = np.roll(branches.frames, len(branches) // 2, axis=0)
    scores = told(branches, read, decoders, elsewhere)
    for name in ("kinematic", "exact"):
        assert scores[f"{name}.error"] > 3 * scores[f"{name}.error.ceiling"] + 0.2
        assert scores[f"{name}.reached"] < 0.5 * scores[f"{name}.reached.ceiling"]
    assert scores["kinematic.limits"] > 0.5 and scores["speed"] > 0.5
    assert scores["kinematic.limits.ceiling"] == scores["speed.ceiling"] == 0


def test_a_thing_that_moves_by_itself_is_seen_in_the_consequence(branches, read, decoders):
    """The hand's motion is right and can be decoded; the disc's is made up."""
    def dreaming(frames):
        found = read(frames)
        if frames.ndim > 4:
            found["object"] = found["object"] + np.where(np.arange(2) == 0, 0.3, 0.0)
        return found

    decoded = decode_branches(branches, Futures(branches.frames, OFFSETS), dreaming, decoders)
    honest = decode_branches(branches, Futures(branches.frames, OFFSETS), read, decoders)
    one, other = ({s.metric: s.value for s in score_plausibility("m", branches, d)} for d in (decoded, honest))
    assert one["plausibility.exact.reached"] == 0 and other["plausibility.exact.reached"] == 1


def test_a_frozen_future_is_reached_by_standing_still(branches, read, decoders):
    still = np.broadcast_to(branches.context_frames[:, -1][:, None, None], branches.frames.shape)
    scores = told(branches, read, decoders, still)
    assert scores["exact.reached"] == 1 and scores["kinematic.error"] < 0.05  # plausible, and useless: see the causal card


def test_no_evidence_is_unavailable(branches, read, decoders):
    (score,) = score_plausibility("m", branches, None, "this model imagines no future")
    assert score.value is None and score.unavailable == "this model imagines no future"
    (score,) = get("plausibility")(Evidence("m", branches.spec))
    assert score.value is None and score.unavailable
    with pytest.raises(DataError, match="one decoder"):
        decode_branches(branches, Futures(branches.frames, OFFSETS), read, decoders[:1])
    decoded = decode_branches(branches, Futures(branches.frames, OFFSETS), read, decoders)
    decoded.imagined["robot"][0, 0, 0, 0] = np.nan
    (score,) = score_plausibility("m", branches, decoded)
    assert "not finite" in score.unavailable


def test_kinematics_need_motion(branches, read):
    robot = branches.spec.entity("robot")
    with pytest.raises(DataError, match="cannot be told"):
        kinematic(read, robot, np.zeros((20, 3, 2)), np.ones((20, 2, 2)))
    generator = np.random.default_rng(0)
    actions = generator.uniform(-1, 1, (40, 2, 2))
    path = np.concatenate([np.zeros((40, 1, 2)), np.cumsum(0.02 * actions, 1)], 1)
    assert kinematic(read, robot, path, actions).weight == pytest.approx(np.array([[50, 0], [0, 50], [0, 0]]), abs=0.1)
