"""Models that are known to be right, trivial or wrong in one exact way, to find out what a metric rewards."""
