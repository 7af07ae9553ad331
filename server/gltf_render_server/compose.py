"""The composition root: settings -> back end and dispatcher -> application -> HTTP -> an orderly end."""

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
    """Is told what happens to each request: that it waits, and what was answered."""

    def asked(self, frame: Frame) -> None:
        """Note that a request waits to be rendered; called on the thread that answers it."""
        ...


def make_app(
    settings: ServerSettings,
    recorders: Sequence[Recorder],
    renderer: Renderer | None = None,
    observer: Observer | None = None,
) -> tuple[flask.Flask, Dispatcher]:
    """Make the WSGI application, and the dispatcher that renders for it; see `Dispatcher`."""
    dispatcher = Dispatcher(settings, renderer, observer.asked if observer else None)
    observers = (*recorders, observer) if observer else recorders
    return create_app(settings, dispatcher, *observers), dispatcher


class Server:
    """A server of its own, which listens from its construction on, and answers from `start` on.

    Made on the thread that a renderer of this process gets for its own.

    Parameters
    ----------
    settings : ServerSettings
    make : callable, optional
        Makes a renderer of this process, however many workers the settings name. Without it, the settings
        decide: so many workers render, or with none the back end in this process.
    observer : Observer, optional

    Raises
    ------
    SettingsError
        It cannot start like that.
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
        """Where it is reached."""
        return self._http.url

    def start(self) -> None:
        """Answer requests; without workers, `Dispatcher.run_next` must be called to render them."""
        self._http.start()

    def run(self, on_start: Callable[[Server], None]) -> None:
        """Render and answer requests until a signal ends the process, on the main thread.

        Parameters
        ----------
        on_start : callable
            Called when requests are answered.
        """
        watch = ShutdownWatch(self.dispatcher, self._drain)
        self.start()
        if self._is_debugged:
            watch_code(watch.restart)
        on_start(self)
        self.dispatcher.run()
        watch.wait()

    def close(self, timeout_s: float) -> None:
        """Take nothing more, and send what was answered."""
        self.dispatcher.close()
        self._drain(timeout_s)

    def shut_down(self, timeout_s: float) -> None:
        """Leave nothing behind in a process that goes on without."""
        self.dispatcher.close()
        try:
            self._http.close(timeout_s)
        finally:
            self.dispatcher.shut_down()
            for recorder in self._recorders:
                recorder.close(timeout_s)

    def _drain(self, timeout_s: float) -> None:
        """Send what was answered, and write down what is recorded."""
        self._http.drain(timeout_s)
        for recorder in self._recorders:
            recorder.close(timeout_s)
