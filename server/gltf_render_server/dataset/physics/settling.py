"""Simulates objects that fall one after another, until all of them are at rest."""

# pyright: reportAttributeAccessIssue=false
# MuJoCo's compiled classes have no stubs
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np
from numpy.typing import NDArray

from ...errors import SceneError
from .surroundings import Surroundings

__all__ = ["Body", "Place", "UnsettledError", "settle"]

_STEP_S = 0.002
_GRAVITY = 9.81
_BETWEEN_S = 0.35  # from one object's start to the next one's
_LEAST_S, _MOST_S = 0.5, 20.0
_HELD_S = 1.0
_SPEED, _TURN = 5e-3, 5e-2  # at rest: metres and radians a second
_MOVED_M = 2e-4  # largest movement of a point of a resting object during `_HELD_S`
_PARKED_M = 1e3
_TRIES = 40
_LIFT = 0.5  # of an object's radius: how much higher it starts if its place is not free
_DEEPEST_M = 1e-3

Corners = NDArray[np.float64]
Matrix = NDArray[np.float64]
Points = NDArray[np.float64]
Vector = NDArray[np.float64]


class UnsettledError(Exception):
    """The objects did not come to rest in valid places; another attempt may succeed."""


@dataclass(frozen=True, eq=False)
class Body:
    """An object that falls; its origin is the middle of its box.

    Attributes
    ----------
    pieces : tuple of (n, 3) float64
        Convex pieces of the object in metres.
    corners : (n, 3, 3) float64
        Triangles of the object in metres.
    density : float
        Density in kg / m^3.
    friction : float
    """

    pieces: tuple[Points, ...]
    corners: Corners
    density: float
    friction: float

    @cached_property
    def radius(self) -> float:
        """Radius in metres of a sphere about the origin that contains the object."""
        return float(np.linalg.norm(self.corners, axis=2).max())


@dataclass(frozen=True, eq=False)
class Place:
    """The place and the rotation in which an object starts.

    Attributes
    ----------
    point : (3,) float64
        Lowest point of the sphere around the object.
    quaternion : (4,) float64
        Rotation as w, x, y, z.
    """

    point: Vector
    quaternion: Vector


def settle(bodies: Sequence[Body], places: Sequence[Place], around: Surroundings) -> list[Matrix]:
    """Let objects fall, and return their poses at rest, rigid (4, 4) matrices.

    Each object starts at its place, or above it if the place is not free. At rest, no point moves by more
    than 0.2 mm in a second, and no object is deeper than a millimetre in another.

    Raises
    ------
    UnsettledError
        The objects do not come to rest within 20 seconds, or not as described above.
    SceneError
        The simulation does not accept the shapes of the objects.
    """
    simulation = _Simulation(bodies, around)
    for number, place in enumerate(places):
        simulation.start(number, place)
        simulation.run(_BETWEEN_S)
    simulation.run(_LEAST_S)
    while simulation.since_last_s < _MOST_S:
        if simulation.is_slow():
            before = simulation.poses()
            simulation.run(_HELD_S)
            if simulation.is_slow() and _moved(bodies, before, simulation.poses()) < _MOVED_M:
                if simulation.deepest() > _DEEPEST_M:
                    raise UnsettledError("objects are pressed into each other")
                return simulation.poses()
        else:
            simulation.run(_STEP_S * 25)
    raise UnsettledError(f"objects still move after {_MOST_S:g} s")


def _moved(bodies: Sequence[Body], before: Sequence[Matrix], after: Sequence[Matrix]) -> float:
    """Return the largest movement of any point in metres."""
    return max(
        float(np.linalg.norm((points @ (b - a)[:3, :3].T) + (b - a)[:3, 3], axis=1).max())
        for body, a, b in zip(bodies, before, after, strict=True)
        for points in body.pieces
    )


