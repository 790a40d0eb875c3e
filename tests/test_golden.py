"""A refactor changes no number: each recipe's losses on a fixed batch, with fixed weights, are on file.

After a change that is meant to change them: `WAMLAB_UPDATE_GOLDEN=1 pytest tests/test_golden.py`, and say why in the commit.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from helpers_models import batch_for, randomise, small_spec
from wamlab import recipe

FILE = Path(__file__).parent / "golden" / "losses.json"


@pytest.mark.parametrize("name", recipe.names())
def test_losses_are_those_on_file(name):
    torch.manual_seed(0)
    model = randomise(recipe.load(name).sized("debug").model.build(small_spec()))
    found = {key: value.item() for key, value in model.loss(batch_for(model), seed=11).items()}
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    if os.environ.get("WAMLAB_UPDATE_GOLDEN"):
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(json.dumps(known | {name: found}, indent=1, sort_keys=True) + "\n")
        return
    assert found == pytest.approx(known[name], rel=1e-3)
