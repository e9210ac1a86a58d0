// What is shown stands in the address: `#view?show=wrong&sort=-probability&figure=…`, so that a link
// opens the same view, and back and forward walk from view to view. An anchor leaves the view as it is.

const AS_DRAWN = { look: "", opacity: String(AS_REPORTED.opacity), threshold: String(AS_REPORTED.threshold) };
const PLAIN = {
  ...{ show: "all", q: "", class: "", label: "", answer: "", flag: "", check: "", from: "", to: "" },
  ...{ sort: "worst", figure: "" },
  ...AS_DRAWN,
};
const PAUSE_MS = 250; // after which what is typed comes into the address
let shownView = PLAIN;
let typing = false; // what follows belongs to the same entry of the history
let leaving = false; // on the way back from a figure
let pause = 0;
const own = []; // addresses that were written here, and whose event is still to come

function viewAt(hash) {
  if (hash !== "#view" && !hash.startsWith("#view?")) return null;
  const said = new URLSearchParams(hash.slice("#view?".length));
  const keys = Object.keys(PLAIN).filter((key) => said.has(key) && possible(key, said.get(key)));
  return { ...PLAIN, ...Object.fromEntries(keys.map((key) => [key, said.get(key)])) };
}

// A link may be older than the report, or written by anyone.
function possible(key, value) {
  if (key === "q") return true;
  if (key === "show") return document.getElementById(`show-${value}`)?.name === "show";
  if (key === "from" || key === "to") return value !== "" && Number(value) >= 0 && Number(value) <= 1;
  if (key === "look") return input("view").some((field) => field.value === value);
  if (key === "opacity" || key === "threshold") return /^\d{1,3}$/.test(value) && Number(value) <= Number(input(key)[0].max);
  if (key === "figure") return mayOpen(document.getElementById(value));
  return [...finder.querySelector(`[name=${key}]`).options].some((option) => option.value === value);
}

function mayOpen(figure) {
  return figure?.tagName === "FIGURE" && pictured(figure) && !("again" in figure.dataset);
}

function addressOf(view) {
  const said = new URLSearchParams(Object.entries(view).filter(([key, value]) => value !== PLAIN[key]));
  return `#view${String(said) && "?"}${said}`;
}

// Shows a view: the table, the cards, the controls, and the figure that is open in it.
function takeView(view) {
  const before = shownView;
  shownView = view;
  if (view.sort !== before.sort) arrange(view.sort);
  if (NARROWING.some((key) => view[key] !== before[key])) narrow(view);
  for (const field of finder.querySelectorAll("[name]")) {
    if (field.value !== view[field.name]) field.value = view[field.name];
  }
  document.getElementById(`show-${view.show}`).checked = true;
  if (view.figure) takeLook(view);
  if (!view.figure) dialog.close();
  else if (!dialog.open || current.id !== view.figure) explore(document.getElementById(view.figure));
}

// How the map of a view is drawn, and the same as an address says it.
function takeLook({ look, opacity, threshold }) {
  Object.assign(choice, { view: look, opacity: Number(opacity), threshold: Number(threshold) });
  if (!dialog.open || !scene) return;
  fillLook();
  redraw();
}

function lookOf({ view, opacity, threshold }) {
  return { look: view, opacity: String(opacity), threshold: String(threshold) };
}

// The address of what is shown: a new entry of the history, or in place of the present one.
function address(anew) {
  clearTimeout(pause);
  const said = addressOf(shownView);
  if (said === location.hash || leaving) return;
  const opened = anew ? Boolean(shownView.figure) : history.state?.opened;
  own.push(said);
  if (anew) location.hash = said;
  else location.replace(said);
  history.replaceState({ opened }, "");
}

function turnTo(changes) {
  takeView({ ...shownView, ...changes });
  address(true);
}

function typed({ target: { name, value } }) {
  if (!(name in PLAIN)) return;
  if (name === "from" || name === "to") value = possible(name, value) ? value : "";
  shownView = { ...shownView, [name]: value };
  narrow(shownView);
  clearTimeout(pause);
  pause = setTimeout(settle, PAUSE_MS);
}

function settle() {
  address(!typing);
  typing = true;
}

// Typing is over: what follows is another view.
function chosen({ target: { name, value, type } }) {
  if (type === "search" || type === "number") {
    settle();
    typing = false;
  } else if (name in PLAIN) turnTo({ [name]: value });
}

