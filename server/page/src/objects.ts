/** The table of an answer: a row for each object, and the one that is pointed at. */

import { colourOfNumber } from "./colours";
import { find, make, plural, swatch } from "./elements";

type Box = [number, number, number, number] | null;

/** What the page shows of a row of the pass `instances`. */
export interface ObjectRow {
  number: number;
  name: string;
  label: number | null;
  pixels: number;
  pixels_amodal: number;
  visible_fraction: number;
  truncated: boolean;
  edge_distance: number | null;
  box: Box;
  box_amodal: Box;
}

const MOST_ROWS = 500;
const NOTHING = "\u2013";
/** The members' own names, so that they are found in the file as well. */
const COLUMNS: { member: keyof ObjectRow; told: string }[] = [
  { member: "name", told: "the node" },
  { member: "label", told: "the number in the pass label" },
  { member: "pixels", told: "that are visible" },
  { member: "pixels_amodal", told: "of the picture that it would fill if nothing else were there" },
  { member: "visible_fraction", told: "pixels, of all that it would fill in and around the picture" },
  { member: "truncated", told: "whether some of it lies beyond the picture's edges" },
  { member: "edge_distance", told: "pixels between what is visible and the nearest edge" },
  { member: "box", told: "of what is visible: x, y, width, height in pixels" },
  { member: "box_amodal", told: "of the whole object: x, y, width, height in pixels" },
];
const TEXTS = new Set<keyof ObjectRow>(["name", "truncated"]);

/** Shows a table, or none. */
export function showObjects(rows: ObjectRow[] | null): void {
  find("objects").hidden = !rows;
  find("object-rows").replaceChildren(...(rows ?? []).slice(0, MOST_ROWS).map(rowOf));
  if (!rows) return;
  const more = rows.length > MOST_ROWS ? `; the first ${MOST_ROWS} are shown, the file has all` : "";
  find("objects-told").textContent = `${plural(rows.length, "object")}, ${rows.filter(({ pixels }) => pixels).length} visible${more}`;
  const heads = COLUMNS.map(({ member, told }) => make("th", { scope: "col", title: told, className: classOf(member) }, member));
  find("object-columns").replaceChildren(make("th", { scope: "col", title: "in the pass instance" }, "number"), ...heads);
}

/** Marks the row of an object, and brings it into the part of the table that is seen. */
export function markObject(number: number | null): void {
  for (const row of find("object-rows").querySelectorAll<HTMLElement>("[aria-current]")) row.removeAttribute("aria-current");
  const row = find("object-rows").querySelector<HTMLElement>(`[data-number="${number}"]`);
  if (!row) return;
  row.setAttribute("aria-current", "true");
  const scrolls = row.closest<HTMLElement>(".scrolls")!;
  const [head, low] = [find("object-columns").offsetHeight, row.offsetTop + row.offsetHeight - scrolls.clientHeight];
  scrolls.scrollTop = Math.min(Math.max(scrolls.scrollTop, low), row.offsetTop - head);
}

function rowOf(row: ObjectRow): HTMLElement {
  const number = make("th", { scope: "row" }, swatch(colourOfNumber(row.number)), String(row.number));
  const cells = COLUMNS.map(({ member }) => make("td", { className: classOf(member) }, told(member, row[member])));
  return make("tr", { "data-number": row.number }, number, ...cells);
}

function classOf(member: keyof ObjectRow): string {
  return TEXTS.has(member) ? "" : "amount";
}

function told(member: keyof ObjectRow, value: ObjectRow[keyof ObjectRow]): string {
  if (value === null) return NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ");
  return member === "visible_fraction" ? (value as number).toFixed(3) : String(value);
}
