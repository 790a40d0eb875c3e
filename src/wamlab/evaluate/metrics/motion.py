"""Does what moves in the pictures move where and when it should? The score of Physics-IQ (see `eyes.physics.iq`), per clip.

Their normaliser is a second take of the real event. A simulator that is put back into the same state repeats itself exactly,
so that its second take is its first and what is asked for is all of it. Known to reward a still picture where little moves:
copying the last frame stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..eyes.perceptual.clips import clips_of
from ..eyes.physics.iq import SIZE, Measures, measures, motion_masks, normalised
from ..log import Score
from ..metric import Evidence, Metric
from ..statistics import mean_of_clusters

LIMIT = 48
"""clips that are looked at, evenly over all"""
SMALL = 128
"""pixels below which masks are not opened: that would take away what is smaller than 5 pixels"""
AGAIN = Measures(1.0, 1.0, 1.0, 0.0)
"""the second take"""


def physics_iq(evidence: Evidence) -> Sequence[Score]:
    """0 to 100 per clip, averaged; the interval draws whole episodes or contexts."""
    frames = evidence.frames
    assert frames is not None
    clips, full = clips_of(frames, LIMIT), frames.prefix + "physics_iq"
    size = SIZE if min(frames.real.shape[1:3]) >= SMALL else 0
    moving = [clip for clip in range(len(clips)) if motion_masks(clips.real[clip], size).any()]
    if not moving:
        return (evidence.score(full, None, unavailable="nothing moves in any whole clip"),)
    scores = []
    for row, made in (("", clips.imagined), (".copy", clips.copied)):
        values = np.array([normalised(measures(made[clip], clips.real[clip], size), AGAIN) for clip in moving])
        estimate, n = mean_of_clusters(values, clips.cluster[moving], resamples=2000)
        scores.append(evidence.score(full + row, estimate or float(values.mean()), n=n,
                                     note=f"{len(moving)} clips in which something moves; masks opened by {size} pixels"))
    return scores


METRICS = (
    Metric("physics_iq", ("frames",), physics_iq, "higher", (0, 100),
           "does what moves in the pictures move where, when and for as long as it should: 100 as in truth",
           "Physics-IQ (arXiv 2501.09038), second take as the simulator repeats it", children={
               "copy": "the same for copying the last frame seen"}),
)
