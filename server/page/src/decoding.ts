/** The files of passes -> arrays with every value as it is: PNG of 8 and 16 bits, TIFF of 32 and of 1, EXR by lines. */

import { unzlibSync } from "fflate";
import { decodeGroup4 } from "./group4";

/** Rows from the top, channels side by side. */
export interface Image {
  width: number;
  height: number;
  channels: number;
  values: Uint8Array | Uint16Array | Uint32Array | Float32Array;
  /** What a stack of masks has instead of values: the masks that cover any pixel. */
  masks?: Mask[];
}

export interface Mask {
  /** Of the object. */
  number: number;
  /** How many it covers. */
  pixels: number;
  /** A bit for each pixel. */
  bits: Uint8Array;
}

export function covers({ bits }: Mask, pixel: number): boolean {
  return ((bits[pixel >> 3]! >> (7 - (pixel & 7))) & 1) === 1;
}

export function decode(data: Uint8Array, dtype: string): Image {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const start = view.getUint32(0);
  if (start === 0x89504e47) return decodePng(data, view);
  if (start === 0x49492a00) return decodeTiff(data, view, dtype);
  if (start === 0x762f3101) return decodeExr(data, view);
  throw new Error("the file of a pass is of a kind that this page does not know");
}

function decodePng(data: Uint8Array, view: DataView): Image {
  let width = 0;
  let height = 0;
  let depth = 8;
  let channels = 1;
  const parts: Uint8Array[] = [];
  for (let at = 8; at < data.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...data.subarray(at + 4, at + 8));
    if (kind === "IHDR") {
      [width, height, depth] = [view.getUint32(at + 8), view.getUint32(at + 12), data[at + 16]!];
      channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[data[at + 17]!] ?? 0;
      if (!channels || depth < 8 || data[at + 20]) throw new Error("this kind of PNG is not known");
    }
    if (kind === "IDAT") parts.push(data.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const raw = unzlibSync(joined(parts));
  const step = (channels * depth) / 8;
  const bytes = unfiltered(raw, width * step, height, step);
  if (depth === 8) return { width, height, channels, values: bytes };
  const values = new Uint16Array(bytes.length / 2);
  for (let index = 0; index < values.length; index++) values[index] = (bytes[2 * index]! << 8) | bytes[2 * index + 1]!;
  return { width, height, channels, values };
}

/** Undoes PNG's prediction of each line from what is left of it and above. */
function unfiltered(raw: Uint8Array, width: number, height: number, step: number): Uint8Array {
  const out = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const filter = raw[row * (width + 1)]!;
    const from = row * (width + 1) + 1;
    const to = row * width;
    for (let column = 0; column < width; column++) {
      const left = column >= step ? out[to + column - step]! : 0;
      const above = row ? out[to + column - width]! : 0;
      let predicted = 0;
      if (filter === 1) predicted = left;
      else if (filter === 2) predicted = above;
      else if (filter === 3) predicted = (left + above) >> 1;
      else if (filter === 4) predicted = paeth(left, above, row && column >= step ? out[to + column - width - step]! : 0);
      out[to + column] = raw[from + column]! + predicted;
    }
  }
  return out;
}

