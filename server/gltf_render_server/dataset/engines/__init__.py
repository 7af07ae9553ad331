"""Engines: who makes the items of a plan. All give the same bytes; the runner writes what they yield."""

from __future__ import annotations

from .engine import Engine, Failed, Outcome, Plan, versions_of

__all__ = ["Engine", "Failed", "Outcome", "Plan", "versions_of"]
