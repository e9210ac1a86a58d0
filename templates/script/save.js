// What the reader takes along: the rows that are shown, in their order, or a map of the explorer.

const OF_CLASSES = ["probability", "label_probability", "margin"]; // values have none of them
const COLUMNS = [
  ...["id", "file", "answer", "probability", "label", "label_probability", "margin", "loss"],
  ...["verdict", "flags", "checks", "sha256"],
];
const columns = () => COLUMNS.filter((key) => !OF_CLASSES.includes(key) || !valued);
const FORMULA = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/; // what a spreadsheet would take for one

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Text in quotes; before what a spreadsheet would calculate stands an apostrophe.
function cell(value) {
  if (typeof value === "number") return String(value);
  const text = value ?? "";
  return `"${FORMULA.test(text) ? "'" : ""}${text.replaceAll('"', '""')}"`;
}

function csv(rows) {
  return `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

function shownLines() {
  const order = new Map(lines.map((line) => [line.row, line]));
  const shown = [...listing.tBodies[0].rows].filter((row) => !row.classList.contains("out"));
  return shown.map((row) => order.get(row));
}

function saveLines(kind) {
  const shown = shownLines();
  if (kind === "csv") {
    const rows = shown.map((line) => columns().map((key) => (Array.isArray(line[key]) ? line[key].join("; ") : line[key])));
    return save("images.csv", new Blob([csv([columns(), ...rows])], { type: "text/csv" }));
  }
  const rows = shown.map((line) => Object.fromEntries(columns().map((key) => [key, line[key]])));
  return save("images.json", new Blob([JSON.stringify(rows, null, 1)], { type: "application/json" }));
}

// The map as it is drawn, or its values row by row, as fine as the page has them.
function saveMap(kind) {
  const name = `${current.id}.${kind}`;
  if (kind === "png") return panes.map.querySelector("canvas").toBlob((blob) => save(name, blob));
  const { levels, width, height, low, high, top } = scene.map;
  const value = (level) => Number((low + (level * (high - low)) / top).toPrecision(6));
  const rowAt = (_, y) => Array.from(levels.subarray(y * width, (y + 1) * width), value);
  return save(name, new Blob([csv(Array.from({ length: height }, rowAt))], { type: "text/csv" }));
}
