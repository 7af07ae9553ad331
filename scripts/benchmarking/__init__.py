"""The parts of scripts/benchmark.py: moving scenes, requests to servers, and reports of the results.

scenes -> sequences -> exchange -> measures -> summary, tables, plot; each depends only on those before it.
"""
