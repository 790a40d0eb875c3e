"""Laws of physics: truth keeps them, saboteurs break them; masks of motion; things by their colour."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from wamlab.errors import DataError
from wamlab.evaluate.eyes.physics import iq, laws, pixels
from wamlab.evaluate.metrics import Effects, Evidence, FramePairs, get
from wamlab.simulators import make
from wamlab.simulators.physics_scenes import GRAVITY, SCENES
from wamlab.spec import ActionSpec, TaskSpec

OFFSETS = (2, 4, 6, 8)
BEFORE = {"drop": (14, 20, 26), "ramp": (2, 4, 6), "collision": (4, 9, 14), "friction": (2, 12, 20), "mass": (4, 9, 12),
          "occlusion": (2, 12, 15)}
"""control steps that the expert takes before the saved moment"""


@cache
def truth(name, seeds=5):
    """Three actions (the expert's, none, its reverse) from saved states along the way."""
    world = make(f"physics/{name}")
    world.renders = False
    start, real = {}, {}
    for seed in range(seeds):
        for before in BEFORE[name]:
            world.reset(seed=seed)
            expert = world.expert()
            for _ in range(before):
                world.step(expert())
            saved, here = world.save_state(), world.truth()
            futures = []
            for share in (1, 0, -1):
                world.load_state(saved)
                path = []
                for _ in range(8):
                    world.step(expert() * np.array([share, share, 1], np.float32))
                    path.append(world.truth())
                futures.append(path)
            for entity, value in here.items():
                start.setdefault(entity, []).append(value)
                real.setdefault(entity, []).append([[path[o - 1][entity] for o in OFFSETS] for path in futures])
    world.close()
    start, real = ({key: np.array(value) for key, value in one.items()} for one in (start, real))
    contexts = len(next(iter(start.values())))
    return world.task_spec, Effects(start, real, real, OFFSETS, ("factual", "null", "reverse"), ("contact",) * contexts)


def told(name, change=None):
    """Law to score, for a future made from the true one: change(entity, true future, start)."""
    spec, effects = truth(name)
    if change is not None:
        made = {key: change(key, value, effects.start[key][:, None, None]) for key, value in effects.real.items()}
        effects = replace(effects, imagined=made)
    return {s.metric.removeprefix("physics."): s for s in get("physics")(Evidence("m", spec, effects=effects))}


def frozen(name, real, start):
    return np.broadcast_to(start, real.shape).copy()


def hovering(name, real, start):
    return np.concatenate([real[..., :1], frozen(name, real, start)[..., 1:]], -1)


def teleporting(name, real, start):
    made = real.copy()
    made[:, :, 2:, 0] -= 0.3 * np.sign(start[..., 0]) * (name not in ("robot", "goal"))
    return made


def backwards(name, real, start):
    return real[:, :, ::-1].copy()


def passing_through(name, real, start):
    """Every thing goes its way as if the others were not there: the cue goes on, the ball stays."""
    if name == "cue":
        return start + (real[:, :, :1] - start) * np.arange(1, 5)[:, None]
    return frozen(name, real, start) if name == "ball" else real


def restless(name, real, start):
    return real if name in ("robot", "goal") else real + 0.02 * np.arange(1, 5)[:, None]


def swapped(name, real, start):
    """Twins answer as the other one does."""
    _, effects = truth("friction" if name in ("slippery", "rough") else "mass")
    other = {"slippery": "rough", "rough": "slippery", "light": "heavy", "heavy": "light"}.get(name, name)
    return start + effects.real[other] - effects.start[other][:, None, None]


@pytest.mark.sim
@pytest.mark.parametrize("name", SCENES)
def test_truth_is_exactly_zero_and_every_law_is_asked(name):
    scores = told(name)
    assert set(scores) == {law for law, made in laws.LAWS.items() if name in made.scenes}
    for law, score in scores.items():
        if law in ("onset", "momentum") and score.value is None:
            assert "contexts" in score.unavailable  # by then everything has been touched
        else:
            assert score.value == score.low == score.high == 0, law


CAUGHT = [
    ("drop", frozen, "gravity", 0.9), ("drop", frozen, "hover", 0.9), ("drop", hovering, "hover", 0.9),
    ("drop", backwards, "teleport", 0.2), ("drop", teleporting, "teleport", 0.9),
    ("ramp", frozen, "incline", 0.9), ("ramp", frozen, "reaction", 0.9), ("ramp", backwards, "teleport", 0.3),
    ("collision", frozen, "reaction", 0.9), ("collision", frozen, "momentum", 0.05),
    ("collision", teleporting, "momentum", 0.5),
    ("collision", backwards, "teleport", 0.2), ("collision", passing_through, "penetration", 0.005),
    ("collision", restless, "onset", 0.01), ("friction", frozen, "material", 0.9), ("friction", swapped, "material", 0.9),
    ("friction", backwards, "teleport", 0.2), ("friction", restless, "onset", 0.01), ("mass", swapped, "material", 0.9),
    ("mass", frozen, "momentum", 0.05), ("mass", backwards, "teleport", 0.2), ("occlusion", frozen, "momentum", 0.05),
    ("occlusion", teleporting, "teleport", 0.9), ("occlusion", backwards, "teleport", 0.2),
]


@pytest.mark.sim
@pytest.mark.parametrize(("name", "saboteur", "law", "least"), CAUGHT,
                         ids=lambda value: getattr(value, "__name__", str(value)))
def test_saboteurs_are_caught(name, saboteur, law, least):
    score = told(name, saboteur)[law]
    assert score.value is not None and score.low > 0 and score.value >= least, score


@pytest.mark.sim
def test_gravity_is_measured_not_only_judged():
    def moon(name, real, start):
        if name != "ball":
            return real
        return np.concatenate([real[..., :1], start[..., 1:] + (real[..., 1:] - start[..., 1:]) / 6], -1)

    assert told("drop", moon)["gravity"].value == pytest.approx(5 / 6, abs=0.03)
    generator = np.random.default_rng(0)
    errors = [told("drop", lambda n, real, s, dose=dose: real + generator.normal(0, dose, real.shape))["gravity"].value
              for dose in (0.0005, 0.003, 0.02)]
    assert errors == sorted(errors) and errors[0] < 0.05


@pytest.mark.sim
def test_ceiling_and_missing_states():
    spec, effects = truth("drop")
    blurred = {key: value + 0.01 for key, value in effects.real.items()}
    scores = {s.metric: s for s in get("physics")(Evidence("m", spec, effects=replace(effects, ceiling=blurred)))}
    assert scores["physics.teleport.ceiling"].value == 0 and scores["physics.gravity.ceiling"].value > 0
    known = {key: value for key, value in effects.real.items() if key != "ball"}
    (score,) = get("physics")(Evidence("m", spec, effects=replace(effects, imagined=known)))
    assert score.value is None and "ball" in score.unavailable
    few = {key: value[:2] for key, value in effects.real.items()}
    start = {key: value[:2] for key, value in effects.start.items()}
    found = get("physics")(Evidence("m", spec, effects=Effects(start, few, few, OFFSETS, effects.kinds, ("contact",) * 2)))
    assert all(s.value is None and "fewer than 3" in s.unavailable for s in found)


def test_other_tasks_are_no_physics_scenes():
    spec = TaskSpec("pushworld", "x", ("main",), (64, 64), ("x",), ActionSpec(("x",), (-1.0,), (1.0,), ("m",)), (), 10.0, 50)
    picture = np.zeros((2, 64, 64, 3), np.uint8)
    effects = Effects({}, {}, {}, (4,), ("a",), ("free",))
    evidence = Evidence("m", spec, frames=FramePairs(picture, picture, picture, np.array([4, 4]), np.array([0, 1])),
                        effects=effects)
    for name in ("physics", "appearance"):
        (score,) = get(name)(evidence)
        assert score.value is None and "none of the physics scenes" in score.unavailable


def test_acceleration_of_known_paths():
    times = np.array([0, 0.05, 0.1, 0.2])
    fall = 0.4 + 0.1 * times - GRAVITY / 2 * times**2
    asked = np.array([[True] * 4, [True, False, True, True], [True, True, False, False], [True, True, True, False]])
    found = laws.acceleration(np.broadcast_to(fall, (4, 4)), times, asked)
    assert found[:2] == pytest.approx(-GRAVITY, rel=1e-9) and np.isnan(found[2:]).all()


# pictures

def clip(places, size=10, frames=8, colour=(220, 26, 20)):
    video = np.full((frames, 64, 64, 3), 225, np.uint8)
    for frame, (row, column) in zip(video, places, strict=True):
        frame[row:row + size, column:column + size] = colour
    return video


def going(start=4, step=4):
    return [(20, start + step * t) for t in range(8)]


def test_physics_iq_measures_by_hand():
    real = clip(going())
    masks = iq.motion_masks(real)
    assert not masks[0].any() and masks[1:].any((1, 2)).all()
    same = iq.measures(real, real)
    assert same == iq.Measures(1.0, 1.0, 1.0, 0.0) and iq.score(real, real, real) == 100
    still = clip([(20, 4)] * 8)
    assert not iq.motion_masks(still).any()
    frozen_one = iq.measures(still, real)
    # eight frames, the first of which has no motion in either: it agrees
    assert frozen_one.spatial == 0 and frozen_one.spatiotemporal == pytest.approx(1 / 8) and frozen_one.weighted == 0
    late = iq.measures(clip([(20, 4)] * 2 + going()[:6]), real)
    assert 0 < late.spatial < 1 and 0 < late.weighted < 1 and late.mse > 0
    low = np.minimum(*(iq.motion_masks(v).mean(0) for v in (real, clip(going(step=3))))).sum()
    high = np.maximum(*(iq.motion_masks(v).mean(0) for v in (real, clip(going(step=3))))).sum()
    assert iq.measures(clip(going(step=3)), real).weighted == pytest.approx(low / high)
    with pytest.raises(DataError, match="cannot be compared"):
        iq.measures(real[:3], real)


def test_motion_masks_are_the_running_average():
    video = np.full((3, 32, 32, 3), 100, np.uint8)
    video[1:, 10:22, 10:22] = 200
    inside = iq.motion_masks(video)[:, 16, 16]
    # the average moves 0.3 of the way each frame: differences 70 and 49
    assert inside.tolist() == [False, True, True]
    faint = np.full((3, 32, 32, 3), 100, np.uint8)
    faint[1:, 10:22, 10:22] = 114  # 9.8 away after the average has moved
    assert not iq.motion_masks(faint).any()
    small = np.full((2, 32, 32, 3), 100, np.uint8)
    small[1, 16, 16] = 255
    assert not iq.motion_masks(small).any() and iq.motion_masks(small, size=0)[1, 16, 16]


def test_the_second_take_says_what_may_be_asked_for():
    first, second = clip(going()), clip(going(step=3))
    assert iq.score(second, first, second) == pytest.approx(100)
    worse = iq.score(clip(going(step=2)), first, second)
    assert 0 < worse < 100 and iq.score(clip([(20, 4)] * 8), first, second) < worse
    assert iq.normalised(iq.Measures(0.5, 0.5, 0.5, 0.1), iq.Measures(0.5, 1.0, 1.0, 0.1)) == pytest.approx(200 / 3)


def test_things_are_found_by_colour_and_compared_wherever_they_are():
    scene = SCENES["drop"]
    real = clip(going())
    found = pixels.masks(real, scene)
    assert set(found) == {"ball"} and (found["ball"].sum((1, 2)) == 100).all()
    moved = pixels.compare(clip(going(step=2)), real, scene)
    assert (moved["permanence"] == 0).all() and (moved["shape"] == 0).all() and np.isnan(moved["phantom"]).all()
    gone = pixels.compare(np.full_like(real, 225), real, scene)
    assert (gone["permanence"] == 1).all() and np.isnan(gone["shape"]).all()
    grown = pixels.compare(clip(going(), size=14), real, scene)
    assert grown["shape"] == pytest.approx(1 - 100 / 196)
    stretched = real.copy()
    stretched[:] = 225
    for frame, (row, column) in zip(stretched, going(), strict=True):
        frame[row:row + 5, column:column + 20] = (220, 26, 20)
    assert (pixels.compare(stretched, real, scene)["shape"] > 0.5).all()  # the same area, another form
    assert (pixels.compare(real, np.full_like(real, 225), scene)["phantom"] == 1).all()


@pytest.mark.sim
@pytest.mark.parametrize("name", SCENES)
def test_colours_agree_with_the_segmentation(name):
    world = make(f"physics/{name}")
    world.reset(seed=0)
    frame = world.render_camera()
    seen = world.render_camera(modality="segmentation")
    ids = {entity.name: number for number, entity in enumerate(world.task_spec.entities)}
    found = pixels.masks(frame[None], SCENES[name])
    assert found
    for thing, mask in found.items():
        true = seen == ids[thing]
        assert (mask[0] & true).sum() / (mask[0] | true).sum() > 0.8, thing
    world.close()
