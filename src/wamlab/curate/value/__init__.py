"""What is a source worth: small models trained over a grid of how much of each source, in what order, filtered how."""
