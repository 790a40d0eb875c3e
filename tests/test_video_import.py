"""Videos become episodes without actions: the right frames at the right times, upright, in the right proportions."""

from __future__ import annotations

import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from wamlab.cli import main
from wamlab.data.formats.convert_video import Film, centre, import_videos
from wamlab.data.formats.films import films
from wamlab.data.formats.video import probe
from wamlab.data.selection import common_spec
from wamlab.data.store import EpisodeStore
from wamlab.data.video import FILMED
from wamlab.data.windows import Windows
from wamlab.errors import DataError
from wamlab.simulators import make
from wamlab.spec import TaskSpec

SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LEVELS = 24
"""a film's n-th picture is as bright as n says"""


def film(path: Path, ticks: list[int], size: tuple[int, int] = (48, 64), picture=None, rate: int = 30) -> Path:
    """A video whose n-th frame is shown at tick n / 600 s and has grey value 10 n."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "4", "preset": "ultrafast", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 600)
        for number, tick in enumerate(ticks):
            image = np.full((*size, 3), 10 * (number % LEVELS), np.uint8) if picture is None else picture(number)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The file with another display matrix, as phones write it when they are held upright."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version and flags; times, track, duration; reserved; layer, volume
    a, b, c, d = (value << 16 for value in matrix)
    for number, value in ((0, a), (1, b), (3, c), (4, d)):
        content[place + 4 * number:place + 4 * number + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    return path


def spec(size: int = 32) -> TaskSpec:
    return make("pushworld", size=size).task_spec


def number_of(frames: np.ndarray) -> list[int]:
    """Which picture of the film each frame is."""
    return (frames[:, 8:-8, 8:-8].mean((1, 2, 3)) / 10).round().astype(int).tolist()


@SLOW
@given(gaps=st.lists(st.integers(12, 130), min_size=12, max_size=LEVELS - 1), hz=st.sampled_from([5.0, 10.0, 20.0]))
def test_each_control_step_shows_the_frame_that_is_nearest_in_time(gaps, hz, tmp_path_factory):
    """Films of any, also varying, rate."""
    ticks = [0, *np.cumsum(gaps).tolist()]
    made = Film.open(film(tmp_path_factory.mktemp("f") / "a.mp4", ticks), hz)
    seconds = made.source.seconds
    shown = number_of(np.stack(list(made.pictures((32, 32)))))
    assert shown == made.shown.tolist()
    for step, number in enumerate(shown):
        away = np.abs(seconds - (seconds[0] + step / hz))
        assert away[number] <= away.min() + 1e-9
    assert len(shown) == int((seconds[-1] - seconds[0]) * hz + 1e-6) + 1


def test_a_film_twice_as_fast_as_the_control_gives_every_second_frame(tmp_path):
    done = import_videos(film(tmp_path / "a.mp4", list(range(0, 30 * 20, 30))), tmp_path / "store", spec())
    assert [number_of(e.frames["main"]) for e in done.store] == [list(range(0, 20, 2))]
    slow = import_videos(film(tmp_path / "b.mp4", list(range(0, 120 * 5, 120))), tmp_path / "slow", spec()).store[0]
    assert slow.meta["repeated_frames"] == 4 and number_of(slow.frames["main"]) == [0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_long_films_become_episodes_that_join(tmp_path):
    done = import_videos(film(tmp_path / "a.mp4", list(range(0, 60 * 23, 60))), tmp_path / "store", spec(), seconds=0.8)
    parts = [number_of(e.frames["main"]) for e in done.store]
    assert len(parts) == 3 and all(len(part) - 1 <= 8 for part in parts)
    assert [a[-1] for a in parts[:-1]] == [b[0] for b in parts[1:]], "the last picture of one is the first of the next"
    assert sorted({number for part in parts for number in part}) == list(range(23))
    episode = done.store[1]
    assert not episode.has_action.any() and not episode.has_state and not episode.imitate.any()
    assert episode.meta["film"] == "a.mp4" and episode.meta["from_step"] == 7


def corner(number: int) -> np.ndarray:
    """Black, with a red patch above left and a green one above right."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:16, :20, 0] = image[:16, -20:, 1] = 255
    return image


