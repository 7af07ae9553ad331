/** Where the time of a request went. */

import { find, make, swatch } from "./elements";

const COLOURS = [[92, 122, 168], [214, 170, 60], [120, 160, 90], [186, 110, 90], [70, 150, 170], [150, 110, 170], [190, 140, 110], [110, 110, 120]];
const NAMES: Record<string, string> = { queue: "in the queue", check: "check", parse: "parse", import: "load the scene", update: "move objects", read: "read back", transfer: "to a worker and back" };

export function ms(duration: number): string {
  return duration < 1000 ? `${Math.round(duration)} ms` : `${(duration / 1000).toFixed(duration < 10_000 ? 2 : 1)} s`;
}

/** Shows the stages that the server tells, and what is left of the whole: the way there and back. */
export function showTimes(timing: [string, number][], totalMs: number, bytes: number): void {
  const told = timing.filter(([, duration]) => duration >= 0.05);
  const rest = Math.max(0, totalMs - told.reduce((sum, [, duration]) => sum + duration, 0));
  const stages = [...told, ["network and browser", rest] as [string, number]];
  const bar = make("div", { className: "stages", "aria-hidden": "true" });
  const list = make("ul", { className: "stage-list" });
  for (const [index, [name, duration]] of stages.entries()) {
    const colour = COLOURS[index % COLOURS.length]!;
    const part = make("i");
    part.style.flexGrow = String(duration);
    part.style.background = `rgb(${colour.join(" ")})`;
    bar.append(part);
    list.append(make("li", {}, swatch(colour), NAMES[name] ?? name, make("b", {}, ms(duration))));
  }
  find("total").textContent = `${ms(totalMs)} in all, ${(bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1)} MB`;
  find("times").replaceChildren(bar, list);
}