function paeth(left: number, above: number, corner: number): number {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

type Tags = Map<number, number[]>;

function decodeTiff(data: Uint8Array, view: DataView, dtype: string): Image {
  const [tags] = tagsOf(view, view.getUint32(4, true));
  const [width, height] = [tags.get(256)![0]!, tags.get(257)![0]!];
  if (tags.get(258)![0] === 1) return decodeMasks(data, view, width, height);
  if (tags.get(258)![0] !== 32 || tags.get(259)?.[0] !== 1) throw new Error("this kind of TIFF is not known");
  const { buffer } = joined(stripsOf(data, tags));
  const values = dtype === "float32" ? new Float32Array(buffer) : new Uint32Array(buffer);
  return { width, height, channels: 1, values };
}

/** Reads a stack of masks: a page for each object, in the order of their numbers. */
function decodeMasks(data: Uint8Array, view: DataView, width: number, height: number): Image {
  const masks: Mask[] = [];
  let at = view.getUint32(4, true);
  for (let number = 1; at; number++) {
    const [tags, next] = tagsOf(view, at);
    if (tags.get(259)?.[0] !== 4 || tags.get(262)?.[0] !== 1) throw new Error("this kind of TIFF is not known");
    const mask = decodeGroup4(stripsOf(data, tags), tags.get(278)?.[0] ?? height, width, height);
    if (mask.pixels) masks.push({ number, ...mask });
    at = next;
  }
  return { width, height, channels: 1, values: new Uint8Array(), masks };
}

function stripsOf(data: Uint8Array, tags: Tags): Uint8Array[] {
  return tags.get(273)!.map((start, index) => data.subarray(start, start + tags.get(279)![index]!));
}

/** Reads what a page says of itself, and where the next page does; 0 = there is none. */
function tagsOf(view: DataView, directory: number): [Tags, number] {
  const tags: Tags = new Map();
  const entries = view.getUint16(directory, true);
  for (let index = 0; index < entries; index++) {
    const at = directory + 2 + 12 * index;
    const size = view.getUint16(at + 2, true) === 3 ? 2 : 4;
    const count = view.getUint32(at + 4, true);
    const from = count * size <= 4 ? at + 8 : view.getUint32(at + 8, true);
    const read = (place: number) => (size === 2 ? view.getUint16(place, true) : view.getUint32(place, true));
    if (view.getUint16(at + 2, true) === 3 || view.getUint16(at + 2, true) === 4) {
      tags.set(view.getUint16(at, true), Array.from({ length: count }, (_, place) => read(from + size * place)));
    }
  }
  return [tags, view.getUint32(directory + 2 + 12 * entries, true)];
}

const CHANNEL_ORDER = "RGBAXYZW";

function decodeExr(data: Uint8Array, view: DataView): Image {
  let at = 8;
  const text = () => {
    const end = data.indexOf(0, at);
    const found = new TextDecoder().decode(data.subarray(at, end));
    at = end + 1;
    return found;
  };
  let names: string[] = [];
  let compression = 0;
  let [width, height] = [0, 0];
  for (let name = text(); name; name = text()) {
    text();
    const length = view.getUint32(at, true);
    const next = at + 4 + length;
    at += 4;
    if (name === "channels") {
      names = [];
      for (let channel = text(); channel; channel = text()) {
        names.push(channel);
        if (view.getUint32(at, true) !== 2) throw new Error("this kind of EXR is not known");
        at += 16;
      }
    } else if (name === "compression") compression = data[at]!;
    else if (name === "dataWindow") {
      width = view.getInt32(at + 8, true) - view.getInt32(at, true) + 1;
      height = view.getInt32(at + 12, true) - view.getInt32(at + 4, true) + 1;
    }
    at = next;
  }
  if (compression !== 2 && compression !== 0) throw new Error("this kind of EXR is not known");
  const order = names.map((name) => CHANNEL_ORDER.indexOf(name.split(".").pop()!));
  const places = order.map((letter) => order.filter((other) => other < letter).length);
  const values = new Float32Array(width * height * names.length);
  const lineBytes = 4 * width * names.length;
  for (let row = 0; row < height; row++) {
    const start = Number(view.getBigUint64(at + 8 * row, true));
    const size = view.getUint32(start + 4, true);
    const packed = data.subarray(start + 8, start + 8 + size);
    const line = new Float32Array((size < lineBytes ? unpredicted(unzlibSync(packed)) : packed.slice()).buffer);
    for (const [index, place] of places.entries()) {
      for (let column = 0; column < width; column++) {
        values[(row * width + column) * names.length + place] = line[index * width + column]!;
      }
    }
  }
  return { width, height, channels: names.length, values };
}

/** Undoes EXR's differences from byte to byte, and brings the two halves of a line together. */
function unpredicted(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  for (let index = 1; index < bytes.length; index++) bytes[index] = bytes[index - 1]! + bytes[index]! - 128;
  const out = new Uint8Array(bytes.length);
  const half = (bytes.length + 1) >> 1;
  for (let index = 0; index < bytes.length; index++) out[index] = bytes[(index >> 1) + (index & 1 ? half : 0)]!;
  return out;
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
