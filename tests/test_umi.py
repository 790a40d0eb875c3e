"""Hand-held recordings: what the device got wrong is found and undone, what a robot cannot do is named; the rest it does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from wamlab import cli
from wamlab.control.collect import demonstrate
from wamlab.control.retarget import gripper_commands, retarget
from wamlab.data.formats.video import VideoWriter
from wamlab.data.store import EpisodeStore
from wamlab.data.transforms import ActionMeaning
from wamlab.data.umi import files
from wamlab.data.umi.align import Signal, align_points, latency
from wamlab.data.umi.calibrate import Calibration, calibrate
from wamlab.data.umi.convert import pose_of
from wamlab.data.umi.path import filtered, path_of
from wamlab.data.umi.simulated import Faults, motion, record, write, write_calibration
from wamlab.data.umi.track import Frame, Track, absolute, relative, smooth
from wamlab.errors import DataError, WamError
from wamlab.simulators import make

HAND = Rotation.from_quat([0, 1, 0, 1])
"""as Meta-World's robot holds its hand"""
CENTRE = np.array([0.0, 0.6, 0.2])
FRAME = 1 / 60


def truth_of(seed: int) -> Calibration:
    rng = np.random.default_rng([seed, 9])
    return Calibration(Frame(Rotation.random(rng=rng), rng.uniform(-1, 1, 3)),
                       Frame(Rotation.from_rotvec(rng.uniform(-0.5, 0.5, 3)), rng.uniform(-0.2, 0.2, 3)),
                       float(rng.uniform(0.02, 0.2)), float(rng.uniform(-0.1, 0.3)), 0.0, (10.3, -0.02))


def off(one: Frame, other: Frame) -> tuple[float, float]:
    """(metres, degrees) between two frames."""
    return (float(np.linalg.norm(one.translation - other.translation)),
            float(np.degrees((one.rotation.inv() * other.rotation).magnitude())))


@pytest.fixture(scope="module")
def known():
    """A calibration motion as it was and as the device noted it."""
    truth, rng = truth_of(0), np.random.default_rng(0)
    hand, opening = motion(rng, CENTRE, HAND)
    return truth, hand, opening, *record(hand, opening, truth, rng)


@pytest.mark.parametrize("seed", [1, 2])
def test_latency_and_frames_are_recovered(seed):
    truth, rng = truth_of(seed), np.random.default_rng(seed)
    hand, opening = motion(rng, CENTRE, HAND)
    device, width = record(hand, opening, truth, rng)
    found = calibrate(device, hand, width, opening)
    assert abs(found.pose_latency - truth.pose_latency) < FRAME and abs(found.width_latency - truth.width_latency) < FRAME
    for one, other in ((found.world, truth.world), (found.tool, truth.tool)):
        metres, degrees = off(one, other)
        assert metres < 1e-3 and degrees < 0.5
    assert found.opening == pytest.approx(truth.opening, abs=0.1) and found.residual < 1e-3
    assert off(Frame.none(), truth.world)[0] > 0.05  # the control: had nothing been done


def test_a_known_tool_needs_no_turning(known):
    truth, rng = known[0], np.random.default_rng(5)
    hand, opening = motion(rng, CENTRE, HAND, turn=0.0)
    device, width = record(hand, opening, truth, rng)
    with pytest.raises(DataError, match="fewer than two axes"):
        calibrate(device, hand, width, opening)
    found = calibrate(device, hand, width, opening, tool=truth.tool)
    metres, degrees = off(found.world, truth.world)
    assert metres < 2e-3 and degrees < 0.5 and abs(found.pose_latency - truth.pose_latency) < FRAME


