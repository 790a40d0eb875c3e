"""Fewer triangles for the renderer: a copy of a model whose meshes are simplified. Physics keeps the original.

At 64x64 pixels a software rasteriser spends its time on vertices, not on pixels: Meta-World's robot has 67,000
triangles, most of them smaller than a pixel. Vertices are clustered on a grid (Rossignac and Borrel, 1993,
"Multi-resolution 3D approximations for rendering complex scenes").
"""

from __future__ import annotations

import copy

import numpy as np
from numpy import ndarray

from .backend import mujoco

CELL = 0.01
"""default side of a grid cell in metres"""


def cluster_faces(vertices: ndarray, faces: ndarray, cell: float) -> tuple[ndarray, ndarray]:
    """Merge the vertices of each grid cell into the one nearest to the cell's mean.

    Args:
        vertices: [V, 3] metres. faces: [F, 3] vertex numbers. cell: metres.

    Returns:
        (kept face numbers [G], their new vertex numbers [G, 3]); degenerate and duplicate faces are gone.
    """
    grid = np.floor((vertices - vertices.min(0)) / cell).astype(np.int64)
    _, cluster = np.unique(grid, axis=0, return_inverse=True)
    cluster = cluster.reshape(-1)
    count = np.bincount(cluster)
    mean = np.stack([np.bincount(cluster, vertices[:, axis]) / count for axis in range(3)], axis=1)
    far = np.square(vertices - mean[cluster]).sum(1)
    order = np.lexsort((far, cluster))  # by cluster, nearest to the mean first
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    moved = order[first][cluster][faces]
    solid = (moved[:, 0] != moved[:, 1]) & (moved[:, 1] != moved[:, 2]) & (moved[:, 0] != moved[:, 2])
    kept = np.flatnonzero(solid)
    _, unique = np.unique(np.sort(moved[kept], axis=1), axis=0, return_index=True)
    kept = kept[np.sort(unique)]
    return kept, moved[kept]


def decimated(model: mujoco.MjModel, cell: float = CELL, at_least: int = 200) -> mujoco.MjModel:
    """A copy of `model` for `MjrContext` alone, with every mesh of `at_least` faces or more simplified."""
    small = copy.copy(model)
    for mesh in range(model.nmesh):
        count = model.mesh_facenum[mesh]
        if count < at_least:
            continue
        begin, low = model.mesh_faceadr[mesh], model.mesh_vertadr[mesh]
        vertices = model.mesh_vert[low:low + model.mesh_vertnum[mesh]].astype(np.float64)
        kept, faces = cluster_faces(vertices, model.mesh_face[begin:begin + count], cell)
        if len(kept) == 0:
            continue
        end = begin + len(kept)
        small.mesh_face[begin:end] = faces
        small.mesh_facenormal[begin:end] = model.mesh_facenormal[begin:begin + count][kept]
        if model.mesh_texcoordadr[mesh] >= 0:
            small.mesh_facetexcoord[begin:end] = model.mesh_facetexcoord[begin:begin + count][kept]
        small.mesh_facenum[mesh] = len(kept)
    return small
