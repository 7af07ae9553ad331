"use strict";
// The files of the page call these three functions; see inspecting.py for what they hand over.
const dataset = {
  summary(content) { summary = content; },
  views(content) { for (const row of content) rows.push(viewOf(row)); },
  details([number, content]) { arrived.get(number)?.(content); },
};

const FILES = encodePath(document.body.dataset.files);
const AXES = ["#ff5a4f", "#4fd160", "#5b9bff"];
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((one) => [4, 2, 1].filter((bit) => !(one & bit)).map((bit) => [one, one | bit]));
const LAYERS = [["masks", "Masks", "m"], ["boxes", "Boxes", "b"], ["names", "Names", "n"], ["axes", "Axes", "a"], ["cuboids", "3D boxes", "c"], ["keypoints", "Keypoints", "k"]];
const KEYS = [
  ["Arrows", "another picture"], ["Enter", "look at the picture"], ["Esc", "close it"], ["Home, End", "first picture, last picture"],
  ...LAYERS.map(([, title, key]) => [key.toUpperCase(), `${title} on and off`]),
  ["1 2 3", "colour, depth, normals"], ["/", "find"], ["P", "pictures"], ["S", "summary"], ["R", "all pictures again"], ["T", "light or dark"], ["?", "these keys"],
];
const THEMES = [["", "as the system", "\u25d0"], ["light", "light", "\u2600"], ["dark", "dark", "\u263e"]];
const MOST_KEPT = 60; // files of details
const GAP = 12, CAPTION = 54, SMALLEST_TILE = 230;

let summary = null;
const rows = []; // all views
let shown = []; // the places in `rows` of those that the filters leave
let looked = -1; // the place in `shown` of the one in the viewer
let layers = { masks: true, boxes: true, names: false, axes: false, cuboids: false, keypoints: true };
let base = "color";
let marked = 0; // the number of the object that is pointed at
const arrived = new Map(), details = new Map();

const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const short = (value) => (Math.abs(value) >= 1000 ? number(Math.round(value)) : String(Number(value.toPrecision(3))));
const percent = (share) => `${Math.round(100 * share)} %`;
const folderOf = (index) => `${String(Math.floor(index / 1000)).padStart(3, "0")}/${String(index).padStart(6, "0")}`;
const plural = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;

function encodePath(path) {
  return path.split("/").map((part, place) => (place || !part.endsWith(":") ? encodeURIComponent(part) : part)).join("/");
}

function make(tag, properties = {}, ...children) {
  const found = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in found && name !== "style") found[name] = value; else found.setAttribute(name, value);
  }
  found.append(...children.filter((child) => child !== null));
  return found;
}

function drawn(tag, properties = {}, ...children) {
  const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) found.setAttribute(name, value);
  found.append(...children);
  return found;
}

function viewOf([index, name, view, camera, split, viewNumber, width, height, categories, nearest, position, forward, problems, picture, hasMask]) {
  const known = categories.map((each) => each[2]).filter((share) => share !== null);
  return {
    index, name, view, camera, split, width, height, categories, nearest, position, forward, problems, picture, hasMask,
    number: viewNumber, objects: categories.reduce((sum, each) => sum + each[1], 0), least: known.length ? Math.min(...known) : null,
  };
}

// --- files

function load(file) {
  return new Promise((resolve, reject) => {
    const script = make("script", { src: `${FILES}/${file}` });
    script.onload = () => { script.remove(); resolve(); };
    script.onerror = () => { script.remove(); reject(new Error(`${file} is missing beside the page`)); };
    document.head.append(script);
  });
}

/** Return what is shown of the view at a place in `rows`, as a promise; files that were used lately are kept. */
function detailsOf(place) {
  const file = Math.floor(place / summary.detailsAFile);
  let found = details.get(file);
  if (found) {
    details.delete(file);
  } else {
    found = new Promise((resolve, reject) => {
      arrived.set(file, (content) => { arrived.delete(file); resolve(content); });
      load(`details-${String(file).padStart(5, "0")}.js`).catch(reject);
    });
    if (details.size >= MOST_KEPT) details.delete(details.keys().next().value);
  }
  details.set(file, found);
  return found.then((content) => {
    const [objects, painted, files, facts] = content[place % summary.detailsAFile];
    return {
      painted, files, facts,
      objects: objects.map(([number, name, category, box, pixels, corners, axes, points, visible, distance, truncated]) =>
        ({ number, name, category, box, pixels, corners, axes, points, visible, distance, truncated })),
    };
  });
}

const ofStore = (row, file) => encodePath(`${summary.address}/items/${folderOf(row.index)}/${file}`);
const ofPage = (row, file) => `${FILES}/pictures/${folderOf(row.index)}/${file}`;

