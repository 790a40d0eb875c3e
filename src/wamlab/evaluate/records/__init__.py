"""Intervention records: how a model that lives elsewhere is judged without being ported."""
