"""Datasets: from scenes to annotated pictures. A dataset is a pure function of specification, seed and index.

An item is made as item -> `Shot` -> `Frame` -> files, whoever runs it: sources name items, engines run them,
the store keeps them, and formats are written from the store.
"""
