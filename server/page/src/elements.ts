/** What all parts of the page use to find and make elements. */

export function find<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as Kind;
}

type Properties = Record<string, unknown>;

/** Makes an element; what is no property of it becomes an attribute. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: (Node | string | null)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) (element as unknown as Properties)[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A square of a colour, for a legend. */
export function swatch([red, green, blue]: readonly number[]): HTMLElement {
  const element = make("span", { className: "swatch", "aria-hidden": "true" });
  element.style.background = `rgb(${red} ${green} ${blue})`;
  return element;
}

/** Saves bytes as a file of the user's. */
export function save(data: Uint8Array, name: string): void {
  const url = URL.createObjectURL(new Blob([data.slice()]));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Lets arrow keys, Home and End choose among tabs, of which one takes the focus. */
export function makeTabs(list: HTMLElement, choose: (tab: HTMLElement) => void): void {
  list.addEventListener("keydown", (event) => {
    const tabs = [...list.querySelectorAll<HTMLElement>("[role=tab]")];
    const at = tabs.indexOf(event.target as HTMLElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length]!;
    choose(tab);
    tab.focus();
  });
  list.addEventListener("click", (event) => {
    const tab = (event.target as HTMLElement).closest<HTMLElement>("[role=tab]");
    if (tab) choose(tab);
  });
}

export function select(list: HTMLElement, chosen: HTMLElement): void {
  for (const tab of list.querySelectorAll<HTMLElement>("[role=tab]")) {
    tab.setAttribute("aria-selected", String(tab === chosen));
    tab.tabIndex = tab === chosen ? 0 : -1;
  }
}

const SIGNIFICANT = 4;

/** Writes a number with the digits that matter to a reader. */
export function short(value: number): string {
  if (Number.isNaN(value)) return "nothing";
  if (!Number.isFinite(value)) return "infinite";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const text = value.toPrecision(SIGNIFICANT);
  return text.includes("e") ? text : String(Number(text));
}

export function plural(count: number, what: string): string {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}
