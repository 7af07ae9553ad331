/** The page: a scene is opened, turned, and rendered by the server. */

import { AssemblyError, type Scene, assemble, jsonOfGlb } from "./assembly";
import { find, make, plural, short } from "./elements";
import { exampleScene } from "./example";
import { type NamedFile, chosenFiles, droppedFiles } from "./files";
import { announce, takeBack, tell, tellError } from "./notices";
import { chosenPasses, offerMotion, offerPasses } from "./passes";
import { Pictures } from "./pictures";
import { Programs, type Source } from "./programs";
import { type Progress, Rendering } from "./rendering";
import { type FrameRequest, type Moment, type SceneDescription, Server, type ServerDescription, ServerError, digestOf } from "./server";
import { Stage, type UpAxis } from "./stage";
import { Status } from "./status";
import { offerThemes } from "./theme";
import { ms, showTimes } from "./times";
import { offerToken } from "./token";

const REST_MS = 300; // how long the view rests before it is rendered
const TICK_MS = 100;
const STEP_S = 0.1; // of motion, where none is given
const AGAIN_S = 5; // until a server that failed is asked again

interface Opened extends Source {
  digest: string;
  isOnServer: boolean;
  /** Whether the scene is shown, as far as this browser can, so that there is a view to ask for. */
  isShown: boolean;
  /** Whether three.js shows it. */
  isDrawn: boolean;
  /** What the server says of its size, once it has it. */
  bounds: SceneDescription["bounds"];
}

const server = new Server();
const status = new Status(server);
const rendering = new Rendering();
const pictures = new Pictures();
const programs = new Programs(server, () => {
  const frame = frameRequest();
  return frame && opened ? { frame, source: opened } : null;
});
let stage: Stage | null = null;
let description: ServerDescription | null = null;
let opened: Opened | null = null;
let opening: AbortController | null = null;
let time: number | undefined;
let durationS = 0; // of the scene's animation
let timer = 0;
let ticking = 0;
let changes = 0; // of what would be asked for
let changesAsked = 0; // how many there had been when the last request was made

const select_ = (id: string) => find<HTMLSelectElement>(id);
const input = (id: string) => find<HTMLInputElement>(id);

offerThemes();
start();

function start(): void {
  try {
    stage = new Stage(find<HTMLCanvasElement>("canvas"));
    stage.onChange = viewChanged;
  } catch (error) {
    tell("scene-problem", "This browser shows no 3D", `The page needs WebGL 2: ${(error as Error).message}`);
  }
  listenForFiles();
  listenForChoices();
  listenForRequests();
  offerToken(server, () => {
    takeBack("problem");
    void status.ask().then(describe);
    if (description) requestChanged();
  });
  status.onReady = () => void describe();
  void status.ask();
  document.documentElement.dataset.ready = "";
}

// --- the server -------------------------------------------------------------------------------

async function describe(): Promise<void> {
  if (description) return;
  try {
    description = await server.describe();
  } catch (error) {
    if (error instanceof ServerError && error.status === 401) return; // asked again with the token
    tellError(error as Error);
    setTimeout(() => void describe(), 1000 * ((error as ServerError).retryAfterS ?? AGAIN_S));
    return;
  }
  takeBack("problem");
  const { renderer, passes, looks, qualities, environments } = description;
  find("renderer").textContent = `${renderer.server} \u00b7 ${renderer.name} ${renderer.version} \u00b7 ${renderer.engine} \u00b7 ${renderer.device}`;
  find("renderer").title = find("renderer").textContent!;
  offerPasses(passes, requestChanged);
  offerTimes();
  offer("quality", qualities, qualities[0] ?? ""); // the fastest: a view that is turned wants quick pictures
  offer("environment", environments, "");
  for (const look of ["exposure", "transparent"]) find(`${look}-field`).hidden = !looks.includes(look);
  if (opened && !opened.isOnServer) await upload(opened);
  requestChanged();
}