@pytest.mark.parametrize(("matrix", "turns"), [((1, 0, 0, 1), 0), ((0, 1, -1, 0), 3), ((0, -1, 1, 0), 1), ((-1, 0, 0, -1), 2)])
def test_films_are_turned_upright(matrix, turns, tmp_path):
    """(0, 1, -1, 0) is what a phone held upright writes: turn the picture a quarter clockwise."""
    path = turned(film(tmp_path / "a.mp4", [0, 60, 120], picture=corner), matrix)
    shown = next(Film.open(path, 10.0).pictures((64, 48) if turns % 2 else (48, 64))).astype(int)
    wanted = np.rot90(corner(0), turns).astype(int)
    assert shown.shape == wanted.shape and np.abs(shown - wanted).mean() < 12
    other = np.rot90(corner(0), turns + 2).astype(int)
    assert np.abs(shown - other).mean() > 25, "the control: upside down would be seen"


def test_a_film_that_lies_askew_is_refused(tmp_path):
    path = turned(film(tmp_path / "a.mp4", [0, 60, 120]), (1, 1, -1, 1))
    with pytest.raises(DataError, match="askew"):
        import_videos(path, tmp_path / "store", spec())


@given(height=st.integers(2, 90), width=st.integers(2, 90), wanted=st.tuples(st.integers(8, 64), st.integers(8, 64)))
@settings(max_examples=60, deadline=None)
def test_cropping_keeps_the_middle_and_the_proportions(height, width, wanted):
    rows, columns = np.mgrid[:height, :width]
    kept = centre(np.stack([rows, columns, rows], -1).astype(np.uint8), wanted)
    h, w = kept.shape[:2]
    assert h == height or w == width, "one side is whole"
    assert abs(h / height * height - w * wanted[0] / wanted[1]) <= max(1, wanted[0] / wanted[1])
    assert abs(int(kept[0, 0, 0]) - (height - 1 - int(kept[-1, 0, 0]))) <= 1, "as much is lost above as below"
    assert abs(int(kept[0, 0, 1]) - (width - 1 - int(kept[0, -1, 1]))) <= 1


