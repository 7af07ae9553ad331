/** Light, dark, or as the system. */

import { find } from "./elements";

const THEMES = [["", "as the system", "\u25d0"], ["light", "light", "\u2600"], ["dark", "dark", "\u263e"]] as const;
const KEY = "gltf-render-server.theme";

export function offerThemes(): void {
  const button = find("theme");
  let at = Math.max(0, THEMES.findIndex(([name]) => name === read()));
  const show = () => {
    const [name, told, sign] = THEMES[at]!;
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    button.textContent = sign;
    button.title = `Colours of the page: ${told}`;
    button.setAttribute("aria-label", button.title);
  };
  button.addEventListener("click", () => {
    at = (at + 1) % THEMES.length;
    show();
    try {
      localStorage.setItem(KEY, THEMES[at]![0]);
    } catch {
      // it is as the system again on the next visit
    }
  });
  show();
}

function read(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
