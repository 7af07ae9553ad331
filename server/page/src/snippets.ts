/** The frame that the page asks for, as a program: for curl, for Python, for Drake. */

import type { FrameRequest } from "./server";

export type Language = "curl" | "python" | "drake";

export interface Asked {
  frame: FrameRequest;
  /** The name of the scene's file, which lies in the current folder. */
  file: string;
  /** Whether the server wants a token; programs get it from the environment. */
  hasToken: boolean;
  origin: string;
}

/** The pass that is a table, not an array. */
const TABLE = "instances";
/** What Drake's protocol has. */
const OF_DRAKE = new Set(["color", "depth", "label"]);
const TOKEN_IMPORTS = ["import os", "from urllib.parse import quote", ""];
const TOKEN_LINE = 'token = quote(os.environ["TOKEN"], safe="")';

export function snippet(language: Language, asked: Asked): string {
  return { curl, python, drake }[language](asked);
}

/** The name without its folder and with another ending: what a saved file is called. */
export function fileName(path: string, ending: string): string {
  return `${path.split("/").pop()!.replace(/\.[^.]*$/, "")}.${ending}`;
}

function curl({ frame: { scene: _, ...frame }, file, hasToken, origin }: Asked): string {
  const json = indented(frame);
  return [
    "curl --fail-with-body -o frame.zip \\",
    ...(hasToken ? ['  -H "Authorization: Bearer $TOKEN" \\'] : []),
    `  -F scene=${upload(file)} \\`,
    `  -F 'frame=${json}' \\`,
    `  ${origin}/v1/frames`,
    "unzip -o frame.zip  # view/color.png and the others, and frame.json, which describes them",
  ].join("\n");
}

