"""Layouts: how each framework writes checkpoints."""

from holdfast.layouts.base import Candidate, Finding, Layout, Look

__all__ = ["Candidate", "Finding", "Layout", "Look"]
