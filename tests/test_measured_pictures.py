"""Pictures that are measurements stay measurements or are refused; colours of every kind; sizes before memory."""

from __future__ import annotations

import io
import json
import math
import struct
import tracemalloc
import zlib
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from film_fakes import SIDE, beside
from wamlab.data.check.run import check_dataset
from wamlab.data.formats import depth, lerobot, pictures
from wamlab.data.formats.convert import import_lerobot
from wamlab.data.formats.depth import Coding
from wamlab.data.formats.films import Moving, Stills
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.video import probe
from wamlab.errors import DataError

ROWS = 3
KEY = "observation.images.range"
MM = np.full((SIDE, SIDE), 1000, np.uint16)
MM[8:16, 8:16], MM[20:, 20:] = 500, 0
CODED = {"is_depth_map": True, "depth_min": 0.01, "depth_max": 10.0, "shift": 3.5, "use_log": True, "depth_unit": "mm"}
CODES = 12


def file_of(picture: np.ndarray | Image.Image, kind: str = "PNG", **more) -> bytes:
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, kind, **more)
    return out.getvalue()


def with_images(root: Path, content: bytes, info: dict, channels: int = 1) -> Path:
    """A dataset whose second camera is a column of one picture again and again."""
    beside(root, {"top": [0, 0.1, 0.2]}, [ROWS])
    said = json.loads((root / "meta/info.json").read_text())
    said["features"][KEY] = {"dtype": "image", "shape": [SIDE, SIDE, channels], "names": ["height", "width", "channels"],
                             "info": info}
    (root / "meta/info.json").write_text(json.dumps(said))
    file = root / "data/chunk-000/file-000.parquet"
    cells = pa.array([{"bytes": content, "path": "a"}] * ROWS, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pq.read_table(file).append_column(KEY, cells), file)
    return root