function addressOf(row, pass) {
  if (pass !== "color") return ofPage(row, `${row.number}.${pass}.jpg`);
  return row.picture.startsWith("/") ? ofStore(row, row.picture.slice(1)) : row.picture && ofPage(row, row.picture);
}

// --- a picture and what is drawn over it

function fitted(row, width, height) {
  const scale = Math.min(width / row.width, height / row.height);
  return [width - row.width * scale < 2 ? width : row.width * scale, height - row.height * scale < 2 ? height : row.height * scale];
}

/** Fill an element with a picture and its layers; `address` is that of the picture. */
function show(holder, place, width, height, address) {
  const row = rows[place];
  const [w, h] = fitted(row, width, height);
  const inside = make("div", { style: `position:absolute;left:${(width - w) / 2}px;top:${(height - h) / 2}px;width:${w}px;height:${h}px` });
  const image = make("img", { alt: "", decoding: "async", draggable: false });
  const missing = () => { image.remove(); inside.prepend(make("span", { className: "missing" }, `no picture of ${base}`)); };
  if (address) { image.onerror = missing; image.src = address; inside.append(image); } else missing();
  if (layers.masks && row.hasMask) inside.append(make("img", { className: "mask", alt: "", src: ofPage(row, `${row.number}.mask.png`) }));
  const canvas = make("canvas");
  inside.append(canvas);
  holder.replaceChildren(inside);
  if (LAYERS.some(([name]) => name !== "masks" && layers[name])) {
    detailsOf(place).then((found) => { if (canvas.isConnected) draw(canvas, row, found.objects, w, h); }, () => {});
  }
  return canvas;
}

function draw(canvas, row, objects, w, h) {
  const sharp = window.devicePixelRatio || 1;
  canvas.width = Math.round(w * sharp);
  canvas.height = Math.round(h * sharp);
  const pen = canvas.getContext("2d"), scale = w / row.width, is_large = w > 420;
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  const line = (points, colour, width) => {
    if (points.some((point) => !point)) return;
    pen.beginPath();
    points.forEach(([u, v], place) => (place ? pen.lineTo(u * scale, v * scale) : pen.moveTo(u * scale, v * scale)));
    pen.strokeStyle = colour; pen.lineWidth = width; pen.stroke();
  };
  const taken = [];
  for (const each of objects) {
    const colour = summary.categories[each.category][1], [x, y, width, height] = each.box.map((value) => value * scale);
    pen.globalAlpha = marked && marked !== each.number ? 0.25 : 1;
    if (layers.cuboids && each.corners.length) for (const [one, other] of EDGES) line([each.corners[one], each.corners[other]], colour, 1);
    if (layers.boxes || marked === each.number) {
      pen.lineWidth = is_large ? 2 : 1.25; pen.strokeStyle = colour; pen.strokeRect(x, y, width, height);
    }
    if (layers.axes && each.axes.length) each.axes.slice(1).forEach((end, axis) => line([each.axes[0], end], AXES[axis], is_large ? 2.5 : 1.5));
    if (layers.keypoints) for (const [u, v] of each.points) {
      pen.beginPath(); pen.arc(u * scale, v * scale, is_large ? 3.5 : 2, 0, 7); pen.fillStyle = colour; pen.fill();
      pen.strokeStyle = "#fff"; pen.lineWidth = 1; pen.stroke();
    }
  }
  pen.globalAlpha = 1;
  for (const each of objects) if (layers.names || marked === each.number) name(pen, each, scale, is_large, w, taken);
}

/** Write what an object is called; a name that would lie on another is left out. */
function name(pen, each, scale, is_large, w, taken) {
  const [title, colour] = summary.categories[each.category], size = is_large ? 12 : 10;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const width = pen.measureText(title).width + 6, height = size + 4;
  const left = Math.max(0, Math.min(each.box[0] * scale - 1, w - width)), top = Math.max(0, each.box[1] * scale - height);
  if (taken.some(([x, y, right, bottom]) => left < right && x < left + width && top < bottom && y < top + height)) return;
  taken.push([left, top, left + width, top + height]);
  pen.fillStyle = colour; pen.fillRect(left, top, width, height);
  pen.fillStyle = isLight(colour) ? "#111" : "#fff"; pen.fillText(title, left + 3, top + size);
}

function isLight(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}

// --- which pictures

const filters = () => ({
  find: $("find").value.trim().toLowerCase(), category: $("by-category").value, split: $("by-split").value, camera: $("by-camera").value,
  low: Number($("visible-low").value), high: Number($("visible-high").value), sort: $("sort").value, broken: $("only-broken").checked,
});

function isWanted(row, wanted) {
  if (wanted.broken && !row.problems.length) return false;
  if (wanted.split && row.split !== wanted.split) return false;
  if (wanted.camera && row.camera !== wanted.camera) return false;
  if (wanted.find && !`${row.index} ${row.name} ${row.view}`.toLowerCase().includes(wanted.find)) return false;
  const found = wanted.category === "" ? row.categories : row.categories.filter((each) => each[0] === Number(wanted.category));
  if (wanted.category !== "" && !found.length) return false;
  if (wanted.low > 0 || wanted.high < 100) {
    return found.some((each) => each[2] !== null && 100 * each[2] >= wanted.low && 100 * each[2] <= wanted.high);
  }
  return true;
}

