"""Whatever is asked of a model, in closed loop or from saved states, and what came of it."""
