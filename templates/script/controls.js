// The controls: what the reader set, and what it means for the map that is shown.

const PHOTO = "the photo";
const DIVERGING = ["coolwarm", "PuOr"];
const AS_REPORTED = {
  view: "", // as the figure has it
  opacity: 85,
  threshold: 0,
  palette: "", // as the figure has it
  beside: "",
  colour: false,
  whole: false,
};
const choice = { ...AS_REPORTED }; // stays from figure to figure

function part(selector) {
  return dialog.querySelector(selector);
}

function input(name) {
  return [...dialog.querySelectorAll(`[name=${name}]`)];
}

function viewOf(drawn) {
  if (!drawn.photo) return "alone";
  return choice.view || (drawn.map.alone ? "alone" : "over");
}

// A palette that fits: one that diverges for signed maps, one that rises for the others.
function paletteOf({ map }) {
  const fits = DIVERGING.includes(choice.palette) === map.signed;
  return choice.palette && fits ? choice.palette : map.palette;
}

function fill(name, values, chosen) {
  const options = values.map((value) => new Option(value || "nothing", value, false, value === chosen));
  input(name)[0].replaceChildren(...options);
}

function distinct(values) {
  return [...new Set(values.filter(Boolean))];
}

// Which figure: its model, target, method and layer, where there are several.
function fillPicks() {
  const method = titleOf(current);
  const layers = layersOf(method);
  fill("method", distinct(figures.map(titleOf)), method);
  fill("layer", layers, current.dataset.layer);
  part(".of-method").firstChild.textContent = current.closest(".card") ? "Method " : "Figure ";
  part(".of-layer").hidden = layers.length < 2;
  for (const name of ["model", "target"]) {
    const values = distinct(figures.map((figure) => figure.dataset[name]));
    fill(name, values, current.dataset[name]);
    part(`.of-${name}`).hidden = values.length < 2;
  }
}

function layersOf(method) {
  const own = figures.filter((figure) => titleOf(figure) === method);
  return distinct(own.map((figure) => figure.dataset.layer));
}

// How it is drawn: the controls say what is shown, and offer what this map has.
function fillLook() {
  const names = Object.keys(PALETTES).filter((name) => DIVERGING.includes(name) === scene.map.signed);
  fill("palette", names, paletteOf(scene));
  fill("beside", ["", PHOTO, ...distinct(mapped().map(nameOf))], choice.beside);
  for (const field of input("view")) field.checked = field.value === viewOf(scene);
  for (const name of ["colour", "whole"]) input(name)[0].checked = choice[name];
  for (const name of ["opacity", "threshold"]) input(name)[0].value = choice[name];
  for (const field of [...input("view"), ...input("colour")]) field.disabled = !scene.photo;
  part(".of-whole").hidden = !("crop" in (photoOf(current, "original")?.dataset ?? {}));
  sayAmounts();
}

function sayAmounts() {
  const { low, high, signed } = scene.map;
  const share = choice.threshold / 100;
  const from = signed ? `beyond ±${number(share * high)}` : `from ${number(low + share * (high - low))}`;
  const [opacity, threshold] = part(".set").querySelectorAll(".slide output");
  opacity.textContent = `${choice.opacity} %`;
  threshold.textContent = share ? from : "all shown";
}

// The figure that has most of what the selects say; what was just changed counts most.
function picked(name) {
  const weight = { model: 1, target: 1, method: 3, layer: 1, [name]: 6 };
  const wanted = (key) => input(key)[0].value;
  const score = (figure) => {
    const own = { ...figure.dataset, method: titleOf(figure) };
    return Object.keys(weight).reduce((sum, key) => sum + (own[key] === wanted(key) ? weight[key] : 0), 0);
  };
  return figures.reduce((best, figure) => (score(figure) > score(best) ? figure : best));
}

function changed(event) {
  const { name, type, value, checked } = event.target;
  if (["model", "target", "method", "layer"].includes(name)) return goTo(picked(name));
  choice[name] = type === "checkbox" ? checked : type === "range" ? Number(value) : value;
  if (name === "whole") return goTo(current);
  sayAmounts();
  dialog.dispatchEvent(new CustomEvent("looked"));
  return redraw();
}

// The photograph, and back to what was shown before.
function flip() {
  if (!scene?.photo) return;
  if (choice.view === "photo") choice.view = choice.before;
  else [choice.before, choice.view] = [choice.view, "photo"];
  fillLook();
  dialog.dispatchEvent(new CustomEvent("looked"));
  redraw();
}

function reset() {
  Object.assign(choice, AS_REPORTED);
  dialog.dispatchEvent(new CustomEvent("looked"));
  goTo(current);
}
