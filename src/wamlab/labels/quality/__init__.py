"""How good labels are, counted against the truth and beside controls that must fail."""
