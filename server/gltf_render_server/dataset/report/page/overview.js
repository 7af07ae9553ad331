// The summary: what is wrong, and how often what occurs.

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
