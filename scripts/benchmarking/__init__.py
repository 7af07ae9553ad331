"""The parts of scripts/benchmark.py: scenes that move, servers that are asked, and what is told of it.

scenes -> sequences -> exchange -> measures -> summary, tables, plot; each knows only what stands before it.
"""
