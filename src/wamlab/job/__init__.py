"""The main job: what `wam run` and `wam card` do, from demonstrations to the log of every score."""
