/** A glTF with its files beside it -> one GLB, which is what the server takes and what the view shows. */

import type { NamedFile } from "./files";

type Json = Record<string, any>;

const MAGIC = 0x46546c67;
const JSON_CHUNK = 0x4e4f534a;
const BINARY_CHUNK = 0x004e4942;
const MIMETYPES: Record<string, string> = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", webp: "image/webp", ktx2: "image/ktx2" };

export interface Scene {
  name: string;
  data: Uint8Array<ArrayBuffer>;
}

/** What was given makes no scene; the message says why, and what to do. */
export class AssemblyError extends Error {}

/** Makes one scene of some files. */
export async function assemble(files: NamedFile[]): Promise<Scene> {
  const scenes = files.filter(({ path }) => /\.(glb|gltf|vrm)$/i.test(path));
  if (scenes.length !== 1) throw new AssemblyError(notOne(files, scenes));
  const [{ path, file }] = scenes as [NamedFile];
  const data = new Uint8Array(await file.arrayBuffer());
  const isBinary = data.length >= 4 && view(data).getUint32(0, true) === MAGIC;
  const json = isBinary ? jsonOfGlb(data) : parsed(data, path);
  if (!namesFiles(json)) return { name: path, data };
  return { name: path, data: await embedded(json, isBinary ? binaryOfGlb(data) : null, path, files) };
}

function notOne(files: NamedFile[], scenes: NamedFile[]): string {
  if (scenes.length) return `One scene at a time, please: these are ${scenes.length} (${scenes.map(({ path }) => path).join(", ")}).`;
  if (!files.length) return "Nothing was dropped that is a file.";
  const names = files.slice(0, 3).map(({ path }) => path).join(", ");
  return `There is no scene among ${files.length === 1 ? names : `${names} …`}: a file that ends with .glb, or with .gltf and its files beside it, is one.`;
}

function parsed(data: Uint8Array, path: string): Json {
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch (error) {
    throw new AssemblyError(`${path} is neither a GLB nor JSON: ${(error as Error).message}`);
  }
}

/** Returns the JSON of a GLB, or {} where it is broken: the server says better than this page what is wrong with it. */
export function jsonOfGlb(data: Uint8Array): Json {
  try {
    const length = view(data).getUint32(12, true);
    return JSON.parse(new TextDecoder().decode(data.subarray(20, 20 + length)));
  } catch {
    return {};
  }
}

/** Returns a scene as JSON that holds everything: what reads no GLB reads this. */
export function gltfOf(data: Uint8Array<ArrayBuffer>): Uint8Array {
  if (view(data).getUint32(0, true) !== MAGIC) return data;
  const json = jsonOfGlb(data);
  const binary = binaryOfGlb(data);
  if (binary && json.buffers?.[0]) json.buffers[0].uri = `data:application/octet-stream;base64,${base64(binary)}`;
  return new TextEncoder().encode(JSON.stringify(json));
}

function base64(data: Uint8Array): string {
  const letters: string[] = [];
  const step = 0x8000; // what one call takes as arguments
  for (let at = 0; at < data.length; at += step) letters.push(String.fromCharCode(...data.subarray(at, at + step)));
  return btoa(letters.join(""));
}

function binaryOfGlb(data: Uint8Array): Uint8Array | null {
  const start = 20 + view(data).getUint32(12, true);
  if (start + 8 > data.length) return null;
  return data.subarray(start + 8, start + 8 + view(data).getUint32(start, true));
}

function isFile(uri: unknown): uri is string {
  return typeof uri === "string" && !uri.startsWith("data:");
}

function namesFiles(json: Json): boolean {
  return [...(json.buffers ?? []), ...(json.images ?? [])].some((each) => isFile(each?.uri));
}

