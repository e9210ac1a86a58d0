// What the page holds: figures, the maps and photographs that belong to them, numbers in words.

const dialog = document.getElementById("explorer");
const maps = new WeakMap(); // figure -> promise of its map, decoded when it is first looked at

function mapOf(figure) {
  if (!("low" in figure.dataset) || !globalThis.DecompressionStream) return null;
  if (!maps.has(figure)) maps.set(figure, readMap(figure));
  return maps.get(figure);
}

async function readMap(figure) {
  const carried = figure.dataset;
  const packed = carried.levels ?? figure.querySelector("img").src.split(",")[1];
  const [rows, columns] = numbers(carried.grid);
  const map = await decoded(bytesOf(packed));
  return Object.assign(map, {
    rows, // of the map as it was measured; what is carried of it may be smaller
    columns,
    low: Number(carried.low),
    high: Number(carried.high),
    top: Number(carried.top),
    palette: carried.palette,
    signed: "signed" in carried,
    clipped: "clipped" in carried,
    alone: "alone" in carried,
    step: !("alone" in carried) || Math.max(rows, columns) <= 64 ? 1 : Number(dialog.dataset.step),
  });
}

// The pixels of a picture of the page at the size it was made for, RGBA; null where there is none,
// or where the picture is a file that no script may read: beside a page that was opened from a disk.
async function pixelsOf(figure) {
  const shown = figure?.querySelector("img");
  if (!shown || (location.protocol === "file:" && !shown.src.startsWith("data:"))) return null;
  const image = new Image();
  image.src = shown.src;
  await image.decode();
  const [width, height] = [Number(shown.getAttribute("width")), Number(shown.getAttribute("height"))];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}

function numbers(text) {
  return text.split(" ").map(Number);
}

// The photograph below a figure: `seen`, or the `original` file. A second model that saw the image
// otherwise has a view of its own.
function photoOf(figure, name) {
  const card = figure.closest(".card");
  if (!card) return null;
  const second = `${card.id}-beside`;
  const own = figure.id.startsWith(`${second}-`) && document.getElementById(`${second}-seen`);
  return document.getElementById(`${own ? second : card.id}-${name}`);
}

// The value of a level, in words: three digits, and how far the level may be off.
function reading(map, level) {
  const unit = (map.high - map.low) / map.top;
  const value = map.low + level * unit;
  const beyond = map.clipped && (level === map.top ? "≥ " : level === 0 && map.signed ? "≤ " : "");
  return `${beyond || ""}${number(value)} ± ${number((unit * map.step) / 2, 1)}`;
}

function valueAt(map, [x, y]) {
  return reading(map, map.levels[Math.floor(y * map.height) * map.width + Math.floor(x * map.width)]);
}

// What is said of a place, given as fractions of the map's sides: value, pixel of what the model saw,
// and cell where the map has a grid of its own.
function toldAt(map, input, [x, y]) {
  const on = ([columns, rows]) => `${Math.floor(x * columns)}, ${Math.floor(y * rows)}`;
  const grid = [map.columns, map.rows];
  const cell = `${grid}` === `${input}` ? "" : ` · cell ${on(grid)} of ${map.columns} × ${map.rows}`;
  return `${valueAt(map, [x, y])} · pixel ${on(input)}${cell}`;
}

// How many columns and rows of pixels the model saw.
function inputOf(figure, map) {
  const seen = photoOf(figure, "seen");
  return seen ? numbers(seen.dataset.input) : [map.columns, map.rows];
}

function number(value, digits = 3) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const plain = size >= 1e-4 && size < 1e5;
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return (plain ? value.toFixed(decimals) : value.toExponential(digits - 1)).replaceAll("-", "−");
}

// Figures that can be looked at, among those that stand together: of one card, or of one section.
function figuresAround(figure) {
  const room = figure.closest(".card, section");
  return [...room.querySelectorAll("figure")].filter((figure) => pictured(figure) && !("again" in figure.dataset));
}

function pictureOf(figure) {
  return figure.querySelector("img, svg.plot");
}

function pictured(figure) {
  return pictureOf(figure) !== null && figure.querySelector(".name") !== null;
}

function titleOf(figure) {
  return figure.querySelector(".name").textContent.trim();
}