def test_the_path_comes_out_where_the_hand_was(known):
    truth, _, _, device, width = known
    found = calibrate(device, known[1], width, known[2])
    hand, opening = motion(np.random.default_rng(7), CENTRE, HAND, turn=0.2)
    pose, gripper = record(hand, opening, truth, np.random.default_rng(8))
    demonstration = files.Demonstration("d", "", pose, np.zeros(len(pose), bool), pose.time, gripper, None, None)

    def errors(calibration: Calibration) -> tuple[float, float, float]:
        path = path_of(demonstration, calibration, 20.0)
        inside = hand.within(path.track.time)
        real = hand.at(path.track.time[inside])
        metres = np.sqrt(np.square(path.track.position[inside] - real.position).sum(1).mean())
        turned = np.degrees((path.track.rotation[inside].inv() * real.rotation).magnitude()).max()
        return float(metres), float(turned), float(np.abs(path.opening[inside] - np.interp(
            path.track.time[inside], opening.time, opening.value)).max())

    metres, degrees, opened = errors(found)
    assert metres < 1e-3 and degrees < 0.5 and opened < 0.03
    # the controls: each correction left out is worse by far
    assert errors(replace(found, pose_latency=0.0))[0] > 5 * metres
    assert errors(replace(found, width_latency=0.0))[2] > 3 * opened
    assert errors(replace(found, tool=Frame.none()))[0] > 20 * metres
    assert errors(replace(found, world=Frame.none()))[0] > 100 * metres


