/** A small scene to try the page with: some shapes on a floor. */

import { BoxGeometry, type BufferGeometry, ConeGeometry, CylinderGeometry, SphereGeometry, TorusKnotGeometry } from "three";
import { type Scene, glb } from "./assembly";

type Colour = [number, number, number];

interface Shape {
  name: string;
  geometry: BufferGeometry;
  at: [number, number, number];
  colour: Colour;
  roughness: number;
  metallic?: number;
}

const FLOAT = 5126;
const UINT32 = 5125;

export function exampleScene(): Scene {
  const shapes: Shape[] = [
    { name: "floor", geometry: new CylinderGeometry(1.7, 1.7, 0.06, 96), at: [0, -0.03, 0], colour: [0.62, 0.58, 0.52], roughness: 0.8 },
    { name: "knot", geometry: new TorusKnotGeometry(0.3, 0.1, 220, 32), at: [-0.15, 0.5, -0.35], colour: [0.83, 0.58, 0.25], roughness: 0.28, metallic: 1 },
    { name: "ball", geometry: new SphereGeometry(0.33, 64, 32), at: [0.75, 0.33, 0.1], colour: [0.62, 0.06, 0.05], roughness: 0.35 },
    { name: "box", geometry: new BoxGeometry(0.5, 0.5, 0.5), at: [-0.85, 0.25, 0.35], colour: [0.05, 0.22, 0.45], roughness: 0.5 },
    { name: "cone", geometry: new ConeGeometry(0.26, 0.6, 64), at: [0.15, 0.3, 0.8], colour: [0.08, 0.35, 0.16], roughness: 0.6 },
  ];
  const parts: Uint8Array[] = [];
  const json: Record<string, any> = {
    asset: { version: "2.0", generator: "glTF Render Server" },
    scene: 0,
    scenes: [{ nodes: shapes.map((_, index) => index) }],
    nodes: [], meshes: [], materials: [], accessors: [], bufferViews: [],
  };
  let length = 0;
  const add = (array: Float32Array | Uint32Array, type: string, more: object): number => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    json.bufferViews.push({ buffer: 0, byteOffset: length, byteLength: bytes.length });
    parts.push(bytes);
    length += bytes.length;
    const componentType = array instanceof Float32Array ? FLOAT : UINT32;
    const width = type === "VEC3" ? 3 : 1;
    return json.accessors.push({ bufferView: json.bufferViews.length - 1, componentType, count: array.length / width, type, ...more }) - 1;
  };
  for (const [index, { name, geometry, at, colour, roughness, metallic }] of shapes.entries()) {
    geometry.computeBoundingBox();
    const { min, max } = geometry.boundingBox!;
    const positions = add(geometry.getAttribute("position").array as Float32Array, "VEC3", { min: min.toArray(), max: max.toArray() });
    const normals = add(geometry.getAttribute("normal").array as Float32Array, "VEC3", {});
    const indices = add(Uint32Array.from(geometry.getIndex()!.array), "SCALAR", {});
    json.meshes.push({ name, primitives: [{ attributes: { POSITION: positions, NORMAL: normals }, indices, material: index }] });
    json.materials.push({ name: `${name} paint`, pbrMetallicRoughness: { baseColorFactor: [...colour, 1], roughnessFactor: roughness, metallicFactor: metallic ?? 0 } });
    json.nodes.push({ name, mesh: index, translation: at });
    geometry.dispose();
  }
  json.buffers = [{ byteLength: length }];
  return { name: "example.glb", data: glb(json, parts, length) };
}
