"""Published designs, a file each. `wam list` prints their row in the design space."""