def with_video(root: Path, codes: np.ndarray, info: dict, pixels: str = "gray12le", codec: str = "libx265") -> Path:
    """A dataset whose second camera is a lossless video of the same codes in every frame."""
    beside(root, {"top": [0, 0.1, 0.2], "range": [0, 0.1, 0.2]}, [ROWS])
    said = json.loads((root / "meta/info.json").read_text())
    said["features"][KEY] |= {"shape": [SIDE, SIDE, 1], "info": info}
    (root / "meta/info.json").write_text(json.dumps(said))
    path = root / f"videos/{KEY}/chunk-000/file-000.mp4"
    path.unlink()
    options = {"x265-params": "lossless=1:log-level=none"} if codec == "libx265" else {}
    with av.open(str(path), "w", format="mp4" if codec == "libx265" else "matroska") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.height = stream.width = SIDE
        stream.pix_fmt = pixels
        for number in range(ROWS):
            frame = av.VideoFrame(SIDE, SIDE, pixels)
            plane = frame.planes[0]
            stored = np.zeros((SIDE, plane.line_size // 2), np.uint16)
            stored[:, :SIDE] = codes
            plane.update(stored.tobytes())
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return root


def coded(metres: np.ndarray, info: dict, bits: int = CODES) -> np.ndarray:
    """Codes of depth, as the format's own writer makes them."""
    low, high, shift = info["depth_min"], info["depth_max"], info["shift"]
    if info["use_log"]:
        low, high, metres = math.log(low + shift), math.log(high + shift), np.log(metres + shift)
    return np.rint((metres - low) / (high - low) * (2 ** bits - 1)).clip(0, 2 ** bits - 1).astype(np.uint16)


@pytest.mark.parametrize("info", [CODED, CODED | {"use_log": False}, {f"video.{name}": value for name, value in CODED.items()}],
                         ids=["log", "even", "prefixed"])
def test_codes_of_a_depth_video_become_metres(tmp_path, info):
    codes = coded(MM / 1000, CODED | {"use_log": info.get("use_log", True)})
    root = with_video(tmp_path / "set", codes, info)
    store = import_lerobot(root, tmp_path / "store").store
    metres = depth.to_metres(depth.unpack(store[0].frames["range.depth"]))
    assert np.abs(metres[:, 0, 0] - 1.0).max() < 0.003 and np.abs(metres[:, 10, 10] - 0.5).max() < 0.003
    assert (metres[:, -1, -1] == 0).all(), "what was not measured is unknown, not as near as can be"
    assert (LeRobot.open(root).frames(0, KEY)[1] == depth.unpack(store[0].frames["range.depth"][1])).all()


def test_depth_of_16_bits_is_kept_as_it_is(tmp_path):
    root = with_video(tmp_path / "set", MM, {"is_depth_map": True, "unit": "mm"}, "gray16le", "ffv1")
    assert (LeRobot.open(root).frames(0, KEY) == MM).all()


@pytest.mark.parametrize("info,words", [
    ({"is_depth_map": True}, "nothing says what the numbers of the depth video mean"),
    ({"is_depth_map": False}, "the video holds measurements"),
    (CODED | {"shift": None}, "said by half"), (CODED | {"depth_max": 0.01}, "cannot have been turned into codes so"),
    (CODED | {"shift": -1.0}, "cannot have been turned into codes so"), (CODED | {"use_log": "yes"}, "cannot have been turned"),
    (CODED | {"depth_min": float("nan")}, "number"), (CODED | {"depth_unit": "feet"}, "the unit of depth is not known")])
def test_a_depth_video_that_does_not_say_what_it_means_is_refused(tmp_path, info, words):
    root = with_video(tmp_path / "set", coded(MM / 1000, CODED), CODED)
    assert LeRobot.open(root).frames(0, KEY).shape == (ROWS, SIDE, SIDE)  # the control
    said = json.loads((root / "meta/info.json").read_text())
    said["features"][KEY]["info"] = info
    (root / "meta/info.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match=words):
        LeRobot.open(root).frames(0, KEY)


def test_colours_marked_as_depth_are_refused(tmp_path):
    root = beside(tmp_path / "set", {"top": [0, 0.1, 0.2]}, [ROWS])
    said = json.loads((root / "meta/info.json").read_text())
    said["features"]["observation.images.top"]["info"] = CODED
    (root / "meta/info.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match="marked as depth and holds none"):
        LeRobot.open(root).frames(0, "observation.images.top")


@pytest.mark.parametrize("picture,kind,info", [
    (MM, "PNG", {"is_depth_map": True}), (MM, "PNG", {"unit": "mm"}), (MM, "TIFF", {"is_depth_map": True}),
    ((MM / 1000).astype(np.float32), "TIFF", {"is_depth_map": True}),
    (MM.astype(np.float32), "TIFF", {"is_depth_map": True, "depth_unit": "mm"}),
    (MM * 10, "PNG", {"is_depth_map": True, "scale": 0.0001}), (MM * 10, "PNG", {"video.depth_scale": 0.1, "unit": "mm"}),
    ((MM // 10).astype(np.uint8), "PNG", {"is_depth_map": True, "unit": "cm"})])
def test_depth_pictures_become_millimetres(tmp_path, picture, kind, info):
    root = with_images(tmp_path / "set", file_of(picture, kind), info)
    assert (LeRobot.open(root).frames(0, KEY) == MM).all()
    frames = import_lerobot(root, tmp_path / "store").store[0].frames
    assert sorted(frames) == ["range.depth", "top"] and (depth.unpack(frames["range.depth"]) == MM).all()


@pytest.mark.parametrize("picture,kind,info,words", [
    (MM, "PNG", {}, "holds measurements"), (MM, "PNG", {"is_depth_map": False}, "holds measurements"),
    (MM, "TIFF", {}, "holds measurements"), (MM.astype(np.float32), "TIFF", {}, "holds measurements"),
    ((MM // 10).astype(np.uint8), "PNG", {"is_depth_map": True}, "nothing says what the numbers"),
    (MM, "PNG", {"is_depth_map": True, "unit": "m"}, "nothing says what the numbers"),
    (MM, "PNG", {"unit": "mm", "depth_unit": "m"}, "said twice, differently"),
    (np.zeros((SIDE, SIDE, 3), np.uint8), "PNG", {"is_depth_map": True}, "marked as depth and holds none")])
def test_numbers_without_a_meaning_are_refused(tmp_path, picture, kind, info, words):
    root = with_images(tmp_path / "set", file_of(picture, kind), info)
    with pytest.raises(DataError, match=words) as caught:
        import_lerobot(root, tmp_path / "store")
    assert KEY in str(caught.value.where) and not (tmp_path / "store").exists()


FINE = np.full((SIDE, SIDE), 10_000, np.uint16)
FINE[:2], FINE[2:5] = 10_004, 60_000
FAR = np.where(MM == 500, 40_000, MM // 2).astype(np.uint16)


def depth_lines(found: list) -> list[tuple[str, str, str]]:
    return [(one.severity, one.problem.partition(" in ")[0], one.got.partition(" pixels")[0]) for one in found
            if one.problem.startswith("depth is")]


@pytest.mark.parametrize("picture,kind,info,lines", [
    (FINE, "PNG", {"is_depth_map": True, "scale": 0.0001}, [("rounded to whole millimetres", 2 * SIDE)]),
    (FAR, "PNG", {"is_depth_map": True, "scale": 0.002}, [("clipped to 0 to 65.535 m", 64)]),
    (FINE / np.float32(1e4), "TIFF", {"is_depth_map": True}, [("rounded to whole millimetres", 2 * SIDE)]),
    ((FAR / 500).astype(np.float32), "TIFF", {"is_depth_map": True}, [("clipped to 0 to 65.535 m", 64)]),
    (np.where(FAR == 40_000, -1, MM / 1000).astype(np.float32), "TIFF", {"is_depth_map": True},
     [("clipped to 0 to 65.535 m", 64)]),
    (FINE // 10 * 10, "PNG", {"is_depth_map": True, "scale": 0.0001}, []), (MM, "PNG", {"is_depth_map": True}, []),
    ((MM / 1000).astype(np.float32), "TIFF", {"is_depth_map": True}, [])])
def test_depth_that_is_not_kept_as_it_was_is_counted(tmp_path, picture, kind, info, lines):
    root = with_images(tmp_path / "set", file_of(picture.astype(picture.dtype.newbyteorder("=")), kind), info)
    done = import_lerobot(root, tmp_path / "store")
    found = check_dataset(root)
    wanted = [("warning", f"depth is {what}", f"{ROWS * count} of {ROWS * SIDE * SIDE}") for what, count in lines]
    assert depth_lines(found) == wanted == depth_lines(done.noticed), "check says what import says"
    assert {str(one) for one in found if "depth is" in one.problem} == {str(one) for one in done.noticed
                                                                       if "depth is" in one.problem}
    assert all(one.field == f"features.{KEY}" and one.episode == 0 for one in found if "depth is" in one.problem)


@pytest.mark.parametrize("most,bits,lines", [
    (10.0, 12, []), (200.0, 12, ["clipped to 0 to 65.535 m"]), (2.0, 16, ["rounded to whole millimetres"])])
def test_codes_of_a_video_that_are_finer_or_farther_than_millimetres_are_counted(tmp_path, most, bits, lines):
    info = CODED | {"depth_max": most, "use_log": False}
    metres = np.where(MM == 500, min(0.9 * most, 100.0), 0.5003)
    pixels, codec = ("gray12le", "libx265") if bits == 12 else ("gray16le", "ffv1")
    root = with_video(tmp_path / "set", coded(metres, info, bits), info, pixels, codec)
    assert [problem for _, problem, _ in depth_lines(import_lerobot(root, tmp_path / "store").noticed)] == [
        f"depth is {line}" for line in lines]


@pytest.mark.parametrize("name", ["is_depth_map", "video.is_depth_map"])
@pytest.mark.parametrize("mark", ["false", "true", 1, 0.0, []])
def test_a_mark_that_is_neither_true_nor_false_is_refused(tmp_path, name, mark):
    root = with_images(tmp_path / "set", file_of(MM), {name: True})
    assert LeRobot.open(root).info.features[KEY].depth  # the control
    said = json.loads((root / "meta/info.json").read_text())
    said["features"][KEY]["info"] = {name: mark}
    (root / "meta/info.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match="nothing says whether the pictures are depth") as caught:
        LeRobot.open(root)
    assert str(caught.value.where).endswith(f"meta/info.json, field features.{KEY}.info.{name}")


def test_what_depth_says_of_itself_is_found_where_it_stands(tmp_path):
    for number, make in enumerate((lambda root: with_images(root, file_of(MM), {"is_depth_map": True, "unit": "feet"}),
                                   lambda root: with_video(root, MM, {"is_depth_map": True, "unit": "feet"}))):
        with pytest.raises(DataError, match="the unit of depth is not known") as caught:
            LeRobot.open(make(tmp_path / str(number))).frames(0, KEY)
        assert str(caught.value.where).endswith(f"meta/info.json, field features.{KEY}.info.unit")


def test_measurements_as_a_film_are_refused_without_naming_a_dataset(tmp_path):
    folder = tmp_path / "film"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(file_of(MM))
    video = with_video(tmp_path / "set", MM, {}, "gray16le", "ffv1") / f"videos/{KEY}/chunk-000/file-000.mp4"
    for film in (Stills.open(folder, 10.0), Moving(probe(video))):
        with pytest.raises(DataError, match="holds measurements") as caught:
            list(film.shown(np.arange(3)))
        assert "meta/info.json" not in str(caught.value) and "8 bits per channel" in caught.value.fix
    with pytest.raises(DataError, match="holds measurements") as caught:  # the control
        pictures.decoded(file_of(MM), None, None, "here")
    assert "meta/info.json" in caught.value.fix


def grey(mode: str, **more) -> Image.Image:
    return Image.new(mode, (SIDE, SIDE), **more)


def deep_colours() -> bytes:
    """A PNG with 16 bits for each of red, green and blue."""
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = (b"\0" + b"\x12\x34" * 3 * SIDE) * SIDE
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("picture,colour", [
    (grey("RGB", color=(10, 20, 30)), (10, 20, 30)), (grey("L", color=77), (77, 77, 77)), (grey("1", color=1), (255, 255, 255)),
    (grey("RGB", color=(10, 20, 30)).convert("P", palette=Image.Palette.ADAPTIVE), (10, 20, 30)),
    (grey("RGBA", color=(10, 20, 30, 255)), (10, 20, 30)), (grey("LA", color=(77, 255)), (77, 77, 77))],
    ids=["RGB", "L", "1", "P", "RGBA", "LA"])
def test_colours_of_every_kind_are_read(picture, colour):
    assert (pictures.decoded(file_of(picture), (SIDE, SIDE), None, "here") == colour).all()


@pytest.mark.parametrize("content,words", [
    (file_of(grey("RGBA", color=(10, 20, 30, 40))), "fourth channel"), (file_of(grey("LA", color=(77, 0))), "fourth channel"),
    (file_of(grey("CMYK"), "JPEG"), "not read"), (deep_colours(), "finer than 8 bits"),
    (file_of(grey("RGB"), "PNG", save_all=True, append_images=[grey("RGB", color=(9, 9, 9))]), "several pictures"),
    (b"", "damaged"), (file_of(grey("RGB"))[:60], "damaged")],
    ids=["RGBA", "LA", "CMYK", "16 bits", "animated", "empty", "cut"])
def test_what_would_be_lost_is_refused(content, words):
    with pytest.raises(DataError, match=words):
        pictures.decoded(content, (SIDE, SIDE), None, "here")


def test_sizes_are_looked_at_before_anything_is_allocated(tmp_path):
    huge = bytearray(deep_colours())
    huge[16:24] = struct.pack(">II", 60_000, 60_000)
    huge[29:33] = struct.pack(">I", zlib.crc32(huge[12:29]))
    tracemalloc.start()
    for size in ((SIDE, SIDE), None):
        with pytest.raises(DataError, match="too large"):
            pictures.decoded(bytes(huge), size, None, "here")
    for count, height, width in ((1, 60_000, 60_000), (200_000, 480, 640), (10_000_000, 100, 100)):
        with pytest.raises(DataError, match="too much memory"):
            pictures.room(count, height, width, False, "here")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_an_episode_has_a_budget_for_all_cameras_together(tmp_path, monkeypatch):
    root = beside(tmp_path / "set", {"top": [0, 0.1, 0.2], "hand": [0, 0.1, 0.2]}, [ROWS])
    for module in (pictures, lerobot):
        monkeypatch.setattr(module, "PICTURE_BYTES", 2 * ROWS * SIDE * SIDE * 3)
    assert LeRobot.open(root).frames(0, "observation.images.top").shape == (ROWS, SIDE, SIDE, 3)
    monkeypatch.setattr(lerobot, "PICTURE_BYTES", 2 * ROWS * SIDE * SIDE * 3 - 1)
    with pytest.raises(DataError, match="too much memory") as caught:
        LeRobot.open(root).frames(0, "observation.images.top")
    assert "--size" in caught.value.fix
    assert len(import_lerobot(root, tmp_path / "store", size=(16, 16)).store[0].frames["top"]) == ROWS


def test_scaling_some_at_a_time_is_scaling_all(monkeypatch):
    frames = np.random.default_rng(0).integers(0, 255, (7, SIDE, SIDE, 3), np.uint8)
    monkeypatch.setattr(pictures, "BLOCK", 2 * SIDE * SIDE * 3)
    some = pictures.gathered(iter(frames), 7, (SIDE, SIDE), (12, 20), False, "here")
    assert np.array_equal(some, pictures.fit(frames, (12, 20)))


def test_a_coding_is_undone_to_the_millimetre():
    metres = np.linspace(0.02, 9.9, 500)
    found = Coding.read(CODED, "here").codes_to_units(coded(metres, CODED), CODES)
    step = (13.5 - 3.51) / 4095 * 2  # metres between codes, at most
    assert np.abs(found / 1000 - metres).max() < step
