/** What a pass holds at a pixel, in words. */

import { short } from "./elements";
import { type Image, covers } from "./decoding";
import { kindOf, nothingOf } from "./colours";
import type { PassRow } from "./server";

/** What numbers of a pass are called. */
export type Names = (pass: string, number: number) => string;

export function told(row: PassRow, image: Image, pixel: number, names: Names): string {
  const { channels, values, masks } = image;
  if (masks) {
    const covering = masks.filter((mask) => covers(mask, pixel));
    return covering.map(({ number }) => `${number} ${names(row.name, number)}`).join(", ") || "nothing";
  }
  const found = Array.from(values.subarray(pixel * channels, (pixel + 1) * channels));
  const kind = kindOf(row, image);
  const unit = row.unit === "1" || row.unit === "number" || kind === "picture" || kind === "light" ? "" : ` ${row.unit}`;
  if (kind === "numbers") {
    if (found[0] === nothingOf(row)) return "nothing";
    const name = names(row.name, found[0]!);
    return name ? `${found[0]} ${name}` : String(found[0]);
  }
  if (kind === "mask") return found[0] ? "yes" : "no";
  if (found.every((value) => Number.isNaN(value))) return "nothing";
  if (found.length === 1) return found[0] === Number.POSITIVE_INFINITY ? "infinite" : `${short(found[0]!)}${unit}`;
  return `${found.map((value) => (kind === "picture" ? String(value) : fixed(value))).join(", ")}${unit}`;
}

function fixed(value: number): string {
  return Number.isFinite(value) && Math.abs(value) < 100 ? (value + 0).toFixed(3).replace(/^-(0\.0+)$/, "$1") : short(value);
}
