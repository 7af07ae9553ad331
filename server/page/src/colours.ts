/** The array of any pass as a picture for a person: the rules and the bytes of false_colours.py. */

import { type Image, type Mask, covers } from "./decoding";
import type { PassRow } from "./server";

export type Kind = "picture" | "light" | "numbers" | "mask" | "masks" | "values" | "vectors" | "texcoords" | "flow";
export type Range = [number, number][] | null;
export type Rgb = [number, number, number];

const DARK = 64;
const LINEAR = "linear Rec. 709";
const GOLDEN = 0.6180339887;
const VIRIDIS = "440154481a6c472f7d41448739568c31688e2a788e23888e1f988b22a88435b77954c5687ad151a5db36d2e21bfde725";

/** The colour wheel of the Middlebury benchmark: a colour, and how many steps to the next. */
const WHEEL: [Rgb, number][] = [
  [[255, 0, 0], 15],
  [[255, 255, 0], 6],
  [[0, 255, 0], 4],
  [[0, 255, 255], 11],
  [[0, 0, 255], 13],
  [[255, 0, 255], 6],
];

const MAP = colourMap();
const HUES = WHEEL.flatMap(([colour, steps], index) => {
  const [next] = WHEEL[(index + 1) % WHEEL.length]!;
  return Array.from({ length: steps }, (_, step) => colour.map((low, channel) => Math.floor(low + (step * (next[channel]! - low)) / steps)));
});

/** Tells how an array is shown, by its pass's row in the server's table. */
export function kindOf(row: PassRow, image: Image): Kind {
  if (image.masks) return "masks";
  const isImage = image.channels === 1;
  if (row.dtype.startsWith("uint")) return isImage ? (row.dtype === "uint8" ? "mask" : "numbers") : "picture";
  if (row.unit === LINEAR) return "light";
  if (image.channels === 2) return row.unit === "px" ? "flow" : "texcoords";
  return isImage ? "values" : "vectors";
}

/** Returns low and high of each channel, or of the lengths of flow: the pass's span, or the 1st and 99th percentile of what is there. */
export function rangeOf(row: PassRow, image: Image): Range {
  const kind = kindOf(row, image);
  if (kind === "flow") return rangeOfFlow(image);
  if (kind !== "values" && kind !== "vectors" && kind !== "texcoords") return null;
  const { channels, values } = image;
  if (row.span) return Array.from({ length: channels }, () => row.span!);
  const nothing = nothingOf(row);
  const known: number[] = [];
  for (let pixel = 0; pixel < values.length; pixel += channels) {
    let isKnown = true;
    for (let channel = 0; channel < channels; channel++) {
      const value = values[pixel + channel]!;
      isKnown &&= Number.isFinite(value) && value !== nothing;
    }
    if (isKnown) known.push(pixel);
  }
  if (!known.length) return null;
  return Array.from({ length: channels }, (_, channel) => {
    const sorted = Float32Array.from(known, (pixel) => values[pixel + channel]!).sort();
    return [percentile(sorted, 0.01), percentile(sorted, 0.99)];
  });
}

function rangeOfFlow({ width, height, values }: Image): Range {
  const lengths = Float32Array.from({ length: width * height }, (_, pixel) => Math.hypot(values[2 * pixel]!, values[2 * pixel + 1]!));
  const sorted = lengths.filter(Number.isFinite).sort();
  return sorted.length ? [[0, percentile(sorted, 0.99)]] : null;
}

function percentile(sorted: Float32Array, share: number): number {
  return sorted[even((sorted.length - 1) * share)]!;
}

/** Returns the colour of one pixel, as `falseColours` shows it. */
export function colourAt(row: PassRow, image: Image, range: Range, pixel: number): Rgb {
  return PAINTERS[kindOf(row, image)](row, image, range)(pixel);
}

/** Returns RGBA, sRGB; grey where there is nothing, white where something is infinitely far. */
export function falseColours(row: PassRow, image: Image, range: Range): ImageData {
  const shown = new ImageData(image.width, image.height);
  const kind = kindOf(row, image);
  const paint = PAINTERS[kind](row, image, range);
  const { data } = shown;
  for (let pixel = 0; pixel < image.width * image.height; pixel++) {
    const [red, green, blue] = paint(pixel);
    data[4 * pixel] = red;
    data[4 * pixel + 1] = green;
    data[4 * pixel + 2] = blue;
    data[4 * pixel + 3] = 255;
  }
  return shown;
}

/** Returns the colour of a number, the same in all pictures. */
export function colourOfNumber(number: number): Rgb {
  const hue = (number * GOLDEN) % 1;
  return [5, 3, 1].map((start) => {
    const step = (start + 6 * hue) % 6;
    const dark = Math.min(Math.max(Math.min(step, 4 - step), 0), 1);
    return even(255 * 0.9 * (1 - 0.75 * dark));
  }) as Rgb;
}

/** Returns the colour of a share, from 0 to 1, of a scale. */
export function colourOfShare(share: number): Rgb {
  const at = 3 * even(Math.fround(255 * Math.fround(Math.min(Math.max(share, 0), 1))));
  return [MAP[at]!, MAP[at + 1]!, MAP[at + 2]!];
}

/** Returns what an array has where there is nothing; NaN equals nothing, so it needs no other care. */
export function nothingOf(row: PassRow): number | null {
  if (row.nothing === "inf") return Number.POSITIVE_INFINITY;
  return row.nothing === "nan" ? Number.NaN : row.nothing;
}

type Painter = (pixel: number) => Rgb;

