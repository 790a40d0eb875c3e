"""Which data, and how much of each: filters of episodes, weights of sources, and what each source is worth."""
