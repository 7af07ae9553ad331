"""What a picture costs -> how many pictures a second some cores give. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Costs"]


@dataclass(frozen=True)
class Costs:
    """What a picture costs, seconds.

    Attributes
    ----------
    serial_s : float
        Of a worker, in which only one of its threads has work.
    parallel_s : float
        Of one core, which all threads of a worker share.
    server_s : float
        Of the process that speaks HTTP, whose Python code runs on one core at a time.
    client_s : float
        Of the clients, where they take the same cores; 0 = they are elsewhere.
    """

    serial_s: float
    parallel_s: float
    server_s: float
    client_s: float = 0.0

    @classmethod
    def measured(
        cls, worker_s: float, saved_s: float, threads: int, server_s: float, client_s: float = 0.0
    ) -> Costs:
        """Return the costs of what was measured.

        Parameters
        ----------
        worker_s : float
            The processor time of a worker with one thread.
        saved_s, threads : float, int
            How much sooner a worker with some threads is done.
        server_s, client_s : float
            As the attributes.
        """
        parallel_s = min(worker_s, max(0.0, saved_s * threads / (threads - 1)))
        return cls(worker_s - parallel_s, parallel_s, server_s, client_s)

    def alone_s(self, threads: int) -> float:
        """Return how long a picture takes that is asked for alone."""
        return self.server_s + self.serial_s + self.parallel_s / threads

    def bounds(self, cores: int, workers: int) -> dict[str, float]:
        """Return what each bound alone would let through, pictures a second; the least of them holds.

        Each of the workers has its part of the cores. What memory lets through, clocks that fall as more
        cores work, and two threads on one core are left out, so a real machine gives less.
        """
        threads = max(1.0, cores / workers)
        every_s = self.serial_s + self.parallel_s + self.server_s + self.client_s
        return {
            "cores": cores / every_s,
            "workers": workers / (self.serial_s + self.parallel_s / threads),
            "server": 1 / self.server_s,
        }

    def rate(self, cores: int, workers: int) -> float:
        """Return pictures a second."""
        return min(self.bounds(cores, workers).values())

    def bound(self, cores: int, workers: int) -> str:
        """Return which of the `bounds` holds."""
        found = self.bounds(cores, workers)
        return min(found, key=lambda name: found[name])
