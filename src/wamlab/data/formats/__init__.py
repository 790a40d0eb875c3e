"""Datasets of other tools: read, written and converted, a file per concern. Nothing here imports their libraries."""