const SORTS = {
  broken: (row) => -row.problems.length, index: () => 0, hidden: (row) => row.least ?? Infinity, many: (row) => -row.objects,
  few: (row) => row.objects, near: (row) => row.nearest ?? Infinity, far: (row) => -(row.nearest ?? -Infinity),
};

function choose() {
  const wanted = filters(), key = SORTS[wanted.sort];
  const keys = rows.map(key);
  shown = rows.flatMap((row, place) => (isWanted(row, wanted) ? [place] : []));
  shown.sort((one, other) => (keys[one] === keys[other] ? one - other : keys[one] - keys[other]));
  const items = new Set(shown.map((place) => rows[place].index)).size;
  $("found").textContent = `${plural(shown.length, "picture")} of ${plural(items, "item")}`;
  $("visible-told").textContent = wanted.low > 0 || wanted.high < 100 ? `${wanted.low}\u2013${wanted.high} %` : "any";
  $("nothing").hidden = shown.length > 0;
  lay(true);
}

function filtersAsHash() {
  const parts = [...$("filters").elements].filter((each) => each.matches("input, select")).map((each) => [each.id, each.type === "checkbox" ? (each.checked ? "1" : "") : each.value]);
  const initial = { "visible-low": "0", "visible-high": "100", sort: "broken" };
  const told = new URLSearchParams(parts.filter(([id, value]) => value !== (initial[id] ?? ""))).toString();
  return `#pictures${told && `?${told}`}`;
}

function filtersFromHash(text) {
  $("filters").reset();
  for (const [id, value] of new URLSearchParams(text)) {
    const field = $("filters").elements.namedItem(id);
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value === "1"; else field.value = value;
  }
}

function tell(hash) {
  history.replaceState(null, "", hash);
}

// --- the gallery: only the tiles that are in sight are there

const tiles = new Map();
let grid = { columns: 1, width: 0, height: 0 };

function lay(fromStart = false) {
  if ($("part-pictures").hidden || !rows.length) return;
  const whole = $("scroller").clientWidth;
  const smallest = Math.min(SMALLEST_TILE, (whole - GAP) / 2);
  const columns = Math.max(1, Math.floor((whole + GAP) / (smallest + GAP)));
  const width = (whole - GAP * (columns - 1)) / columns;
  const aspect = Math.min(1.4, Math.max(0.5, rows[0].height / rows[0].width));
  grid = { columns, width, picture: Math.round(width * aspect), height: Math.round(width * aspect) + CAPTION };
  $("grid").style.height = `${Math.max(0, Math.ceil(shown.length / columns) * (grid.height + GAP) - GAP)}px`;
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  if (fromStart) {
    const top = $("scroller").getBoundingClientRect().top + window.scrollY - 120;
    if (window.scrollY > Math.max(top, 0)) window.scrollTo({ top });
  }
  look();
}

function look() {
  if ($("part-pictures").hidden) return;
  const top = -$("grid").getBoundingClientRect().top, step = grid.height + GAP;
  const first = Math.max(0, Math.floor(top / step) - 1) * grid.columns;
  const last = Math.min(shown.length, (Math.ceil((top + window.innerHeight) / step) + 1) * grid.columns);
  for (const [at, tile] of tiles) {
    if (at < first || at >= last) { tile.remove(); tiles.delete(at); }
  }
  for (let at = first; at < last; at++) {
    if (!tiles.has(at)) { tiles.set(at, tileOf(at)); $("grid").append(tiles.get(at)); fill(at); }
  }
}

function tileOf(at) {
  const row = rows[shown[at]], [line, column] = [Math.floor(at / grid.columns), at % grid.columns];
  const told = row.problems.length
    ? make("span", { className: "bad", title: row.problems.join("\n") }, row.problems.join("; "))
    : make("span", { className: "faint" }, `${row.split} \u00b7 ${row.camera || row.view} \u00b7 ${plural(row.objects, "object")}`);
  const picture = make("span", { className: "picture", style: `display:block;height:${grid.picture}px` });
  const button = make("button", { type: "button" }, picture,
    make("span", { className: "told" }, make("span", { title: row.name }, `${row.index} \u00b7 ${row.name}`), told));
  button.dataset.at = at;
  return make("li", {
    className: row.problems.length ? "tile bad" : "tile",
    style: `width:${grid.width}px;height:${grid.height}px;left:${column * (grid.width + GAP)}px;top:${line * (grid.height + GAP)}px`,
  }, button);
}

