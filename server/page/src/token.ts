/** The dialog that asks for the token, when the server wants one or the user changes it. */

import { find } from "./elements";
import type { Server } from "./server";

export function offerToken(server: Server, onUse: () => void): void {
  const dialog = find<HTMLDialogElement>("token-dialog");
  const field = find<HTMLInputElement>("token");
  const ask = () => {
    if (dialog.open) return;
    field.value = server.token ?? "";
    dialog.showModal();
    field.select();
  };
  find("token-open").addEventListener("click", ask);
  server.onTokenWanted = (message) => {
    const [what] = message.split(":"); // the rest is for programs
    find("token-message").textContent = `${what!.charAt(0).toUpperCase()}${what!.slice(1)}.`;
    ask();
  };
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "use") return;
    dialog.returnValue = "";
    server.token = field.value.trim();
    onUse();
  });
}
