"""A small HTTP client: it sends a frame request, or a request in Drake's form, and returns arrays.

The client needs neither Drake nor Blender. This module has its public interface; the parts of the package do
the work: a connection, frames and the uploads of their scenes, Drake's form, and the state of the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import requests
from numpy.typing import ArrayLike, NDArray

from ..frame import ALPHA_THRESHOLD, Lens, Look, View
from ..http.form import DepthRange, ImageType, form_fields
from ..labels import DONT_CARE, decode_labels
from .connection import Connection, RenderAnswer, RenderClientError, innermost_reason
from .drake import decode_depth, prepare_form
from .frames import FrameAnswer, frame_json, read_frame
from .state import read_description, read_health
from .uploads import Exportable, SceneLike, Uploads

__all__ = [
    "DONT_CARE",
    "Exportable",
    "FrameAnswer",
    "RenderAnswer",
    "RenderClient",
    "RenderClientError",
    "form_fields",
    "innermost_reason",
]


class RenderClient:
    """A client of one server. A token can be part of the address: ``http://:TOKEN@127.0.0.1:8000``.

    Parameters
    ----------
    base_url : str
        The address of the server, as it prints it: ``Running on http://127.0.0.1:8000``.
    timeout_s : float, optional
        How long to wait for a response. None means no timeout, which is what Drake's client does.

    Attributes
    ----------
    shown_url : str
        The address without its token, for messages.
    """

    def __init__(self, base_url: str, timeout_s: float | None = None) -> None:
        self._connection = Connection(base_url, timeout_s)
        self._uploads = Uploads(self._connection)
        self.shown_url = self._connection.shown_url

    def render(
        self,
        scene: SceneLike,
        views: View | Mapping[str, Any] | Sequence[View | Mapping[str, Any]],
        passes: Sequence[str] = ("color",),
        *,
        look: Look | Mapping[str, Any] | None = None,
        poses: Mapping[str, ArrayLike] | None = None,
        time_s: float | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        alpha_threshold: float | None = ALPHA_THRESHOLD,
    ) -> FrameAnswer:
        """Render views of a scene. The scene is uploaded if the server does not have it yet.

        Parameters
        ----------
        scene : path, bytes or Exportable
            A GLB, or a glTF with embedded resources. A file is read again when it has changed.
        views : View, mapping, or sequence of them
            The views to render. A mapping holds the fields of the API's JSON; see docs/api.md.
        passes : sequence of str
        look : Look or mapping, optional
        poses : mapping of str to (4, 4) array, optional
            World matrices by node name, for column vectors. They replace the nodes' own world matrices.
        time_s : float, optional
            The time in the scene's animation that is rendered.
        before, after : mapping, optional
            The state at another moment, for motion passes: ``poses`` and ``time_s`` as above, and
            ``cameras``, which holds a (4, 4) camera_to_world matrix by view name. Omitted values are those of
            the frame.
        alpha_threshold : float or None
            The alpha, from 0 to 1, at or above which surfaces with alpha mode BLEND count as solid in the
            exact passes. With None, all surfaces count as solid, those with alpha mode MASK included.

        Raises
        ------
        RenderClientError
            The server refused the request or failed to render it.
        ValueError
            A number is not finite.
        """
        source = self._uploads.source(scene)
        frame = frame_json(
            source.digest,
            views,
            passes,
            look=look,
            poses=poses,
            time_s=time_s,
            before=before,
            after=after,
            alpha_threshold=alpha_threshold,
        )
        return read_frame(self._uploads.ask(frame, source))

    def color(self, scene: bytes, camera: Lens) -> NDArray[np.uint8]:
        """Return (height, width, 3 or 4) uint8."""
        return self.post(scene, form_fields(ImageType.COLOR, camera)).pixels()

    def depth(self, scene: bytes, camera: Lens, depth_range: DepthRange) -> NDArray[np.float32]:
        """Return (height, width) float32, metres along the optical axis; 0 = too close, inf = too far."""
        fields = form_fields(ImageType.DEPTH, camera, depth_range)
        return decode_depth(self.post(scene, fields).pixels())

    def label(self, scene: bytes, camera: Lens) -> NDArray[np.uint16]:
        """Return (height, width) uint16 labels. A pixel without a label is `DONT_CARE`."""
        return decode_labels(self.post(scene, form_fields(ImageType.LABEL, camera)).pixels())

    def post(self, scene: bytes, fields: Mapping[str, str]) -> RenderAnswer:
        """Send a request in Drake's form as it is.

        Parameters
        ----------
        scene : bytes
            A glTF 2.0 file.
        fields : mapping of str to str
            The form fields; see `form_fields`.

        Raises
        ------
        RenderClientError
            The server refused the request or failed to render it.
        """
        return self.send(self.prepare(scene, fields))

    def prepare(self, scene: bytes, fields: Mapping[str, str]) -> requests.PreparedRequest:
        """Prepare the request that `post` sends, with its digest and form, to be sent with `send` later."""
        return prepare_form(self._connection, scene, fields)

    def send(self, request: requests.PreparedRequest) -> RenderAnswer:
        """Send a prepared request over a new connection, as Drake's client does.

        Raises
        ------
        RenderClientError
            The server refused the request or failed to render it.
        requests.RequestException
            No server responded. The message gives the address and the reason.
        """
        return self._connection.send(request)

    def health(self) -> dict[str, Any]:
        """Return the content of ``/healthz``, whether or not the server is ready."""
        return read_health(self._connection)

    def describe(self) -> dict[str, Any]:
        """Return the content of ``/v1/server``: what the server supports, as soon as it has started."""
        return read_description(self._connection)