function fill(at) {
  const picture = tiles.get(at)?.querySelector(".picture");
  if (picture) show(picture, shown[at], grid.width, grid.picture, addressOf(rows[shown[at]], base));
}

function redraw() {
  for (const at of tiles.keys()) fill(at);
  if (looked >= 0) showLarge();
}

function focusTile(at) {
  at = Math.max(0, Math.min(shown.length - 1, at));
  const top = $("grid").getBoundingClientRect().top + Math.floor(at / grid.columns) * (grid.height + GAP);
  if (top < 70) window.scrollBy(0, top - 80);
  else if (top + grid.height > window.innerHeight) window.scrollBy(0, top + grid.height - window.innerHeight + 10);
  look();
  tiles.get(at)?.firstChild.focus({ preventScroll: true });
}

// --- one picture

function open(at) {
  if (at < 0 || at >= shown.length) return;
  looked = at;
  marked = 0;
  const row = rows[shown[at]];
  $("viewer-title").textContent = `${row.index} \u00b7 ${row.name} \u00b7 ${row.view}`;
  $("place").textContent = `${number(at + 1)} of ${number(shown.length)}`;
  $("previous").disabled = at === 0;
  $("next").disabled = at === shown.length - 1;
  if (!$("viewer").open) $("viewer").showModal();
  tell(`#item/${row.index}/${encodeURIComponent(row.view)}`);
  showLarge();
  showSide(shown[at]);
}

async function showLarge() {
  const place = shown[looked], row = rows[place], holder = $("large");
  const width = holder.parentElement.clientWidth;
  const is_narrow = window.innerWidth <= 760;
  const height = is_narrow ? (width * row.height) / row.width : Math.max(160, holder.parentElement.clientHeight - 34);
  holder.style.height = `${Math.floor(Math.min(height, (width * row.height) / row.width))}px`;
  const found = await detailsOf(place).catch(() => null);
  if (looked < 0 || shown[looked] !== place) return;
  const address = base === "color" && found?.files.color ? ofStore(row, found.files.color) : addressOf(row, base);
  show(holder, place, width, holder.clientHeight, address);
  const legend = found?.painted[base];
  $("large-told").textContent = [`${row.width} x ${row.height} px`, row.split, row.camera, base === "color" ? "colour" : base, legend].filter(Boolean).join(" \u00b7 ");
}

async function showSide(place) {
  const row = rows[place], side = $("side");
  const wrong = row.problems.length ? make("ul", { className: "wrong" }, ...row.problems.map((each) => make("li", {}, each))) : null;
  side.replaceChildren(...[wrong].filter(Boolean));
  const found = await detailsOf(place).catch((error) => { side.append(make("p", {}, error.message)); return null; });
  if (!found || looked < 0 || shown[looked] !== place) return;
  const head = ["Object", "px", "Visible", "Distance"].map((title, at) => make("th", { scope: "col", className: at ? "right" : "" }, title));
  const lines = found.objects.map((each) => {
    const line = make("tr", { className: "object", tabIndex: 0 },
      make("td", {}, swatch(each.category), summary.categories[each.category][0], each.name && each.name !== summary.categories[each.category][0] ? make("small", { className: "faint" }, ` ${each.name}`) : null),
      make("td", { className: "right" }, number(each.pixels)),
      make("td", { className: "right" }, each.visible === null ? "" : percent(each.visible) + (each.truncated ? " \u2702" : "")),
      make("td", { className: "right" }, each.distance === null ? "" : `${short(each.distance)} m`));
    const mark = (value) => () => { marked = value; const canvas = $("large").querySelector("canvas"); if (canvas) draw(canvas, row, found.objects, canvas.clientWidth, canvas.clientHeight); };
    line.onmouseenter = line.onfocus = mark(each.number);
    line.onmouseleave = line.onblur = mark(0);
    return line;
  });
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines));
  const { camera_to_world: pose, drawn: chance, ...facts } = found.facts;
  const matrix = [0, 4, 8, 12].map((at) => pose.slice(at, at + 4).map((value) => value.toFixed(4).padStart(9)).join(" ")).join("\n");
  const files = Object.entries(found.files).map(([pass, file]) => make("a", { href: ofStore(row, file), target: "_blank" }, pass));
  side.append(
    make("section", { ariaLabel: "Objects" }, make("h3", {}, plural(row.objects, "object"), lines.some((each) => each.textContent.includes("\u2702")) ? make("small", { className: "faint" }, "  \u2702 reaches beyond the picture") : null), make("div", { className: "scrolls" }, table)),
    make("section", { ariaLabel: "View" }, make("h3", {}, "View"), factsOf({ split: row.split, camera: row.camera, ...facts }),
      make("details", {}, make("summary", {}, "Camera to world"), make("pre", {}, matrix)),
      make("details", {}, make("summary", {}, "What was drawn by chance"), make("pre", {}, JSON.stringify(chance, null, 2)))),
    make("section", { ariaLabel: "Files" }, make("h3", {}, "Files"), make("p", {}, ...files.flatMap((each, at) => (at ? [" \u00b7 ", each] : [each])))));
}

