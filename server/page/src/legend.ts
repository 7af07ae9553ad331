/** What the colours of a picture mean. */

import { type Range, type Rgb, colourOfFlow, colourOfNumber, colourOfShare, kindOf, nothingOf } from "./colours";
import type { Image } from "./decoding";
import { make, short, swatch } from "./elements";
import type { PassRow } from "./server";
import type { Names } from "./values";

const MOST_LISTED = 60;

export function legend(row: PassRow, image: Image, range: Range, names: Names): HTMLElement[] {
  const kind = kindOf(row, image);
  if (kind === "values") return range ? [bar(range[0]!, row)] : [words("nothing is there")];
  if (kind === "numbers") return [numbers(row, image, names)];
  if (kind === "masks") return [masks(row, image, names)];
  if (kind === "flow") return range ? [wheel(), words(flowWords(range[0]!, row))] : [words("nothing is there")];
  if (kind === "vectors" || kind === "texcoords") return [axes(row, image, range), row.span?.[0] === -1 ? ball() : words("")];
  if (kind === "light") return [words("Linear light, shown as sRGB; grey = nothing")];
  if (kind === "mask") return [words("White = yes, black = no")];
  return [words("sRGB, as the server shows it")];
}

function words(text: string): HTMLElement {
  return make("p", { className: "words" }, text);
}

function bar([low, high]: [number, number], row: PassRow): HTMLElement {
  const canvas = make("canvas", { width: 256, height: 1, className: "scale", "aria-hidden": "true" });
  const context = canvas.getContext("2d")!;
  for (let at = 0; at < 256; at++) {
    context.fillStyle = `rgb(${colourOfShare(at / 255).join(" ")})`;
    context.fillRect(at, 0, 1, 1);
  }
  const unit = row.unit === "1" ? "" : ` ${row.unit}`;
  const ends = [low, (low + high) / 2, high].map((value) => make("span", {}, `${short(value)}${unit}`));
  const marker = make("i", { className: "marker", hidden: true, "aria-hidden": "true" });
  const far = row.nothing === "inf" ? make("span", { className: "far" }, swatch([255, 255, 255]), "nothing") : null;
  return make("div", { className: "bar-legend" }, make("div", { className: "scale-box" }, canvas, marker, make("div", { className: "ends" }, ...ends)), far);
}

/** Moves the marker of a bar to a value; hides it where the bar has no place for it. */
export function mark(place: HTMLElement, value: number | null, range: Range): void {
  const marker = place.querySelector<HTMLElement>(".marker");
  if (!marker) return;
  marker.hidden = value === null || !range || !Number.isFinite(value);
  if (marker.hidden) return;
  const [low, high] = range![0]!;
  const share = high > low ? (value! - low) / (high - low) : 0;
  marker.style.left = `${100 * Math.min(Math.max(share, 0), 1)}%`;
}

function numbers(row: PassRow, image: Image, names: Names): HTMLElement {
  const counts = new Map<number, number>();
  for (const value of image.values) counts.set(value, (counts.get(value) ?? 0) + 1);
  counts.delete(nothingOf(row)!);
  const found = [...counts].sort((one, other) => other[1] - one[1]);
  if (!found.length) return words("nothing is there");
  const items = found.slice(0, MOST_LISTED).map(([number, count]) => {
    const share = `${((100 * count) / image.values.length).toFixed(1)} %`;
    return make("li", { title: `${count} pixels, ${share}` }, swatch(colourOfNumber(number)), `${number} ${names(row.name, number)}`);
  });
  return list(items, found.length, { tabIndex: 0, "aria-label": `What the colours of ${row.name} are` });
}

function axes(row: PassRow, image: Image, range: Range): HTMLElement {
  const letters = image.channels === 2 ? ["u", "v"] : ["x", "y", "z"];
  const colours = [[220, 60, 50], [40, 150, 70], [60, 110, 220]];
  const unit = row.unit === "1" ? "" : ` ${row.unit}`;
  const items = letters.map((letter, index) => {
    const ends = range?.[index];
    return make("li", {}, swatch(colours[index]!), `${letter} ${ends ? `${short(ends[0])} to ${short(ends[1])}${unit}` : ""}`);
  });
  return make("ul", { className: "axes" }, ...items);
}

/** The objects that have masks, whose names choose the one that is shown alone. */
function masks(row: PassRow, image: Image, names: Names): HTMLElement {
  const found = [...image.masks!].sort((one, other) => other.pixels - one.pixels);
  if (!found.length) return words("nothing is there");
  const items = found.slice(0, MOST_LISTED).map(({ number, pixels }) => {
    const button = { type: "button", title: `${pixels} pixels; shows it alone`, "data-number": number };
    return make("li", {}, make("button", button, swatch(colourOfNumber(number)), `${number} ${names(row.name, number)}`));
  });
  return list(items, found.length, { "aria-label": "Objects, of which one may be shown alone" });
}

/** A list of numbers with their colours, which says how many more there are. */
function list(items: HTMLElement[], count: number, about: Record<string, string | number>): HTMLElement {
  const more = count > items.length ? [make("li", {}, `and ${count - items.length} more`)] : [];
  return make("ul", { className: "numbers", ...about }, ...items, ...more);
}

function flowWords([, longest]: [number, number], { unit }: PassRow): string {
  return `The hue is the direction of the motion, white is none; ${short(longest)} ${unit} at the border of the disc. Values: to the right, down`;
}

/** A disc with the colours of motions to all sides. */
function wheel(): HTMLElement {
  return disc("The colours of motion: each points from the middle of the disc to where it lies", (x, y) => colourOfFlow(x, -y, 1));
}

/** A ball as it looks in the colours of normals. */
function ball(): HTMLElement {
  const told = "The colours of the normals of a ball: red to the right, green upwards, blue towards the viewer";
  return disc(told, (x, y) => [x, y, Math.sqrt(1 - x * x - y * y)].map((part) => 127.5 * (part + 1)) as Rgb);
}

/** A disc of radius 1, with a colour for each place, x to the right and y up. */
function disc(told: string, colourAt: (x: number, y: number) => Rgb): HTMLElement {
  const size = 44;
  const canvas = make("canvas", { width: size, height: size, className: "disc", role: "img", "aria-label": told });
  const shown = new ImageData(size, size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [x, y] = [(2 * (column + 0.5)) / size - 1, 1 - (2 * (row + 0.5)) / size];
      if (x * x + y * y >= 1) continue;
      const at = 4 * (row * size + column);
      shown.data.set([...colourAt(x, y), 255], at);
    }
  }
  canvas.getContext("2d")!.putImageData(shown, 0, 0);
  return canvas;
}
