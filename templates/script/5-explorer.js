// The dialog: which figure is shown and how. Opened from any figure; nothing is done before that.

const DIVERGING = ["coolwarm", "PuOr"];
const PHOTO = "the photo";
const AS_REPORTED = { view: "", opacity: 85, threshold: 0, palette: "", beside: "", colour: false, whole: false };
const part = (selector) => dialog.querySelector(selector);
const input = (name) => dialog.querySelectorAll(`[name=${name}]`);
const choice = { ...AS_REPORTED }; // what the reader set; it stays from figure to figure
let figures = []; // those that can be walked
let current = null;
let opener = null; // where the focus returns to

function explore(figure, whole = false) {
  opener = document.activeElement === document.body ? null : document.activeElement;
  opener ??= figure.querySelector("a.name");
  if ("again" in figure.dataset) return explore(document.getElementById(figure.dataset.again), true);
  figures = figuresAround(figure);
  choice.whole = whole;
  fillFilm();
  if (!dialog.open) dialog.showModal();
  part("h2").focus();
  return goTo(figure);
}

async function goTo(figure) {
  current = figure;
  const at = figures.indexOf(figure);
  part("h2").textContent = titleOf(figure);
  part(".about").textContent = aboutOf(figure);
  part(".count").textContent = `${at + 1} / ${figures.length}`;
  part(".prev").disabled = at === 0;
  part(".next").disabled = at === figures.length - 1;
  part(".caption").replaceChildren(...captionOf(figure));
  [...part(".film").children].forEach((held, n) => held.setAttribute("aria-current", n === at));
  part(".film").children[at]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  dialog.dispatchEvent(new CustomEvent("explored", { detail: { figure: figure.id } }));
  const made = await sceneOf(figure, choice.whole);
  if (current !== figure) return; // walked on while this was read
  scene = made;
  fillControls();
  await redraw();
}

function aboutOf(figure) {
  const card = figure.closest(".card");
  if (!card) return figure.closest("section").querySelector("h2").textContent;
  const target = figure.dataset.target ? `, for ${figure.dataset.target}` : "";
  return `${card.querySelector("h3").textContent.trim()} · ${card.querySelector(".answer").textContent}${target}`;
}

// All that the caption says but the name, which is the title here, and the colour bar's old place.
function captionOf(figure) {
  const copy = figure.querySelector("figcaption").cloneNode(true);
  copy.querySelector(".name").remove();
  for (const held of copy.querySelectorAll("[id]")) held.removeAttribute("id");
  return [...copy.childNodes];
}

async function redraw() {
  const drawn = scene !== null;
  stage.classList.toggle("bare", !drawn);
  for (const held of [panes.map, part(".see"), part(".set"), said.parentElement]) held.hidden = !drawn;
  plain.hidden = drawn;
  if (!drawn) return showPlain();
  const bar = part(".caption .bar");
  if (bar) bar.className = `bar bar-${paletteOf(scene)}`;
  drawIn(panes.map, scene, current.querySelector("img").alt);
  await drawBeside();
  return tell();
}

function showPlain() {
  panes.beside.hidden = true;
  const copy = current.querySelector("img, svg.plot").cloneNode(true);
  copy.removeAttribute("loading");
  plain.replaceChildren(copy);
}

function drawIn(pane, held, alt, view = viewOf(held)) {
  const canvas = pane.querySelector("canvas");
  canvas.setAttribute("aria-label", alt);
  pane.hidden = false;
  held.alone = view === "alone";
  drawScene(canvas, held, {
    view,
    colour: choice.colour,
    opacity: choice.opacity / 100,
    threshold: choice.threshold / 100,
    table: bytesOf(PALETTES[paletteOf(held)]),
  });
}

// The photograph or another map of the card, with what was set for the first.
async function drawBeside() {
  const figure = choice.beside === PHOTO ? null : besides().find((held) => nameOf(held) === choice.beside);
  const made = figure ? await sceneOf(figure, choice.whole) : null;
  other = scene && made;
  if (other) drawIn(panes.beside, other, figure.querySelector("img").alt);
  else if (scene?.photo && choice.beside === PHOTO) drawIn(panes.beside, { ...scene }, "The photograph", "photo");
  else panes.beside.hidden = true;
}

function besides() {
  return figures.filter((held) => "low" in held.dataset);
}

function viewOf(held) {
  if (!held.photo) return "alone";
  return choice.view || (held.map.alone ? "alone" : "over");
}

function paletteOf({ map }) {
  const fits = DIVERGING.includes(choice.palette) === map.signed;
  return choice.palette && fits ? choice.palette : map.palette;
}

