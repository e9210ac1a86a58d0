// A PNG of one byte a place, as report/pictures/levels.py writes it, back into its bytes. Read here and not
// through a canvas, because some browsers blur what a canvas gives back.

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

async function decoded(png) {
  const view = new DataView(png.buffer);
  const packed = [];
  for (let at = 8; at < png.length; at += view.getUint32(at) + 12) {
    const kind = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (kind === "IDAT") packed.push(png.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const inflated = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(inflated).arrayBuffer());
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  return { width, height, levels: unfiltered(rows, width, height) };
}

// Each row stands behind its filter: 0 as it is, 2 as the difference from the row above.
function unfiltered(rows, width, height) {
  const levels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const from = y * (width + 1) + 1;
    levels.set(rows.subarray(from, from + width), y * width);
    if (rows[from - 1] !== 2 || y === 0) continue;
    for (let at = y * width; at < (y + 1) * width; at++) levels[at] += levels[at - width];
  }
  return levels;
}
