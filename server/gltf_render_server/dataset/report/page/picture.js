// A picture, and what is drawn over it.

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