function factsOf(facts) {
  const entries = Object.entries(facts).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return make("dl", { className: "facts" }, ...entries.flatMap(([title, value]) => [make("dt", {}, title), make("dd", {}, String(value))]));
}

const swatch = (category) => make("span", { className: "swatch", style: `background:${summary.categories[category][1]}`, ariaHidden: "true" });

// --- the summary

function summarise() {
  const labels = Object.values(summary.labels).reduce((sum, each) => sum + each, 0);
  const cut = Object.values(summary.truncated).reduce((sum, each) => sum + each, 0);
  const wrong = rows.filter((row) => row.problems.length).length + summary.broken.length + summary.findings.length;
  const numbers = [
    [`${number(summary.items)}`, summary.items === summary.named ? "items" : `of ${number(summary.named)} items`], [number(summary.views), "pictures"],
    [number(labels), "labels"], [number(Object.keys(summary.labels).length), "categories seen"],
    [labels ? percent(cut / labels) : "\u2013", "truncated"], [number(summary.quarantined), "in quarantine", summary.quarantined], [number(wrong), "to look at", wrong],
  ];
  $("numbers").replaceChildren(...numbers.map(([value, told, bad]) => make("div", { className: bad ? "number bad" : "number" }, make("b", {}, value), make("span", {}, told))));
  tellProblems(100);
  chart();
  about();
}

function tellProblems(most) {
  const bad = rows.flatMap((row, place) => (row.problems.length ? [place] : []));
  const groups = new Map();
  const count = (what) => groups.set(what, (groups.get(what) ?? 0) + 1);
  summary.broken.forEach((each) => count(each[2]));
  bad.forEach((place) => rows[place].problems.forEach((each) => count(each.length < 40 ? each : "files and findings")));
  const entries = [
    ...summary.findings.map((told) => () => make("li", {}, make("div", {}, "Dataset"), make("div", {}, told))),
    ...summary.broken.map(([index, title, kind, reason]) => () => make("li", {}, make("div", {}, `${index} \u00b7 ${title || "?"}`, make("small", {}, kind)), make("div", {}, reason))),
    ...bad.map((place) => () => {
      const row = rows[place];
      return make("li", {}, make("div", {}, make("a", { href: `#item/${row.index}/${encodeURIComponent(row.view)}` }, `${row.index} \u00b7 ${row.name}`), make("small", {}, row.view)), make("div", {}, row.problems.join("; ")));
    }),
  ];
  if (!entries.length) {
    $("problems").replaceChildren(make("p", { className: "fine" }, "Nothing was found: every item is there, every picture shows an object."));
    return;
  }
  const chips = [...groups].sort((one, other) => other[1] - one[1]).slice(0, 12).map(([what, times]) => make("span", {}, `${what} \u00d7 ${number(times)}`));
  const rest = entries.length - most;
  const more = rest > 0 ? make("button", { type: "button", className: "more" }, `Show ${number(Math.min(rest, 1000))} more of ${number(rest)}`) : null;
  if (more) more.onclick = () => tellProblems(most + 1000);
  $("problems").replaceChildren(make("div", { className: "groups" }, ...chips), make("ul", { className: "broken", tabIndex: 0, ariaLabel: "What is wrong, one by one" }, ...entries.slice(0, most).map((entry) => entry())), ...(more ? [more] : []));
}

function chart() {
  const chosen = $("statistics-category").value;
  const title = chosen === "" ? "all categories" : summary.categories[chosen][0];
  const charts = summary.figures.map((figure) => {
    const counts = figure.ends.slice(1).map(() => 0);
    for (const [category, each] of Object.entries(figure.counts)) {
      if (chosen === "" || category === title) each.forEach((count, at) => { counts[at] += count; });
    }
    return histogram(figure, counts, title);
  });
  $("charts").replaceChildren(labelBars(chosen), ...charts, cameraMap(), viewBars());
  drawCameras();
}

