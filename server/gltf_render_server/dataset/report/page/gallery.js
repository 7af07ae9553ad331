// The gallery: only the tiles that are in sight are there.

const tiles = new Map();
let grid = { columns: 1, width: 0, height: 0 };

function lay(fromStart = false) {
  if ($("part-pictures").hidden || !rows.length) return;
  const focused = document.activeElement?.dataset?.at;
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
  if (focused !== undefined) tiles.get(Number(focused))?.firstChild.focus({ preventScroll: true });
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