def test_calibrations_that_cannot_be_are_refused(known):
    _, hand, opening, device, width = known
    other, _ = motion(np.random.default_rng(99), CENTRE, HAND)
    with pytest.raises(DataError, match=r"not of the same motion|cannot be told"):
        calibrate(device, other, width, opening)
    with pytest.raises(DataError, match="not in metres"):
        calibrate(Track(device.time, device.position * 1.2, device.rotation), hand, width, opening)
    with pytest.raises(DataError, match="hardly overlap"):
        calibrate(device.later(60.0), hand, width, opening)
    wave = np.arange(0, 20, 0.01)
    with pytest.raises(DataError, match="repeats itself"):
        latency(Signal(wave, np.sin(2 * np.pi * 4 * wave)), Signal(wave, np.sin(2 * np.pi * 4 * wave)))
    with pytest.raises(DataError, match="not on one line"):
        align_points(np.arange(9.0).reshape(3, 3), np.zeros((3, 3)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(-0.4, 0.4))
def test_any_latency_is_found_whatever_the_scale(seed, seconds):
    rng = np.random.default_rng(seed)
    time = np.arange(0, 12, 0.01)
    value = np.interp(time, np.arange(0, 13, 0.25), rng.normal(size=52))
    found = latency(Signal(time, value), Signal(time[::2] + seconds, -3 + 7 * value[::2]))
    assert abs(found - seconds) < 0.005


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_relative_chunks_are_undone_and_do_not_depend_on_the_frame(seed):
    rng = np.random.default_rng(seed)
    track, _ = motion(rng, CENTRE, HAND, seconds=1.0)
    place, turn = absolute(relative(track), Frame(track.rotation[0], track.position[0]))
    np.testing.assert_allclose(place, track.position, atol=1e-12)
    assert (turn.inv() * track.rotation).magnitude().max() < 1e-9
    moved = track.moved(Frame(Rotation.random(rng=rng), rng.normal(size=3)), Frame.none())
    np.testing.assert_allclose(relative(moved), relative(track), atol=1e-9)
    # without turning they are what `ActionMeaning` makes of places
    still = Track(track.time, track.position, Rotation.concatenate([Rotation.identity()] * len(track)))
    meaning = ActionMeaning("absolute", "relative", (True,) * 3, (1.0,) * 3)
    np.testing.assert_allclose(relative(still)[:, :3], meaning.apply(track.position, track.position[0]), atol=1e-12)


def test_smoothing_takes_noise_and_leaves_motion():
    hand, _ = motion(np.random.default_rng(3), CENTRE, HAND)
    rng = np.random.default_rng(4)
    noisy = Track(hand.time, hand.position + rng.normal(0, 1e-3, hand.position.shape),
                  Rotation.from_rotvec(rng.normal(0, 5e-3, (len(hand), 3))) * hand.rotation)
    calm = smooth(noisy)

    def gap(track: Track) -> tuple[float, float]:
        real = hand.at(track.time)
        return (float(np.linalg.norm(track.position - real.position, axis=1).mean()),
                float((track.rotation.inv() * real.rotation).magnitude().mean()))

    before, after = gap(noisy), gap(calm)
    assert after[0] < 0.6 * before[0] and after[1] < 0.6 * before[1]


def test_the_gripper_is_told_what_it_was_told():
    closed = np.concatenate([np.ones(10), np.linspace(1, 0.45, 6), np.full(12, 0.45), np.linspace(0.45, 1, 6), np.ones(4)])
    noisy = closed + np.random.default_rng(0).normal(0, 0.004, len(closed))
    commands = gripper_commands(noisy)
    assert (commands[:9] == -1).all() and (commands[11:26] == 1).all() and (commands[30:] == -1).all()
    assert (gripper_commands(np.ones(20)) == -1).all() and (gripper_commands(np.full(20, 0.2)) == 1).all()


@pytest.fixture(scope="module")
def world():
    simulator = make("metaworld/push", renders=False)
    yield simulator
    simulator.close()


def straight(points: list[list[float]], seconds: float, turn: Rotation = HAND) -> Track:
    time = np.linspace(0, seconds, int(20 * seconds) + 1)
    place = np.stack([np.interp(time, np.linspace(0, seconds, len(points)), column) for column in np.transpose(points)], 1)
    return Track(time, place, Rotation.concatenate([turn] * len(time)))


def path(track: Track):
    from wamlab.data.umi.path import Path as HandPath

    return HandPath(20.0, track, np.ones(len(track)), np.zeros(len(track), bool))


@pytest.mark.sim
def test_what_a_robot_cannot_do_is_named(world):
    world.reset(seed=3)
    robot = world.robot()

    def reasons(track: Track) -> set[str]:
        return {name for name, steps in filtered(path(track), robot).items() if steps.any()}

    near = [[0.0, 0.6, 0.2], [0.1, 0.7, 0.15]]
    assert reasons(straight(near, 2.0)) == set()
    assert "fast" in reasons(straight(near, 0.1)) and "joints" in reasons(straight([[-0.3, 0.5, 0.3], [0.3, 0.8, 0.1]], 0.3))
    assert reasons(straight([[0.0, 0.6, 0.2], [0.0, 0.6, -0.2]], 2.0)) >= {"outside"}
    assert reasons(straight([[0.0, 0.6, 0.2], [0.0, 1.6, 0.2]], 4.0)) >= {"outside", "unreachable"}
    assert reasons(straight(near, 2.0, Rotation.from_rotvec([0, 0, 0.9]) * HAND)) == {"tilted"}


@pytest.mark.sim
def test_joint_angles_put_the_hand_there(world):
    """Checked in another model of the same robot: forward kinematics of the angles is the place that was asked for."""
    from wamlab.simulators.backend import mujoco

    world.reset(seed=3)
    place = straight([[0.0, 0.6, 0.2], [0.15, 0.75, 0.1]], 1.0).position
    followed, model = world.robot().follow(place), world.world.model
    data = mujoco.MjData(model)
    for angles, wanted in zip(followed.joints, place, strict=True):
        data.qpos[:7] = angles
        mujoco.mj_kinematics(model, data)
        assert np.linalg.norm(data.body("hand").xpos - wanted) < 1e-3
        assert (angles >= model.jnt_range[:7, 0]).all() and (angles <= model.jnt_range[:7, 1]).all()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, world):
    """A person pushes the puck as the script does, at half its speed, with a device that has every fault."""
    root, rng = tmp_path_factory.mktemp("umi"), np.random.default_rng(0)
    truth = truth_of(0)
    hand, opening = motion(rng, CENTRE, HAND)
    write_calibration(root / "calibration", *record(hand, opening, truth, rng), hand, opening)
    for scene in (3,):
        episode = demonstrate(world, "expert", 0, scene)
        shown, opened = slow(episode)
        write(root / "demos" / f"demo_{scene}", *record(shown, opened, truth, rng), instruction="push", scene=scene)
    return root, truth


def slow(episode, factor: float = 2.0) -> tuple[Track, Signal]:
    at = np.arange(len(episode) + 1) / 20 * factor
    time = np.arange(0, at[-1], 0.01)
    place = np.stack([np.interp(time, at, column) for column in episode.state[:, :3].T.astype(float)], 1)
    return (Track(time, place, Rotation.concatenate([HAND] * len(time))),
            Signal(time, np.interp(time, at, episode.state[:, 3].astype(float))))


