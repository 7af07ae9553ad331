/** Which passes are asked for. */

import { find, make } from "./elements";
import type { PassRow } from "./server";

const FIRST = ["color", "depth", "normal", "instance"];
const TITLES: Record<string, string> = { colour: "Colour", linear: "Colour", exact: "Geometry", numbers: "Numbers", objects: "Objects", motion: "Motion", material: "Material" };
/** Those that are shown at once; the others are a click away. */
const COMMON = new Set([...FIRST, "distance", "normal_world", "label", "mask_amodal", "instances", "flow_forward", "material", "albedo"]);

/** Offers the passes of the server's table; calls back when another choice is made. */
export function offerPasses(rows: PassRow[], onChange: () => void): void {
  const groups = new Map<string, PassRow[]>();
  for (const row of rows) {
    const title = TITLES[groupOf(row)] ?? "More";
    groups.set(title, [...(groups.get(title) ?? []), row]);
  }
  const place = find("passes");
  const before = new Set(chosenPasses());
  const wanted = before.size ? before : new Set(FIRST);
  place.replaceChildren();
  const rest: HTMLElement[] = [];
  for (const [title, members] of groups) {
    const isCommon = ({ name }: PassRow) => COMMON.has(name);
    const common = members.filter(isCommon);
    const others = members.filter((row) => !isCommon(row));
    if (common.length) place.append(group(title, common, wanted));
    if (others.length) rest.push(group(title, others, wanted));
  }
  if (rest.length) place.append(make("details", {}, make("summary", {}, "More passes"), ...rest));
  place.onchange = onChange;
}

/** Offers passes of motion, or takes them out of what is chosen until they are offered again. */
export function offerMotion(isOffered: boolean): void {
  for (const each of find("passes").querySelectorAll<HTMLElement>(`[aria-label="${TITLES.motion}"]`)) each.hidden = !isOffered;
}

export function chosenPasses(): string[] {
  return [...find("passes").querySelectorAll<HTMLInputElement>(".group:not([hidden]) input:checked")].map(({ value }) => value);
}

function groupOf({ kind, moment, group, dtype }: PassRow): string {
  if (kind !== "image") return "objects";
  if (moment) return "motion";
  return group === "exact" && dtype.startsWith("uint") ? "numbers" : group;
}

function group(title: string, rows: PassRow[], wanted: Set<string>): HTMLElement {
  const chips = rows.map(({ name, summary }) =>
    make("label", { className: "chip", title: summary }, make("input", { type: "checkbox", value: name, checked: wanted.has(name) }), make("span", {}, name)),
  );
  return make("div", { className: "group", role: "group", "aria-label": title }, make("p", {}, title), make("div", { className: "chips" }, ...chips));
}