// The controls say what is shown, and offer what this card has.
function fillControls() {
  const targets = distinctOf(figures, (held) => held.dataset.target);
  const method = titleOf(current);
  fill("target", targets, current.dataset.target);
  fill("method", distinctOf(figures, titleOf), method);
  const layers = distinctOf(figures.filter((held) => titleOf(held) === method), (held) => held.dataset.layer);
  fill("layer", layers, current.dataset.layer);
  part(".of-target").hidden = targets.length < 2;
  part(".of-layer").hidden = layers.length < 2;
  if (!scene) return;
  const names = Object.keys(PALETTES).filter((name) => DIVERGING.includes(name) === scene.map.signed);
  fill("palette", names, paletteOf(scene));
  fill("beside", ["", PHOTO, ...distinctOf(besides(), nameOf)], choice.beside);
  for (const held of input("view")) held.checked = held.value === viewOf(scene);
  for (const name of ["colour", "whole"]) input(name)[0].checked = choice[name];
  for (const name of ["opacity", "threshold"]) input(name)[0].value = choice[name];
  const whole = photoOf(current, "original");
  part(".of-whole").hidden = !(whole && "crop" in whole.dataset);
  for (const held of [...input("view"), ...input("colour")]) held.disabled = !scene.photo;
  sayAmounts();
}

function sayAmounts() {
  const { low, high, signed } = scene.map;
  const from = signed ? (choice.threshold / 100) * high : low + (choice.threshold / 100) * (high - low);
  const outputs = part(".set").querySelectorAll(".slide output");
  outputs[0].textContent = `${choice.opacity} %`;
  outputs[1].textContent = choice.threshold ? `${signed ? "beyond ±" : "from "}${number(from)}` : "all shown";
}

function nameOf(figure) {
  const { target, layer } = figure.dataset;
  return [titleOf(figure), target, distinctOf(figures.filter((f) => titleOf(f) === titleOf(figure)), (f) => f.dataset.layer).length > 1 && layer].filter(Boolean).join(", ");
}

function distinctOf(held, value) {
  return [...new Set(held.map(value).filter(Boolean))];
}

function fill(name, values, chosen) {
  const select = input(name)[0];
  select.replaceChildren(...values.map((value) => new Option(value || "nothing", value, false, value === chosen)));
}

// The figure that has most of what was picked, the picked first.
function pick(name) {
  const wanted = { target: input("target")[0].value, method: input("method")[0].value, layer: input("layer")[0].value };
  const has = (held) => ({ target: held.dataset.target, method: titleOf(held), layer: held.dataset.layer });
  const score = (held) => {
    const own = has(held);
    return Object.keys(wanted).reduce((sum, key) => sum + (own[key] === wanted[key]) * (key === name ? 8 : key === "method" ? 4 : 1), 0);
  };
  goTo(figures.reduce((best, held) => (score(held) > score(best) ? held : best)));
}

function fillFilm() {
  part(".film").replaceChildren(
    ...figures.map((figure) => {
      const button = document.createElement("button");
      const picture = figure.querySelector("img, svg.plot").cloneNode(true);
      if (picture.alt) picture.alt = "";
      else picture.ariaHidden = "true";
      const name = document.createElement("span");
      name.textContent = nameOf(figure);
      button.type = "button";
      button.append(picture, name);
      button.addEventListener("click", () => goTo(figure));
      return button;
    }),
  );
}

function walk(by) {
  const next = figures[figures.indexOf(current) + by];
  if (next) goTo(next);
}

// The photograph, and back to what was shown before.
function flip() {
  if (!scene?.photo) return;
  if (choice.view === "photo") choice.view = choice.before;
  else [choice.before, choice.view] = [choice.view, "photo"];
  fillControls();
  redraw();
}

function changed(event) {
  const { name, type, value, checked } = event.target;
  if (["target", "method", "layer"].includes(name)) return pick(name);
  choice[name] = type === "checkbox" ? checked : type === "range" ? Number(value) : value;
  if (name === "whole") return goTo(current);
  sayAmounts();
  return redraw();
}

function keyed(event) {
  if (event.target.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
  const acts = { ArrowLeft: () => walk(-1), ArrowRight: () => walk(1), f: flip, F: flip };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function opened(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const start = event.target.closest("figure img, figure svg.plot, figure a.name, button.explore");
  if (!start || dialog.contains(start)) return;
  const figure = start.closest("figure") ?? start.closest(".card").querySelector(".maps figure:has(img)");
  if (!figure || !pictured(figure)) return;
  event.preventDefault();
  explore(figure);
}

dialog.addEventListener("input", changed);
dialog.addEventListener("keydown", keyed);
dialog.addEventListener("close", () => {
  scene = other = at = null;
  opener?.focus();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest(".shut")) dialog.close();
});
part(".prev").addEventListener("click", () => walk(-1));
part(".next").addEventListener("click", () => walk(1));
part(".reset").addEventListener("click", () => {
  Object.assign(choice, AS_REPORTED);
  goTo(current);
});
document.addEventListener("click", opened);
document.documentElement.classList.add("with-script");
