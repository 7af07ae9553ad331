/** What the colours of a picture mean. */

import { type Range, colourOfNumber, colourOfShare, kindOf, nothingOf } from "./colours";
import type { Image } from "./decoding";
import { make, short, swatch } from "./elements";
import type { PassRow } from "./server";
import type { Names } from "./values";

const MOST_LISTED = 60;

export function legend(row: PassRow, image: Image, range: Range, names: Names): HTMLElement[] {
  const kind = kindOf(row, image);
  if (kind === "values") return range ? [bar(range[0]!, row)] : [words("nothing is there")];
  if (kind === "numbers") return [numbers(row, image, names)];
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
  if (found.length > MOST_LISTED) items.push(make("li", {}, `and ${found.length - MOST_LISTED} more`));
  return make("ul", { className: "numbers", tabIndex: 0, "aria-label": `What the colours of ${row.name} are` }, ...items);
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

/** A ball as it looks in the colours of normals. */
function ball(): HTMLElement {
  const size = 44;
  const canvas = make("canvas", { width: size, height: size, className: "ball", role: "img" });
  canvas.setAttribute("aria-label", "The colours of the normals of a ball: red to the right, green upwards, blue towards the viewer");
  const shown = new ImageData(size, size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [x, y] = [(2 * (column + 0.5)) / size - 1, 1 - (2 * (row + 0.5)) / size];
      const flat = x * x + y * y;
      if (flat >= 1) continue;
      const at = 4 * (row * size + column);
      [x, y, Math.sqrt(1 - flat)].forEach((part, channel) => (shown.data[at + channel] = 127.5 * (part + 1)));
      shown.data[at + 3] = 255;
    }
  }
  canvas.getContext("2d")!.putImageData(shown, 0, 0);
  return canvas;
}