/** Offers what there is of something; without a choice the server decides. */
function offer(id: string, choices: string[], chosen: string): void {
  find(`${id}-field`).hidden = !choices.length;
  const options = [make("option", { value: "" }, "server's"), ...choices.map((choice) => make("option", { value: choice }, choice))];
  select_(id).replaceChildren(...options);
  select_(id).value = choices.includes(chosen) ? chosen : "";
}

/** Offers what an animation has: a time, and passes of motion from there on. */
function offerTimes(): void {
  for (const id of ["time-field", "step-field"]) find(id).hidden = !durationS;
  offerMotion(durationS > 0);
}

// --- scenes -----------------------------------------------------------------------------------

function listenForFiles(): void {
  for (const id of ["choose", "choose-too"]) find(id).addEventListener("click", () => input("files").click());
  input("files").addEventListener("change", () => {
    void open(async () => chosenFiles(input("files").files!));
    input("files").value = "";
  });
  find("example").addEventListener("click", () => void openScene(async () => exampleScene(), true));
  let depth = 0; // of the elements that are entered and not left again
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth++;
    find("drop").hidden = false;
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    find("drop").hidden = depth === 0;
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    find("drop").hidden = true;
    const transfer = event.dataTransfer;
    if (transfer) {
      const files = droppedFiles(transfer);
      void open(() => files);
    }
  });
}

async function open(files: () => Promise<NamedFile[]>): Promise<void> {
  let isMade = false;
  await openScene(async () => {
    const found = await files();
    const scene = await assemble(found);
    isMade = !found.some(({ path, file }) => path === scene.name && file.size === scene.data.length);
    return scene;
  }, () => isMade);
}

async function openScene(read: () => Promise<Scene>, isMade: boolean | (() => boolean)): Promise<void> {
  opening?.abort();
  const own = (opening = new AbortController());
  rendering.cancel();
  clearTimeout(timer);
  takeBack("scene-problem", "problem");
  let scene: Scene;
  try {
    scene = await read();
  } catch (error) {
    tell("scene-problem", error instanceof AssemblyError ? "This cannot be opened" : "The files cannot be read", (error as Error).message);
    return;
  }
  if (description && scene.data.length > description.max_scene_bytes) {
    const most = (description.max_scene_bytes / 1e6).toLocaleString("en");
    tell("scene-problem", "This scene is too large", `It has ${(scene.data.length / 1e6).toFixed(1)} MB; this server takes ${most} MB (option --max-scene-mb).`);
    return;
  }
  const digest = await digestOf(scene.data);
  if (own.signal.aborted) return;
  opened = { ...scene, digest, isOnServer: false, isShown: false, isDrawn: false, bounds: null, isMade: typeof isMade === "boolean" ? isMade : isMade() };
  pictures.clear();
  find("times").replaceChildren(make("p", { className: "words" }, "Where the time goes appears here after the first picture."));
  find("total").textContent = "";
  find("scene-name").textContent = scene.name;
  find("invitation").hidden = true;
  find("canvas").hidden = false;
  time = undefined;
  const mine = opened;
  await Promise.all([show(mine), upload(mine)]);
  if (opened !== mine) return;
  if (!mine.isDrawn) stage?.frame(mine.bounds);
  if (input("follow").checked) void render();
}

async function show(scene: Opened): Promise<void> {
  if (!stage) return;
  for (const id of ["camera", "fov", "frame-all"]) (find(id) as HTMLInputElement).disabled = false;
  setAspect();
  try {
    const { cameras, duration_s, materials } = await stage.show(scene.data);
    if (opened !== scene) return;
    scene.isDrawn = true;
    pictures.materials = materials;
    select_("camera").replaceChildren(
      make("option", { value: "" }, "Free"),
      ...cameras.map((name, index) => make("option", { value: String(index) }, name)),
    );
    durationS = duration_s;
    offerTimes();
    input("time").max = String(duration_s);
    input("time").value = "0";
    find("time-told").textContent = "0 s";
    time = duration_s ? 0 : undefined;
    if (cameras.length) {
      select_("camera").value = "0";
      stage.useCamera(0);
    }
  } catch (error) {
    if (opened !== scene) return;
    stage.clear();
    select_("camera").replaceChildren(make("option", { value: "" }, "Free"));
    durationS = 0;
    offerTimes();
    pictures.materials = (jsonOfGlb(scene.data).materials ?? []).map((material: { name?: string }) => material.name ?? "");
    tell("scene-problem", "This browser cannot show the scene; the server may", (error as Error).message, true);
  } finally {
    scene.isShown = true;
  }
}

