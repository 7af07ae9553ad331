// Which pictures are shown, and in which order.

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
