/** The pictures of an answer: one is shown, and all are read at the pixel that is pointed at. A table stands beside them. */

import { members } from "./archive";
import { type Range, colourAt, falseColours, rangeOf } from "./colours";
import { type Image, decode } from "./decoding";
import { find, make, makeTabs, save, select, swatch } from "./elements";
import { legend, mark } from "./legend";
import { markObject, showObjects } from "./objects";
import type { PassRow } from "./server";
import { type Names, told } from "./values";

const STEP_FAST = 10;

interface Shown {
  row: PassRow;
  file: string;
  dtype: string;
}

interface FrameJson {
  views: { name: string; width: number; height: number }[];
  passes: { name: string; dtype: string; file: string }[];
  instances: { number: number; node: string }[];
}

export class Pictures {
  #files = new Map<string, Uint8Array>();
  #shown: Shown[] = [];
  #table: Shown | null = null;
  #images = new Map<string, Image>();
  #ranges = new Map<string, Range>();
  #instances = new Map<number, string>();
  #chosen = "color";
  /** The object whose mask is shown alone, of a stack of masks. */
  #alone: number | null = null;
  #view = "view";
  #pixel: [number, number] | null = null;
  #materials: string[] = [];
  readonly #canvas = find<HTMLCanvasElement>("picture");