function python({ frame, file, hasToken, origin }: Asked): string {
  const { views: [view], passes, look, time_s, before, after } = frame;
  const more = [
    ...(Object.keys(look).length ? [`look=${literal(look)}`] : []),
    ...Object.entries({ time_s, before, after }).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${literal(value)}`])),
  ];
  const address = hasToken ? `f"${origin.replace("//", "//:{token}@")}"` : `"${origin}"`;
  return [
    ...(hasToken ? TOKEN_IMPORTS : []),
    "from gltf_render_server.client import RenderClient",
    "",
    ...(hasToken ? [TOKEN_LINE] : []),
    `client = RenderClient(${address})`,
    "view = {",
    `    "name": "${view.name}",`,
    `    "width": ${view.width},`,
    `    "height": ${view.height},`,
    `    "fov_y_deg": ${view.fov_y_deg},`,
    `    "near": ${view.near},`,
    `    "far": ${view.far},`,
    '    "camera_to_world": [  # 4 x 4, row by row; looks along -z, with y up',
    ...rows(view.camera_to_world).map((row) => `        ${row.join(", ")},`),
    "    ],",
    "}",
    `answer = client.render(${[literal(file), "view", literal(passes), ...more].join(", ")})`,
    `passes = answer["${view.name}"]`,
    ...(passes.includes(TABLE) ? [`for row in passes.pop("${TABLE}"):`, '    print(row["number"], row["name"], row["box"], row["visible_fraction"])'] : []),
    "for name, array in passes.items():",
    "    print(name, array.shape, array.dtype)",
  ].join("\n");
}

/** Drake turns a glTF's y up to its own z, and its cameras look along z, with y down. */
function drake({ frame, file, hasToken, origin }: Asked): string {
  const { views: [view] } = frame;
  const [right, up, back, place] = [0, 1, 2, 3].map((column) => {
    const [x, y, z] = rows(view.camera_to_world).slice(0, 3).map((row) => row[column]!);
    return [x!, -z!, y!];
  }) as [number[], number[], number[], number[]];
  const rotation = [0, 1, 2].map((axis) => [right[axis]!, -up[axis]!, -back[axis]!].map((value) => value + 0));
  const endpoint = hasToken ? [`        render_endpoint=f"render?token={token}",`] : [];
  const others = frame.passes.filter((name) => !OF_DRAKE.has(name));
  return [
    ...(others.length ? [`# Drake's protocol has no ${others.join(", ")}: ask for them with curl or Python`] : []),
    ...(hasToken ? TOKEN_IMPORTS : []),
    "from pydrake.geometry import (",
    "    Box, ClippingRange, ColorRenderCamera, DepthRange, DepthRenderCamera, GeometryId,",
    "    MakeRenderEngineGltfClient, Mesh, PerceptionProperties, RenderCameraCore, RenderEngineGltfClientParams, RenderLabel,",
    ")",
    "from pydrake.math import RigidTransform, RotationMatrix",
    "from pydrake.systems.sensors import CameraInfo, ImageDepth32F, ImageRgba8U",
    "",
    ...(hasToken ? [TOKEN_LINE] : []),
    "engine = MakeRenderEngineGltfClient(",
    "    RenderEngineGltfClientParams(",
    `        base_url="${origin}",`,
    ...endpoint,
    "    )",
    ")",
    "looks = PerceptionProperties()",
    'looks.AddProperty("label", "id", RenderLabel(1))',
    `mesh = Mesh(${literal(fileName(file, "gltf"))})  # Drake reads .gltf, not .glb; its z is up`,
    "engine.RegisterVisual(GeometryId.get_new_id(), mesh, looks, RigidTransform(), needs_updates=False)",
    "",
    "X_WC = RigidTransform(",
    "    RotationMatrix(",
    "        [",
    ...rotation.map((row) => `            [${row.join(", ")}],`),
    "        ]",
    "    ),",
    `    [${place.map((value) => value + 0).join(", ")}],`,
    ")",
    "engine.UpdateViewpoint(X_WC)",
    "# Drake sends a camera only where there is a shape of its own: a tiny one, behind the camera",
    "behind = X_WC @ RigidTransform([0, 0, -1])",
    "engine.RegisterVisual(GeometryId.get_new_id(), Box(0.001, 0.001, 0.001), looks, behind, needs_updates=False)",
    `focal = ${view.height / 2 / Math.tan((view.fov_y_deg * Math.PI) / 360)}`,
    `info = CameraInfo(${view.width}, ${view.height}, focal, focal, ${view.width / 2}, ${view.height / 2})`,
    `core = RenderCameraCore("server", info, ClippingRange(${view.near}, ${view.far}), RigidTransform())`,
    `color = ImageRgba8U(${view.width}, ${view.height})`,
    "engine.RenderColorImage(ColorRenderCamera(core), color)",
    `depth = ImageDepth32F(${view.width}, ${view.height})`,
    `engine.RenderDepthImage(DepthRenderCamera(core, DepthRange(${view.near}, ${view.far})), depth)`,
    "print(color.data.shape, depth.data.min())",
  ].join("\n");
}

function rows(matrix: number[]): number[][] {
  return [0, 4, 8, 12].map((start) => matrix.slice(start, start + 4));
}

/** JSON with a line for each member, and matrices in four. */
function indented({ views: [view], ...frame }: Omit<FrameRequest, "scene">): string {
  const { camera_to_world, ...lens } = view;
  const matrix = rows(camera_to_world).map((row) => `      ${row.join(", ")}`).join(",\n");
  const parts = Object.entries(frame).filter(([, value]) => JSON.stringify(value) !== "{}");
  return [
    "{",
    ...parts.map(([name, value]) => `  "${name}": ${JSON.stringify(value)},`),
    `  "views": [{${JSON.stringify(lens).slice(1, -1)},`,
    `    "camera_to_world": [\n${matrix}]}]`,
    "}",
  ].join("\n");
}

/** Writes what JSON can hold as Python does. */
function literal(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** A file for curl, which separates by "," and ";" unless the name stands in quotes of its own. */
function upload(file: string): string {
  return /[,;"\\]/.test(file) ? quoted(`@"${file.replace(/["\\]/g, "\\$&")}"`) : `@${quoted(file)}`;
}

function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", `'"'"'`)}'`;
}
