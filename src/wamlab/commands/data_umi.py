"""`wam data umi DIR`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .console import print_json, print_table, progress, say
from .options import Rate, Seed, Side


@dataclass(frozen=True)
class Umi:
    """Bring recordings of a hand-held gripper (UMI's way) into the robot's clock and frame, and into an episode store.

    DIR holds demos/NAME/camera_trajectory.csv (timestamp, x, y, z, q_x, q_y, q_z, q_w, is_lost), gripper.csv (timestamp,
    width in m), raw_video.mp4 and demonstration.json (instruction, scene), and either calibration.json or calibration/ with
    one motion that the robot's own tracking recorded too (reference.csv), from which latencies and frames are computed.

    Without --robot the store holds the hand's own poses and what its camera saw. With --robot each recording is retargeted
    to that task's robot, checked against its reach and speed, and executed in the simulator, scene by scene.

    What lies in demos/ and is no demonstration (the pipeline's own folders, a recording whose tracking failed) is listed.

    examples:
      wam data umi recordings/kitchen --out data/kitchen
      wam data umi recordings/kitchen --robot metaworld/push --out data/kitchen-robot
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """folder with demos/"""
    out: Path
    """folder of the episode store; a stopped import goes on"""
    robot: str | None = None
    """task whose robot shall do what was shown"""
    scene: Seed | None = None
    """the simulator's scene, for recordings that name none"""
    calibration: Path | None = None
    """a calibration.json from elsewhere"""
    hz: Rate = 10.0
    """observations a second; with --robot the task's own rate counts"""
    size: tuple[Side, Side] = (64, 64)
    """height and width of the frames; with --robot the task's own size counts"""
    gripper: Literal["open", "closed"] | None = None
    """how the gripper was held in recordings without gripper.csv; default: its width is unknown, and they are refused"""
    instruction: str = ""
    """what is done in recordings that do not say; with --robot the task's own counts"""
    skip_bad: bool = False
    """leave recordings out that cannot be used, in place of an error"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.umi import files

        calibration = files.read_calibration(self.source, self.calibration)
        said = {"pose_latency_s": calibration.pose_latency,
                "width_latency_s": None if calibration.opening is None else calibration.width_latency,
                "residual_mm": None if calibration.residual is None else 1e3 * calibration.residual, "scale": calibration.scale}
        if self.robot is None:
            from ..data.umi.convert import import_umi

            with progress("import") as tick:
                store, left = import_umi(self.source, self.out, calibration, hz=self.hz, size=self.size, held=self.gripper,
                                         instruction=self.instruction, skip_bad=self.skip_bad, progress=tick)
            rows = []
        else:
            from ..control.handheld import retarget_all

            with progress("retarget") as tick:
                store, done, left = retarget_all(self.source, self.out, self.robot, calibration, scene=self.scene,
                                                 held=self.gripper, skip_bad=self.skip_bad, progress=tick)
            rows = [asdict(one) for one in done]
        episodes = [store.load(index, frames=False) for index in store.indices()]
        silent = [str(episode.meta.get("recording")) for episode in episodes if not episode.instruction.strip()]
        if self.json:
            print_json({"out": self.out, "episodes": len(store), "calibration": said, "recordings": rows,
                        "left_out": {one.recording: one.reason for one in left}, "without_instruction": silent})
            return 0
        fit = calibration.residual
        fits = "" if fit is None else f"; the calibration motion fits within {1e3 * fit:.2f} mm"
        widths = "" if calibration.opening is None else f", widths {calibration.width_latency:.3f} s"
        say(f"poses are {calibration.pose_latency:.3f} s late{widths}{fits}")
        if rows:
            print_table("", list(rows[0]), [[f"{v:.1f}" if isinstance(v, float) else v for v in row.values()] for row in rows])
        say(f"{len(store)} episodes in {self.out}, {len(left)} left out",
            *(f"  {one.recording}: {one.reason}" for one in left))
        if silent:
            say(f"{len(silent)} recordings do not say what is done in them; --instruction says it for those that are new")
        return 0
