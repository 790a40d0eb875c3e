"""LeRobot datasets: written, read, imported, exported; v2.1 read; hostile ones refused. No other library is needed here."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_fakes import SPEC as COUNTER
from data_fakes import episode as counted
from lerobot_fakes import SPEC, bench_episode, bench_lerobot, bench_store
from wamlab.cli import main
from wamlab.commands.data import Command, Info, View
from wamlab.data.formats import depth
from wamlab.data.formats.convert import describe, import_lerobot
from wamlab.data.formats.convert_out import export_lerobot
from wamlab.data.formats.features import Feature, place, read_info
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.lerobot_write import Writer
from wamlab.data.formats.semantics import guess_kind
from wamlab.data.formats.sidecar import FILE, SUMS
from wamlab.data.formats.video import VideoWriter, probe, read_frames
from wamlab.data.paged import PAGE, ClipCache, ClipDataset
from wamlab.data.store import EpisodeStore
from wamlab.data.windows import Windows
from wamlab.errors import DataError, UnknownName, WamError
from wamlab.reading import fill

MAIN = "observation.images.main"


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    return bench_lerobot(tmp_path_factory.mktemp("bench"), 6)


@pytest.mark.parametrize("video,worst", [("lossless", 0.0), ("h264", 250.0), ("av1", 400.0)])
def test_a_store_survives_the_way_there_and_back(tmp_path, video, worst):
    store = bench_store(tmp_path / "a", 3)
    export_lerobot(store, tmp_path / "b", video=video)
    back = import_lerobot(tmp_path / "b", tmp_path / "c").store
    assert back.task_spec == store.task_spec and back.renderer == store.renderer and back.indices() == store.indices()
    for index in store.indices():
        one, two = store[index], back[index]
        for name in ("state", "action", "success", "imitate"):
            assert np.array_equal(getattr(one, name), getattr(two, name)), name
        assert all(np.array_equal(one.truth[name], two.truth[name]) for name in one.truth)
        assert two.instruction == one.instruction and two.meta["seed"] == one.meta["seed"]
        for name, frames in one.frames.items():
            assert ((frames.astype(float) - two.frames[name]) ** 2).mean((1, 2, 3)).max() <= worst
    again = export_lerobot(back, tmp_path / "d", video="lossless")
    assert np.array_equal(LeRobot.open(again).columns(1)["action"], LeRobot.open(tmp_path / "b").columns(1)["action"])
    assert len(Windows([back], history=2, chunk=4, offsets=(1, 4))) == sum(len(e) for e in back)


def test_actions_and_pictures_stay_with_their_row(tmp_path):
    """Frame, state and truth at t carry t, the action carries t + 0.5: an off-by-one would show."""
    store = EpisodeStore.create(tmp_path / "a", COUNTER, "r")
    for number, steps in enumerate((3, 7, 1)):
        store.append(counted(number, steps))
    dataset = LeRobot.open(export_lerobot(store, tmp_path / "b", video="lossless"))
    for number, steps in enumerate((3, 7, 1)):
        columns, t = dataset.columns(number), np.arange(steps + 1)
        assert columns["observation.state"][:, 0].tolist() == t.tolist() == dataset.frames(number, MAIN)[:, 0, 0, 0].tolist()
        assert columns["action"][:-1, 0].tolist() == (t[:-1] + 0.5).tolist()
        assert columns["next.success"][:, 0].tolist() == [step + 1 >= steps for step in range(steps)] + [True]
        assert columns["next.done"][:, 0].tolist() == [False] * steps + [True]
        assert np.allclose(columns["timestamp"][:, 0], t / 10)


def test_video_frames_are_found_by_number_in_files_of_many_episodes(tmp_path):
    from lerobot_official import barcode

    root, lengths = tmp_path / "set", [barcode.length(number) for number in range(60)]
    root.mkdir()
    writer = Writer(root, {"action": Feature("float32", (2,)), MAIN: Feature("video", (64, 64, 3))}, fps=7, video_mb=0.005,
                    data_mb=0.01)
    for number, length in enumerate(lengths):
        frames = np.stack([barcode.draw(number, t) for t in range(length)])
        writer.add({"action": np.zeros((length, 2), np.float32)}, {MAIN: frames}, "t")
    writer.close()
    dataset = LeRobot.open(root)
    assert len({row.videos[MAIN].path for row in dataset.rows}) > 2 and len({row.data for row in dataset.rows}) > 1
    for number in np.random.default_rng(0).permutation(60)[:25]:
        seen = barcode.read(dataset.frames(int(number), MAIN))
        assert seen.tolist() == [[number, t] for t in range(lengths[number])]


def old_dataset(root: Path, names: object) -> None:
    """The layout of version 2.1."""
    for folder in ("meta", "data/chunk-000", f"videos/chunk-000/{MAIN}"):
        (root / folder).mkdir(parents=True)
    episodes = [bench_episode(number) for number in range(3)]
    total = 0
    for number, e in enumerate(episodes):
        n = len(e) + 1
        table = pa.table({"observation.state": [row.tolist() for row in e.state],
                          "action": [row.tolist() for row in e.action] + [[0.0] * 3],
                          "timestamp": pa.array(np.arange(n) / 10, pa.float32()), "frame_index": np.arange(n),
                          "episode_index": np.full(n, number), "index": total + np.arange(n),
                          "task_index": np.zeros(n, np.int64)})
        pq.write_table(table, root / f"data/chunk-000/episode_{number:06d}.parquet")
        writer = VideoWriter(str(root / f"videos/chunk-000/{MAIN}/episode_{number:06d}.mp4"), (32, 32), 10)
        writer.add(e.frames["main"])
        writer.close()
        total += n
    features = {"observation.state": {"dtype": "float32", "shape": [3], "names": names},
                "action": {"dtype": "float32", "shape": [3],
                "names": None}, MAIN: {"dtype": "video", "shape": [3, 32, 32], "names": ["channels", "height", "width"]}}
    features |= {name: {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1], "names": None}
                 for name in ("timestamp", "frame_index", "episode_index", "index", "task_index")}
    (root / "meta/info.json").write_text(json.dumps({
        "codebase_version": "v2.1", "robot_type": "arm", "total_episodes": 3, "total_frames": total, "total_tasks": 1,
        "total_chunks": 1,
        "chunks_size": 1000, "fps": 10, "splits": {"train": "0:3"}, "features": features,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"}))
    (root / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": "grip the block"}) + "\n")
    (root / "meta/episodes.jsonl").write_text("".join(
        json.dumps({"episode_index": number, "tasks": ["grip the block"], "length": len(e) + 1}) + "\n" for number,
        e in enumerate(episodes)))


@pytest.mark.parametrize("names", [["x", "y", "g"], {"motors": ["x", "y", "g"]}, None])
def test_version_2_1_is_read(tmp_path, names):
    old_dataset(tmp_path / "old", names)
    done = import_lerobot(tmp_path / "old", tmp_path / "new")
    assert not done.skipped and done.store.task_spec.image_size == (32, 32) and done.store.task_spec.control_hz == 10
    assert done.store.task_spec.state == (("x", "y", "g") if names else ("state 0", "state 1", "state 2"))
    assert done.store.task_spec.action.kind == "delta"  # read off the numbers
    for number in range(3):
        mine, e = done.store[number], bench_episode(number)
        assert np.array_equal(mine.state, e.state) and np.array_equal(mine.action,
                                                                      e.action) and mine.instruction == "grip the block"
        assert mine.meta["success"] == "unknown" and mine.meta["last_action"] == [0.0] * 3
        assert ((mine.frames["main"].astype(float) - e.frames["main"]) ** 2).mean() < 250
    assert describe(tmp_path / "old")["episodes"] == 3


def test_an_import_goes_on_and_resizes(tmp_path, bench):
    import_lerobot(bench, tmp_path / "a")
    store = EpisodeStore.open(tmp_path / "a")
    kept = store.files()[1].stat().st_mtime_ns
    store.files()[2].unlink()
    assert len(import_lerobot(bench, tmp_path / "a").store) == 6 and store.files()[1].stat().st_mtime_ns == kept
    small = import_lerobot(bench, tmp_path / "b", size=(16, 24)).store
    assert small[0].frames["main"].shape[1:] == (16, 24, 3)
    mean = store[0].frames["main"].mean((0, 1, 2))
    assert np.allclose(small[0].frames["main"].mean((0, 1, 2)), mean, atol=2)


def test_another_dataset_of_the_same_name_is_refused(tmp_path, capsys):
    one, other = (export_lerobot(bench_store(tmp_path / f"store{seed}", 3, seed=seed), tmp_path / f"from{seed}" / "set",
                                 video="lossless") for seed in (0, 1))
    store = str(tmp_path / "in")
    assert main(["data", "import", str(one), "--out", store]) == 0
    assert main(["data", "import", str(one), "--out", store]) == 0  # goes on
    assert main(["data", "import", str(other), "--out", store]) == 2
    said = capsys.readouterr().err
    assert "another dataset" in said and "expected:" in said and str(other) in said and "fix:" in said
    file = tmp_path / "in" / "dataset.json"
    old = json.loads(file.read_text())
    del old["provenance"]["digest"]
    file.write_text(json.dumps(old))
    EpisodeStore.open(store).files()[1].unlink()
    assert len(import_lerobot(one, store).store) == 3  # of a store that is older than digests nothing can be said


def test_bad_episodes_stop_an_import_or_are_left_out(tmp_path):
    root = bench_lerobot(tmp_path, 4)
    read = pq.read_table(root / "data/chunk-000/file-000.parquet")
    state = read["observation.state"].to_pylist()
    state[5] = [float("nan")] * 3
    at = read.column_names.index("observation.state")
    pq.write_table(read.set_column(at, "observation.state", pa.array(state, read.schema.field(at).type)),
                   root / "data/chunk-000/file-000.parquet")
    with pytest.raises(DataError, match="not the one that was written"):
        import_lerobot(root, tmp_path / "a")
    (root / SUMS).unlink()  # as another tool's dataset
    with pytest.raises(DataError, match="episode 0 cannot be imported: state is not finite at step 5"):
        import_lerobot(root, tmp_path / "a")
    done = import_lerobot(root, tmp_path / "b", skip_bad=True)
    assert done.store.indices() == [1, 2, 3] and [index for index, _ in done.skipped] == [0]


def test_depth_passes_to_the_bit(tmp_path):
    from dataclasses import replace

    generator = np.random.default_rng(0)
    metres = generator.uniform(0, 3, (9, 4, 6)).astype(np.float32)
    units = depth.to_units(metres)
    assert np.abs(depth.to_metres(units) - metres).max() <= 0.00051 and np.array_equal(depth.unpack(depth.pack(units)), units)
    assert depth.to_units(np.array([np.nan, np.inf, 100.0], np.float32)).tolist() == [0, 65535, 65535]
    store = EpisodeStore.create(tmp_path / "a", replace(COUNTER, cameras=("main", "main.depth")), "r")
    plain = counted(0, 8)
    store.append(replace(plain, frames={**plain.frames, "main.depth": depth.pack(units)}))
    root = export_lerobot(store, tmp_path / "b")
    assert np.array_equal(LeRobot.open(root).frames(0, "observation.images.main.depth"), units)
    (root / FILE).unlink()  # also as another tool's dataset
    back = import_lerobot(root, tmp_path / "c").store
    assert back.task_spec.cameras == ("main", "main.depth") and np.array_equal(depth.unpack(back[0].frames["main.depth"]),
                                                                               units)


def test_what_actions_mean_is_read_off_the_numbers():
    episodes = [bench_episode(number) for number in range(6)]
    deltas = [(e.state, np.concatenate([e.action, e.action[-1:]])) for e in episodes]
    assert guess_kind(deltas) == "delta"
    assert guess_kind([(state, np.concatenate([state[1:], state[-1:]])) for state, _ in deltas]) == "absolute"
    assert guess_kind([]) == "absolute"


def test_videos_with_b_frames_and_odd_sizes(tmp_path):
    frames = np.stack([np.full((30, 46, 3), 20 * t, np.uint8) for t in range(12)])
    for number, (options, codec) in enumerate([({"bf": "3", "g": "12"}, "libx264"), ({}, "mpeg4")]):
        file = tmp_path / f"{number}.mp4"
        with av.open(str(file), "w") as container:
            stream = container.add_stream(codec, rate=Fraction(30000, 1001), options=options)
            stream.width, stream.height, stream.pix_fmt = 46, 30, "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        info = probe(file)
        assert len(info) == 12
        for first, count in ((0, 12), (5, 3), (11, 1)):
            numbers = np.arange(first, first + count)
            assert np.abs(np.stack(list(read_frames(info, numbers))).mean((1, 2, 3)) - 20 * numbers).max() < 6
        with pytest.raises(DataError, match="too short"):
            list(read_frames(info, np.arange(10, 13)))
    odd = VideoWriter(str(tmp_path / "odd.mp4"), (15, 17), 5)
    odd.add(frames[:, :15, :17])
    odd.close()
    assert [frame.shape for frame in read_frames(probe(tmp_path / "odd.mp4"), np.arange(3, 5))] == [(15, 17, 3)] * 2


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"(\.\./|/|\{chunk_index[:!.]?[^}]{0,6}\}|\{file_index\}|[a-z]|\\){1,8}",
                                            fullmatch=True))
def test_no_path_template_leaves_the_dataset(template):
    try:
        path = fill(template, {"chunk_index": 3, "file_index": 4, "video_key": "a"}, "test")
    except DataError:
        return
    root = Path("/a/b/c")
    assert (root / path).resolve().is_relative_to(root) and not re.search(r"[\\:\0]", str(path))


def test_unknown_things_are_named(bench):
    dataset = LeRobot.open(bench)
    with pytest.raises(UnknownName, match="camera"):
        dataset.frames(0, "observation.images.man")
    with pytest.raises(DataError, match="no episode 99"):
        dataset.columns(99)
    with pytest.raises(DataError, match="no LeRobot dataset here"):
        LeRobot.open(bench / "meta")
    assert place(read_info(bench), "video_path", 1, 2, "cam") == Path("videos/cam/chunk-001/file-002.mp4")


def test_an_export_is_whole_or_absent(tmp_path):
    store = bench_store(tmp_path / "a", 2)
    store.files()[1].write_bytes(b"broken")
    with pytest.raises(WamError):
        export_lerobot(store, tmp_path / "b")
    assert not (tmp_path / "b").exists() and sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(DataError, match="something here already"):
        export_lerobot(bench_store(tmp_path / "c", 1), tmp_path / "full")


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_clips_are_the_frames_whatever_the_budget(tmp_path, bench, share):
    dataset = LeRobot.open(bench)
    cameras = dataset.info.cameras
    whole = {name: np.concatenate([dataset.frames(index, name) for index in dataset.indices()]) for name in cameras}
    pages = sum(-(-dataset.length(index) // PAGE) for index in dataset.indices())
    budget = share * pages * PAGE * len(cameras) * 32 * 32 * 3 / 2**20
    with ClipCache(dataset, cameras, tmp_path, budget_mb=budget) as cache:
        generator, starts = np.random.default_rng(0), cache.starts(8)
        assert len(starts) == len(cache) - 7 * len(dataset)
        for _ in range(12):
            chosen = generator.choice(starts, 2)
            clips = cache.clips(chosen, 8)
            for camera, name in enumerate(cameras):
                assert np.array_equal(clips[:, :, camera], np.stack([whole[name][start:start + 8] for start in chosen]))
        assert cache.capacity == max(1, int(share * pages)) and (cache.decoded == len(dataset) or share < 1)
        past = cache.clips(np.array([len(cache) - 2]), 5)[0, :, 0]
        assert all(np.array_equal(past[1], past[n]) for n in (2, 3, 4))
        if share < 1:
            with pytest.raises(DataError, match="less than one batch"):
                cache.clips(starts[::20], 8)
            with pytest.raises(DataError, match="not complete"):
                cache.__getstate__()
    again = ClipCache(dataset, cameras, tmp_path, budget_mb=budget)
    assert np.array_equal(again.clips(chosen, 8), clips) and (again.decoded == 0 or share < 1)  # found on the disk
    if share == 1.0:
        again.fill()
        assert again.complete and tuple(ClipDataset(again, 8)[3].shape) == (8, 2, 32, 32, 3)


def test_the_page_plays_every_episode(tmp_path, bench, capsys):
    View(bench, tmp_path / "page.html", (0, 4))()
    page = (tmp_path / "page.html").read_text()
    data = json.loads(re.search(r"const data = (.*);\n", page)[1])
    assert [e["title"] for e in data["episodes"]] == ["episode 0", "episode 4"] and data["action"] == list(SPEC.action.names)
    assert np.allclose(data["episodes"][1]["state"], LeRobot.open(bench).columns(4)["observation.state"].T, atol=1e-5)
    assert set(data["episodes"][0]["films"]) == {MAIN, "observation.images.wrist"} and "http" not in page.replace("http-equiv",
                                                                                                                  "")
    View(bench.parent / "store", tmp_path / "store.html")()
    assert page.count("<script>") == 1 and "episode 5" in (tmp_path / "store.html").read_text()
    with pytest.raises(DataError, match="no episode 77"):
        View(bench, tmp_path / "x.html", (77,))()
    Info(bench)()
    Info(bench.parent / "store")()
    assert "LeRobotDataset v3.0" in capsys.readouterr().out


def test_the_commands_are_on_the_command_line(capsys, bench):
    import tyro

    for words in (["info", str(bench)], ["check", str(bench)]):
        assert tyro.cli(Command, args=words)() == 0
    assert "nothing is wrong" in capsys.readouterr().out


def test_a_meaning_that_was_guessed_is_told(tmp_path):
    """What the actions mean is said by the dataset's own file; without it, it is read off the numbers, and that is told."""
    def guessed(done) -> list[str]:
        return [finding.got for finding in done.noticed if "nobody said what the actions mean" in finding.problem]

    root = export_lerobot(bench_store(tmp_path / "store", 3), tmp_path / "out", video="lossless")
    assert guessed(import_lerobot(root, tmp_path / "said")) == []
    for name in (FILE, SUMS):
        (root / name).unlink()
    done = import_lerobot(root, tmp_path / "guessed")
    assert guessed(done) == [done.store.task_spec.action.kind]
    assert guessed(import_lerobot(root, tmp_path / "chosen", action_kind="absolute")) == []
