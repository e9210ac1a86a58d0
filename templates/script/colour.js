// Levels to pixels, as report/pictures/figures.py does it: bilinear with align_corners=False, then colour.

// The triangle filter for one side: for each new place the first old one and the weights from there.
function taps(from, to) {
  const step = from / to;
  const reach = Math.max(step, 1); // shrinking averages over all that becomes one place
  return Array.from({ length: to }, (_, at) => {
    const centre = (at + 0.5) * step;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const weights = [];
    for (let k = first; k < last; k++) {
      weights.push(Math.max(0, 1 - Math.abs((k + 0.5 - centre) / reach)));
    }
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

function resampled(values, width, height, toWidth, toHeight) {
  const wide = width === toWidth ? values : new Float32Array(toWidth * height);
  if (wide !== values) {
    taps(width, toWidth).forEach(({ first, weights }, x) => {
      for (let y = 0; y < height; y++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * values[y * width + first + k];
        wide[y * toWidth + x] = sum;
      }
    });
  }
  if (height === toHeight) return wide;
  const out = new Float32Array(toWidth * toHeight);
  taps(height, toHeight).forEach(({ first, weights }, y) => {
    for (let x = 0; x < toWidth; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * wide[(first + k) * toWidth + x];
      out[y * toWidth + x] = sum;
    }
  });
  return out;
}

// To the nearest whole number, halves to the even one, as numpy does.
function nearest(value) {
  const whole = Math.round(value);
  return whole - value === 0.5 && whole % 2 ? whole - 1 : whole;
}

function strength(part, signed) {
  return signed ? Math.abs(2 * part - 1) : part;
}

// A map alone, RGBA. Below the threshold it is clear.
function paintAlone(levels, map, look) {
  const out = new Uint8ClampedArray(levels.length * 4);
  for (let at = 0; at < levels.length; at++) {
    const part = levels[at] / map.top;
    const colour = nearest(part * 255) * 3;
    for (let c = 0; c < 3; c++) out[at * 4 + c] = look.table[colour + c];
    out[at * 4 + 3] = strength(part, map.signed) < look.threshold ? 0 : 255;
  }
  return out;
}

// A map over pixels (RGBA) of the same size: stronger is less transparent.
function paintOver(levels, map, look, under) {
  const out = new Uint8ClampedArray(under);
  const power = map.signed ? 0.8 : 0.5;
  for (let at = 0; at < levels.length; at++) {
    const part = levels[at] / map.top;
    const size = strength(part, map.signed);
    if (size < look.threshold) continue;
    const opacity = look.opacity * size ** power;
    const colour = nearest(part * 255) * 3;
    for (let c = 0; c < 3; c++) {
      out[at * 4 + c] = Math.floor(under[at * 4 + c] * (1 - opacity) + look.table[colour + c] * opacity);
    }
  }
  return out;
}

// Pixels without colour. Luma stays a fraction, for what is mixed with it is rounded once.
function greyed(pixels) {
  const out = new Float32Array(pixels);
  for (let at = 0; at < out.length; at += 4) {
    const luma = 0.299 * out[at] + 0.587 * out[at + 1] + 0.114 * out[at + 2];
    out[at] = out[at + 1] = out[at + 2] = luma;
  }
  return out;
}
