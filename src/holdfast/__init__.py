"""Holdfast decides which machine-learning checkpoints stay, says why, and removes the rest."""

__version__ = "0.1.0"
