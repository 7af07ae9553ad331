"""Engines make the items of a plan. All make the same bytes, and the runner writes them."""

from __future__ import annotations

from .engine import Engine, Failed, Outcome, Plan, versions_of

__all__ = ["Engine", "Failed", "Outcome", "Plan", "versions_of"]