  constructor() {
    makeTabs(find("tabs"), (tab) => this.#choose(tab.dataset.pass!));
    this.#canvas.addEventListener("pointermove", (event) => this.pointAt(event, this.#canvas));
    this.#canvas.addEventListener("pointerdown", (event) => this.pointAt(event, this.#canvas));
    this.#canvas.addEventListener("keydown", (event) => this.#onKey(event));
    find("save").addEventListener("click", () => this.#save(this.#find(this.#chosen)));
    find("save-objects").addEventListener("click", () => this.#save(this.#table!));
    find("legend").addEventListener("click", (event) => {
      const number = Number((event.target as HTMLElement).closest<HTMLElement>("[data-number]")?.dataset.number);
      if (number) this.#showAlone(number === this.#alone ? null : number);
    });
  }

  get isEmpty(): boolean {
    return !this.#shown.length;
  }

  /** The names of the file's materials, in its order. */
  set materials(names: string[]) {
    this.#materials = names;
  }

  set isStale(isStale: boolean) {
    find("scene-cross").hidden ||= isStale;
    if (isStale) this.#canvas.dataset.stale = "";
    else delete this.#canvas.dataset.stale;
  }

  /** Forgets all pictures. */
  clear(): void {
    this.#files.clear();
    this.#alone = null;
    showObjects(null);
    this.#clearPictures();
    find("no-picture").textContent = "What the server renders appears here.";
  }

  #clearPictures(): void {
    this.#shown = [];
    this.#images.clear();
    this.#pixel = null;
    this.#canvas.hidden = true;
    this.#canvas.width = this.#canvas.height = 1; // gives its memory back
    for (const id of ["save", "cross", "scene-cross"]) find(id).hidden = true;
    find("no-picture").hidden = false;
    for (const id of ["tabs", "legend", "values"]) find(id).replaceChildren();
    find("pixel").textContent = "";
    find("values-hint").hidden = false;
  }

  /** Shows an answer of the server. */
  show(zip: Uint8Array, rows: PassRow[]): void {
    this.#files = members(zip);
    const frame: FrameJson = JSON.parse(new TextDecoder().decode(this.#files.get("frame.json")));
    this.#view = frame.views[0]!.name;
    this.#images.clear();
    this.#ranges.clear();
    this.#instances = new Map(frame.instances.map(({ number, node }) => [number, node]));
    const all = frame.passes.map(({ name, file, dtype }) => ({ row: rows.find((row) => row.name === name)!, file, dtype }));
    this.#shown = all.filter(({ row }) => row.kind !== "table");
    this.#table = all.find(({ row }) => row.kind === "table") ?? null;
    showObjects(this.#table && JSON.parse(new TextDecoder().decode(this.#fileOf(this.#table))));
    this.isStale = false;
    if (this.isEmpty) {
      this.#clearPictures();
      find("no-picture").textContent = "Only the table of objects is asked for.";
      return;
    }
    find("tabs").replaceChildren(
      ...this.#shown.map(({ row: { name } }) =>
        make("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "picture-panel", "data-pass": name }, name),
      ),
    );
    find("picture-panel").setAttribute("role", "tabpanel");
    if (!this.#shown.some(({ row }) => row.name === this.#chosen)) this.#chosen = this.#shown[0]!.row.name;
    find("no-picture").hidden = true;
    find("save").hidden = this.#canvas.hidden = false;
    this.#choose(this.#chosen);
  }

  /** Reads the pixel that a pointer is over; the picture and the scene show the same place. */
  pointAt(event: PointerEvent, element: HTMLElement): void {
    if (this.isEmpty) return;
    const { left, top, width, height } = element.getBoundingClientRect();
    const image = this.#image(this.#chosen);
    this.#read(
      Math.floor(((event.clientX - left) / width) * image.width),
      Math.floor(((event.clientY - top) / height) * image.height),
    );
  }

  readonly #names: Names = (pass, number) => {
    if (pass === "instance" || pass === "mask_amodal") return this.#instances.get(number) ?? "";
    return pass === "material" ? (this.#materials[number - 1] ?? "") : "";
  };

  #choose(name: string): void {
    this.#chosen = name;
    select(find("tabs"), find(`tab-${name}`));
    find("picture-panel").setAttribute("aria-labelledby", `tab-${name}`);
    const { row } = this.#find(name);
    const image = this.#image(name);
    const range = this.#range(name);
    this.#canvas.width = image.width;
    this.#canvas.height = image.height;
    this.#canvas.toggleAttribute("data-pixelated", row.components !== "RGBA");
    this.#canvas.setAttribute("aria-label", `${name}, ${image.width} by ${image.height} pixels. Arrow keys move the pixel that is read.`);
    find("legend").title = row.summary;
    find("legend").replaceChildren(...legend(row, image, range, this.#names));
    this.#showAlone(this.#alone);
    if (this.#pixel) this.#read(...this.#pixel);
  }

  /** Paints the picture; of a stack of masks only that of an object, if the legend has it. */
  #showAlone(number: number | null): void {
    const { row } = this.#find(this.#chosen);
    const image = this.#image(this.#chosen);
    const buttons = [...find("legend").querySelectorAll<HTMLElement>("[data-number]")];
    const alone = buttons.find((button) => Number(button.dataset.number) === number);
    if (image.masks) this.#alone = alone ? number : null;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === alone));
    const masks = alone ? image.masks?.filter((mask) => mask.number === number) : image.masks;
    const shown = falseColours(row, { ...image, masks }, this.#range(this.#chosen));
    this.#canvas.getContext("2d", { willReadFrequently: true })!.putImageData(shown, 0, 0);
  }

  #find(name: string): Shown {
    return this.#shown.find(({ row }) => row.name === name)!;
  }

  #image(name: string): Image {
    let image = this.#images.get(name);
    if (!image) {
      const shown = this.#find(name);
      image = decode(this.#fileOf(shown), shown.dtype);
      this.#images.set(name, image);
    }
    return image;
  }

  #fileOf({ file }: Shown): Uint8Array {
    return this.#files.get(`${this.#view}/${file}`)!;
  }

  #range(name: string): Range {
    if (!this.#ranges.has(name)) this.#ranges.set(name, rangeOf(this.#find(name).row, this.#image(name)));
    return this.#ranges.get(name)!;
  }

  #read(column: number, row: number): void {
    const { width, height, values } = this.#image(this.#chosen);
    const [x, y] = [Math.min(Math.max(column, 0), width - 1), Math.min(Math.max(row, 0), height - 1)];
    this.#pixel = [x, y];
    const pixel = y * width + x;
    find("values").replaceChildren(
      ...this.#shown.map(({ row: pass }) => {
        const image = this.#image(pass.name);
        const colour = swatch(colourAt(pass, image, this.#range(pass.name), pixel));
        return make("tr", {}, make("th", { scope: "row" }, pass.name), make("td", {}, colour, told(pass, image, pixel, this.#names)));
      }),
    );
    find("pixel").textContent = `column ${x}, row ${y}`;
    find("values-hint").hidden = true;
    for (const id of ["cross", "scene-cross"]) {
      const cross = find(id);
      cross.hidden = id === "scene-cross" && this.#canvas.dataset.stale !== undefined;
      cross.style.left = `${(100 * (x + 0.5)) / width}%`;
      cross.style.top = `${(100 * (y + 0.5)) / height}%`;
    }
    mark(find("legend"), values.length === width * height ? values[pixel]! : null, this.#range(this.#chosen));
    if (this.#table) markObject(this.#shown.some(({ row: { name } }) => name === "instance") ? this.#image("instance").values[pixel]! : null);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [right, down] = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as Record<string, [number, number]>)[event.key] ?? [0, 0];
    if (!right && !down) return;
    event.preventDefault();
    const { width, height } = this.#image(this.#chosen);
    const [x, y] = this.#pixel ?? [width >> 1, height >> 1];
    const step = event.shiftKey ? STEP_FAST : 1;
    this.#read(x + right * step, y + down * step);
    const text = [...find("values").querySelectorAll("tr")].map((each) => each.textContent).join(", ");
    find("announcement").textContent = `${find("pixel").textContent}: ${text}`;
  }

  #save(shown: Shown): void {
    save(this.#fileOf(shown), shown.file);
  }
}
