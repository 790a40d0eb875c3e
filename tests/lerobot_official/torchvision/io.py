"""VideoReader over PyAV: seek to a keyframe, then frames with their presentation time."""

import av
import torch


class VideoReader:
    def __init__(self, path, stream="video"):
        self.container = av.open(path)

    def seek(self, seconds, keyframes_only=False):
        self.container.seek(int(seconds * 1e6), any_frame=not keyframes_only)
        return self

    def __iter__(self):
        for frame in self.container.decode(video=0):
            yield {"data": torch.from_numpy(frame.to_rgb().to_ndarray()).permute(2, 0, 1), "pts": frame.time}
