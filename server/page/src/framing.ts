/** Where a camera must be to see all of a scene, and no more. */

import { type Box3, InstancedMesh, Matrix4, Mesh, type Object3D, type PerspectiveCamera, Quaternion, Vector3 } from "three";

const MARGIN = 1.08;
const MOST_POINTS = 4000; // of a mesh; those between are as good as on its way
const MOST_COPIES = 2000;

/** Returns points of all that is drawn, in the world. */
export function pointsOf(root: Object3D): Vector3[] {
  const points: Vector3[] = [];
  root.traverseVisible((node) => {
    if (!(node instanceof Mesh)) return;
    if (node instanceof InstancedMesh) {
      points.push(...pointsOfCopies(node));
      return;
    }
    const count = node.geometry.getAttribute("position").count;
    const step = Math.ceil(count / MOST_POINTS);
    for (let index = 0; index < count; index += step) {
      points.push(node.getVertexPosition(index, new Vector3()).applyMatrix4(node.matrixWorld));
    }
  });
  return points;
}

function pointsOfCopies(mesh: InstancedMesh): Vector3[] {
  mesh.geometry.computeBoundingBox();
  const corners = cornersOf(mesh.geometry.boundingBox!);
  const matrix = new Matrix4();
  const step = Math.ceil(mesh.count / MOST_COPIES);
  const points: Vector3[] = [];
  for (let index = 0; index < mesh.count; index += step) {
    mesh.getMatrixAt(index, matrix);
    matrix.premultiply(mesh.matrixWorld);
    points.push(...corners.map((corner) => corner.clone().applyMatrix4(matrix)));
  }
  return points;
}

export function cornersOf({ min, max }: Box3): Vector3[] {
  return Array.from({ length: 8 }, (_, corner) => new Vector3(corner & 1 ? max.x : min.x, corner & 2 ? max.y : min.y, corner & 4 ? max.z : min.z));
}

/**
 * Puts a camera where it sees all points as large as they can be, turned as it is.
 *
 * A point is seen between left and right where |x - camera.x| <= slope (camera.z - z), in the camera's axes: two
 * bounds, of which the farthest point on each side decides; the same holds for y.
 */
export function fit(camera: PerspectiveCamera, points: Vector3[]): void {
  const toWorld = camera.quaternion;
  const toCamera = new Quaternion().copy(toWorld).invert();
  const slopeY = Math.tan((camera.fov * Math.PI) / 360) / MARGIN;
  const slopes = [slopeY * camera.aspect, slopeY] as const;
  const most = [[-Infinity, -Infinity], [-Infinity, -Infinity]] as [[number, number], [number, number]];
  let nearest = -Infinity;
  const at = new Vector3();
  for (const point of points) {
    at.copy(point).applyQuaternion(toCamera);
    nearest = Math.max(nearest, at.z);
    for (const axis of [0, 1] as const) {
      const [value, slope] = [axis ? at.y : at.x, slopes[axis]];
      most[axis][0] = Math.max(most[axis][0], value + slope * at.z);
      most[axis][1] = Math.max(most[axis][1], -value + slope * at.z);
    }
  }
  const [x, y] = most.map(([high, low]) => (high - low) / 2);
  const away = most.map(([high, low], axis) => (high + low) / (2 * slopes[axis]!));
  camera.position.set(x!, y!, Math.max(...away, nearest + 1e-5)).applyQuaternion(toWorld);
}
