"""Demonstrations are a function of their index, whoever collects them, and carry what is to be imitated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wamlab.control.collect import HOLD, KINDS, MIXTURE, PLAY_STEPS, collect, demonstrate, kind_of, scene_of
from wamlab.control.replay import replay_control
from wamlab.control.workers import in_workers
from wamlab.data.store import EpisodeStore
from wamlab.errors import DataError, UnknownName, WamError
from wamlab.simulators import make
from wamlab.simulators.pushworld import PushWorld
from wamlab.spec import EntitySpec
from wamlab.types import Episode


def same(one: Episode, other: Episode) -> bool:
    arrays = [(one.state, other.state), (one.action, other.action), (one.success, other.success), (one.imitate, other.imitate)]
    arrays += [(one.frames[name], other.frames[name]) for name in one.frames]
    arrays += [(one.truth[name], other.truth[name]) for name in one.truth]
    return all(np.array_equal(a, b) for a, b in arrays) and one.meta == other.meta


@pytest.fixture
def world():
    return make("pushworld", size=32)


def test_an_episode_is_a_function_of_its_index(world: PushWorld):
    first = demonstrate(world, "noisy", 0, 5)
    demonstrate(world, "play", 0, 6)
    assert same(first, demonstrate(world, "noisy", 0, 5))
    assert not same(first, demonstrate(world, "noisy", 0, 6))
    assert not same(first, demonstrate(world, "noisy", 1, 5))


def test_actions_lead_from_one_observation_to_the_next(world: PushWorld):
    """Replaying the actions from the start gives the same observations at the same places; one step off does not."""
    episode = demonstrate(world, "expert", 0, 3)
    observation, _ = world.reset(seed=episode.meta["scene"])
    for step, action in enumerate(episode.action):
        assert np.array_equal(observation["state"], episode.state[step])
        assert np.array_equal(observation["frames"]["main"], episode.frames["main"][step])
        observation = world.step(action)[0]
    assert np.array_equal(observation["state"], episode.state[-1])
    assert not np.array_equal(episode.state[1:], episode.state[:-1])


def test_an_expert_goes_on_after_success(world: PushWorld):
    episode = demonstrate(world, "expert", 0, 3)
    assert int(np.flatnonzero(episode.success)[0]) == len(episode) - HOLD
    assert episode.imitate.all() and episode.meta["burst"] is None


def test_a_burst_is_a_constant_disturbance_that_is_not_imitated(world: PushWorld):
    episodes = [demonstrate(world, "noisy", 0, index) for index in range(20)]
    for episode in [e for e in episodes if e.solved]:
        begin, length = episode.meta["burst"]
        assert 2 <= length <= 4
        disturbed = np.zeros(len(episode), bool)
        disturbed[begin:begin + length] = True
        assert np.array_equal(episode.imitate, ~disturbed)
        assert (episode.action[disturbed] == episode.action[begin]).all()
    assert np.mean([e.solved for e in episodes]) >= 0.9  # the expert recovers


def test_play_touches_the_object_and_is_not_imitated(world: PushWorld):
    episodes = [demonstrate(world, "play", 0, index) for index in range(12)]
    moved = [np.abs(e.truth["object"] - e.truth["object"][0]).max() > 0.01 for e in episodes]
    assert np.mean(moved) >= 0.7
    assert all(len(e) == PLAY_STEPS and not e.imitate.any() for e in episodes)


def test_an_unsolved_demonstration_is_kept_but_not_imitated():
    episode = demonstrate(make("pushworld", size=32, max_steps=4), "expert", 0, 0)
    assert len(episode) == 4 and not episode.solved and not episode.imitate.any()


def test_mixed_goes_through_its_mixture():
    kinds = [kind_of("mixed", index) for index in range(100)]
    assert {kind: kinds.count(kind) for kind in KINDS} == {kind: 10 * MIXTURE.count(kind) for kind in KINDS}
    assert set(MIXTURE) == set(KINDS) - {"compass"} and len(MIXTURE) == 10


def test_no_two_episodes_share_a_scene():
    scenes = {scene_of(seed, index) for seed in range(5) for index in range(1000)}
    assert len(scenes) == 5000 and max(scenes) < 1_000_000


def test_any_number_of_workers_writes_the_same(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    one = collect("pushworld", 6, tmp_path / "one", kind="mixed", workers=1, options={"size": 32},
                  progress=lambda done, wanted: seen.append((done, wanted)))
    two = collect("pushworld", 6, tmp_path / "two", kind="mixed", workers=2, options={"size": 32})
    assert all(same(a, b) for a, b in zip(one, two, strict=True)) and len(one) == 6
    assert seen[-1] == (6, 6) and seen == sorted(seen)


def test_an_interrupted_collection_goes_on(tmp_path: Path):
    whole = collect("pushworld", 4, tmp_path / "whole", workers=1, options={"size": 32})
    collect("pushworld", 2, tmp_path / "part", workers=1, options={"size": 32})
    file = tmp_path / "part" / "episodes" / "00000001.safetensors"
    before = file.stat().st_mtime_ns
    part = collect("pushworld", 4, tmp_path / "part", workers=1, options={"size": 32})
    assert all(same(a, b) for a, b in zip(whole, part, strict=True))
    assert file.stat().st_mtime_ns == before


def test_what_cannot_be_collected_is_refused(tmp_path: Path):
    with pytest.raises(UnknownName, match="noisy"):
        collect("pushworld", 1, tmp_path / "a", kind="nosy")
    with pytest.raises(UnknownName, match="metaworld/push"):
        collect("metaworld/psh", 1, tmp_path / "a")
    with pytest.raises(WamError, match="at least one episode"):
        collect("pushworld", 0, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    collect("pushworld", 1, tmp_path / "b", workers=1, options={"size": 32})
    with pytest.raises(DataError, match="another"):
        collect("pushworld", 1, tmp_path / "b", seed=1, workers=1, options={"size": 32})


@pytest.mark.sim
def test_meta_world_is_collected(tmp_path: Path):
    store = collect("metaworld/button-press-topdown", 2, tmp_path / "d", kind="mixed", workers=1)
    episode = EpisodeStore.open(tmp_path / "d")[1]
    assert episode.solved and episode.frames["main"].shape == (len(episode) + 1, 64, 64, 3)
    assert episode.meta["renderer"] == store.renderer and episode.meta["source"] == "expert"
    assert np.abs(episode.truth["object"] - episode.truth["object"][0]).max() > 0.05
    # the state is the robot's alone: hand and gripper
    assert episode.state.shape[1] == 4


def fails(part: int, alive) -> int:
    if part == 1:
        raise DataError("part 1 is bad")
    return part * 10


def dies(part: int, alive) -> int:
    import os

    os._exit(3)


def tens(part: int, alive) -> int:
    return part * 10 if alive() else -1


def test_workers_return_in_order_and_report_what_went_wrong():
    assert in_workers(tens, [3, 1]) == [30, 10]
    with pytest.raises(DataError, match="part 1 is bad"):
        in_workers(fails, [1])
    with pytest.raises(WamError, match=r"died(.|\n)*exit code 3"):
        in_workers(dies, [0])


def test_blind_replay_does_not_solve_pushworld_but_its_own_start():
    world = make("pushworld", renders=False)
    demonstrations = [demonstrate(world, "expert", 0, index) for index in range(4)]
    blind = replay_control("pushworld", demonstrations, range(1_000_000, 1_000_025))
    assert blind.solved.shape == (4, 25) and blind.best < 0.3
    # the control: from its own start, each replay succeeds
    strangers = [Episode(**{**vars(e), "meta": {}}) for e in demonstrations]
    own = replay_control("pushworld", strangers, [scene_of(0, index) for index in range(4)])
    assert own.solved.diagonal().all()
    two = replay_control("pushworld", demonstrations, range(1_000_000, 1_000_025), workers=2)
    assert np.array_equal(two.solved, blind.solved)
    with pytest.raises(WamError, match="own"):
        replay_control("pushworld", demonstrations, [scene_of(0, 0)])


def test_workers_end_with_a_killed_parent(tmp_path: Path):
    """kill -9 reaches the parent alone; its workers end by themselves, without a word."""
    script = tmp_path / "parent.py"
    script.write_text(f'''
import pathlib, time
from wamlab.control.workers import in_workers

def work(part, alive):
    while alive():
        pathlib.Path({str(tmp_path)!r}, f"beat{{part}}").touch()
        time.sleep(0.05)

if __name__ == "__main__":
    in_workers(work, [0, 1])
''')
    beats = [tmp_path / "beat0", tmp_path / "beat1"]
    parent = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not all(beat.exists() for beat in beats):
        assert parent.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    assert parent.stderr.read() == ""  # ends when the last process that holds it has ended
    for beat in beats:
        beat.unlink()
    time.sleep(0.3)
    assert not any(beat.exists() for beat in beats)


class OtherNames(PushWorld):
    """PushWorld whose entities are called otherwise, and whose bystander has one number."""

    names = {"robot": "hand"}

    def __init__(self, drop: tuple[str, ...] = ()):
        super().__init__(size=32)
        self.drop = drop
        entities = [replace(entity, name=self.names.get(entity.name, entity.name)) for entity in self.task_spec.entities]
        lamp = EntitySpec("lamp", "bystander", ("brightness",), ("0..1",), 0.1)
        self.task_spec = replace(self.task_spec, entities=tuple(e for e in (*entities, lamp) if e.name not in drop))

    def truth(self):
        places = zip(("hand", "object", "bystander", "goal"), self._places, strict=True)
        found = {name: place.copy() for name, place in places} | {"lamp": np.array([0.5])}
        return {name: value for name, value in found.items() if name not in self.drop}


def test_play_finds_the_robot_by_its_group_not_by_its_name(tmp_path):
    world, usual = OtherNames(), PushWorld(size=32)
    assert "robot" not in world.truth()
    for kind in ("play", "compass"):
        episode = demonstrate(world, kind, 0, 3)
        assert len(episode) == PLAY_STEPS and set(episode.truth) == {"hand", "object", "bystander", "goal", "lamp"}
    assert np.array_equal(episode.action, demonstrate(usual, "compass", 0, 3).action)  # the name changes nothing
    named = OtherNames(drop=("lamp",))
    assert np.array_equal(demonstrate(named, "play", 0, 3).action, demonstrate(usual, "play", 0, 3).action)
    bare = demonstrate(OtherNames(drop=("hand",)), "play", 0, 3)  # nothing to head for with: random motion
    assert len(bare) == PLAY_STEPS and np.abs(bare.action).max() > 0
    with pytest.raises(WamError, match=r"nothing in this world is a robot(.|\n)*group robot"):
        demonstrate(OtherNames(drop=("hand",)), "compass", 0, 3)


@pytest.mark.parametrize("what", ["LeRobot dataset", "recording", "notes"])
def test_nothing_is_collected_into_a_folder_that_holds_something_else(tmp_path, what):
    out = tmp_path / "out"
    for file in {"LeRobot dataset": ("meta/info.json", "data/chunk-000/file-000.parquet"),
                 "recording": ("recording/plan.json",), "notes": ("notes.txt",)}[what]:
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        (out / file).write_text("mine")
    before = sorted(out.rglob("*"))
    with pytest.raises(DataError, match="something else here"):
        collect("pushworld", 1, out, workers=1, options={"size": 32})
    assert sorted(out.rglob("*")) == before
    (tmp_path / "empty/.hidden").mkdir(parents=True)
    assert len(collect("pushworld", 1, tmp_path / "empty", workers=1, options={"size": 32})) == 1


def test_ctrl_c_while_workers_start_is_answered_by_their_parent_alone(tmp_path):
    """Ctrl-C reaches the whole process group: the server that imports the libraries, and workers that unpack their job."""
    script = tmp_path / "parent.py"
    script.write_text(f"""
import time
from wamlab.control.workers import in_workers

def work(part, alive):
    open({str(tmp_path / 'working')!r}, "w").close()
    while alive():
        time.sleep(0.05)

if __name__ == "__main__":
    try:
        print("starting", flush=True)
        in_workers(work, [0, 1])
    except KeyboardInterrupt:
        print("stopped")
""")
    for wait in (0.0, 0.4, 1.5, None):  # None: until they work
        parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  start_new_session=True)
        assert parent.stdout.readline() == "starting\n"
        deadline = time.monotonic() + (120 if wait is None else wait)
        while time.monotonic() < deadline and not (wait is None and (tmp_path / "working").exists()):
            time.sleep(0.02)
        os.killpg(parent.pid, signal.SIGINT)
        out, error = parent.communicate(timeout=120)  # ends when the last process that holds the other end has ended
        assert (out, error) == ("stopped\n", ""), wait
    assert (tmp_path / "working").exists()
