/** The panel that shows the request as a program. */

import { type Scene, gltfOf } from "./assembly";
import { find, makeTabs, save, select } from "./elements";
import { announce } from "./notices";
import type { FrameRequest, Server } from "./server";
import { type Language, fileName, snippet } from "./snippets";

const COPIED_MS = 1500;

export interface Source extends Scene {
  /** Whether the page put the scene together, so that no file of the user's is this scene. */
  isMade: boolean;
}

export class Programs {
  #language: Language = "curl";
  #isDue = false;

  constructor(
    private readonly server: Server,
    private readonly asked: () => { frame: FrameRequest; source: Source } | null,
  ) {
    makeTabs(find("languages"), (tab) => {
      this.#language = tab.id.slice("as-".length) as Language;
      select(find("languages"), tab);
      find("snippet-panel").setAttribute("aria-labelledby", tab.id);
      this.update();
    });
    find("copy").addEventListener("click", () => void this.#copy());
    find("save-scene").addEventListener("click", () => this.#saveScene());
    this.update();
  }

  /** Shows the program of what would be asked now. */
  update(): void {
    if (this.#isDue) return; // a view that is turned changes more often than anybody reads
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#show();
    });
  }

  #show(): void {
    const asked = this.asked();
    const isDrake = this.#language === "drake";
    find("copy").toggleAttribute("disabled", !asked);
    find("save-scene").hidden = !asked || !(asked.source.isMade || isDrake);
    find("save-scene").textContent = isDrake ? "Save the scene as .gltf" : "Save the scene as .glb";
    if (!asked) {
      find("snippet").textContent = "Open a scene: the program that renders it from this view appears here.";
      return;
    }
    const { frame, source } = asked;
    const file = source.isMade ? fileName(source.name, "glb") : source.name.split("/").pop()!;
    find("snippet").textContent = snippet(this.#language, { frame, file, hasToken: this.server.token !== null, origin: location.origin });
  }

  #saveScene(): void {
    const { source } = this.asked() ?? {};
    if (!source) return;
    if (this.#language === "drake") save(gltfOf(source.data), fileName(source.name, "gltf"));
    else save(source.data, fileName(source.name, "glb"));
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(find("snippet").textContent!);
    } catch {
      // only pages of this machine and of https have a clipboard
      getSelection()?.selectAllChildren(find("snippet"));
      document.execCommand("copy");
    }
    find("copy").textContent = "Copied";
    announce("Copied");
    setTimeout(() => (find("copy").textContent = "Copy"), COPIED_MS);
  }
}