@pytest.mark.sim
def test_a_retargeted_demonstration_solves_what_it_showed(recordings, tmp_path, capsys, world):
    root, _ = recordings
    assert cli.main(["data", "umi", str(root), "--robot", "metaworld/push", "--out", str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["solved"] for row in said["recordings"]] == [True] and said["calibration"]["residual_mm"] < 1
    store = EpisodeStore.open(tmp_path / "out")
    for episode in store:
        assert episode.task == "metaworld/push" and episode.meta["path_error_mm"]["rms"] < 12
        assert episode.imitate.mean() > 0.5 and episode.frames["main"].shape[1:] == (64, 64, 3)
    # the control: without its frames the same recording leads elsewhere and nothing of it is imitated
    calibration = files.read_calibration(root)
    demonstration = files.read(root / "demos" / "demo_3")
    world.reset(seed=3)
    stray = retarget(world, path_of(demonstration, replace(calibration, world=Frame.none()), 20.0), trials=1)
    assert not stray.episode.solved and not stray.episode.imitate.any()


@pytest.mark.sim
def test_learning_from_its_own_error_brings_the_hand_to_the_path(world):
    world.reset(seed=3)
    hand = world.observe()["state"][:3].astype(float)
    way = path(straight([hand.tolist(), [0.1, 0.7, 0.2], [-0.05, 0.6, 0.25]], 2.0))
    once = retarget(world, way, trials=1)
    world.reset(seed=3)
    learned = retarget(world, way)
    assert learned.episode.meta["path_error_mm"]["rms"] < 0.25 * once.episode.meta["path_error_mm"]["rms"]
    assert learned.episode.meta["path_error_mm"]["rms"] < 4


def test_recordings_become_a_store_of_their_own(recordings, tmp_path, capsys):
    root, _ = recordings
    for folder in files.demonstrations(root):
        pose = files.read(folder).pose
        writer = VideoWriter(str(folder / "raw_video.mp4"), (48, 64), 30)
        frames = np.zeros((int(pose.time[-1] * 30) + 12, 48, 64, 3), np.uint8)
        frames += (np.arange(len(frames)) * 2 % 250).astype(np.uint8)[:, None, None, None]
        writer.add(frames)
        writer.close()
    line = ["data", "umi", str(root), "--out", str(tmp_path / "own"), "--size", "24", "32"]
    assert cli.main(line) == 0 and cli.main(line) == 0 and "1 episodes" in capsys.readouterr().out
    episode = EpisodeStore.open(tmp_path / "own")[0]
    place, turn = pose_of(episode.state)
    np.testing.assert_allclose(np.diff(place, axis=0), episode.action[:, :3], atol=1e-5)
    assert (turn[1:].inv() * (Rotation.from_rotvec(episode.action[:, 3:6]) * turn[:-1])).magnitude().max() < 1e-3
    assert episode.meta["success"] == "unknown" and episode.imitate.all()
    grey = episode.frames["main"].mean((1, 2, 3))  # frame n of the video is 2 n bright: the clocks agree to a frame
    calibration = files.read_calibration(root)
    begin = files.read(root / "demos" / "demo_3").pose.time[0] - calibration.pose_latency
    shown = (begin + np.arange(len(grey)) / 10 + calibration.video_latency) * 30 * 2 % 250
    assert np.median(np.abs(grey - shown)) < 2.5
    assert cli.main(["data", "check", str(tmp_path / "own")]) in (0, 2)


def test_lost_tracking_is_bridged_or_marked(known):
    truth, hand, opening, *_ = known
    device, width = record(hand, opening, truth, np.random.default_rng(1), Faults())
    for gap, marked in ((0.15, False), (0.6, True)):
        kept = (device.time < 3) | (device.time > 3 + gap)
        pose = Track(device.time[kept], device.position[kept], device.rotation[kept])
        whole = path_of(files.Demonstration("d", "", pose, ~kept, device.time, width, None, None), truth, 20.0)
        assert whole.lost.any() == marked
        if marked:
            times = whole.track.time[whole.lost] + truth.pose_latency
            assert times.min() > 2.9 and times.max() < 3.7


def broken(text: str, line: int, old: str, new: str) -> str:
    lines = text.splitlines()
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new, 1)
    return "\n".join(lines)


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t.replace("q_w", "qw", 1), "column q_w is missing"),
    (lambda t: broken(t, 4, ",", ",x", ), "line 5, column x"),
    (lambda t: broken(t, 4, ",", ",nan,"), "finite|rotation|number"),
    (lambda t: "\n".join([*t.splitlines()[:5], t.splitlines()[3], *t.splitlines()[5:]]), "time does not go on"),
    (lambda t: t.splitlines()[0], "time does not go on"),
    (lambda t: t.replace("false", "true"), "lost nearly throughout"),
    (lambda t: "\n".join(",".join([*line.split(",")[:4], "0.9", *line.split(",")[5:]]) if n == 7 else line
                         for n, line in enumerate(t.splitlines())), "rotation|length"),
    (lambda t: "", "missing"),
    (lambda t: "\x00" + t, "missing|no CSV"),
])
def test_bad_tables_are_named(recordings, tmp_path, change, words):
    root, _ = recordings
    good = (root / "demos/demo_3/camera_trajectory.csv").read_text()
    folder = tmp_path / "demos" / "bad"
    folder.mkdir(parents=True)
    (folder / "camera_trajectory.csv").write_text(change(good))
    with pytest.raises(DataError, match=words) as caught:
        files.read(folder)
    assert "camera_trajectory.csv" in str(caught.value)


