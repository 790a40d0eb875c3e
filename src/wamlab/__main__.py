"""`python -m wamlab` and `torchrun -m wamlab`: the same as `wam`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
