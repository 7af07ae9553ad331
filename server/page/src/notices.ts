/** What went wrong, or should be known: beside what it is about, in the server's own words. */

import { find, make } from "./elements";
import { ServerError } from "./server";

const TITLES: Record<number, string> = {
  0: "No answer",
  400: "The server refuses this request",
  401: "The server wants a token",
  403: "The server refuses this page",
  413: "This is too large for the server",
  503: "The server is busy",
  504: "This took too long",
};

export type Place = "scene-problem" | "problem";

/** Shows a notice; mild ones are no errors. */
export function tell(place: Place, title: string, text: string, isMild = false): void {
  const element = find(place);
  element.replaceChildren(make("b", {}, title), ...text.split("\n").map((line) => make("span", { className: "line" }, line)));
  element.classList.toggle("mild", isMild);
  element.hidden = false;
}

export function tellError(error: Error, title?: string): void {
  const code = error instanceof ServerError ? error.status : -1;
  tell("problem", (code === 400 || code === -1 ? title : undefined) ?? TITLES[code] ?? "The server failed", error.message);
}

export function takeBack(...places: Place[]): void {
  for (const place of places) find(place).hidden = true;
}

/** Says something to those who hear the page. */
export function announce(text: string): void {
  find("announcement").textContent = text;
}