async function upload(scene: Opened): Promise<void> {
  if (!description) return; // what the server can do is asked for first, with the token
  find("render").toggleAttribute("disabled", true);
  while (opened === scene && !scene.isOnServer) {
    progress(`Sending ${(scene.data.length / 1e6).toFixed(1)} MB`);
    try {
      const told = await server.upload(scene.digest, scene.data, opening!.signal);
      if (opened !== scene) return;
      scene.isOnServer = true;
      scene.bounds = told?.bounds ?? null;
      describeScene(scene, told);
    } catch (error) {
      if (opened !== scene || (error as Error).name === "AbortError") return;
      progress(null);
      if (!(error instanceof ServerError && error.status === 503)) {
        tellError(error as Error, "The server does not take this scene");
        return;
      }
      const waitS = error.retryAfterS ?? 1;
      tell("problem", "The server is busy", `${error.message}; it is asked again in ${short(waitS)} s`, true);
      await new Promise((resolve) => setTimeout(resolve, 1000 * waitS));
    }
  }
  if (opened !== scene) return;
  takeBack("problem");
  progress(null);
  find("render").toggleAttribute("disabled", false);
}

function describeScene(scene: Opened, told: SceneDescription | null): void {
  const size = `${(scene.data.length / 1e6).toFixed(scene.data.length < 1e6 ? 2 : 1)} MB`;
  const parts = told ? [plural(told.instances, "object"), plural(told.triangles, "triangle"), size] : [size];
  find("scene-name").textContent = `${scene.name.split("/").pop()}, ${parts.join(", ")}`;
  find("scene-name").title = scene.name;
  if (told?.warnings.length) {
    tell("scene-problem", plural(told.warnings.length, "remark"), told.warnings.slice(0, 5).join("\n"), true);
  }
}

// --- what is asked ----------------------------------------------------------------------------

function listenForChoices(): void {
  select_("camera").addEventListener("change", () => {
    const { value } = select_("camera");
    if (value) stage?.useCamera(Number(value));
  });
  input("fov").addEventListener("change", () => {
    const degrees = Math.min(Math.max(input("fov").valueAsNumber || 40, 1), 170);
    if (stage) stage.fov = degrees;
  });
  find("frame-all").addEventListener("click", () => stage?.frameAll());
  input("time").addEventListener("input", () => {
    time = input("time").valueAsNumber;
    find("time-told").textContent = `${time.toFixed(2)} s`;
    if (stage) stage.time = time;
  });
  select_("up-axis").addEventListener("change", () => {
    if (stage) stage.up = select_("up-axis").value as UpAxis;
  });
  select_("size").addEventListener("change", () => {
    setAspect();
    requestChanged();
  });
  for (const id of ["step", "quality", "environment", "exposure", "transparent"]) find(id).addEventListener("change", requestChanged);
  find("canvas").addEventListener("pointermove", (event) => pictures.pointAt(event, find("canvas")));
}

function size(): [number, number] {
  const [width, height] = select_("size").value.split("x").map(Number);
  return [width!, height!];
}

function setAspect(): void {
  const [width, height] = size();
  for (const id of ["stage", "picture-panel"]) find(id).style.aspectRatio = `${width} / ${height}`;
  if (stage) stage.aspect = width / height;
}

function viewChanged(): void {
  if (!stage) return;
  if (!stage.isOfFile) select_("camera").value = "";
  if (document.activeElement !== input("fov")) input("fov").value = String(Math.round(stage.fov * 10) / 10);
  requestChanged();
}

/** What is shown is not what would be asked for now. */
function requestChanged(): void {
  changes++;
  pictures.isStale = true;
  programs.update();
  clearTimeout(timer);
  if (input("follow").checked && opened?.isOnServer && opened.isShown) timer = setTimeout(() => void render(), REST_MS);
}

