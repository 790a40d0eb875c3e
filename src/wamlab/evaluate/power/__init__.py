"""How many starts a claim needs, before, after and while they are counted."""
