"""Lets objects fall until they rest: what they fall on, the simulation, and the check of its result.

These modules need the extra ``physics``, and are imported only if a specification needs them.
"""