function frameRequest(): FrameRequest | null {
  const passes = chosenPasses();
  if (!opened || !stage || !passes.length) return null;
  const [width, height] = size();
  const look: Record<string, unknown> = { up_axis: select_("up-axis").value };
  for (const id of ["environment", "quality"]) if (select_(id).value) look[id] = select_(id).value;
  if (Number.isFinite(input("exposure").valueAsNumber)) look.exposure = input("exposure").valueAsNumber;
  if (input("transparent").checked) look.transparent = true;
  return {
    scene: opened.digest,
    views: [{ name: "view", width, height, ...stage.pose }],
    passes,
    look,
    ...(time ? { time_s: time } : {}),
    ...moments(passes),
  };
}

/** The moments that passes of motion compare with: a step before and after, as far as the animation goes. */
function moments(passes: string[]): { before?: Moment; after?: Moment } {
  const given = input("step").valueAsNumber;
  const step = Number.isFinite(given) ? Math.max(given, 0) : STEP_S;
  const asked = { before: Math.max((time ?? 0) - step, 0), after: Math.min((time ?? 0) + step, durationS) };
  const wanted = new Set(description?.passes.filter(({ name }) => passes.includes(name)).map(({ moment }) => moment));
  const found: { before?: Moment; after?: Moment } = {};
  for (const when of ["before", "after"] as const) if (wanted.has(when)) found[when] = { time_s: asked[when] };
  return found;
}

// --- requests ---------------------------------------------------------------------------------

function listenForRequests(): void {
  rendering.onProgress = showProgress;
  find("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    void render();
  });
  input("follow").addEventListener("change", () => input("follow").checked && requestChanged());
  find("cancel").addEventListener("click", () => rendering.cancel());
  find("again").addEventListener("click", () => rendering.askAgain());
  addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void render();
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) rendering.cancel();
  });
  find("help-open").addEventListener("click", () => find<HTMLDialogElement>("help").showModal());
}

async function render(): Promise<void> {
  clearTimeout(timer);
  const scene = opened;
  const frame = frameRequest();
  if (!scene?.isOnServer || !scene.isShown || !description) return;
  if (!frame) {
    tell("problem", "Nothing is asked for", "Choose at least one pass.");
    return;
  }
  changesAsked = changes;
  await rendering.start((signal) => server.render(frame, scene.data, signal));
}

function showProgress(told: Progress): void {
  clearInterval(ticking);
  status.isWaiting = rendering.isRunning;
  find("progress").dataset.state = told.state;
  find("again").hidden = told.state !== "busy";
  if (told.state === "waiting") {
    const tick = () => {
      const waiting = status.queueLength ? `; ${plural(status.queueLength, "request")} waiting` : "";
      progress(`Rendering, ${((performance.now() - told.startedMs) / 1000).toFixed(1)} s${waiting}`);
    };
    tick();
    ticking = setInterval(tick, TICK_MS);
  } else if (told.state === "busy") {
    tell("problem", "The server is busy", told.message, true);
    announce("The server is busy; it is asked again");
    const tick = () => progress(`Busy. Asking again in ${Math.max(0, Math.ceil((told.againMs - Date.now()) / 1000))} s`);
    tick();
    ticking = setInterval(tick, TICK_MS);
  } else {
    progress(null);
    void status.ask();
    if (told.state === "failed") tellError(told.error);
    if (told.state === "done") {
      takeBack("problem");
      try {
        pictures.show(told.answer.body, description!.passes);
        pictures.isStale = changesAsked !== changes;
        showTimes(told.answer.timing, told.durationMs, told.answer.body.length);
        announce(`Rendered in ${ms(told.durationMs)}`);
      } catch (error) {
        tellError(error as Error, "The answer cannot be read");
      }
    }
  }
}

function progress(text: string | null): void {
  find("progress").hidden = text === null;
  find("cancel").hidden = !rendering.isRunning;
  if (text !== null) find("progress-text").textContent = text;
}
