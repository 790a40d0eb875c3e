"""Points and normals from depth, against surfaces that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from data_fakes import episode
from wamlab.data.geometry import Pinhole, episode_points, normals, points
from wamlab.errors import DataError

FLAT = Pinhole(50.0, (31.5, 23.5))


def rays(camera=FLAT, size=(48, 64)):
    column, row = np.meshgrid(np.arange(size[1]) - camera.centre[0], np.arange(size[0]) - camera.centre[1])
    return np.stack([column, row, np.full(size, camera.focal)], -1) / camera.focal


def plane(normal, distance):
    """Depth of a plane in front of a camera that stands at the origin."""
    return (distance / (rays() @ np.asarray(normal, float))).astype(np.float64)


def degrees(one, other):
    return np.degrees(np.arccos(np.clip((one * other).sum(-1), -1, 1)))


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.integers(0, 1000))
def test_a_plane_has_its_normal_everywhere_wherever_the_camera_stands(a, b, seed):
    unit = np.array([a, b, 1.0]) / np.linalg.norm([a, b, 1.0])
    turn, place = Rotation.random(rng=np.random.default_rng(seed)), np.random.default_rng(seed).normal(size=3)
    camera = Pinhole(50.0, (31.5, 23.5), tuple(place.tolist()), tuple(map(tuple, turn.as_matrix().tolist())))
    depth = plane(unit, 1.3)
    found = points(depth, camera)
    outside = turn.apply(unit)
    np.testing.assert_allclose((found - place) @ outside, 1.3, atol=1e-9)
    np.testing.assert_allclose(normals(depth, camera), np.broadcast_to(-outside, found.shape), atol=1e-7)


def test_a_sphere_has_the_normals_of_a_sphere():
    ray, centre, radius = rays(), np.array([0, 0, 2.0]), 0.5
    a, b = (ray**2).sum(-1), ray @ centre
    root = b**2 - a * (centre @ centre - radius**2)
    depth = np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, 0.0)  # 0: nothing
    found, outward = normals(depth, FLAT), (points(depth, FLAT) - centre) / radius
    inside = np.isfinite(found).all(-1) & (outward[..., 2] < -0.5)  # seen at less than 60 degrees
    assert inside.sum() > 300
    assert np.median(degrees(found[inside], outward[inside])) < 3
    assert np.isnan(found[depth == 0]).all()


def test_normals_do_not_smear_over_an_edge():
    depth = plane([0, 0, 1], 1.0)
    depth[:, 32:] = 2.0  # a step between two walls that face the camera
    true = np.broadcast_to([0.0, 0.0, -1.0], (48, 64, 3))
    assert degrees(normals(depth, FLAT), true).max() < 1e-4
    place = points(depth, FLAT)  # the control: central differences
    across = np.cross(np.gradient(place, axis=0), np.gradient(place, axis=1))
    smeared = -across / np.linalg.norm(across, axis=-1, keepdims=True)
    assert degrees(smeared, -true).min(axis=0)[31] > 30 or degrees(smeared, true).min(axis=0)[31] > 30


def test_an_episode_without_depth_says_so():
    with pytest.raises(DataError, match="--with depth"):
        episode_points(episode(0, 3))
    with pytest.raises(DataError, match="camera"):
        Pinhole.from_json({"focal": 1.0, "centre": [0, 0], "position": [0, 0], "rotation": [], "far": 1})
