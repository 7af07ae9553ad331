/** The server's API, as the page uses it. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

export interface PassRow {
  name: string;
  summary: string;
  kind: "image" | "stack" | "table";
  group: string;
  moment: "before" | "after" | null;
  dtype: string;
  unit: string;
  nothing: number | "inf" | "nan" | null;
  span: [number, number] | null;
  components: string;
}

/** What the server is and can do: GET /v1/server. */
export interface ServerDescription {
  renderer: { server: string; name: string; version: string; engine: string; device: string };
  passes: PassRow[];
  looks: string[];
  environments: string[];
  qualities: string[];
  up_axis: "y" | "z";
  max_pixels: number;
  max_scene_bytes: number;
}

export interface Health {
  status: string;
  ready?: boolean;
  version?: string;
  rendering?: boolean;
  queue_length?: number;
  workers?: { state: string; rendered: number }[];
}

export interface SceneDescription {
  scene: string;
  bytes: number;
  instances: number;
  triangles: number;
  bounds: [number[], number[]] | null;
  cameras: { index: number; name: string }[];
  animations: string[];
  warnings: string[];
}

export interface ViewRequest {
  name: string;
  width: number;
  height: number;
  fov_y_deg: number;
  near: number;
  far: number;
  camera_to_world: number[];
}

/** What is different at another moment. */
export interface Moment {
  time_s: number;
}

export interface FrameRequest {
  scene: string;
  views: [ViewRequest];
  passes: string[];
  look: Record<string, unknown>;
  time_s?: number;
  before?: Moment;
  after?: Moment;
}

export interface Answer {
  body: Uint8Array;
  timing: [string, number][];
}

/** The server refused, failed, or did not answer (status 0); the message is its own. */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly reason: string | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

const TOKEN = "gltf-render-server.token";

export class Server {
  /** Has an answer been refused for want of a token? Called with the server's words. */
  onTokenWanted: (message: string) => void = () => {};
  #token = tokenOfAddress() ?? stored();
  readonly #client = `page-${Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  readonly #unkept = new Set<string>();

  get token(): string | null {
    return this.#token;
  }

  set token(token: string | null) {
    this.#token = token || null;
    try {
      if (token) sessionStorage.setItem(TOKEN, token);
      else sessionStorage.removeItem(TOKEN);
    } catch {
      // a browser that keeps nothing asks again on the next visit
    }
  }

  async describe(): Promise<ServerDescription> {
    return (await this.#ask("/v1/server")).json();
  }

  /** Returns how the server is, whether it is ready or not. */
  async health(signal?: AbortSignal): Promise<Health> {
    const response = await this.#send("/healthz", { signal });
    if (!response.ok && response.status !== 503) throw await errorOf(response);
    return response.json().catch(() => ({ status: response.ok ? "ok" : "starting", ready: response.ok }));
  }

  /** Uploads a scene; returns what the server finds in it, or null where it keeps none as large. */
  async upload(digest: string, data: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<SceneDescription | null> {
    try {
      return await (await this.#ask(`/v1/scenes/${digest}`, { method: "PUT", body: data, signal })).json();
    } catch (error) {
      if (!(error instanceof ServerError) || error.reason !== "scene_not_kept") throw error;
      this.#unkept.add(digest);
      return null;
    }
  }

  /** Renders a frame; the scene is sent along only where the server has let it go, or keeps none as large. */
  async render(frame: FrameRequest, data: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<Answer> {
    const json = JSON.stringify(frame);
    if (!this.#unkept.has(frame.scene)) {
      try {
        const headers = { "Content-Type": "application/json" };
        return await answerOf(await this.#ask("/v1/frames", { method: "POST", body: json, headers, signal }));
      } catch (error) {
        if (!(error instanceof ServerError) || error.reason !== "scene_not_found") throw error;
      }
    }
    const form = new FormData();
    form.append("frame", new Blob([json], { type: "application/json" }));
    form.append("scene", new Blob([data]));
    return answerOf(await this.#ask("/v1/frames", { method: "POST", body: form, signal }));
  }

  async #ask(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await this.#send(path, init);
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("X-Render-Client", this.#client); // a balancer lets it stay where its scene is
    if (this.#token) headers.set("Authorization", `Bearer ${this.#token}`);
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers, cache: "no-store" });
    } catch (error) {
      if ((error as Error).name === "AbortError") throw error;
      throw new ServerError(0, "The server does not answer. Is it still running, and can this machine reach it?");
    }
    if (response.status === 401) this.onTokenWanted((await errorOf(response.clone())).message);
    return response;
  }
}

/** Returns the name that the server keeps a scene by. */
export async function digestOf(data: Uint8Array<ArrayBuffer>): Promise<string> {
  // a page that did not come from this machine or over https has no crypto.subtle
  return bytesToHex(crypto.subtle ? new Uint8Array(await crypto.subtle.digest("SHA-256", data)) : sha256(data));
}

async function errorOf(response: Response): Promise<ServerError> {
  const told = await response.json().catch(() => null);
  const message = typeof told?.message === "string" ? told.message : `The server answered ${response.status} ${response.statusText}.`;
  const retryAfterS = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return new ServerError(response.status, message, told?.reason ?? null, Number.isFinite(retryAfterS) ? retryAfterS : null);
}

async function answerOf(response: Response): Promise<Answer> {
  const timing = (response.headers.get("Server-Timing") ?? "").split(",").flatMap((part): [string, number][] => {
    const [name, duration] = part.trim().split(";dur=");
    return name && duration ? [[name, Number.parseFloat(duration)]] : [];
  });
  return { body: new Uint8Array(await response.arrayBuffer()), timing };
}

/** Takes the token out of the page's address, where a link brought it: an address is seen and kept by many. */
function tokenOfAddress(): string | null {
  const address = new URL(location.href);
  const token = address.searchParams.get("token") ?? new URLSearchParams(address.hash.slice(1)).get("token");
  if (token === null) return null;
  history.replaceState(null, "", address.pathname);
  try {
    sessionStorage.setItem(TOKEN, token);
  } catch {
    // kept for as long as the page is open, then
  }
  return token;
}

function stored(): string | null {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}
