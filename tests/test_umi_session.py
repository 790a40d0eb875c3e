"""A session's folder as the pipeline leaves it: what is no demonstration is listed, what was not measured is not made up."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from wamlab import cli
from wamlab.data.formats.video import VideoWriter
from wamlab.data.store import EpisodeStore
from wamlab.data.umi import files
from wamlab.data.umi.align import Signal
from wamlab.data.umi.bring import open_store
from wamlab.data.umi.calibrate import Calibration, calibrate
from wamlab.data.umi.convert import ACTION, STATE, import_umi
from wamlab.data.umi.path import GAP, path_of
from wamlab.data.umi.simulated import motion, record, write
from wamlab.data.umi.track import Frame, Track
from wamlab.errors import DataError
from wamlab.spec import TaskSpec

KNOWN = Calibration(Frame.none(), Frame.none(), opening=(10.0, 0.1))
TIME = np.arange(0, 3, 1 / 60)
WIDTH = 0.04 + 0.03 * np.sin(3 * TIME)


def hand() -> Track:
    place = np.stack([0.1 * np.sin(TIME), 0.05 * np.cos(2 * TIME), 0.1 * TIME], 1)
    return Track(TIME, place, Rotation.from_rotvec(np.stack([0 * TIME, 0 * TIME, 0.1 * TIME], 1)))


def recording(folder: Path, grip: bool = True, **more: object) -> Path:
    """Three seconds with frames of 30 Hz."""
    write(folder, hand(), Signal(TIME, WIDTH), **more)
    if not grip:
        (folder / "gripper.csv").unlink()
    film(folder)
    return folder


def film(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    writer = VideoWriter(str(folder / "raw_video.mp4"), (16, 16), 30)
    writer.add(np.full((96, 16, 16, 3), 90, np.uint8))
    writer.close()


@pytest.fixture
def session(tmp_path):
    """One demonstration, and what lies beside it after the pipeline has run."""
    demos = tmp_path / "kitchen" / "demos"
    recording(demos / "demo_C1_2024.01.05", instruction="set the cup down")
    recording(demos / "mapping", grip=False)
    recording(demos / "gripper_calibration_C1_2024.01.05")
    film(demos / "demo_C1_2024.01.06")
    lost = recording(demos / "demo_C1_2024.01.07", lost=(-1.0, 9.0))
    (lost / "slam_stdout.txt").write_text("lost")
    (demos / "notes.txt").write_text("x")
    (demos / ".DS_Store").write_text("x")
    (tmp_path / "kitchen" / "calibration.json").write_text(KNOWN.to_json())
    return tmp_path / "kitchen"


def imported(root: Path, out: Path, capsys, *more: str) -> dict:
    assert cli.main(["data", "umi", str(root), "--out", str(out), "--size", "16", "16", "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_is_no_demonstration_is_listed_with_the_reason(session, tmp_path, capsys):
    said = imported(session, tmp_path / "out", capsys)
    assert [episode.meta["recording"] for episode in EpisodeStore.open(tmp_path / "out")] == ["demo_C1_2024.01.05"]
    left = said["left_out"]
    assert list(left) == ["demo_C1_2024.01.06", "demo_C1_2024.01.07", "gripper_calibration_C1_2024.01.05", "mapping",
                          "notes.txt"]
    assert "no camera_trajectory.csv" in left["demo_C1_2024.01.06"] and "lost nearly throughout" in left["demo_C1_2024.01.07"]
    assert "map" in left["mapping"] and "gripper's calibration" in left["gripper_calibration_C1_2024.01.05"]
    assert said["episodes"] == 1 and said["without_instruction"] == []
    assert cli.main(["data", "umi", str(session), "--out", str(tmp_path / "out"), "--size", "16", "16"]) == 0
    text = capsys.readouterr().out
    assert "1 episodes" in text and "5 left out" in text and all(f"  {name}: {why}" in text for name, why in left.items())


def test_a_width_that_was_not_recorded_is_not_an_open_gripper(session, tmp_path, capsys):
    recording(session / "demos" / "demo_C1_2024.01.08", grip=False)
    line = ["data", "umi", str(session), "--out", str(tmp_path / "out"), "--size", "16", "16"]
    assert cli.main(line) == 2
    told = capsys.readouterr().err
    assert "demo_C1_2024.01.08/gripper.csv" in told and "--gripper open" in told and "--skip-bad" in told
    said = imported(session, tmp_path / "out", capsys, "--skip-bad")
    assert "width was not recorded" in said["left_out"]["demo_C1_2024.01.08"]
    said = imported(session, tmp_path / "out", capsys, "--gripper", "closed", "--instruction", "wipe")
    assert said["episodes"] == 2 and "demo_C1_2024.01.08" not in said["left_out"]
    measured, told = EpisodeStore.open(tmp_path / "out")
    assert (told.state[:, -1] == 0).all() and told.meta["gripper"] == "said to be closed throughout"
    assert "gripper" not in measured.meta and np.allclose(  # the control: what was measured stays what it was
        measured.state[:, -1], np.clip(10 * np.interp(np.arange(len(measured) + 1) / 10, TIME, WIDTH) + 0.1, 0, 1), atol=0.01)
    assert (measured.instruction, told.instruction) == ("set the cup down", "wipe")


@pytest.mark.parametrize(("gone", "unknown"), [((1.0, 1.0 + 0.8 * GAP), ()), ((1.0, 2.0), (1.3, 1.7)), ((2.2, 9.0), (2.6, 2.9)),
                                               ((-1.0, 0.7), (0.0, 0.3))])
def test_a_width_with_a_hole_is_unknown_there(tmp_path, gone, unknown):
    """Bridged if short; else the actions there are unknown, also before the first width and after the last."""
    folder = recording(tmp_path / "demo_1")
    kept = (gone[0] > TIME) | (gone[1] < TIME)
    write(folder, hand(), Signal(TIME[kept], WIDTH[kept]))
    path = path_of(files.read(folder), KNOWN, 20.0)
    inside = np.zeros(len(path) + 1, bool) if not unknown else (path.track.time > unknown[0]) & (path.track.time < unknown[1])
    assert path.lost[inside].all() and path.lost.any() == bool(unknown) and not path.lost.all()


def test_widths_of_another_clock_are_refused(tmp_path):
    folder = recording(tmp_path / "demo_1")
    write(folder, hand(), Signal(TIME + 1.7e9, WIDTH))
    with pytest.raises(DataError, match="at another time than the poses"):
        path_of(files.read(folder), KNOWN, 20.0)
    assert not path_of(files.read(folder), replace(KNOWN, width_latency=1.7e9), 20.0).lost.any()  # the control


@pytest.mark.parametrize("name", ["world", "tool", "pose_latency", "width_latency", "video_latency", "opening"])
def test_a_calibration_says_everything_that_was_measured(tmp_path, name):
    said = json.loads(KNOWN.to_json())
    file = tmp_path / "calibration.json"
    without = {k: v for k, v in said.items() if k != name}
    for damaged in (without, *(said | {name: value} for value in ("x", [[1]], 1e400))):
        file.write_text(json.dumps(damaged))
        with pytest.raises(DataError) as caught:
            files.read_calibration(tmp_path)
        assert str(file) in str(caught.value) and (damaged.get(name) == float("inf") or name in str(caught.value))
    file.write_text(json.dumps({k: v for k, v in said.items() if k not in ("residual", "scale")}))
    assert files.read_calibration(tmp_path).residual is None and files.read_calibration(tmp_path).digest() == KNOWN.digest()


def test_a_calibration_without_widths_does_not_say_what_an_opening_is(tmp_path):
    rng = np.random.default_rng(0)
    track, opening = motion(rng, np.array([0.0, 0.6, 0.2]), Rotation.identity())
    device, width = record(track, opening, KNOWN, rng)
    blind = calibrate(device, track)
    assert blind.opening is None and calibrate(device, track, width, opening).opening is not None
    assert Calibration.from_json(blind.to_json().encode(), "x").opening is None
    with pytest.raises(DataError, match="how far a width opens"):
        path_of(files.read(recording(tmp_path / "demo_1")), blind, 20.0)
    assert path_of(files.read(recording(tmp_path / "demo_2", grip=False), "open"), blind, 20.0).opening.min() == 1


def test_an_import_goes_on_by_name(session, tmp_path, capsys):
    """A recording that was tracked in a second attempt comes in; none comes in twice, whatever lies before it."""
    imported(session, tmp_path / "out", capsys)
    recording(session / "demos" / "demo_C1_2024.01.04")
    recording(session / "demos" / "demo_C1_2024.01.06")
    assert next(iter(imported(session, tmp_path / "out", capsys)["left_out"])) == "demo_C1_2024.01.07"
    names = [episode.meta["recording"] for episode in EpisodeStore.open(tmp_path / "out")]
    assert names == ["demo_C1_2024.01.05", "demo_C1_2024.01.04", "demo_C1_2024.01.06"]


def test_two_calibrations_do_not_mix(session, tmp_path):
    import_umi(session, tmp_path / "out", KNOWN, size=(16, 16))
    with pytest.raises(DataError, match="another provenance"):
        import_umi(session, tmp_path / "out", replace(KNOWN, pose_latency=0.1), size=(16, 16))
    import_umi(session, tmp_path / "out", replace(KNOWN, residual=0.001, pose_latency=1e-9), size=(16, 16))  # the same one
    spec = TaskSpec("umi/kitchen", "", ("main",), (16, 16), STATE, ACTION, (), 10.0, 1000)
    EpisodeStore.create(tmp_path / "old", spec, "r", {"source": "umi"})
    assert len(open_store(tmp_path / "old", spec, "r", {"source": "umi"}, KNOWN)) == 0  # made before calibrations were named


def test_where_nothing_can_be_used_nothing_is_left_behind(session, tmp_path, capsys):
    (session / "demos" / "demo_C1_2024.01.05" / "raw_video.mp4").unlink()
    assert cli.main(["data", "umi", str(session), "--out", str(tmp_path / "out"), "--skip-bad"]) == 2
    told = capsys.readouterr().err
    assert "no recording here can be used" in told and "raw_video.mp4" in told and "lost nearly throughout" in told
    assert not (tmp_path / "out").exists()
    film(session / "demos" / "demo_C1_2024.01.05")
    assert imported(session, tmp_path / "out", capsys, "--instruction", "pour")["episodes"] == 1


def test_tables_that_are_none_are_refused_at_once(session, tmp_path):
    folder = session / "demos" / "demo_C1_2024.01.05"
    good = (folder / "gripper.csv").read_text()
    (folder / "gripper.csv").write_text(good.replace("timestamp,width", "timestamp,width,width"))
    with pytest.raises(DataError, match="two columns are named 'width'"):
        files.read(folder)
    (folder / "gripper.csv").unlink()
    os.mkfifo(folder / "gripper.csv")
    with pytest.raises(DataError, match="no regular file"):  # opened, it would never end
        files.read(folder)
