"""Datasets: from scenes to annotated pictures. A dataset is a pure function of specification, seed and index.

Sources describe the items, engines make them (item -> `Shot` -> `Frame` -> files), the store keeps them, and
formats are written from the store.
"""
