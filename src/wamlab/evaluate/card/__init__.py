"""The card of a model, and its verdict in words."""