function histogram(figure, counts, title) {
  const width = 420, height = 170, low = 8, bottom = 24, top = 14;
  const most = Math.max(1, ...counts), step = (width - 2 * low) / counts.length, total = counts.reduce((sum, each) => sum + each, 0);
  const unit = figure.unit && ` ${figure.unit}`;
  const bars = counts.map((count, at) => {
    const tall = ((height - bottom - top) * count) / most, from = short(figure.ends[at]), to = short(figure.ends[at + 1]);
    return drawn("g", {}, drawn("title", {}, `${from} to ${to}${unit}: ${number(count)}`),
      drawn("rect", { class: "slot", x: low + at * step, y: top, width: step, height: height - bottom - top }),
      drawn("rect", { class: "bar", x: low + at * step + 0.5, y: height - bottom - tall, width: Math.max(1, step - 1), height: tall, rx: 1 }));
  });
  const ticks = [0, 1, 2, 3, 4].map((part) => Math.round((part * counts.length) / 4)).filter((at, place, all) => all.indexOf(at) === place);
  const words = ticks.map((at, place) => drawn("text", { x: low + at * step, y: height - 7, "text-anchor": place === 0 ? "start" : place === ticks.length - 1 ? "end" : "middle" }, short(figure.ends[at])));
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${figure.title}, ${title}: ${number(total)} labels from ${short(figure.ends[0])} to ${short(figure.ends.at(-1))}${unit}` },
    ...bars, drawn("line", { class: "rule", x1: low, x2: width - low, y1: height - bottom, y2: height - bottom }), ...words, drawn("text", { x: low, y: 10 }, `highest bar: ${number(most)}`));
  return make("figure", { className: "chart" }, make("figcaption", {}, figure.title, make("span", {}, figure.unit || "share")), picture);
}

function barLine(title, count, most, colour, told, pressed, act) {
  const bar = make("button", { type: "button", title: told, ariaPressed: String(pressed) }, make("span", {}, title),
    make("span", {}, make("i", { style: `background:${colour};width:${(100 * count) / most}%` })), make("b", {}, number(count)));
  bar.onclick = act;
  return bar;
}

function labelBars(chosen) {
  const sorted = Object.entries(summary.labels).sort((one, other) => other[1] - one[1]).slice(0, 500);
  const most = Math.max(1, ...sorted.map((each) => each[1]));
  const lines = sorted.map(([category, count]) => {
    const place = String(placeOf(category));
    return barLine(category, count, most, summary.categories[place][1], `${category}: ${plural(count, "label")}, ${percent((summary.truncated[category] ?? 0) / count)} truncated`, place === chosen, () => {
      $("statistics-category").value = place === chosen ? "" : place;
      chart();
    });
  });
  return make("figure", { className: "chart tall" }, make("figcaption", {}, "Labels by category", make("span", {}, "click to choose")), make("div", { className: "bars" }, ...lines));
}

function placeOf(category) {
  return summary.categories.findIndex((each) => each[0] === category);
}

function viewBars() {
  const counted = (key) => { const found = new Map(); rows.forEach((row) => found.set(row[key], (found.get(row[key]) ?? 0) + 1)); return [...found]; };
  const lines = (key, field) => counted(key).slice(0, 100).map(([title, count]) => barLine(title || "?", count, rows.length, "var(--accent)", `Show the pictures of ${key} ${title}`, false, () => {
    $("filters").reset(); $(field).value = title; choose(); go("pictures");
  }));
  return make("figure", { className: "chart" }, make("figcaption", {}, "Pictures by split and camera", make("span", {}, "click to see them")),
    make("div", { className: "bars" }, ...lines("split", "by-split"), make("hr", { style: "width:100%;border:0;border-top:1px solid var(--line)" }), ...lines("camera", "by-camera")));
}

function cameraMap() {
  return make("figure", { className: "chart tall" }, make("figcaption", {}, "Cameras from above", make("span", {}, summary.up === "y" ? "x right, z down, m" : "x right, y up, m")),
    make("canvas", { id: "cameras", role: "img", ariaLabel: `Where the cameras of ${number(rows.length)} pictures stand, and where they look`, style: "aspect-ratio:420/300" }));
}

function drawCameras() {
  const canvas = $("cameras");
  if (!canvas || !canvas.clientWidth || !rows.length) return;
  const sharp = window.devicePixelRatio || 1, w = canvas.clientWidth, h = (w * 300) / 420, pen = canvas.getContext("2d");
  canvas.width = w * sharp; canvas.height = h * sharp;
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  const flat = ([x, y, z]) => (summary.up === "y" ? [x, z] : [x, -y]);
  const places = rows.map((row) => flat(row.position)), ends = [0, 1].map((axis) => places.reduce(([low, high], at) => [Math.min(low, at[axis]), Math.max(high, at[axis])], [0, 0]));
  const scale = Math.min(...[w, h].map((side, axis) => (side - 48) / Math.max(1e-6, ends[axis][1] - ends[axis][0])));
  const at = (place) => place.map((value, axis) => [w, h][axis] / 2 + (value - (ends[axis][0] + ends[axis][1]) / 2) * scale);
  const style = getComputedStyle(document.documentElement), cameras = [...new Set(rows.map((row) => row.camera))];
  pen.strokeStyle = pen.fillStyle = getComputedStyle(canvas.parentElement).borderTopColor;
  const [x, y] = at([0, 0]);
  pen.beginPath(); pen.moveTo(0, y); pen.lineTo(w, y); pen.moveTo(x, 0); pen.lineTo(x, h); pen.lineWidth = 1; pen.stroke();
  pen.globalAlpha = rows.length > 3000 ? 0.35 : 0.85;
  rows.forEach((row, place) => {
    const [u, v] = at(places[place]), [du, dv] = flat(row.forward);
    pen.strokeStyle = pen.fillStyle = `hsl(${(215 + 137.5 * cameras.indexOf(row.camera)) % 360} 65% ${isDark() ? 68 : 45}%)`;
    pen.beginPath(); pen.arc(u, v, rows.length > 3000 ? 1.2 : 2.6, 0, 7); pen.fill();
    if (rows.length <= 3000) { pen.beginPath(); pen.moveTo(u, v); pen.lineTo(u + 13 * du, v + 13 * dv); pen.stroke(); }
  });
  pen.globalAlpha = 1;
  const length = 10 ** Math.floor(Math.log10((0.4 * w) / scale)), colour = getComputedStyle(canvas).color;
  pen.fillStyle = pen.strokeStyle = colour; pen.lineWidth = 1.5; pen.font = `11px ${style.fontFamily || "sans-serif"}`;
  pen.beginPath(); pen.moveTo(10, h - 10); pen.lineTo(10 + length * scale, h - 10); pen.stroke();
  pen.fillText(`${short(length)} m`, 10, h - 16);
}

function about() {
  const passes = summary.passes.map(([name, type, unit, told]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, type), make("td", {}, unit), make("td", {}, told)));
  const versions = Object.entries(summary.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  $("about").replaceChildren(
    factsOf({ seed: summary.seed, "made by": versions, "up axis": summary.up, categories: summary.categories.map((each) => each[0]).join(", ") }),
    make("details", {}, make("summary", {}, plural(passes.length, "pass").replace("passs", "passes")), make("div", { className: "scrolls" }, make("table", {}, make("thead", {}, make("tr", {}, ...["Pass", "Type", "Unit", "What it is"].map((each) => make("th", { scope: "col" }, each)))), make("tbody", {}, ...passes)))),
    make("details", {}, make("summary", {}, "Specification, with all defaults"), make("pre", { tabIndex: 0 }, JSON.stringify(summary.specification, null, 2))));
}

// --- the page

function go(part) {
  $("part-summary").hidden = part !== "summary";
  $("part-pictures").hidden = part !== "pictures";
  for (const each of ["summary", "pictures"]) {
    if (each === part) $(`to-${each}`).setAttribute("aria-current", "page"); else $(`to-${each}`).removeAttribute("aria-current");
  }
  window.scrollTo(0, 0);
  if (part === "pictures") { lay(); tell(filtersAsHash()); } else { drawCameras(); tell("#summary"); }
}

/** Show what the address asks for: #summary, #pictures?find=cup, or #item/12/camera_0. */
function follow() {
  const [part, query] = location.hash.slice(1).split("?");
  const [kind, index, view] = part.split("/");
  if (kind === "item") {
    const at = () => shown.findIndex((place) => rows[place].index === Number(index) && (!view || rows[place].view === decodeURIComponent(view)));
    if (at() < 0) { $("filters").reset(); choose(); }
    const found = at();
    go("pictures");
    if (found >= 0) open(found);
    return;
  }
  if ($("viewer").open) $("viewer").close();
  if (kind === "pictures" && query !== undefined) { filtersFromHash(query); choose(); }
  go(kind === "pictures" ? "pictures" : "summary");
}

function options(field, all, entries) {
  field.replaceChildren(make("option", { value: "" }, all), ...entries.map(([value, title]) => make("option", { value }, title)));
}

function passesShown() {
  return ["color", "depth", "normal"].filter((pass) => pass === "color" || summary.passes.some((each) => each[0] === pass));
}

function layerButtons(holder) {
  const bases = passesShown().map((pass, at) => {
    const button = make("button", { type: "button", title: String(at + 1), ariaPressed: String(base === pass) }, pass === "color" ? "Colour" : pass === "depth" ? "Depth" : "Normals");
    button.onclick = () => { base = pass; refresh(); };
    return button;
  });
  const over = LAYERS.map(([layer, title, key]) => {
    const button = make("button", { type: "button", title: `${title} (${key.toUpperCase()})`, ariaPressed: String(layers[layer]) }, title);
    button.dataset.layer = layer;
    button.onclick = () => { layers[layer] = !layers[layer]; refresh(); };
    return button;
  });
  const focused = [...holder.children].indexOf(document.activeElement);
  holder.replaceChildren(...bases, make("span", { className: "gap" }), ...over);
  if (focused >= 0) holder.children[focused].focus();
}

function refresh() {
  layerButtons($("layers"));
  layerButtons($("viewer-layers"));
  redraw();
}

function isDark() {
  return (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
}

function theme(step) {
  let kept = "";
  try { kept = localStorage.getItem("theme") ?? ""; } catch { /* a page that is a file may be refused it */ }
  const now = document.documentElement.dataset.theme ?? (THEMES.some((each) => each[0] === kept) ? kept : "");
  const [name, told, sign] = THEMES[(THEMES.findIndex((each) => each[0] === now) + step) % THEMES.length];
  document.documentElement.dataset.theme = name;
  $("theme").textContent = sign;
  $("theme").title = $("theme").ariaLabel = `Colours of the page: ${told}`;
  try { localStorage.setItem("theme", name); } catch { /* as above */ }
  if (summary) drawCameras();
}

function reset() {
  $("filters").reset();
  choose();
  tell(filtersAsHash());
}

const ARROWS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -grid.columns, ArrowDown: () => grid.columns };

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !summary) return;
  const writes = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (writes) { if (event.key === "Escape") event.target.blur(); return; }
  const small = event.key.toLowerCase(), layer = LAYERS.find((each) => each[2] === small), pass = passesShown()[Number(event.key) - 1];
  const is_open = $("viewer").open;
  const move = { ArrowLeft: looked - 1, ArrowRight: looked + 1, Home: 0, End: shown.length - 1 }[event.key];
  if ($("help").open) return;
  if (is_open && move !== undefined) open(move);
  else if (!is_open && event.target.dataset?.at !== undefined && event.key in ARROWS) focusTile(Number(event.target.dataset.at) + ARROWS[event.key]());
  else if (layer) { layers[layer[0]] = !layers[layer[0]]; refresh(); }
  else if (pass) { base = pass; refresh(); }
  else if (event.key === "?") $("help").showModal();
  else if (small === "t") theme(1);
  else if (is_open) return;
  else if (event.key === "/") { go("pictures"); $("find").focus(); }
  else if (small === "p") go("pictures");
  else if (small === "s") go("summary");
  else if (small === "r") reset();
  else return;
  event.preventDefault();
}

function listen() {
  let asked = 0;
  const later = (act) => () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(act); };
  window.addEventListener("scroll", later(look), { passive: true });
  new ResizeObserver(later(() => { if ($("scroller").clientWidth) lay(); drawCameras(); if (looked >= 0) showLarge(); })).observe(document.body);
  window.addEventListener("resize", later(() => { lay(); drawCameras(); if (looked >= 0) showLarge(); }));
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", key);
  $("filters").addEventListener("input", () => { choose(); tell(filtersAsHash()); });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("clear").onclick = $("clear-too").onclick = (event) => { event.preventDefault(); reset(); };
  $("grid").addEventListener("click", (event) => { const tile = event.target.closest("button"); if (tile) open(Number(tile.dataset.at)); });
  $("previous").onclick = () => open(looked - 1);
  $("next").onclick = () => open(looked + 1);
  $("close").onclick = () => $("viewer").close();
  $("viewer").addEventListener("close", () => { const at = looked; looked = -1; marked = 0; tell(filtersAsHash()); focusTile(at); });
  for (const id of ["viewer", "help"]) $(id).addEventListener("click", (event) => { if (event.target === $(id)) $(id).close(); });
  $("theme").onclick = () => theme(1);
  $("help-open").onclick = () => $("help").showModal();
  $("help-close").onclick = () => $("help").close();
  $("statistics-category").onchange = chart;
  $("to-pictures").onclick = (event) => { event.preventDefault(); go("pictures"); };
  $("to-summary").onclick = (event) => { event.preventDefault(); go("summary"); };
}

async function start() {
  theme(0);
  $("keys").replaceChildren(...KEYS.flatMap(([keys, told]) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, told)]));
  try {
    await load("summary.js");
    for (let file = 0; file < summary.viewFiles; file++) {
      await load(`views-${String(file).padStart(4, "0")}.js`);
      $("tagline").textContent = `${number(rows.length)} of ${number(summary.views)} pictures read`;
    }
  } catch (error) {
    $("tagline").textContent = error.message;
    return;
  }
  const distinct = (name) => [...new Set(rows.map((row) => row[name]))].sort().map((each) => [each, each]);
  const categories = summary.categories.map((each, place) => [place, each[0]]).filter((each) => summary.labels[each[1]]).sort((one, other) => one[1].localeCompare(other[1]));
  options($("by-category"), "all", categories);
  options($("statistics-category"), "all", categories);
  options($("by-split"), "all", distinct("split"));
  options($("by-camera"), "all", distinct("camera"));
  $("tagline").textContent = `${plural(summary.items, "item")}, ${plural(summary.views, "picture")}, ${Object.entries(summary.versions).map((each) => each.join(" ")).join(", ")}`;
  $("count-views").textContent = number(summary.views);
  listen();
  layerButtons($("layers"));
  layerButtons($("viewer-layers"));
  choose();
  summarise();
  follow();
  document.documentElement.dataset.ready = "1";
}

start();
