"use strict";
// What all parts of the page share.
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
