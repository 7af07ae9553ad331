// Reads the files beside the page: a page that is a file may read nothing but scripts and pictures.

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