class _Simulation:
    """MuJoCo's model and state; it runs on one thread, so that the same calls give the same bits."""

    def __init__(self, bodies: Sequence[Body], around: Surroundings) -> None:
        self._bodies = bodies
        self._up = around.up
        self.since_last_s = 0.0
        try:
            self._model = _spec(bodies, around).compile()
        except ValueError as error:
            raise SceneError(f"the simulation does not accept the objects: {str(error)[:300]}") from None
        self._data = mujoco.MjData(self._model)
        first = self._model.ngeom - sum(len(body.pieces) for body in bodies)
        self._owner = np.full(self._model.ngeom, -1)
        self._owner[first:] = np.repeat(np.arange(len(bodies)), [len(body.pieces) for body in bodies])
        for number, body in enumerate(bodies):
            self._put(number, (_PARKED_M + 4 * body.radius * number) * self._up, np.array([1.0, 0, 0, 0]))
            self._let(number, is_free=False)
        mujoco.mj_forward(self._model, self._data)

    def start(self, number: int, place: Place) -> None:
        """Release an object at its place or above it."""
        body = self._bodies[number]
        self._let(number, is_free=True)
        for lift in range(_TRIES):
            self._put(number, place.point + body.radius * (1.0 + _LIFT * lift) * self._up, place.quaternion)
            mujoco.mj_forward(self._model, self._data)
            if not self._touches(number):
                self.since_last_s = 0.0
                return
        raise UnsettledError("an object has no free place to start from")

    def run(self, seconds: float) -> None:
        """Advance the simulation."""
        steps = round(seconds / _STEP_S)
        mujoco.mj_step(self._model, self._data, steps)
        self.since_last_s += steps * _STEP_S
        if not np.isfinite(self._data.qpos).all():
            raise UnsettledError("the simulation became unstable")

    def is_slow(self) -> bool:
        """Whether all objects are slower than the limits for rest."""
        speeds = self._data.qvel.reshape(-1, 2, 3)
        lengths = np.linalg.norm(speeds, axis=2).max(0)
        return bool(lengths[0] < _SPEED and lengths[1] < _TURN)

    def deepest(self) -> float:
        """Return the depth in metres of the deepest contact."""
        mujoco.mj_forward(self._model, self._data)
        return float(-np.minimum(self._data.contact.dist, 0).min(initial=0))

    def poses(self) -> list[Matrix]:
        """Return the poses of the objects, a (4, 4) matrix each."""
        poses = []
        for state in self._data.qpos.reshape(-1, 7):
            matrix, rotation = np.eye(4), np.zeros(9)
            mujoco.mju_quat2Mat(rotation, state[3:] / np.linalg.norm(state[3:]))
            matrix[:3, :3], matrix[:3, 3] = rotation.reshape(3, 3), state[:3]
            poses.append(matrix)
        return poses

    def _touches(self, number: int) -> bool:
        pairs = self._owner[np.asarray(self._data.contact.geom).reshape(-1, 2)]
        return bool((pairs == number).any())

    def _put(self, number: int, position: Vector, quaternion: Vector) -> None:
        self._data.qpos[7 * number : 7 * number + 3] = position
        self._data.qpos[7 * number + 3 : 7 * number + 7] = quaternion
        self._data.qvel[6 * number : 6 * number + 6] = 0

    def _let(self, number: int, *, is_free: bool) -> None:
        """Let an object fall and collide, or hold it still without collisions."""
        is_its_own = self._owner == number
        self._model.geom_contype[is_its_own] = is_free
        self._model.geom_conaffinity[is_its_own] = is_free
        self._model.body_gravcomp[number + 1] = not is_free


def _spec(bodies: Sequence[Body], around: Surroundings) -> mujoco.MjSpec:
    spec = mujoco.MjSpec()
    option = spec.option
    option.timestep = _STEP_S
    option.gravity = -_GRAVITY * around.up
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10
    option.noslip_iterations = 5
    for point, normal in around.planes:
        quaternion = np.zeros(4)
        mujoco.mju_quatZ2Vec(quaternion, np.ascontiguousarray(normal))
        geom = spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1], pos=point, quat=quaternion
        )
        _touch(geom, around.friction)
    for number, piece in enumerate(around.pieces):
        _add_piece(spec, spec.worldbody, f"around {number}", piece, around.friction)
    for number, body in enumerate(bodies):
        # MuJoCo uses gravcomp only if a body had it when the model was compiled
        added = spec.worldbody.add_body(name=str(number), gravcomp=1)
        added.add_freejoint()
        for index, piece in enumerate(body.pieces):
            geom = _add_piece(spec, added, f"{number} {index}", piece, body.friction)
            geom.density = body.density
    return spec


def _add_piece(
    spec: mujoco.MjSpec, body: mujoco.MjsBody, name: str, piece: Points, friction: float
) -> mujoco.MjsGeom:
    mesh = spec.add_mesh(name=name)
    mesh.uservert = piece.ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name)
    _touch(geom, friction)
    return geom


def _touch(geom: mujoco.MjsGeom, friction: float) -> None:
    """Make a geom hard, and give it rolling friction."""
    geom.condim = 6
    geom.friction = [friction, 0.005, 0.002]
    geom.solref = [2 * _STEP_S, 1.0]
    geom.solimp = [0.95, 0.99, 0.001, 0.5, 2]
