"""The client's objects in a user's session: shown between requests, then removed or adopted by the user.

The objects of the client are called guests. A guest has a mark that contains its own ``session_uid``. A copy
has the same mark but another ``session_uid``, so it counts as the user's. Blender preserves this number on
undo, and changes it when a file is loaded.

A reference from the user's data to a guest (a camera, a parent, a constraint's target) is never lost. Such a
guest is kept until the corresponding guest of the next request (the camera, or the n-th mesh) replaces it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import bpy

__all__ = ["adopt_guests", "everything", "introduce", "remove_guests", "settle", "withdraw"]

_NAME = "glTF Client"
_MARK = "gltf_render_server_guest"  # a custom property, because Python references do not survive undo
_SESSION = secrets.token_hex(8)  # because another session assigns the same numbers again
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
_BUFFERS = {"RENDER_RESULT", "COMPOSITING"}  # the images in which Blender itself stores renders


def everything() -> Iterator[Any]:
    """Yield every datablock of this session whose kind a request may add."""
    for kind in _KINDS:
        yield from (item for item in getattr(bpy.data, kind) if item.library is None)
    yield from (item for item in bpy.data.images if item.library is None and item.type not in _BUFFERS)


def introduce(shown: Sequence[Any]) -> bpy.types.Collection:
    """Replace the guests of the last request with those of this one, wherever the user's data refers to them.

    Parameters
    ----------
    shown : sequence of bpy.types.Object or bpy.types.Collection
        The new guests, in the same order for each request.

    Returns
    -------
    bpy.types.Collection
        The collection of all guests, which is in no scene yet. It is not rendered, because the server renders
        the guests in other collections.
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
    """Show guests in the user's scene, and remove all new datablocks that they do not need.

    Parameters
    ----------
    group : bpy.types.Collection or None
        The result of `introduce`; None if there is nothing to show.
    scene : bpy.types.Scene
    new : iterable of bpy.types.ID
        All datablocks that the request has added to the session.
    """
    for item in new:
        if not _is_guest(item):
            _mark(item, _DATA)
    if group is None or scene.library is not None:  # nothing can be added to a linked scene
        remove_guests()
    else:
        scene.collection.children.link(group)
        _remove_unreferenced()


def remove_guests() -> None:
    """Remove the guests, except those to which the user's data refers."""
    withdraw()
    kept = [item for item in _guests() if isinstance(item, bpy.types.Object)]
    if kept:
        group = _new_group(kept)
        _mark(group, _GROUP)
        _home().children.link(group)


def withdraw() -> None:
    """Unlink the guests from every scene, and remove them like `remove_guests`."""
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
    """Turn the visible guests into the user's own objects, in a collection of this name that is rendered."""
    shown = {child for scene in bpy.data.scenes for child in scene.collection.children}
    group: Any = next(item for item in _guests() if _role(item) == _GROUP and item in shown)
    data = [item for item in _guests() if _role(item) == _DATA]
    for item in [group, *group.children_recursive, *group.all_objects, *data]:
        del item[_MARK]
    group.name = name
    group.hide_render = False
    return group


def _home() -> bpy.types.Collection:
    """Return the collection for what stays: that of the open scene, or of another if that is linked."""
    scenes = [bpy.context.scene, *bpy.data.scenes]
    return next(scene.collection for scene in scenes if scene.library is None)


def _new_group(shown: Iterable[Any]) -> bpy.types.Collection:
    group = bpy.data.collections.new(_NAME)
    group.hide_render = True
    for item in shown:
        holder: Any = group.children if isinstance(item, bpy.types.Collection) else group.objects
        holder.link(item)
    return group


def _roles(group: bpy.types.Collection, shown: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield a role for each guest, from its place among `shown`, by which later guests are matched."""
    yield _GROUP, group
    for number, item in enumerate(shown):
        yield f"{number}", item
        if isinstance(item, bpy.types.Collection):
            yield from ((f"{number}.{index}", child) for index, child in enumerate(item.objects))


def _give_edited_ones_away(guests: set[Any]) -> None:
    """Give objects that the user is editing, sculpting or painting to the user."""
    edited = [item for item in guests if isinstance(item, bpy.types.Object) and item.mode != "OBJECT"]
    for item in edited:
        del item[_MARK]
        guests.discard(item)


def _give_back_what_they_hold(guests: set[Any]) -> None:
    """Move what the user has put or copied into the guests' collections to the scene's own collection."""
    own = _home()
    for group in [item for item in guests if isinstance(item, bpy.types.Collection)]:
        holdings: Any = ((group.objects, own.objects), (group.children, own.children))
        for held, home in holdings:
            for item in [item for item in held if item not in guests]:
                if item.name not in home:
                    home.link(item)
                held.unlink(item)
                item.pop(_MARK, None)  # copied from the guest


def _remove_unreferenced() -> None:
    """Remove the guests that the user's data does not need. Being linked to a collection does not count."""
    for scene in bpy.data.scenes:  # updates Blender's record of linked objects
        for layer in scene.view_layers:
            len(layer.layer_collection.children)
    guests = set(_guests())
    users = bpy.data.user_map(subset=list(guests))
    wanted = {item for item in guests if item.use_fake_user or _has_foreign(users.get(item, ()), guests)}
    for item in wanted:
        if _role(item) == _DATA:
            del item[_MARK]  # the user's data refers to it
    wanted |= guests.intersection(_looked_through())
    bpy.data.batch_remove(list(guests - _needed(wanted, users)))


def _needed(wanted: set[Any], users: dict[Any, set[Any]]) -> set[Any]:
    """Return the wanted datablocks, and everything that they use."""
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
    """Yield the cameras that viewports use as their local cameras."""
    for screen in bpy.data.screens:
        for space in (area.spaces.active for area in screen.areas if area.type == "VIEW_3D"):
            if space.use_local_camera:
                yield space.camera


def _collections() -> list[Any]:
    """Return all editable collections, including the scenes' own."""
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
