"""The composition root: it builds the back end, dispatcher, application and HTTP server from the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import flask

from .backends import make_renderer
from .dispatch.dispatcher import Dispatcher
from .frame import Frame
from .http.access import check_exposure
from .http.app import create_app
from .http.serving import HttpServer
from .process.reload import watch_code
from .process.shutdown import ShutdownWatch
from .recording import Observer as AnswerObserver
from .recording import Recorder, make_recorders
from .renderer import Renderer
from .settings import ServerSettings

__all__ = ["Observer", "Server", "make_app"]


class Observer(AnswerObserver, Protocol):
    """An observer that is notified when a request is queued and when it has been answered."""

    def asked(self, frame: Frame) -> None:
        """Note that a request is waiting to be rendered. This is called on the request's HTTP thread."""
        ...


def make_app(
    settings: ServerSettings,
    recorders: Sequence[Recorder],
    renderer: Renderer | None = None,
    observer: Observer | None = None,
) -> tuple[flask.Flask, Dispatcher]:
    """Make the WSGI application and the dispatcher that renders for it; see `Dispatcher`."""
    dispatcher = Dispatcher(settings, renderer, observer.asked if observer else None)
    observers = (*recorders, observer) if observer else recorders
    return create_app(settings, dispatcher, *observers), dispatcher


class Server:
    """A complete server. It listens once it is constructed, and answers requests once `start` was called.

    Construct it on the thread that is to own the renderer, if the renderer lives in this process.

    Parameters
    ----------
    settings : ServerSettings
    make : callable, optional
        Creates a renderer in this process, whatever number of workers the settings give. By default, the
        settings decide: they give the number of worker processes, or 0 for a back end in this process.
    observer : Observer, optional

    Raises
    ------
    SettingsError
        The server cannot start with these settings.
    """

    def __init__(
        self,
        settings: ServerSettings,
        make: Callable[[], Renderer] | None = None,
        observer: Observer | None = None,
    ) -> None:
        settings.check()
        check_exposure(settings)
        if make is None and not settings.workers:
            make = partial(make_renderer, settings)
        self._recorders = make_recorders(settings.record)
        app, self.dispatcher = make_app(settings, self._recorders, make() if make else None, observer)
        try:
            self.dispatcher.wait_until_ready()
            self._http = HttpServer(app, settings, len(self.dispatcher.workers()))
        except BaseException:
            self.dispatcher.shut_down()
            raise
        self._is_debugged = settings.debug

    @property
    def url(self) -> str:
        """The address of the server."""
        return self._http.url

    def start(self) -> None:
        """Start to answer requests.

        Without workers, the caller must call `Dispatcher.run_next` to render them.
        """
        self._http.start()

    def run(self, on_start: Callable[[Server], None]) -> None:
        """Render and answer requests on the main thread until a signal ends the process.

        Parameters
        ----------
        on_start : callable
            Called once the server answers requests.
        """
        watch = ShutdownWatch(self.dispatcher, self._drain)
        self.start()
        if self._is_debugged:
            watch_code(watch.restart)
        on_start(self)
        self.dispatcher.run()
        watch.wait()

    def close(self, timeout_s: float) -> None:
        """Stop accepting requests, and finish sending the responses that are under way."""
        self.dispatcher.close()
        self._drain(timeout_s)

    def shut_down(self, timeout_s: float) -> None:
        """Close the server and release all its resources, in a process that continues to run."""
        self.dispatcher.close()
        try:
            self._http.close(timeout_s)
        finally:
            self.dispatcher.shut_down()
            for recorder in self._recorders:
                recorder.close(timeout_s)

    def _drain(self, timeout_s: float) -> None:
        """Finish sending responses, and flush the recording to disk."""
        self._http.drain(timeout_s)
        for recorder in self._recorders:
            recorder.close(timeout_s)
