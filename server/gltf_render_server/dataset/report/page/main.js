// The parts of the page, its address, and its keys.

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