def broken(folder: Path) -> dict[str, str]:
    """Files that are no usable film, and the word that must be said of each."""
    whole = film(folder / "whole.mp4", list(range(0, 600, 20))).read_bytes()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4000))
    (folder / "cut.mp4").write_bytes(whole[:len(whole) // 2])
    torn = bytearray(whole)
    begin = torn.index(b"mdat") + 4
    torn[begin + 300:begin + len(torn) // 2] = bytes(len(torn) // 2 - 300)
    (folder / "torn.mp4").write_bytes(torn)
    film(folder / "still.mp4", [0])
    film(folder / "short.mp4", [0, 20, 40])
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return {"empty": "cannot be read", "noise": "cannot be read", "cut": "cannot be read", "torn": "missing|cannot",
            "still": "too short", "short": "too short", "sound": "no video"}


def test_films_that_cannot_be_used_are_named(tmp_path):
    wrong = broken(tmp_path)
    for number, (name, words) in enumerate(wrong.items()):
        with pytest.raises(DataError, match=words) as caught:
            import_videos(tmp_path / f"{name}.mp4", tmp_path / f"store{number}", spec())
        assert f"{name}.mp4" in str(caught.value.where), name
    done = import_videos(tmp_path, tmp_path / "all", spec(), skip_bad=True)
    assert len(done.skipped) == len(wrong) and len(done.store) == 1
    with pytest.raises(DataError, match="no video here"):
        import_videos(tmp_path / "all", tmp_path / "none", spec())


def test_an_import_goes_on_and_notices_other_films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for name in "ab":
        film(folder / f"{name}.mp4", list(range(0, 60 * 12, 60)))
    (folder / "notes.txt").write_text("no film")
    assert [path.name for path in films(folder)] == ["a.mp4", "b.mp4"]
    store = import_videos(folder, tmp_path / "store", spec(), seconds=0.6).store
    assert len(store) == 4 and [store.meta(index)["film"] for index in store.indices()] == ["a.mp4"] * 2 + ["b.mp4"] * 2
    before = [episode.frames["main"] for episode in store]
    store.files()[2].unlink()
    again = import_videos(folder, tmp_path / "store", spec(), seconds=0.6).store
    assert all(np.array_equal(e.frames["main"], frames) for e, frames in zip(again, before, strict=True))
    film(folder / "c.mp4", [0, 60, 120])
    with pytest.raises(DataError, match="another provenance"):
        import_videos(folder, tmp_path / "store", spec(), seconds=0.6)


def test_films_stand_beside_rendered_episodes(tmp_path):
    stores = [EpisodeStore.create(tmp_path / name, spec(), name) for name in ("egl-1", "osmesa-2")]
    store = import_videos(film(tmp_path / "a.mp4", [0, 60, 120, 180]), tmp_path / "store", spec()).store
    assert store.renderer == FILMED and probe(tmp_path / "a.mp4").height == 48
    common_spec([store, stores[0]], allow_mixed_renderers=False)
    common_spec([stores[0], store], allow_mixed_renderers=False)
    with pytest.raises(DataError, match="rendered differently"):
        common_spec([stores[0], store, stores[1]], allow_mixed_renderers=False)
    batch = Windows([store], history=1, chunk=2, offsets=(1,)).batch(np.arange(3))
    assert not batch.has_action.any() and not batch.context.known.any() and batch.future_mask.all()


def test_the_command_imports_videos(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    EpisodeStore.create("data", spec(), "numpy-1")
    film(tmp_path / "a.mp4", [0, 60, 120, 180])
    assert main(["data", "import", "a.mp4", "--out", "clips"]) == 2
    assert "--like" in capsys.readouterr().err
    assert main(["data", "import", "a.mp4", "--like", "data", "--out", "clips", "--instruction", "wave"]) == 0
    assert "1 episodes in clips, 0 left out" in capsys.readouterr().out
    assert EpisodeStore.open("clips")[0].instruction == "wave"
    assert main(["data", "info", "clips"]) == 0
    assert "unknown_actions 3" in capsys.readouterr().out


def quarters(number: int) -> np.ndarray:
    """uint8 [48, 64, 3]: red at the left, blue at the right, with a green strip at the top."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32, 0], picture[:, 32:, 2] = 200, 200
    picture[:8] = (0, 100 + 4 * number, 0)
    return picture


def brought_in(source: Path, target: Path, **more) -> tuple[np.ndarray, list[str]]:
    """The frames of the first episode, and what was said, "severity: problem: got"."""
    done = import_videos(source, target, spec(), **more)
    return done.store[0].frames["main"], [f"{one.severity}: {one.problem}: {one.got}" for one in done.noticed]


def test_a_cover_picture_is_not_the_film(tmp_path):
    cover = {}
    for ending in ("mp4", "mkv"):
        path = tmp_path / f"a.{ending}"
        with av.open(str(path), "w") as container:
            art = container.add_stream("mjpeg", rate=1)
            art.height = art.width = 96
            art.pix_fmt, art.disposition = "yuvj420p", Disposition.attached_pic
            stream = container.add_stream("libx264", rate=10, options={"crf": "4"})
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for number in range(12):
                for into, image in ([(art, np.full((96, 96, 3), 255, np.uint8))] if not number else []) + [
                        (stream, np.full((48, 64, 3), 10 * number, np.uint8))]:
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                    frame.pts = number
                    container.mux(into.encode(frame))
            container.mux([*art.encode(), *stream.encode()])
        frames, _ = brought_in(path, tmp_path / ending)
        assert number_of(frames) == list(range(12))
        with av.open(str(path)) as container:
            cover[ending] = len(container.streams.video)
    assert cover == {"mp4": 2, "mkv": 2}, "the control: there is a cover"


@pytest.mark.parametrize("aspect,shape", [(Fraction(2), (48, 128)), (Fraction(1, 2), (96, 64)), (Fraction(1), (48, 64))])
def test_pixels_that_are_not_square_are_stretched(tmp_path, aspect, shape):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "4"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(quarters(number), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    film = Film.open(path, 10)
    assert next(film.source.shown(film.shown))[0].shape == (*shape, 3)


@pytest.mark.parametrize("matrix,left,top", [((1, 0, 0, 1), 0, 1), ((-1, 0, 0, 1), 2, 1), ((1, 0, 0, -1), 0, 0),
                                             ((0, 1, 1, 0), 1, 0)])
def test_mirrored_films_are_shown_as_they_are_meant(tmp_path, matrix, left, top):
    """Which of red, green, blue is brightest at the left and at the top."""
    path = turned(film(tmp_path / "a.mp4", [0, 60, 120], picture=quarters), matrix)
    source = Film.open(path, 10)
    picture = next(source.source.shown(source.shown))[0].astype(int)
    high, wide = picture.shape[:2]
    assert picture[high * 3 // 5, 2].argmax() == left and picture[2, wide // 4].argmax() == top


def test_a_film_that_is_shorter_than_its_header_says_is_said_to_be(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), np.uint8)
    for name, options in (("a.mkv", {}), ("a.mp4", {"movflags": "faststart"})):
        path = tmp_path / name
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("libx264", rate=20)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for number, image in enumerate(noise):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        whole, said = brought_in(path, tmp_path / f"whole-{name}")
        assert len(whole) == 20 and said == []
        path.write_bytes(path.read_bytes()[:path.stat().st_size * 6 // 10])
        part, said = brought_in(path, tmp_path / f"part-{name}")
        assert 5 < len(part) < 15 and len(said) == 1 and said[0].startswith("warning: the film is not whole")
        assert "of 2.00 s" in said[0] or "of 40 frames" in said[0]


def test_a_folder_of_pictures_is_a_film_of_the_rate_that_is_said(tmp_path):
    folder = tmp_path / "films/run"
    folder.mkdir(parents=True)
    for number in range(9, 21):
        Image.fromarray(np.full((48, 64, 3), 10 * number, np.uint8)).save(folder / f"frame-{number}.png")
    (tmp_path / "films/notes.txt").write_text("none")
    with pytest.raises(DataError, match="does not say how fast") as caught:
        brought_in(tmp_path / "films", tmp_path / "a")
    assert "--rate" in caught.value.fix and not (tmp_path / "a").exists()
    frames, said = brought_in(tmp_path / "films", tmp_path / "a", rate=20)
    assert number_of(frames) == list(range(9, 21, 2))  # 9 before 10, every second one
    assert said == ["note: files were not read: they are no films: 1 .txt"]
    (folder / "frame-12.png").unlink()
    frames, said = brought_in(folder, tmp_path / "b", rate=10)
    assert number_of(frames) == [9, 10, 11, 11, *range(13, 21)]  # by time: what is missing does not move the rest
    assert any("1 pictures are missing in between" in line for line in said)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "frame-12.png")
    with pytest.raises(DataError, match="differ in size"):
        brought_in(folder, tmp_path / "c", rate=10)


def test_animated_pictures_and_folders_of_them_are_films(tmp_path):
    images = [Image.fromarray(np.full((48, 64, 3), 10 * number, np.uint8)) for number in range(12)]
    (tmp_path / "gifs").mkdir()
    images[0].save(tmp_path / "gifs/a.GIF", save_all=True, append_images=images[1:], duration=100, loop=0)
    for number, source in enumerate((tmp_path / "gifs", tmp_path / "gifs/a.GIF")):
        frames, _ = brought_in(source, tmp_path / str(number))
        assert number_of(frames) == list(range(12))


def test_films_of_absurd_size_are_refused_before_they_are_decoded(tmp_path):
    images = [Image.new("P", (8, 8), color) for color in range(3)]
    path = tmp_path / "a.gif"
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    content = bytearray(path.read_bytes())
    content[6:10] = (60_000).to_bytes(2, "little") * 2  # the size of the screen, which is what a frame is
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError):
        brought_in(path, tmp_path / "store")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes; a frame would take ten million"


def test_films_of_measurements_are_refused(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "gray16le"
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), 1000, np.uint16), format="gray16le")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(DataError, match="the video holds measurements"):
        brought_in(path, tmp_path / "store")
