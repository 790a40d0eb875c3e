"""`wam data umi DIR`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .console import print_json, print_table, progress


@dataclass(frozen=True)
class Umi:
    """Bring recordings of a hand-held gripper (UMI's way) into the robot's clock and frame, and into an episode store.

    DIR holds demos/NAME/camera_trajectory.csv (timestamp, x, y, z, q_x, q_y, q_z, q_w, is_lost), gripper.csv (timestamp,
    width in m), raw_video.mp4 and demonstration.json (instruction, scene), and either calibration.json or calibration/ with
    one motion that the robot's own tracking recorded too (reference.csv), from which latencies and frames are computed.

    Without --robot the store holds the hand's own poses and what its camera saw. With --robot each recording is retargeted
    to that task's robot, checked against its reach and speed, and executed in the simulator, scene by scene.

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
    scene: int | None = None
    """the simulator's scene, for recordings that name none"""
    calibration: Path | None = None
    """a calibration.json from elsewhere"""
    hz: float = 10.0
    """observations a second; with --robot the task's own rate counts"""
    size: tuple[int, int] = (64, 64)
    """height and width of the frames; with --robot the task's own size counts"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..data.umi import files

        calibration = files.read_calibration(self.source, self.calibration)
        said = {"pose_latency_s": calibration.pose_latency, "width_latency_s": calibration.width_latency,
                "residual_mm": 1e3 * calibration.residual, "scale": calibration.scale}
        if self.robot is None:
            from ..data.umi.convert import import_umi

            with progress("import") as tick:
                store = import_umi(self.source, self.out, calibration, hz=self.hz, size=self.size, progress=tick)
            rows = []
        else:
            from ..control.handheld import retarget_all

            with progress("retarget") as tick:
                store, done = retarget_all(self.source, self.out, self.robot, calibration, scene=self.scene, progress=tick)
            rows = [asdict(one) for one in done]
        if self.json:
            print_json({"out": self.out, "episodes": len(store), "calibration": said, "recordings": rows})
            return 0
        print(f"poses are {said['pose_latency_s']:.3f} s late, widths {said['width_latency_s']:.3f} s; the calibration motion "
              f"fits within {said['residual_mm']:.2f} mm")
        if rows:
            print_table("", list(rows[0]), [[f"{v:.1f}" if isinstance(v, float) else v for v in row.values()] for row in rows])
        print(f"{len(store)} episodes in {self.out}")
        return 0