/** Puts every file that the document names into the binary chunk of a GLB; data URIs of buffers, too. */
async function embedded(json: Json, own: Uint8Array | null, path: string, files: NamedFile[]): Promise<Uint8Array<ArrayBuffer>> {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const missing = new Set<string>();
  const find = async (uri: string): Promise<Uint8Array> => {
    if (uri.startsWith("data:")) return bytesOfDataUri(uri);
    const found = fileAt(uri, folder, files);
    if (!found) missing.add(decoded(uri));
    return found ? new Uint8Array(await found.file.arrayBuffer()) : new Uint8Array();
  };
  const parts: Uint8Array[] = [];
  let length = 0;
  const append = (bytes: Uint8Array): number => {
    const offset = length;
    const padding = -bytes.length & 7;
    parts.push(bytes, new Uint8Array(padding));
    length += bytes.length + padding;
    return offset;
  };

  const starts: (number | null)[] = [];
  const others: Json[] = [];
  const newIndex: number[] = [];
  for (const [index, buffer] of (json.buffers ?? []).entries()) {
    const bytes = typeof buffer.uri === "string" ? await find(buffer.uri) : index === 0 ? own : null;
    starts.push(bytes ? append(bytes) : null);
    newIndex.push(bytes ? 0 : others.push(buffer)); // what has no bytes stands in for compressed data
  }
  for (const bufferView of json.bufferViews ?? []) {
    for (const place of [bufferView, ...Object.values(bufferView.extensions ?? {})] as Json[]) {
      if (typeof place?.buffer !== "number" || !(place.buffer in starts)) continue;
      const start = starts[place.buffer];
      if (start) place.byteOffset = (place.byteOffset ?? 0) + start;
      place.buffer = newIndex[place.buffer];
    }
  }
  const views = (json.bufferViews ??= []);
  const known = new Map<string, number>();
  for (const image of json.images ?? []) {
    if (!isFile(image.uri)) continue;
    const { uri } = image;
    if (!known.has(uri)) {
      const bytes = await find(uri);
      known.set(uri, views.push({ buffer: 0, byteOffset: append(bytes), byteLength: bytes.length }) - 1);
    }
    image.bufferView = known.get(uri);
    image.mimeType ??= MIMETYPES[decoded(uri).split(".").pop()!.toLowerCase()] ?? "image/png";
    delete image.uri;
  }
  if (missing.size) {
    throw new AssemblyError(`${path} names files that are not here: ${[...missing].slice(0, 5).join(", ")}${missing.size > 5 ? " …" : ""}. Drop them together with it.`);
  }
  json.buffers = [{ byteLength: length }, ...others];
  return glb(json, parts, length);
}

function fileAt(uri: string, folder: string, files: NamedFile[]): NamedFile | undefined {
  const wanted = decoded(uri).replace(/^\.\//, "");
  const path = normalised(folder + wanted);
  const name = wanted.split("/").pop();
  // by its path, or, where files were chosen without their folders, by the one that has its name
  const sameName = files.filter((each) => each.path.split("/").pop() === name);
  return files.find((each) => each.path === path) ?? (sameName.length === 1 ? sameName[0] : undefined);
}

function normalised(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function decoded(uri: string): string {
  try {
    return decodeURIComponent(uri);
  } catch {
    return uri;
  }
}

function bytesOfDataUri(uri: string): Uint8Array {
  const comma = uri.indexOf(",");
  const body = uri.slice(comma + 1);
  if (!uri.slice(0, comma).endsWith(";base64")) return new TextEncoder().encode(decoded(body));
  return Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
}

export function glb(json: Json, parts: Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(json));
  const padded = text.length + (-text.length & 3);
  const data = new Uint8Array(28 + padded + length);
  const head = view(data);
  [MAGIC, 2, data.length, padded, JSON_CHUNK].forEach((word, index) => head.setUint32(4 * index, word, true));
  data.set(text, 20);
  data.fill(0x20, 20 + text.length, 20 + padded);
  head.setUint32(20 + padded, length, true);
  head.setUint32(24 + padded, BINARY_CHUNK, true);
  let at = 28 + padded;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return data;
}

function view(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