const GREY: Rgb = [DARK, DARK, DARK];
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

const PAINTERS: Record<Kind, (row: PassRow, image: Image, range: Range) => Painter> = {
  picture: (_, { channels, values }) => (pixel) => {
    const at = pixel * channels;
    const share = channels === 4 ? values[at + 3]! / 255 : 1;
    const over = (value: number) => even(value * share + DARK * (1 - share));
    return [over(values[at]!), over(values[at + 1]!), over(values[at + 2]!)];
  },
  light: (_, { channels, values }) => (pixel) => {
    const at = pixel * channels;
    const [red, green, blue] = [values[at]!, values[at + 1]!, values[at + 2]!];
    return Number.isNaN(red + green + blue) ? GREY : [encoded(red), encoded(green), encoded(blue)];
  },
  numbers: (row, { values }) => {
    const nothing = nothingOf(row);
    const known = new Map<number, Rgb>();
    return (pixel) => {
      const number = values[pixel]!;
      if (number === nothing) return GREY;
      let colour = known.get(number);
      if (!colour) known.set(number, (colour = colourOfNumber(number)));
      return colour;
    };
  },
  mask: (_, { values }) => (pixel) => (values[pixel] ? WHITE : BLACK),
  masks: (_, { masks }) => {
    const coloured = masks!.map((mask): [Mask, Rgb] => [mask, colourOfNumber(mask.number)]);
    let byte = -1;
    let near: typeof coloured = []; // those that cover any of the byte's eight pixels
    return (pixel) => {
      if (pixel >> 3 !== byte) {
        byte = pixel >> 3;
        near = coloured.filter(([{ bits }]) => bits[byte]);
      }
      let count = 0;
      const sum: Rgb = [0, 0, 0];
      for (const [mask, colour] of near) {
        if (!covers(mask, pixel)) continue;
        count++;
        for (let channel = 0; channel < 3; channel++) sum[channel]! += colour[channel]!;
      }
      return count ? [even(sum[0] / count), even(sum[1] / count), even(sum[2] / count)] : GREY;
    };
  },
  values: (row, { values }, range) => {
    const nothing = nothingOf(row);
    return (pixel) => {
      const value = values[pixel]!;
      if (value === Number.POSITIVE_INFINITY) return WHITE;
      if (!Number.isFinite(value) || value === nothing) return GREY;
      return colourOfShare(shareOf(value, range?.[0]));
    };
  },
  vectors: (_, { channels, values }, range) => (pixel) => {
    const at = pixel * channels;
    const colour: Rgb = [0, 0, 0];
    for (let channel = 0; channel < channels; channel++) {
      const value = values[at + channel]!;
      if (!Number.isFinite(value)) return GREY;
      if (channel < 3) colour[channel] = byteOf(shareOf(value, range?.[channel]));
    }
    return colour;
  },
  texcoords: (_, { values }) => (pixel) => {
    const [u, v] = [values[2 * pixel]!, values[2 * pixel + 1]!];
    if (!Number.isFinite(u + v)) return GREY;
    return [byteOf(wrapped(u)), byteOf(wrapped(v)), 0];
  },
  flow: (_, { values }, range) => (pixel) => colourOfFlow(values[2 * pixel]!, values[2 * pixel + 1]!, range?.[0]![1] ?? 1),
};

/** Returns a colour for a motion to the right and down: the hue is its direction, white is none, darker is beyond the longest. */
export function colourOfFlow(right: number, down: number, longest: number): Rgb {
  if (!Number.isFinite(right + down)) return GREY;
  const length = Math.fround(Math.hypot(right, down)) / Math.max(longest, 1e-9); // rounded as the longest was
  const turn = ((Math.atan2(-down, -right) / Math.PI + 1) / 2) * (HUES.length - 1);
  const before = Math.floor(turn);
  return HUES[before]!.map((low, channel) => {
    const hue = low + (turn - before) * (HUES[(before + 1) % HUES.length]![channel]! - low);
    return even(length <= 1 ? 255 - length * (255 - hue) : 0.75 * hue);
  }) as Rgb;
}

function shareOf(value: number, ends: [number, number] | undefined): number {
  if (!ends) return 0;
  return Math.fround(Math.min(Math.max((value - ends[0]) / Math.max(ends[1] - ends[0], 1e-30), 0), 1));
}

function wrapped(value: number): number {
  return value >= 0 && value <= 1 ? value : value - Math.floor(value);
}

function byteOf(share: number): number {
  return even(Math.fround(255 * Math.fround(share)));
}

/** Encodes linear light as sRGB. */
function encoded(linear: number): number {
  const known = Math.min(Math.max(linear, 0), 1);
  return byteOf(known <= 0.0031308 ? 12.92 * known : 1.055 * known ** (1 / 2.4) - 0.055);
}

/** Rounds halves to the even number, as numpy does. */
function even(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 ? floor + 1 : floor;
}

function colourMap(): Uint8Array {
  const stops = VIRIDIS.match(/../g)!.map((byte) => Number.parseInt(byte, 16));
  const last = stops.length / 3 - 1;
  const map = new Uint8Array(768);
  for (let index = 0; index < 256; index++) {
    const at = (index / 255) * last;
    const before = Math.min(Math.floor(at), last - 1);
    for (let channel = 0; channel < 3; channel++) {
      const [low, high] = [stops[3 * before + channel]!, stops[3 * before + 3 + channel]!];
      map[3 * index + channel] = even(low + (at - before) * (high - low));
    }
  }
  return map;
}
