"""The metrics for Prometheus at ``/metrics``."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ..dispatch.dispatcher import Dispatcher
from ..dispatch.status import WorkerState
from .account import Account

__all__ = ["Metrics"]

_PREFIX = "gltf_render_server"
_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """Counts the requests of a server, and reports the state of its workers.

    If the environment variable ``PROMETHEUS_MULTIPROC_DIR`` names a folder, several processes behind one
    address, such as those of gunicorn, share their counts through that folder.

    Parameters
    ----------
    dispatcher : Dispatcher
    """

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, dispatcher: Dispatcher) -> None:
        counted = CollectorRegistry()
        self._requests = Counter(
            f"{_PREFIX}_requests",
            "Render requests, by what was answered.",
            ("type", "status"),
            registry=counted,
        )
        self._refusals = Counter(
            f"{_PREFIX}_refusals",
            "Requests of any kind that were refused before their body was read.",
            ("status",),
            registry=counted,
        )
        self._stages = Histogram(
            f"{_PREFIX}_stage_seconds",
            "Time in each stage of a request.",
            ("type", "stage"),
            registry=counted,
            buckets=_BUCKETS_S,
        )
        self._workers = CollectorRegistry()
        self._workers.register(_Workers(dispatcher))
        self._counted = counted

    def count(self, account: Account) -> None:
        """Count a request that was answered."""
        self._requests.labels(account.passes, account.status).inc()
        for stage, milliseconds in account.milliseconds.items():
            self._stages.labels(account.passes, stage).observe(milliseconds / 1000)

    def count_refusal(self, status: int) -> None:
        """Count a request that was rejected after its head."""
        self._refusals.labels(status).inc()

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        counted = self._counted
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            counted = CollectorRegistry()
            MultiProcessCollector(counted)
        return generate_latest(counted) + generate_latest(self._workers)


class _Workers(Collector):
    """Reads the state of the workers whenever the metrics are requested."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def collect(self) -> Iterable[Metric]:
        workers = self._dispatcher.workers()
        states = Tally(worker.state for worker in workers)
        waiting = GaugeMetricFamily(f"{_PREFIX}_queue_length", "Requests that wait for a worker.")
        waiting.add_metric([], len(self._dispatcher))
        by_state = GaugeMetricFamily(f"{_PREFIX}_workers", "Workers, by state.", labels=["state"])
        for state in WorkerState:
            by_state.add_metric([state], states[state])
        restarts = CounterMetricFamily(
            f"{_PREFIX}_worker_restarts", "Workers that crashed, hung or grew too large.", labels=["worker"]
        )
        memory = GaugeMetricFamily(
            f"{_PREFIX}_worker_resident_bytes", "Resident memory of each worker.", labels=["worker"]
        )
        for worker in workers:
            restarts.add_metric([str(worker.number)], worker.restarts)
            memory.add_metric([str(worker.number)], worker.rss_bytes)
        return waiting, by_state, restarts, memory
