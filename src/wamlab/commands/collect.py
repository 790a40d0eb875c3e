"""`wam collect`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..errors import WamError
from .console import print_json, progress, say
from .options import Count, Port, Seed, Speed, View, Workers


@dataclass(frozen=True)
class Command:
    """Write demonstrations of a task: its scripted expert's, or, with --teleop, your own.

    Episode i depends on the task, --seed, i and --kind alone, never on the number of workers or on what was written
    before. Existing episodes are kept, so a stopped collection goes on and a finished one can be extended.

    expert: the script's own actions. noisy: the same with one disturbance per episode from which the expert recovers
    (the disturbed steps are marked and are never imitated). play: random contact-seeking motion, to learn dynamics from.
    mixed: some of these three. compass: steps of one size in eight directions and pauses, to measure labels for video with.

    --video withholds actions and proprioception, as a video of the same would: to learn from beside episodes with actions.
    "other-body/" before pushworld or a task of Meta-World puts another body into the same world, as someone else's video would.

    --with measures more than the frames at every observation: depth (m) and segmentation (position in the task's entities)
    of the main camera, contacts (per pair of things: number, normal force in N, place), poses (place and quaternion of
    every body), in PushWorld proximity. Normals and point clouds follow from depth: wamlab.data.geometry.

    --cameras records further cameras: in Meta-World and PushWorld "wrist", and those that come with Meta-World's task.

    --randomise draws camera, light, colour, friction and mass anew for each scene, as a function of the scene alone.

    --teleop prints the address of a page on this machine that shows the scene and takes keys or a gamepad: arrows move left,
    right, away and near as you see it, R and F up and down, Shift slowly, Space the gripper; Enter starts and stops an
    episode, K keeps it, X throws it away, Q ends. What is kept is a LeRobot dataset that no crash can take; Ctrl-C keeps
    what is open. Over ssh, forward the port: ssh -L 8000:127.0.0.1:8000 HOST, and --port 8000 there.

    examples:
      wam collect metaworld/drawer-open --episodes 40 --out data/drawer
      wam collect pushworld --episodes 200 --kind play --out data/play
      wam collect other-body/pushworld --episodes 60 --kind expert --video --out data/video
      wam collect metaworld/push --with depth segmentation contacts poses --out data/push-3d
      wam collect metaworld/push --cameras wrist --with contacts --out data/push-wrist
      wam collect metaworld/push --randomise camera light colour friction mass --out data/push-varied
      wam collect metaworld/push --teleop --episodes 10 --out data/mine-by-hand
      wam collect my_simulator.py:MyWorld --episodes 20 --out data/mine
    """

    task: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK")]
    """task to demonstrate, as `wam list --tasks` prints it, or path.py:Class of a simulator of your own"""
    out: Path
    """folder of the dataset; made if it is not there"""
    episodes: Count = 30
    """number of episodes that the dataset has at the end"""
    kind: Literal["expert", "noisy", "play", "mixed", "compass"] = "noisy"
    """who acts"""
    seed: Seed = 0
    """which scenes: episode i shows scene (10000 * seed + i) modulo 1000000; evaluation begins at 1000000"""
    video: bool = False
    """withhold actions and proprioception"""
    workers: Workers = 2
    """processes"""
    also: Annotated[tuple[Literal["depth", "segmentation", "contacts", "poses", "proximity"], ...],
                    tyro.conf.arg(name="with")] = ()
    """what to measure beside the frames"""
    cameras: tuple[str, ...] = ()
    """further cameras, beside the main one"""
    randomise: tuple[Literal["camera", "light", "colour", "friction", "mass"], ...] = ()
    """what varies with the scene beside the places of things; Meta-World only"""
    teleop: bool = False
    """you act, in the browser; --kind and --workers do not matter then"""
    speed: Speed = 0.5
    """teleop: share of the largest action that a key gives"""
    view: View = 320
    """teleop: pixels of the picture that you see; 0: the recorded one"""
    port: Port = 0
    """teleop: where the page is served on this machine; 0: any that is free"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> None:
        if self.teleop:
            self._teleoperate()
            return
        from ..control.collect import collect

        with progress(f"collect {self.task}") as tick:
            store = collect(self.task, self.episodes, self.out, seed=self.seed, kind=self.kind, video=self.video,
                            workers=self.workers, progress=tick, modalities=self.also, options=self.options)
        if len(store) < self.episodes:
            raise WamError("the collection is not complete", where=self.out, expected=f"{self.episodes} episodes",
                           got=len(store), fix="run the same command again: it goes on where it was")
        solved = sum(store[index].solved for index in store.indices())
        facts = {"task": self.task, "out": str(self.out), "episodes": len(store), "solved": solved, "kind": self.kind,
                 "renderer": store.renderer}
        if self.json:
            print_json(facts)
        else:
            say(f"{len(store)} episodes of {self.task} in {self.out}; the task was solved in {solved}")
            beside = f"DATASET {self.out} --mix 1,1" if self.video else self.out
            say(f"next: wam train uwm --data {beside} --out checkpoints/uwm")

    @property
    def options(self) -> dict[str, Any]:
        """Of the simulator."""
        told = {"randomise": list(self.randomise), "cameras": list(self.cameras)}
        return {name: values for name, values in told.items() if values}

    def _teleoperate(self) -> None:
        if self.also or self.video:
            raise WamError("a recording holds frames, states and actions", where="--with" if self.also else "--video",
                           expected="neither --with nor --video, with --teleop",
                           got=", ".join(self.also) or "video", fix="leave it out")
        from ..control.teleop import Teleoperation
        from ..control.teleop_page import Browser
        from ..data.recorder import Recorder
        from ..simulators import make

        simulator = make(self.task, **self.options)
        try:
            with Recorder(self.out, simulator.task_spec, renderer=simulator.renderer, still_scenes=True) as recorder, \
                    Browser(f"{self.task}: {simulator.task_spec.instruction}", self.port) as page:
                before = recorder.episodes
                for line in recorder.recovery.said:
                    say(line, stderr=True)
                say(f"open {page.address}", stderr=True)
                session = Teleoperation(simulator, recorder, page, page, seed=self.seed, speed=self.speed,
                                        view=self.view or None, began=page.start_over).run(max(self.episodes - before, 0))
        finally:
            simulator.close()
        facts = {"task": self.task, "out": str(self.out), "episodes": before + session.kept, "kept": session.kept,
                 "solved": session.solved, "discarded": session.discarded, "interrupted": session.interrupted}
        if self.json:
            print_json(facts)
        else:
            say(f"{session.kept} episodes kept, {session.solved} of them solved, {session.discarded} thrown away; "
                f"{before + session.kept} in {self.out}")
            say(f"next: wam data import {self.out} --out {self.out}-store, then train on it")
