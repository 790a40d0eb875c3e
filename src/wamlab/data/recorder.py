"""A recorder that never loses an episode: `kill -9`, a full disk or an I/O error at any instant leave a valid dataset.

    with Recorder("data/teleop", task_spec) as recorder:
        recorder.begin("push the red disc onto the green ring")
        recorder.add({"main": picture}, state, action)      # once per control step
        index = recorder.save()                              # when this returns, the episode is on the disk

It writes a LeRobot v3.0 dataset, one small file per episode and camera. The open episode is a journal (`recorder_journal`)
with its pictures already encoded; `save` writes its files and removes the journal. Whatever dies in between is finished by
`recover`, which also runs when a recorder opens the folder again: a saved episode is completed, an open one is kept up to
its last whole step and marked as recovered.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy import ndarray

from ..errors import DataError
from ..spec import TaskSpec
from .atomic import make_folder
from .formats import depth
from .formats.pictures import png
from .recorder_files import pixels_of
from .recorder_health import CameraWatch
from .recorder_journal import END, STEP, Journal, Step, packed, read_journal
from .recorder_plan import PLAN, Plan
from .recorder_recovery import opened, remove, take_lock


class Encoder:
    """One camera's pictures as H.264 frames, each complete when `encode` returns."""

    def __init__(self, size: tuple[int, int], fps: int, crf: int):
        context: Any = av.CodecContext.create("libx264", "w")
        context.height, context.width = size
        context.pix_fmt, context.framerate, context.time_base = pixels_of(size), fps, Fraction(1, fps)
        context.options = {"crf": str(crf), "g": "2", "preset": "veryfast", "tune": "zerolatency", "threads": "1",
                           "x264-params": "bframes=0:repeat-headers=1:annexb=1"}
        self.context, self.convert, self.count = context, VideoReformatter(), 0

    def encode(self, picture: ndarray) -> bytes:
        given = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = self.convert.reformat(given, format=self.context.pix_fmt, threads=1)
        frame.pts, frame.time_base = self.count, self.context.time_base
        packets = self.context.encode(frame)
        if len(packets) != 1:
            raise DataError("the encoder holds pictures back", where="libx264", expected="one frame out for each one in",
                            got=len(packets))
        self.count += 1
        return bytes(packets[0])


