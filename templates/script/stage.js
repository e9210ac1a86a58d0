// The stage: a map drawn over its photograph, and the value under the pointer.

const stage = dialog.querySelector(".stage");
const panes = {
  map: stage.querySelector("[data-pane=map]"),
  beside: stage.querySelector("[data-pane=beside]"),
};
const plain = stage.querySelector(".plain");
const said = stage.querySelector(".reading output");
const CELLS = 64; // a map of so few places keeps them when it stands alone, as its figure does
let scene = null; // what the first pane shows
let other = null; // a second map, beside it
let at = null; // the place that is read, as fractions of what is shown; before one is, the strongest

// A map, the photograph under it, the box in it that the map covers, and what the model saw, in pixels.
async function sceneOf(figure, whole) {
  const map = await mapOf(figure);
  if (!map) return null;
  const original = whole && photoOf(figure, "original");
  const photo = await pixelsOf(original || photoOf(figure, "seen"));
  const { width, height } = photo ?? enlarged(map);
  const [left, top, right, bottom] = original && photo ? numbers(original.dataset.crop) : [0, 0, width, height];
  const box = { left, top, width: right - left, height: bottom - top };
  return { map, photo, width, height, box, input: inputOf(figure, map) };
}

function enlarged({ width, height }) {
  const factor = Math.max(1, Math.floor(256 / Math.max(width, height)));
  return { width: width * factor, height: height * factor };
}

function drawScene(canvas, { map, photo, width, height, box }, look) {
  if (look.view === "photo") return show(canvas, photo.data, width, height);
  if (look.view === "alone" && map.alone && Math.max(map.width, map.height) <= CELLS) {
    return show(canvas, paintAlone(map.levels, map, look), map.width, map.height);
  }
  const levels = resampled(map.levels, map.width, map.height, box.width, box.height);
  if (look.view === "alone") return show(canvas, paintAlone(levels, map, look), box.width, box.height);
  const under = look.colour ? Float32Array.from(photo.data) : greyed(photo.data);
  return show(canvas, laidOver(levels, map, look, under, width, height, box), width, height);
}

// The photograph with the map where the model looked; a crop may reach beyond its file.
function laidOver(levels, map, look, under, width, height, box) {
  const [x, y] = [Math.max(0, box.left), Math.max(0, box.top)];
  const part = {
    width: Math.min(width, box.left + box.width) - x,
    height: Math.min(height, box.top + box.height) - y,
  };
  const seen = cut(levels, box.width, x - box.left, y - box.top, part, 1);
  const laid = paintOver(seen, map, look, cut(under, width, x, y, part, 4));
  const out = Uint8ClampedArray.from(under, Math.floor);
  for (let row = 0; row < part.height; row++) {
    out.set(laid.subarray(row * part.width * 4, (row + 1) * part.width * 4), ((y + row) * width + x) * 4);
  }
  return out;
}

function cut(values, stride, x, y, { width, height }, samples) {
  const out = new Float32Array(width * height * samples);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * stride + x) * samples;
    out.set(values.subarray(from, from + width * samples), row * width * samples);
  }
  return out;
}

function show(canvas, pixels, width, height) {
  Object.assign(canvas, { width, height });
  canvas.classList.toggle("exact", Math.max(width, height) <= CELLS);
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
}

// Reads the maps at a place of the pane, given as fractions of its sides.
function readAt(x, y) {
  if (!scene) return;
  at = [x, y].map((side) => Math.min(Math.max(side, 0), 0.9999));
  tell();
}

function tell() {
  const place = placeRead();
  const beside = other ? ` · beside: ${valueOf(other) ?? "–"}` : "";
  said.textContent = `${at ? "" : "largest: "}${told(scene)}${beside}`;
  for (const mark of stage.querySelectorAll(".spot")) {
    Object.assign(mark.style, { left: `${place[0] * 100}%`, top: `${place[1] * 100}%` });
  }
}

function placeRead() {
  if (at) return at;
  const { map, box, width, height, alone } = scene;
  const [x, y] = peakOf(map);
  return alone ? [x, y] : [(box.left + x * box.width) / width, (box.top + y * box.height) / height];
}

// The middle of the place with the largest value, as fractions of the map's sides.
function peakOf(map) {
  const size = (level) => strength(level / map.top, map.signed);
  map.peak ??= map.levels.reduce((best, level, n, all) => (size(level) > size(all[best]) ? n : best), 0);
  const [x, y] = [map.peak % map.width, Math.floor(map.peak / map.width)];
  return [(x + 0.5) / map.width, (y + 0.5) / map.height];
}

// Where in the map the read place lies, as fractions of its sides; null beyond it.
function insideOf({ width, height, box, alone }) {
  const place = placeRead();
  if (alone) return place;
  const inside = [(place[0] * width - box.left) / box.width, (place[1] * height - box.top) / box.height];
  return inside.every((side) => side >= 0 && side < 1) ? inside : null;
}

function valueOf(drawn) {
  const inside = insideOf(drawn);
  return inside && valueAt(drawn.map, inside);
}

function told(drawn) {
  const inside = insideOf(drawn);
  return inside ? toldAt(drawn.map, drawn.input, inside) : "outside what the model saw";
}

function follow(event) {
  const edges = event.currentTarget.querySelector("canvas").getBoundingClientRect();
  readAt((event.clientX - edges.left) / edges.width, (event.clientY - edges.top) / edges.height);
}

// One place of what is shown, or ten with Shift.
function step(event) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!way || !scene) return;
  const { width, height } = panes.map.querySelector("canvas");
  const size = event.shiftKey ? 10 : 1;
  const [x, y] = placeRead();
  const moved = (from, by, side) => (Math.floor(from * side) + by * size + 0.5) / side;
  readAt(moved(x, way[0], width), moved(y, way[1], height));
  event.preventDefault();
  event.stopPropagation();
}

for (const pane of Object.values(panes)) {
  pane.addEventListener("pointermove", follow);
  pane.addEventListener("pointerdown", follow);
}
panes.map.addEventListener("keydown", step);
