"""From what was recorded and asked to scores, through every metric."""
