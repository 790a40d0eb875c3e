"""A workbench for World Action Models: future, action = WAM(observation, instruction)."""

__version__ = "0.1.0"
