"""Distances in the features of pretrained networks. Weights are never downloaded: they come from a package that ships
them, or from a path with its SHA-256; a metric whose weights are not there says so."""
