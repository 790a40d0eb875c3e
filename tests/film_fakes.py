"""Films whose pictures tell their number, shown at any times; and LeRobot datasets beside them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from wamlab.data.formats.features import Feature
from wamlab.data.formats.lerobot_write import Writer

TICKS = 600
"""a second, in a film"""
STEP = 4
"""grey levels from one picture to the next"""
SIDE = 32


def clip(path: Path, seconds: Sequence[float], first: int = 0, side: int = SIDE) -> Path:
    """A video whose n-th picture is shown at the n-th time and is as bright as first + n says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"qp": "2", "g": "1", "bf": "0", "threads": "1"})
        stream.height = stream.width = side
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS)
        for number, second in enumerate(seconds):
            image = np.full((side, side, 3), STEP * ((first + number) % 60), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(second * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbers_of(frames: np.ndarray) -> list[int]:
    """Which picture of its clip each frame is."""
    return (frames[:, 4:-4, 4:-4].mean((1, 2, 3)) / STEP).round().astype(int).tolist()


def beside(root: Path, videos: dict[str, Sequence[float]], lengths: Sequence[int], fps: int = 10,
           starts: Sequence[float] | None = None, column: Sequence[float] | None = None) -> Path:
    """A dataset of version 3.0 whose cameras are films.

    Args:
        videos: per camera the times of the pictures of its one video file.
        lengths: rows of each episode.
        starts: where each episode is said to begin in the video; default: where its rows do at `fps`.
        column: the rows' times, of every episode; default: frame number / fps.
    """
    root.mkdir()
    cameras = {f"observation.images.{name}": seconds for name, seconds in videos.items()}
    numbers = {"observation.state": Feature("float32", (2,), ("x", "y")), "action": Feature("float32", (2,), ("a", "b"))}
    writer = Writer(root, numbers | {name: Feature("video", (SIDE, SIDE, 3)) for name in cameras}, fps=fps)
    generator = np.random.default_rng(0)
    for length in lengths:
        state = np.cumsum(generator.normal(size=(length, 2)), 0).astype(np.float32)
        blank = np.zeros((length, SIDE, SIDE, 3), np.uint8)
        writer.add({"observation.state": state, "action": np.roll(state, -1, 0)}, dict.fromkeys(cameras, blank), "push")
    for number, start in enumerate(starts or []):
        for name in cameras:
            writer.episodes[number][f"videos/{name}/from_timestamp"] = start
            writer.episodes[number][f"videos/{name}/to_timestamp"] = start + lengths[number] / fps
    writer.close()
    for name, seconds in cameras.items():
        clip(root / f"videos/{name}/chunk-000/file-000.mp4", seconds)
    if column is not None:
        rewrite_times(root, column)
    return root


def rewrite_times(root: Path, column: Sequence[float]) -> None:
    """Give the rows of every episode other times."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = root / "data/chunk-000/file-000.parquet"
    read = pq.read_table(file)
    frame = read["frame_index"].to_numpy()
    made = pa.array(np.asarray(column, np.float32)[frame])
    pq.write_table(read.set_column(read.column_names.index("timestamp"), "timestamp", made), file)
