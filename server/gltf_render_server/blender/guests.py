"""The client's objects in somebody's session: shown between two requests, taken away, or made the user's own.

A guest is known by its identity, a mark that names its own ``session_uid``: so a copy, which has the same
mark and another identity, is the user's. Blender keeps that number over undo, and gives another when a file
is loaded.

What of the user's refers to a guest (a camera, a parent, a constraint's target) never loses it: such a guest
is kept until its like of the next request, the camera or the n-th mesh, takes its place.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import bpy

__all__ = ["adopt_guests", "everything", "introduce", "remove_guests", "settle", "withdraw"]

_NAME = "glTF Client"
_MARK = "gltf_render_server_guest"  # a custom property: Python's references do not survive undo
_SESSION = secrets.token_hex(8)  # another session gives the same numbers again
_GROUP, _DATA = "group", "data"  # roles

_KINDS = (
    "cameras",
    "collections",
    "lights",
    "materials",
    "meshes",
    "node_groups",
    "objects",
    "scenes",
    "worlds",
)
_BUFFERS = {"RENDER_RESULT", "COMPOSITING"}  # where Blender itself puts what it renders


def everything() -> Iterator[Any]:
    """Yield every datablock of this session that is of a kind that a request adds."""
    for kind in _KINDS:
        yield from (item for item in getattr(bpy.data, kind) if item.library is None)
    yield from (item for item in bpy.data.images if item.library is None and item.type not in _BUFFERS)


def introduce(shown: Sequence[Any]) -> bpy.types.Collection:
    """Let what a client brings take the place of what the last one brought, wherever the user refers to that.

    Parameters
    ----------
    shown : sequence of bpy.types.Object or bpy.types.Collection
        In the same order each time.

    Returns
    -------
    bpy.types.Collection
        Holds it all, and is in no scene yet. Blender does not render it: the server shows what it renders in
        other collections.
    """
    last = [item for item in _guests() if _role(item) != _DATA]
    group = _new_group(shown)
    roles = dict(_roles(group, shown))
    for item in last:
        if _role(item) in roles:
            item.user_remap(roles[_role(item)])
    for role, item in roles.items():
        _mark(item, role)
    return group


def settle(group: bpy.types.Collection | None, scene: bpy.types.Scene, new: Iterable[Any]) -> None:
    """Show guests in the user's scene, and remove all that is new and not needed for them.

    Parameters
    ----------
    group : bpy.types.Collection or None
        From `introduce`; None = there is nothing to show.
    scene : bpy.types.Scene
    new : iterable of bpy.types.ID
        All that the request has added to the session.
    """
    for item in new:
        if not _is_guest(item):
            _mark(item, _DATA)
    if group is None:
        remove_guests()
    else:
        scene.collection.children.link(group)
        _remove_unreferenced()


def remove_guests() -> None:
    """Remove the guests, but for those that something of the user's refers to."""
    withdraw()
    kept = [item for item in _guests() if isinstance(item, bpy.types.Object)]
    if kept:
        group = _new_group(kept)
        _mark(group, _GROUP)
        bpy.context.scene.collection.children.link(group)


def withdraw() -> None:
    """Take the guests out of every scene, and remove them as `remove_guests` does."""
    guests = set(_guests())
    if not guests:
        return
    _give_edited_ones_away(guests)
    _give_back_what_they_hold(guests)
    for holder in _collections():
        for item in [item for item in holder.objects if item in guests]:
            holder.objects.unlink(item)
        for child in [child for child in holder.children if child in guests]:
            holder.children.unlink(child)
    _remove_unreferenced()


def adopt_guests(name: str) -> bpy.types.Collection:
    """Make the guests that are shown the user's own, in a collection of that name, which is rendered."""
    shown = {child for scene in bpy.data.scenes for child in scene.collection.children}
    group: Any = next(item for item in _guests() if _role(item) == _GROUP and item in shown)
    data = [item for item in _guests() if _role(item) == _DATA]
    for item in [group, *group.children_recursive, *group.all_objects, *data]:
        del item[_MARK]
    group.name = name
    group.hide_render = False
    return group