def test_bad_folders_and_descriptions_are_named(recordings, tmp_path, capsys):
    root, _ = recordings
    with pytest.raises(DataError, match="no hand-held recordings"):
        files.demonstrations(tmp_path)
    with pytest.raises(DataError, match="how these recordings lie"):
        files.read_calibration(tmp_path)
    for text in ("{", "[]", '{"world": [0, 0, 0, 0, 0, 0, 1]}', '{"world": [1], "tool": [0, 0, 0, 0, 0, 0, 1]}',
                 '{"world": [0, 0, 0, 0, 0, 0, 1], "tool": [0, 0, 0, 0, 0, 0, 1], "opening": 3}'):
        (tmp_path / "calibration.json").write_text(text)
        with pytest.raises(DataError, match="calibration"):
            files.read_calibration(tmp_path)
    kept = files.read_calibration(root)
    again = Calibration.from_json(kept.to_json().encode(), "x")
    assert off(again.world, kept.world)[0] < 1e-9 and again.opening == kept.opening
    folder = tmp_path / "demos" / "one"
    folder.mkdir(parents=True)
    for name in ("camera_trajectory.csv", "gripper.csv"):
        (folder / name).write_text((root / "demos/demo_3" / name).read_text())
    for text in ("[1]", '{"scene": -1}', '{"scene": true}', '{"instruction": 3}', "{"):
        (folder / "demonstration.json").write_text(text)
        with pytest.raises(DataError, match=r"demonstration\.json"):
            files.read(folder)
    (folder / "demonstration.json").write_text("{}")
    (tmp_path / "calibration.json").write_text(kept.to_json())
    assert cli.main(["data", "umi", str(tmp_path), "--out", str(tmp_path / "a")]) == 2  # no video
    assert "raw_video.mp4" in capsys.readouterr().err
    assert cli.main(["data", "umi", str(tmp_path), "--robot", "metaworld/push", "--out", str(tmp_path / "b")]) == 2
    assert "--scene 0" in capsys.readouterr().err
    assert cli.main(["data", "umi", str(tmp_path), "--robot", "pushworld", "--scene", "1", "--out", str(tmp_path / "c")]) == 2
    assert "retargeted" in capsys.readouterr().err
    (folder / "gripper.csv").write_text("timestamp,width\n0,80\n1,80\n")
    with pytest.raises(DataError, match="not in metres"):
        files.read(folder)


def test_a_path_of_another_rate_is_refused(world):
    world.reset(seed=3)
    with pytest.raises(WamError, match="rate"):
        retarget(world, replace(path(straight([[0, 0.6, 0.2], [0.1, 0.6, 0.2]], 1.0)), hz=10.0))


def test_what_was_written_is_plain(recordings):
    root, _ = recordings
    assert {file.suffix for file in root.rglob("*") if file.is_file()} <= {".csv", ".json", ".mp4"}
    head = Path(root / "demos/demo_3/camera_trajectory.csv").read_text().splitlines()[0]
    assert head == "timestamp,x,y,z,q_x,q_y,q_z,q_w,is_lost"
