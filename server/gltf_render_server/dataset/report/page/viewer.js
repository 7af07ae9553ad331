// One picture, with all that is known of it.

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
