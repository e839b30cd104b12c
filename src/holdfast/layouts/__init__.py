"""Layouts: how each framework writes checkpoints."""

from holdfast.layouts.base import COMPLETE, Candidate, Finding, Layout, Look, partial, unknown

__all__ = ["COMPLETE", "Candidate", "Finding", "Layout", "Look", "partial", "unknown"]
