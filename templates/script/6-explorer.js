// The dialog: opened from any figure, walked with the arrows. Nothing is done before it is opened.
// `explore(figure)` opens it; the event "explored" on the dialog names the figure that is shown.

let figures = []; // those that can be walked
let current = null;
let opener = null; // where the focus returns to

function explore(figure, whole = false) {
  if ("again" in figure.dataset) return explore(document.getElementById(figure.dataset.again), true);
  if (!dialog.open) opener = openerOf(figure);
  figures = figuresAround(figure);
  choice.whole = whole;
  fillFilm();
  if (!dialog.open) dialog.showModal();
  document.documentElement.classList.add("exploring"); // a class: `:has` would slow the whole page
  part("h2").focus();
  return goTo(figure);
}

// A picture takes no focus: the name below it does.
function openerOf(figure) {
  const active = document.activeElement;
  return active === document.body ? figure.querySelector("a.name") : active;
}

async function goTo(figure) {
  current = figure;
  stage.ariaBusy = "true";
  introduce(figure);
  dialog.dispatchEvent(new CustomEvent("explored", { detail: { figure: figure.id } }));
  const made = await sceneOf(figure, choice.whole);
  if (current !== figure) return; // walked on while this was read
  scene = made;
  fillPicks();
  if (scene) fillLook();
  await redraw();
}

function introduce(figure) {
  const place = figures.indexOf(figure);
  part("h2").textContent = titleOf(figure);
  part(".about").textContent = aboutOf(figure);
  part(".count").textContent = `${place + 1} / ${figures.length}`;
  part(".prev").disabled = place === 0;
  part(".next").disabled = place === figures.length - 1;
  part(".caption").replaceChildren(...captionOf(figure));
  const film = [...part(".film").children];
  film.forEach((button, n) => button.setAttribute("aria-current", n === place));
  film[place]?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function aboutOf(figure) {
  const card = figure.closest(".card");
  if (!card) return figure.closest("section").querySelector("h2").textContent;
  const [image, answer] = [card.querySelector("h3"), card.querySelector(".answer")];
  const { model, target } = figure.dataset;
  const about = [answer.textContent, target && `for ${target}`, model && `by ${model}`];
  return `${image.textContent.trim()} · ${about.filter(Boolean).join(", ")}`;
}

// All that the caption says but the name, which is the title here.
function captionOf(figure) {
  const copy = figure.querySelector("figcaption").cloneNode(true);
  copy.querySelector(".name").remove();
  const legend = figure.closest(".trial")?.querySelector(".keys"); // one for all plots
  return [...copy.childNodes, ...(legend ? [legend.cloneNode(true)] : [])];
}

async function redraw() {
  const [figure, drawn] = [current, scene !== null];
  stage.ariaBusy = "true";
  stage.classList.toggle("bare", !drawn);
  for (const held of [panes.map, part(".see"), part(".set")]) held.hidden = !drawn;
  plain.hidden = drawn;
  if (drawn) await drawMaps();
  else showPlain();
  if (figure === current) stage.ariaBusy = "false";
}

async function drawMaps() {
  const bar = part(".caption .bar");
  if (bar) bar.className = `bar bar-${paletteOf(scene)}`;
  drawIn(panes.map, scene, current);
  await drawBeside();
  tell();
}

// A figure that is no map: its picture or plot, large.
function showPlain() {
  split(false);
  const copy = pictureOf(current).cloneNode(true);
  copy.removeAttribute("loading");
  plain.replaceChildren(copy);
}

function drawIn(pane, held, figure, view = viewOf(held)) {
  pane.querySelector("canvas").setAttribute("aria-label", pictureOf(figure).alt);
  pane.querySelector(".of").textContent = nameOf(figure);
  held.alone = view === "alone";
  drawScene(pane.querySelector("canvas"), held, {
    view,
    colour: choice.colour,
    opacity: choice.opacity / 100,
    threshold: choice.threshold / 100,
    table: bytesOf(PALETTES[paletteOf(held)]),
  });
}

// The photograph or another map of the card, with what was set for the first.
async function drawBeside() {
  const figure = mapped().find((held) => nameOf(held) === choice.beside);
  const shown = scene;
  const made = figure ? await sceneOf(figure, choice.whole) : null;
  if (scene !== shown || !scene) return; // walked on, or closed
  other = made;
  const photo = scene.photo && choice.beside === PHOTO;
  split(other || photo);
  const photograph = photoOf(current, choice.whole ? "original" : "seen");
  if (other) drawIn(panes.beside, other, figure);
  else if (photo) drawIn(panes.beside, { ...scene }, photograph, "photo");
}

function split(both) {
  panes.beside.hidden = !both;
  stage.classList.toggle("split", Boolean(both));
}

function mapped() {
  return figures.filter((figure) => "low" in figure.dataset);
}

// The title, and what tells it from others of the same title.
function nameOf(figure) {
  const { model, layer } = figure.dataset;
  const title = titleOf(figure);
  const targets = distinct(figures.map((held) => held.dataset.target));
  const target = targets.length > 1 ? figure.dataset.target : "";
  const tested = figure.closest(".trial") ? "tested" : "";
  return [title, model, target, layersOf(title).length > 1 ? layer : "", tested].filter(Boolean).join(", ");
}

function fillFilm() {
  part(".film").replaceChildren(...figures.map(filmed));
}

function filmed(figure) {
  const button = document.createElement("button");
  const picture = pictureOf(figure).cloneNode(true);
  if (picture.alt) picture.alt = ""; // the name says it
  else picture.ariaHidden = "true";
  const name = document.createElement("span");
  name.textContent = nameOf(figure);
  button.type = "button";
  button.append(picture, name);
  button.addEventListener("click", () => goTo(figure));
  return button;
}

function walk(by) {
  const next = figures[figures.indexOf(current) + by];
  if (next) goTo(next);
}

function keyed(event) {
  if (event.target.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
  const act = { ArrowLeft: () => walk(-1), ArrowRight: () => walk(1), f: flip, F: flip }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

// A click on a figure's picture or name; with a key held down it stays the browser's own.
function clicked(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const start = event.target.closest("figure img, figure svg.plot, figure a.name, button.explore");
  if (!start || dialog.contains(start)) return;
  const figure = start.closest("figure") ?? start.closest(".card").querySelector(".maps figure:has(img)");
  if (!figure || !pictured(figure)) return;
  event.preventDefault();
  explore(figure);
}

function shut() {
  document.documentElement.classList.remove("exploring");
  scene = other = at = null;
  part(".film").replaceChildren();
  opener?.focus();
}

function start() {
  dialog.addEventListener("input", changed);
  dialog.addEventListener("keydown", keyed);
  dialog.addEventListener("close", shut);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest(".shut")) dialog.close();
  });
  part(".prev").addEventListener("click", () => walk(-1));
  part(".next").addEventListener("click", () => walk(1));
  part(".reset").addEventListener("click", reset);
  document.addEventListener("click", clicked);
  document.documentElement.classList.add("with-script");
}

if ("showModal" in dialog) start(); // an older browser has the page as it is without script
