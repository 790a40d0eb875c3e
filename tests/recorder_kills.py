"""python recorder_kills.py FOLDER KILLS SEED: kills recorders at random instants and prints, per kill, what was left.

A line of JSON per kill. The recorder runs in a forked child that reports, after each call returns, what it was told is safe.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

from lerobot_fakes import SPEC, bench_episode
from wamlab.data.check.run import check_dataset
from wamlab.data.formats.lerobot import LeRobot
from wamlab.data.formats.sidecar import read_sidecar
from wamlab.data.recorder import Recorder
from wamlab.data.recorder_recovery import recover

EPISODES = [bench_episode(number, steps=8) for number in range(6)]


def record(folder: Path, report: int, sessions: int) -> None:
    """Record without end; tells `report` each row and each episode that is acknowledged."""
    with Recorder(folder, SPEC, renderer="bench-1") as recorder:
        os.write(report, b"E%d\n" % recorder.episodes)
        while True:
            number = recorder.episodes % len(EPISODES)
            episode = EPISODES[number]
            recorder.begin(episode.instruction, {"number": number, "session": sessions})
            os.write(report, b"B\n")
            for t in range(len(episode) + 1):
                recorder.add({name: frames[t] for name, frames in episode.frames.items()}, episode.state[t],
                             episode.action[t] if t < len(episode) else None, success=bool(episode.success[t]),
                             now_ns=t * 100_000_000)
                os.write(report, b"R\n")
                time.sleep(0.008)
            os.write(report, b"A%d\n" % recorder.save())


def look(folder: Path, acknowledged: int, rows: int) -> dict[str, object]:
    """What recovery brings back of `acknowledged` episodes and `rows` rows of an open one."""
    if not (folder / "recording/plan.json").exists():
        return {"episodes": 0, "rows lost": 0, "wrong": 0, "findings": [], "salvaged": 0}
    found = recover(folder)
    again = recover(folder)
    dataset, wrong, sidecar = LeRobot.open(folder), 0, read_sidecar(folder)
    for index in dataset.indices():
        episode, columns, row = EPISODES[index % len(EPISODES)], dataset.columns(index), dataset.row(index)
        wrong += not np.array_equal(columns["observation.state"], episode.state[:row.length])
        wrong += not np.array_equal(columns["action"][:row.length - 1], episode.action[:row.length - 1])
        salvaged = sidecar is not None and sidecar.episodes[index]["recovered"]
        wrong += index < acknowledged and not salvaged and row.length != len(episode) + 1
        for name, frames in episode.frames.items():
            seen = dataset.frames(index, f"observation.images.{name}").astype(float)
            error = ((seen - frames[:row.length]) ** 2).mean((1, 2, 3)).max()
            wrong += bool(error > 250.0)  # 24 dB, of small pictures with strong colours
    kept = dict(found.salvaged).get(acknowledged, 0) or (rows if len(dataset) > acknowledged else 0)
    said = check_dataset(folder) if len(dataset) else []
    checks = {one.check for one in said if one.severity == "error"} - {"duplicate"}  # episodes come again on purpose
    return {"episodes": len(dataset), "rows lost": max(0, rows - kept) if rows >= 2 else 0, "wrong": int(wrong),
            "findings": sorted(checks), "salvaged": len(found.salvaged), "twice": [list(again.completed), list(again.salvaged)]}


def main(root: Path, kills: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for number in range(kills):
        folder, acknowledged, rows, sessions = root / str(number), 0, 0, 1 + number % 2
        for session in range(sessions):  # every other folder is killed twice: recovery by the next recorder counts too
            out, report = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(out)
                try:
                    record(folder, report, session)
                finally:
                    os._exit(1)
            os.close(report)
            time.sleep(float(generator.uniform(0.0, 0.9)))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            with os.fdopen(out, "rb") as source:
                said = source.read().split(b"\n")
            for word in said:
                if word == b"B":
                    rows = 0
                rows += word == b"R"
                if word.startswith((b"A", b"E")):  # saved; or, by a recorder that began again, recovered
                    acknowledged, rows = int(word[1:]) + word.startswith(b"A"), 0
        left = look(folder, acknowledged, rows)
        print(json.dumps({"kill": number, "sessions": sessions, "acknowledged": acknowledged, "rows open": rows, **left}),
              flush=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