def _new_group(shown: Iterable[Any]) -> bpy.types.Collection:
    group = bpy.data.collections.new(_NAME)
    group.hide_render = True
    for item in shown:
        holder: Any = group.children if isinstance(item, bpy.types.Collection) else group.objects
        holder.link(item)
    return group


def _roles(group: bpy.types.Collection, shown: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield what says who stands for whom: the place among `shown`, and in one of its collections."""
    yield _GROUP, group
    for number, item in enumerate(shown):
        yield f"{number}", item
        if isinstance(item, bpy.types.Collection):
            yield from ((f"{number}.{index}", child) for index, child in enumerate(item.objects))


def _give_edited_ones_away(guests: set[Any]) -> None:
    """Make objects that the user edits, sculpts or paints at this moment the user's own."""
    edited = [item for item in guests if isinstance(item, bpy.types.Object) and item.mode != "OBJECT"]
    for item in edited:
        del item[_MARK]
        guests.discard(item)


def _give_back_what_they_hold(guests: set[Any]) -> None:
    """Move what the user has put, or copied, into the guests' collections to the scene's own."""
    own = bpy.context.scene.collection
    for group in [item for item in guests if isinstance(item, bpy.types.Collection)]:
        holdings: Any = ((group.objects, own.objects), (group.children, own.children))
        for held, home in holdings:
            for item in [item for item in held if item not in guests]:
                if item.name not in home:
                    home.link(item)
                held.unlink(item)
                item.pop(_MARK, None)  # which came with the copy


def _remove_unreferenced() -> None:
    """Remove the guests that nothing of the user's needs; where they are placed does not count."""
    for scene in bpy.data.scenes:  # Blender remembers what was placed until it is asked
        for layer in scene.view_layers:
            len(layer.layer_collection.children)
    guests = set(_guests())
    users = bpy.data.user_map(subset=list(guests))
    wanted = {item for item in guests if item.use_fake_user or _has_foreign(users.get(item, ()), guests)}
    for item in wanted:
        if _role(item) == _DATA:
            del item[_MARK]  # the user has made use of it
    wanted |= guests.intersection(_looked_through())
    bpy.data.batch_remove(list(guests - _needed(wanted, users)))


def _needed(wanted: set[Any], users: dict[Any, set[Any]]) -> set[Any]:
    """Return what is wanted, and what that uses."""
    uses: dict[Any, list[Any]] = {}
    for item, of_it in users.items():
        for user in of_it:
            uses.setdefault(user, []).append(item)
    needed, new = set(wanted), list(wanted)
    while new:
        more = [item for item in uses.get(new.pop(), ()) if item not in needed]
        needed.update(more)
        new += more
    return needed


def _has_foreign(users: Iterable[Any], guests: set[Any]) -> bool:
    return any(user not in guests and not isinstance(user, bpy.types.Collection) for user in users)


def _looked_through() -> Iterator[Any]:
    """Yield the cameras that views have of their own."""
    for screen in bpy.data.screens:
        for space in (area.spaces.active for area in screen.areas if area.type == "VIEW_3D"):
            if space.use_local_camera:
                yield space.camera


def _collections() -> list[Any]:
    """Return all collections that can be changed, the scenes' own included."""
    of_scenes = (scene.collection for scene in bpy.data.scenes if scene.library is None)
    return [*of_scenes, *(item for item in bpy.data.collections if item.library is None)]


def _guests() -> list[Any]:
    return [item for item in everything() if _is_guest(item)]


def _is_guest(item: Any) -> bool:
    return _MARK in item and str(item[_MARK]).startswith(_identity(item))


def _identity(item: Any) -> str:
    return f"{_SESSION} {item.session_uid} "


def _mark(item: Any, role: str) -> None:
    item[_MARK] = _identity(item) + role


def _role(item: Any) -> str:
    return item[_MARK].rpartition(" ")[2]