function explored({ detail: { figure } }) {
  if (shownView.figure === figure) return;
  const opening = !shownView.figure;
  shownView = { ...shownView, figure, ...lookOf(choice) };
  if (opening) return address(true);
  clearTimeout(pause);
  pause = setTimeout(address, PAUSE_MS, false);
}

function looked() {
  if (!shownView.figure) return;
  shownView = { ...shownView, ...lookOf(choice) };
  clearTimeout(pause);
  pause = setTimeout(address, PAUSE_MS, false);
}

// Closed by the reader: back to where the figure was opened.
function closed() {
  if (!shownView.figure) return;
  clearTimeout(pause);
  shownView = { ...shownView, figure: "", ...AS_DRAWN };
  leaving = Boolean(history.state?.opened);
  if (leaving) history.back();
  else address(false);
}

// The event of an address that was written here comes later: meanwhile the reader may have walked on or typed.
function isOwn({ newURL }) {
  const place = own.indexOf(new URL(newURL).hash);
  own.splice(0, place + 1);
  return place >= 0;
}

function arrived() {
  const said = viewAt(location.hash);
  const view = said ?? history.state?.view ?? { ...shownView, figure: "", ...AS_DRAWN };
  if (!said) history.replaceState({ view }, "");
  if (leaving && dialog.open) {
    leaving = false; // another figure was opened on the way
    shownView = { ...view, figure: current.id, ...lookOf(choice) };
    return address(true);
  }
  leaving = false;
  return takeView(view);
}

// A count leads to the images that it counts. Where an address cannot say which, to the table.
function startCounts() {
  for (const link of document.querySelectorAll("a[data-view]")) {
    const said = new URLSearchParams(link.dataset.view);
    if (said.get("show") === "labelled" && !document.getElementById("show-labelled")) said.delete("show"); // all are
    const sayable = [...said].every(([key, value]) => possible(key, value));
    if (sayable) link.setAttribute("href", `#view${String(said) && "?"}${said}`);
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-view]");
    const href = link?.getAttribute("href"); // one in a drawing has no `hash`
    if (!href?.startsWith("#view") || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    turnTo(viewAt(href));
    toTable();
  });
}

function toTable() {
  document.getElementById("images").scrollIntoView();
}

// A slash outside a field leads to the search, as elsewhere.
function toSearch(event) {
  const field = event.target.closest("input, select, textarea, dialog");
  if (event.key !== "/" || event.altKey || event.ctrlKey || event.metaKey || field) return;
  event.preventDefault();
  toTable();
  finder.querySelector("[name=q]").focus({ preventScroll: true });
}

function startView() {
  makeHeads((by) => turnTo({ sort: nextSort(by, shownView.sort) }));
  offer("class", valued ? [] : lines.flatMap((line) => [line.answer, line.label]));
  offer("label", valued ? [] : lines.map((line) => line.label));
  offer("answer", valued ? [] : lines.map((line) => line.answer));
  offer("check", lines.flatMap((line) => line.checks));
  offer("flag", lines.flatMap((line) => line.flags));
  for (const option of document.querySelectorAll("[name=show]")) {
    option.addEventListener("change", () => turnTo({ show: option.id.slice("show-".length) }));
  }
  finder.addEventListener("input", (event) => event.target.matches("input") && typed(event));
  finder.addEventListener("change", chosen);
  finder.addEventListener("click", ({ target }) => {
    if (target.matches(".clear")) turnTo({ ...PLAIN, sort: shownView.sort });
    if (target.dataset.save) saveLines(target.dataset.save);
  });
  dialog.addEventListener("click", ({ target }) => target.dataset.keep && saveMap(target.dataset.keep));
  dialog.addEventListener("explored", explored);
  dialog.addEventListener("looked", looked);
  document.addEventListener("keydown", toSearch);
  dialog.addEventListener("close", closed);
  addEventListener("hashchange", (event) => isOwn(event) || arrived());
  arrange(PLAIN.sort);
  narrow(PLAIN);
  startCounts();
  arrived();
  // who follows a link to a view wants to see it; a page that is loaded again stays where it was
  const followed = performance.getEntriesByType("navigation")[0]?.type === "navigate";
  if (followed && viewAt(location.hash)) toTable();
}

if ("showModal" in dialog) {
  startContents();
  startView();
  startCopying();
  sayWhatIsCut();
}