class Recorder:
    """Records episodes into a LeRobot v3.0 dataset, new or recorded before.

    Args:
        path: folder of the dataset.
        spec: names, units and rates of what is recorded; `control_hz` must be a whole number.
        renderer: what made the pictures.
        sync_seconds: how much of the open episode a power cut may take; a killed process takes nothing that `add` returned.
        crf: quality of the video, lower is better.
        still_scenes: pictures may repeat while the robot stands still (simulators).

    Raises:
        DataError: if the folder holds something else, another recorder is at work in it, or the disk refuses.
    """

    def __init__(self, path: str | Path, spec: TaskSpec, *, renderer: str = "camera", sync_seconds: float = 0.25, crf: int = 18,
                 still_scenes: bool = False):
        self.root, self.spec, self.crf, self.sync_seconds, self.still = Path(path), spec, crf, sync_seconds, still_scenes
        self.fps = round(spec.control_hz)
        if abs(self.fps - spec.control_hz) > 1e-6 or self.fps < 1:
            raise DataError("a recording has a whole number of rows a second", where="control_hz", expected="a whole number",
                            got=spec.control_hz)
        self.journal: Journal | None = None
        self._start(renderer)

    def _start(self, renderer: str) -> None:
        recording = (self.root / PLAN).parent
        if not recording.is_dir() and self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise DataError("there is something else here", where=self.root, expected="a new folder, or a recording",
                            got="other files", fix="choose another folder")
        make_folder(recording)
        self._lock = take_lock(self.root)
        weakref.finalize(self, self._lock.release)
        try:
            self.recovery, self.dataset = opened(self.root, Plan(self.spec, renderer))
        except BaseException:
            self._lock.release()
            raise

    @property
    def episodes(self) -> int:
        """How many episodes are saved."""
        return len(self.dataset.lengths)

    def begin(self, instruction: str, meta: Mapping[str, Any] | None = None) -> None:
        """Open an episode. Raises DataError if one is open, or the disk refuses."""
        if self.journal is not None:
            raise DataError("an episode is open already", where="begin", expected="save() or discard() first",
                            got=self.journal.path)
        known = {"renderer": self.dataset.renderer, "source": "recorder"}
        said: dict[str, Any] = {"instruction": instruction, "meta": known | dict(meta or {}), "at": time.time()}
        packed(said, "begin, meta")
        self.journal = Journal(self.root / f"recording/{self.episodes:08d}.journal", said, self.sync_seconds)
        self._encoders = {camera: Encoder(self.spec.image_size, self.fps, self.crf) for camera in self.spec.cameras}
        self._watches = {camera: CameraWatch(1e9 / self.fps, self.still) for camera in self.spec.cameras}
        self._state: ndarray | None = None
        self._rows = 0

    def add(self, frames: Mapping[str, ndarray | None], state: ndarray, action: ndarray | None, *, success: bool = False,
            imitate: bool = True, captured_ns: Mapping[str, int] | None = None, now_ns: int | None = None) -> dict[str, int]:
        """Append a row: an observation and the action taken there. When this returns, a killed process cannot lose it.

        Args:
            frames: per camera uint8 [h, w, 3] (float32 [h, w] metres for depth); None or absent: the camera gave nothing.
            action: None for the last observation, after which there is none.
            captured_ns, now_ns: when the pictures were taken and when this row is, on one clock; None: now.

        Returns:
            per camera with a mark, its marks (`recorder_health`).

        Raises:
            DataError: for shapes or numbers that cannot be, or where the disk refuses; the row is not recorded then, and
                the call may be repeated.
        """
        if self.journal is None:
            raise DataError("no episode is open", where="add", expected="begin() first")
        values = self._checked(state, len(self.spec.state), "state")
        chosen = np.full(self.spec.action.width, np.nan, np.float32) if action is None else self._checked(
            action, self.spec.action.width, "action")
        now = time.monotonic_ns() if now_ns is None else now_ns
        moving = self._state is not None and bool(np.abs(values - self._state).max(initial=0) > 1e-6)
        given = {camera: self._picture(frames.get(camera), camera) for camera in self.spec.cameras}
        before = {camera: replace(watch) for camera, watch in self._watches.items()}
        captured, flags, pictures = [], [], []
        try:
            for camera, picture in given.items():
                taken = (captured_ns or {}).get(camera, now)
                captured.append(taken)
                flags.append(self._watches[camera].see(picture, taken, now, moving))
                pictures.append(self._encoded(camera, self._watches[camera].last if picture is None else picture))
            step = Step(values, chosen, bool(success), bool(imitate), tuple(captured), tuple(flags), tuple(pictures))
            self.journal.append(STEP, step.packed())
        except BaseException:  # the row is not recorded: the next one must not refer to its pictures
            self._watches = before
            self._encoders = {camera: Encoder(self.spec.image_size, self.fps, self.crf) for camera in self.spec.cameras}
            raise
        self._state, self._rows = values, self._rows + 1
        return {camera: marks for camera, marks in zip(self.spec.cameras, flags, strict=True) if marks}

    def _checked(self, values: ndarray, width: int, name: str) -> ndarray:
        array = np.asarray(values, np.float32).reshape(-1)
        if array.shape != (width,) or not np.isfinite(array).all():
            raise DataError(f"the {name} cannot be recorded", where=f"add, {name}", expected=f"{width} finite numbers",
                            got=values)
        return array

    def _picture(self, picture: ndarray | None, camera: str) -> ndarray | None:
        if picture is None:
            return None
        deep = camera.endswith(depth.SUFFIX)
        wanted = self.spec.image_size if deep else (*self.spec.image_size, 3)
        if picture.shape != wanted or (not deep and picture.dtype != np.uint8):
            raise DataError(f"the picture of camera {camera} cannot be recorded", where=f"add, frames/{camera}",
                            expected=f"{'metres' if deep else 'uint8'} {wanted}", got=f"{picture.dtype} {picture.shape}")
        return depth.to_units(picture.astype(np.float32)) if deep else picture

    def _encoded(self, camera: str, picture: ndarray | None) -> bytes:
        """A picture as it is kept; of a camera that never gave one, black."""
        if camera.endswith(depth.SUFFIX):
            return png(np.zeros(self.spec.image_size, np.uint16) if picture is None else picture)
        return self._encoders[camera].encode(np.zeros((*self.spec.image_size, 3), np.uint8) if picture is None else picture)

    def save(self, meta: Mapping[str, Any] | None = None) -> int:
        """Close the episode and put it on the disk; returns its index.

        Raises:
            DataError: for an episode of fewer than two rows, or where the disk refuses: then call `save` again once there
                is room, or leave it to `recover`; nothing is lost.
        """
        if self.journal is None or self._rows < 2:
            raise DataError("there is nothing to save", where="save", expected="an open episode of two rows or more",
                            got=0 if self.journal is None else self._rows)
        end = packed({"rows": self._rows, "meta": dict(meta or {})}, "save, meta")
        path, index = self.journal.path, int(self.journal.path.stem)  # also where all but the journal's end was done before
        recorded = read_journal(path)
        if recorded is None or recorded.end is None:
            self.journal.append(END, end, sync=True)
            recorded = read_journal(path)
        if recorded is None or len(recorded.steps) != self._rows:
            raise DataError("the journal is not what was written", where=path, expected=f"{self._rows} rows",
                            got=len(recorded.steps) if recorded else "none")
        self.dataset.commit(index, recorded)
        self._finish(path)
        return index

    def discard(self) -> None:
        """Throw the open episode away."""
        if self.journal is not None:
            self._finish(self.journal.path)

    def _finish(self, path: Path) -> None:
        assert self.journal is not None
        remove(path)
        self.journal.close()
        self.journal = None

    def close(self) -> None:
        """Leave the folder; an open episode stays in its journal and is kept by the next `recover`."""
        if self.journal is not None:
            self.journal.close()
            self.journal = None
        self._lock.release()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
