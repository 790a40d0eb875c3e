"""Every simulator holds its contract; every rule of the contract can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wamlab.errors import UnknownName, WamError
from wamlab.simulators import conformance, make, tasks
from wamlab.simulators.conformance import Nonconformance
from wamlab.simulators.pushworld import PushWorld

FEW = ["pushworld", *(pytest.param(f"metaworld/{name}", marks=pytest.mark.sim)
                      for name in ("push", "drawer-open", "basketball", "door-lock", "stick-pull"))]
"""basketball and door-lock keep views into MuJoCo's data among their attributes, stick-pull has the most entities"""


@pytest.mark.parametrize("task", FEW)
def test_contract(task: str):
    conformance.check(lambda: make(task))


@pytest.mark.parametrize("options", [{"wall": True}, {"bystander": False}, {"size": 32}])
def test_contract_of_pushworld_variants(options: dict):
    conformance.check(lambda: make("pushworld", **options))


class ForgetsSteps(PushWorld):
    """Its states lack the places."""

    def load_state(self, state):
        self._steps = state.steps
        return self.observe()


class DrawsScenes(PushWorld):
    """Its scenes depend on what was there before."""

    def reset(self, *, seed=None, options=None):
        found = super().reset(seed=seed)
        self._count = self.__dict__.get("_count", 0) + 1
        self._places[0] = 0.1 + 1e-9 * self._count
        return self.observe(), found[1]


class TakesAnything(PushWorld):
    def step(self, action):
        return super().step(np.clip(np.nan_to_num(np.resize(action, 2)), -1, 1))


class HidesTruth(PushWorld):
    def truth(self):
        return {"robot": self._places[0].copy()}


class LooksDifferent(PushWorld):
    """Its frames are not the camera's."""

    def observe(self):
        seen = super().observe()
        seen["frames"]["main"][0, 0] = 0
        return seen


class WrongKind(PushWorld):
    def observe(self):
        return super().observe() | {"state": self._places[0]}


@pytest.mark.parametrize(("broken", "rule"), [
    (ForgetsSteps, "goes another way"), (DrawsScenes, "another scene|deterministic|gymnasium"), (TakesAnything, "accepted"),
    (HidesTruth, "entities"), (LooksDifferent, "camera's picture"), (WrongKind, "gymnasium")])
def test_contract_catches(broken: type[PushWorld], rule: str):
    with pytest.raises(Nonconformance, match=rule):
        conformance.check(broken)


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(UnknownName, match="metaworld/drawer-open"):
        make("metaworld/draw-open")
    with pytest.raises(UnknownName, match="pushworld"):
        make("pushwrld")
    assert len(tasks()) == 57


def test_own_simulator_by_path(tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text("from wamlab.simulators.pushworld import PushWorld\n\n\nclass Mine(PushWorld):\n    pass\n")
    assert type(make(f"{file}:Mine")).__name__ == "Mine"
    assert make(str(file), size=32).observe()["frames"]["main"].shape == (32, 32, 3)
    with pytest.raises(UnknownName, match="Mine"):
        make(f"{file}:Min")
    with pytest.raises(WamError, match="no such file"):
        make(str(tmp_path / "other.py"))
    file.write_text("x = (\n")
    with pytest.raises(WamError, match="cannot be run"):
        make(str(file))


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    chosen = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "WAMLAB_RENDERER")
    clean = {key: value for key, value in os.environ.items() if key not in chosen}
    return subprocess.run([sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, timeout=120)


FINGERPRINT = "from wamlab.simulators.rendering import fingerprint; print(fingerprint())"


@pytest.mark.sim
@pytest.mark.parametrize("first", ["", "import mujoco\n", "import metaworld\n"])
def test_fingerprint_is_the_same_in_every_process(first: str):
    from wamlab.simulators.rendering import fingerprint

    done = run_python(first + FINGERPRINT)
    assert done.stdout.strip() == fingerprint(), done.stderr


@pytest.mark.sim
def test_worker_processes_do_not_say_it_again():
    done = run_python("import subprocess, sys\n"
                      "from wamlab.simulators.rendering import fingerprint\n"
                      "print(fingerprint(), flush=True)\n"
                      f"subprocess.run([sys.executable, '-c', '{FINGERPRINT}'])", MUJOCO_GL="nonsense")
    one, other = done.stdout.split()
    assert one == other and one.startswith("raycast-") and done.stderr.count("no OpenGL on this machine") == 1


@pytest.mark.sim
@pytest.mark.parametrize("environment", [{"WAMLAB_RENDERER": "raycast"}, {"MUJOCO_GL": "disable"},
                                         {"MUJOCO_GL": "nonsense"}])
def test_without_opengl_pictures_come_from_ray_casting(environment: dict):
    done = run_python(
        "import numpy as np\n"
        "from wamlab.simulators import make\n"
        "a, b = make('metaworld/push'), make('metaworld/push')\n"
        "frame = a.reset(seed=1)[0]['frames']['main']\n"
        "assert np.array_equal(frame, b.reset(seed=1)[0]['frames']['main']) and frame.std() > 20\n"
        "assert set(np.unique(a.render_camera(modality='segmentation'))) == {-1, 0, 1, 2}\n"
        "assert 0.2 < a.render_camera(modality='depth').min() < 1\n"
        "print(a.renderer)", **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("raycast-")
    assert done.stderr.count("no OpenGL on this machine") == ("nonsense" in str(environment))  # said once, not if asked for


@pytest.mark.sim
def test_a_renderer_that_does_not_exist_is_refused():
    done = run_python(FINGERPRINT, WAMLAB_RENDERER="osmessa")
    assert done.returncode != 0 and "did you mean osmesa?" in done.stderr
