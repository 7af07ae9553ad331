/** One request at a time: a newer one takes the place of the one before, and a busy server is asked again. */

import { type Answer, ServerError } from "./server";

export type Progress =
  | { state: "waiting"; startedMs: number }
  | { state: "busy"; message: string; againMs: number }
  | { state: "failed"; error: Error }
  | { state: "cancelled" }
  | { state: "done"; answer: Answer; durationMs: number };

const BUSY = 503;
const LONGEST_WAIT_S = 15;

export class Rendering {
  onProgress: (progress: Progress) => void = () => {};
  #current: AbortController | null = null;
  #wake: () => void = () => {};

  get isRunning(): boolean {
    return this.#current !== null;
  }

  /** Asks; what was asked before is no longer wanted. */
  async start(ask: (signal: AbortSignal) => Promise<Answer>): Promise<void> {
    this.#current?.abort();
    this.#wake();
    const own = (this.#current = new AbortController());
    const tell = (progress: Progress) => {
      if (this.#current !== own) return;
      if (progress.state !== "waiting" && progress.state !== "busy") this.#current = null;
      this.onProgress(progress);
    };
    for (let tries = 0; this.#current === own; tries++) {
      const startedMs = performance.now();
      tell({ state: "waiting", startedMs });
      try {
        const answer = await ask(own.signal);
        tell({ state: "done", answer, durationMs: performance.now() - startedMs });
        return;
      } catch (error) {
        if (own.signal.aborted) return;
        if (!(error instanceof ServerError && error.status === BUSY)) {
          tell({ state: "failed", error: error as Error });
          return;
        }
        const waitS = Math.min((error.retryAfterS ?? 1) * 2 ** tries, LONGEST_WAIT_S);
        tell({ state: "busy", message: error.message, againMs: Date.now() + 1000 * waitS });
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          setTimeout(resolve, 1000 * waitS);
        });
      }
    }
  }

  /** Asks a busy server again at once. */
  askAgain(): void {
    this.#wake();
  }

  cancel(): void {
    if (!this.#current) return;
    this.#current.abort();
    this.#current = null;
    this.#wake();
    this.onProgress({ state: "cancelled" });
  }
}
