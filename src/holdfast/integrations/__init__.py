"""Holdfast in the training loop: one framework per file, each thin, each importing its framework inside."""
