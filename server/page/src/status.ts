/** How the server is: asked again and again while somebody looks, more often while a request is under way. */

import { find, plural } from "./elements";
import { type Health, type Server, ServerError } from "./server";

const REST_MS = 4000;
const BUSY_MS = 700;

export class Status {
  /** Called when the server answers after it did not, or is ready after it was not. */
  onReady: () => void = () => {};
  /** How many requests wait, as far as the server tells. */
  queueLength = 0;
  #isWaiting = false;
  #timer = 0;
  #last = "";

  constructor(private readonly server: Server) {
    document.addEventListener("visibilitychange", () => this.ask());
  }

  /** While a request is under way, the queue is of interest. */
  set isWaiting(isWaiting: boolean) {
    this.#isWaiting = isWaiting;
    if (isWaiting) this.#later();
  }

  async ask(): Promise<void> {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    try {
      this.#show(await this.server.health(AbortSignal.timeout(10_000)));
    } catch (error) {
      if (error instanceof ServerError && error.status === 401) this.#tell("away", "A token is wanted");
      else this.#tell("away", "The server does not answer");
    }
    this.#later();
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.ask(), this.#isWaiting ? BUSY_MS : REST_MS);
  }

  #show(health: Health): void {
    this.queueLength = health.queue_length ?? 0;
    if (health.status !== "ok") {
      this.#tell("starting", health.status === "stopping" ? "The server is ending" : "The server is starting");
      return;
    }
    const workers = health.workers ?? [];
    const rendering = workers.filter(({ state }) => state === "rendering").length;
    const waiting = this.queueLength ? `, ${this.queueLength} waiting` : "";
    const many = workers.length > 1 ? ` by ${rendering} of ${plural(workers.length, "worker")}` : "";
    if (rendering || this.queueLength) this.#tell(this.queueLength ? "busy" : "rendering", `Rendering${many}${waiting}`);
    else this.#tell("ready", workers.length > 1 ? `Ready, ${plural(workers.length, "worker")}` : "Ready");
  }

  #tell(state: string, text: string): void {
    const isNew = state !== this.#last;
    const wasAway = this.#last === "" || this.#last === "away" || this.#last === "starting";
    this.#last = state;
    if (find("state-text").textContent !== text) find("state-text").textContent = text;
    find("state").dataset.state = state;
    if (isNew && wasAway && state !== "away" && state !== "starting") this.onReady();
  }
}
