"""Frames of LeRobot datasets are picked by presentation time, per camera, and what cannot be reconciled is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_fakes import beside, clip, numbers_of
from wamlab.data.check.run import check_dataset
from wamlab.data.check.videos import check_videos
from wamlab.data.formats.convert import import_lerobot
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.video import nearest
from wamlab.errors import DataError

TOP = "observation.images.top"
ROWS = 12
VARYING = [*(0.05 * t for t in range(20)), *(1 + 0.2 * t for t in range(6))]
"""20 frames a second for one second, then 5"""


def every(rate: float, count: int) -> list[float]:
    return [t / rate for t in range(count)]


@pytest.mark.parametrize("seconds,wanted", [
    (every(10, 12), list(range(12))),
    (every(30, 36), [3 * t for t in range(12)]),
    (every(15, 18), [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16]),
    (every(5, 6), [t // 2 for t in range(12)]),  # of two frames equally near, the one that is still shown
    (VARYING, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 20]),
    ([1.4 + t / 30 for t in range(36)], [3 * t for t in range(12)])], ids=["10", "30", "15", "5", "varying", "begins late"])
def test_each_row_shows_the_frame_of_its_time(tmp_path, seconds, wanted):
    root = beside(tmp_path / "set", {"top": seconds}, [ROWS])
    done = import_lerobot(root, tmp_path / "store")
    assert numbers_of(done.store[0].frames["top"]) == wanted
    said = {one.check for one in done.noticed}
    assert ("rate" in said) == (wanted != list(range(ROWS))), "another rate is said, the same is not"
    assert ("repeated frames" in said) == (len(set(wanted)) < ROWS)
    assert set(check_videos(LeRobot.open(root))) <= set(done.noticed), "check says what import says"
    assert not [one for one in check_dataset(root) if one.check == "video"]


def test_episodes_joined_in_one_video_of_another_rate(tmp_path):
    root = beside(tmp_path / "set", {"top": every(20, 56)}, [12, 10, 6])
    dataset = LeRobot.open(root)
    assert [numbers_of(dataset.frames(index, TOP)) for index in range(3)] == [
        list(range(0, 24, 2)), list(range(24, 44, 2)), list(range(44, 56, 2))]


def test_each_camera_has_its_own_rate(tmp_path):
    root = beside(tmp_path / "set", {"top": every(30, 36), "hand": every(10, 12), "side": every(5, 6)}, [ROWS])
    done = import_lerobot(root, tmp_path / "store")
    found = {name: numbers_of(frames) for name, frames in done.store[0].frames.items()}
    assert found == {"top": [3 * t for t in range(12)], "hand": list(range(12)), "side": [t // 2 for t in range(12)]}
    assert {one.field.rpartition(".")[2] for one in done.noticed if one.check == "rate"} == {"top", "side"}


@pytest.mark.parametrize("seconds,words", [
    (every(30, 12), ("it ends before the rows do", "10 Hz", "30 frames/s")),
    (every(5, 12), ("one frame for each row, but not at the rows' times", "10 Hz", "5 frames/s")),
    (every(10, 9), ("it ends before the rows do", "12 rows at 10 Hz", "9 frames at 10 frames/s")),
    (every(2, 3), ("no frame is near row", "10 Hz", "2 frames/s")),
    ([*every(10, 4), *(0.9 + t / 10 for t in range(4))], ("no frame is near row 6", "10 Hz"))],
    ids=["too fast", "too slow", "too short", "much slower", "a hole"])
def test_what_cannot_be_reconciled_names_both_rates(tmp_path, seconds, words):
    root = beside(tmp_path / "set", {"top": seconds}, [ROWS])
    with pytest.raises(DataError) as caught:
        import_lerobot(root, tmp_path / "store")
    assert all(word in str(caught.value) for word in words), caught.value
    assert "file-000.mp4" in str(caught.value.where) and not (tmp_path / "store").exists()
    found = [one for one in check_dataset(root) if one.check == "video"]
    assert found and all(word in f"{found[0].problem} {found[0].expected} {found[0].got}" for word in words)
    assert found[0].severity == "error"


def test_rows_that_contradict_their_rate_are_refused(tmp_path):
    root = beside(tmp_path / "set", {"top": every(30, 36)}, [ROWS])
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"fps": 30}))  # the column still counts tenths
    with pytest.raises(DataError, match="contradict the dataset's rate") as caught:
        LeRobot.open(root).frames(0, TOP)
    assert "30 Hz" in str(caught.value.expected) and "10 Hz" in str(caught.value.got)
    for number, column in enumerate(([0.1 * t for t in range(11)] + [0.5], [np.nan] * ROWS)):
        root = beside(tmp_path / f"set{number}", {"top": every(10, 12)}, [ROWS], column=column)
        with pytest.raises(DataError, match="time does not go on"):
            LeRobot.open(root).frames(0, TOP)


def test_rows_with_times_of_their_own_show_the_frames_of_those_times(tmp_path):
    column = [0, 0.1, 0.2, 0.3, 0.43, 0.5, 0.6, 0.7, 0.8, 0.93, 1.0, 1.1]
    root = beside(tmp_path / "set", {"top": every(30, 36)}, [ROWS], column=column)
    assert numbers_of(LeRobot.open(root).frames(0, TOP)) == [round(30 * second) for second in column]


def test_stated_starts_that_drift_are_counted_where_the_rates_agree(tmp_path):
    """Starts as sums of container durations: after 50 episodes they are five frames late."""
    lengths = [6] * 50
    late = [0.6 * number + 0.01 * number for number in range(50)]
    root = beside(tmp_path / "set", {"top": every(10, 300)}, lengths, starts=late)
    dataset = LeRobot.open(root)
    for index in range(50):
        assert numbers_of(dataset.frames(index, TOP)) == [(6 * index + t) % 60 for t in range(6)]
    assert [one.check for one in check_videos(dataset)] == ["timestamps"] * 4  # start and end, little and much
    clip(root / f"videos/{TOP}/chunk-000/file-000.mp4", every(20, 300))  # as many frames, at another rate
    with pytest.raises(DataError, match="does not fit its rows") as caught:
        LeRobot.open(root).frames(0, TOP)
    assert "20 frames/s" in str(caught.value.got) and "10 Hz" in str(caught.value.expected)


@pytest.mark.parametrize("lengths,starts,seconds,wanted", [
    ([12, 12], [0.0, 1.6], every(10, 28), [list(range(12)), list(range(16, 28))]),
    ([12, 12], [0.3, 1.6], every(10, 32), [list(range(3, 15)), list(range(16, 28))]),
    ([24], None, every(10, 36), [list(range(24))])], ids=["between", "around", "behind"])
def test_frames_that_no_row_shows_are_a_note(tmp_path, lengths, starts, seconds, wanted):
    root = beside(tmp_path / "set", {"top": seconds}, lengths, starts=starts)
    done = import_lerobot(root, tmp_path / "store")
    assert [numbers_of(episode.frames["top"]) for episode in (done.store[index] for index in range(len(lengths)))] == wanted
    found = check_videos(LeRobot.open(root))
    assert [(one.check, one.severity, one.got) for one in found] == [("video", "note", f"{len(seconds)} frames")]
    assert "frames that no row shows" in found[0].problem and set(found) <= set(done.noticed)
    root = beside(tmp_path / "control", {"top": every(10, sum(lengths))}, lengths)
    assert not check_videos(LeRobot.open(root))


def test_frames_too_many_and_starts_that_drift_are_refused(tmp_path):
    """Episode 40 is said to begin at 24.4 s: frame 244 by time, frame 240 by count, and no count can be trusted."""
    lengths, late = [6] * 50, [0.61 * number for number in range(50)]
    root = beside(tmp_path / "set", {"top": every(10, 308)}, lengths, starts=late)
    with pytest.raises(DataError, match="said to start between frames") as caught:
        LeRobot.open(root).frames(40, TOP)
    assert "308 frames for 300 rows" in str(caught.value)
    assert "error" in {one.severity for one in check_videos(LeRobot.open(root)) if one.check == "video"}
    clip(root / f"videos/{TOP}/chunk-000/file-000.mp4", every(10, 300))  # as many as rows: counted
    assert numbers_of(LeRobot.open(root).frames(40, TOP)) == [t % 60 for t in range(240, 246)]


def test_a_start_is_compared_with_the_time_of_its_frame(tmp_path):
    root = beside(tmp_path / "set", {"top": every(10, 28)}, [12, 12], starts=[0.0, 1.63])
    (_, start, end) = sorted(check_videos(LeRobot.open(root)), key=lambda one: (one.check, one.field), reverse=True)
    assert {(one.severity, one.episode) for one in (start, end)} == {("warning", 1)}
    assert {one.got: one.expected.split()[0] for one in (start, end)} == {"1.6300 s": "1.6000", "2.8300 s": "2.8000"}


LATE = [0.5 + t / 10 for t in range(24)]


@pytest.mark.parametrize("seconds,lengths,starts,wanted,moved", [
    (LATE, [12], [0.5], [range(12)], False),
    (LATE, [12], [0.0], [range(12)], True),
    (LATE, [12, 12], [0.5, 1.7], [range(12), range(12, 24)], False),
    (LATE, [12, 12], [0.0, 1.2], [range(12), range(12, 24)], True),
    (LATE, [10, 10], [0.5, 1.9], [range(10), range(14, 24)], False),
    (LATE, [10, 10], [0.0, 1.4], [range(10), range(14, 24)], True),
    ([0.2 + t / 30 for t in range(72)], [12, 12], [0.0, 1.2], [range(0, 36, 3), range(36, 72, 3)], True),
    ([0.2 + t / 30 for t in range(72)], [12, 12], [0.2, 1.4], [range(0, 36, 3), range(36, 72, 3)], False),
    (every(10, 24), [12], [0.5], [range(5, 17)], False)])
def test_times_count_from_where_the_dataset_counts_them(tmp_path, seconds, lengths, starts, wanted, moved):
    root = beside(tmp_path / "set", {"top": seconds}, lengths, starts=starts)
    done = import_lerobot(root, tmp_path / "store")
    assert [numbers_of(done.store[index].frames["top"]) for index in range(len(lengths))] == [
        [number % 60 for number in part] for part in wanted]
    found = [one for one in check_videos(LeRobot.open(root)) if one.check == "timestamps"]
    assert [one.problem[:44] for one in found] == ["the stated times count from the first frame,"] * moved
    assert set(found) <= set(done.noticed)
    if moved:
        assert "0.000 s" in found[0].expected and f"{seconds[0]:.3f} s" in found[0].got


def test_times_that_may_count_from_two_places_are_refused(tmp_path):
    root = beside(tmp_path / "set", {"top": LATE}, [12], starts=[0.8])
    with pytest.raises(DataError, match="may count from there or from 0") as caught:
        import_lerobot(root, tmp_path / "store")
    assert "0.500 s" in str(caught.value) and "file-000.mp4" in str(caught.value.where)
    assert [one.severity for one in check_videos(LeRobot.open(root))] == ["error"]
    clip(root / f"videos/{TOP}/chunk-000/file-000.mp4", every(10, 24))
    assert numbers_of(LeRobot.open(root).frames(0, TOP)) == list(range(8, 20))


@settings(max_examples=60, deadline=None)
@given(gaps=st.lists(st.integers(1, 300), min_size=1, max_size=30),
       wanted=st.lists(st.integers(-50, 4000), min_size=1, max_size=20))
def test_no_frame_is_nearer_than_the_nearest(gaps, wanted):
    seconds, times = np.append(0, np.cumsum(gaps)) / 100, np.sort(wanted) / 100
    found = nearest(seconds, times)
    best = np.abs(seconds[None] - times[:, None]).min(1)
    assert (np.abs(seconds[found] - times) <= best + 1e-9).all() and (np.diff(found) >= 0).all()
