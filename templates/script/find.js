// The table of images: searched, filtered and sorted. The cards and the answers follow its filter.

const finder = document.querySelector(".find");
const listing = document.querySelector("table.images");
const valued = !listing.querySelector("[data-by=probability]"); // values have no probability, and name no class
const lines = [...listing.tBodies[0].rows].map(lineOf); // the worst answers first, as the page has them
const places = placesOf(); // image -> what shows it: its row, its card, its answer
const ranked = new Intl.Collator(undefined, { numeric: true });
const NARROWING = ["show", "q", "class", "label", "answer", "flag", "check", "from", "to"];
const VERDICTS = ["no answer", "wrong", "right", "no label"];

function lineOf(row) {
  const [, id, file, answer, , label, verdict, flags] = row.cells;
  const words = [id, file, answer, label, verdict].map((cell) => cell.textContent);
  return {
    row,
    id: words[0],
    file: words[1],
    answer: row.dataset.probability || (valued && words[4] !== "no answer") ? words[2] : null,
    probability: row.dataset.probability ? Number(row.dataset.probability) : null,
    label: "unlabelled" in row.dataset ? null : words[3],
    verdict: words[4],
    label_probability: amount(row.dataset.labelProbability),
    margin: amount(row.dataset.margin),
    loss: amount(row.dataset.loss),
    sha256: row.dataset.sha256 ?? null,
    checks: row.dataset.checks?.split(" ") ?? [],
    flags: [...flags.children].map((flag) => flag.textContent),
    text: sought(words.slice(0, 4).join("\n")),
  };
}

function amount(text) {
  return text === undefined ? null : Number(text);
}

function placesOf() {
  const places = new Map(lines.map((line) => [line.id, []]));
  for (const place of document.querySelectorAll(".narrowed")) places.get(place.dataset.image)?.push(place);
  return places;
}

// Letters that look alike are alike, however a file system composes them.
function sought(text) {
  return text.normalize("NFKC").toLowerCase();
}

function matching(line, wanted) {
  return (
    (wanted.show === "all" || line.row.classList.contains(wanted.show)) &&
    line.text.includes(sought(wanted.q)) &&
    (!wanted.class || line.answer === wanted.class || line.label === wanted.class) &&
    (!wanted.label || line.label === wanted.label) &&
    (!wanted.answer || line.answer === wanted.answer) &&
    (!wanted.flag || line.flags.includes(wanted.flag)) &&
    (!wanted.check || line.checks.includes(wanted.check)) &&
    probable(line.probability, wanted.from, wanted.to)
  );
}

// Where there is no answer, there is no probability that could lie between two others.
function probable(probability, from, to) {
  if (probability === null) return !from && !to;
  return probability >= Number(from || 0) && probability <= Number(to || 1);
}

function narrow(wanted) {
  let cards = 0;
  for (const line of lines) {
    const out = !matching(line, wanted);
    for (const place of places.get(line.id)) {
      place.classList.toggle("out", out);
      if (out && place.matches(".card")) cards += 1;
    }
  }
  const found = lines.length - lines.filter((line) => line.row.classList.contains("out")).length;
  finder.querySelector("output").textContent = `${found} of ${lines.length} shown`;
  finder.querySelector(".clear").hidden = found === lines.length;
  const note = document.querySelector(".left");
  note.hidden = cards === 0;
  note.querySelector("output").textContent = `${cards} ${cards === 1 ? "card is" : "cards are"} filtered out.`;
  linkCards();
}

function cardsInOrder() {
  return [...document.querySelectorAll("article.card")];
}

// The cards follow the table's order.
function arrangeCards(order) {
  const before = cardsInOrder();
  const after = before.at(-1)?.nextElementSibling ?? null;
  const now = order.flatMap((line) => places.get(line.id).filter((place) => place.matches(".card")));
  if (now.every((card, n) => card === before[n])) return;
  for (const card of now) card.parentElement.insertBefore(card, after);
  linkCards();
}

// Each card leads to the one before and the one after it, of those that are shown.
function linkCards() {
  const shown = cardsInOrder().filter((card) => !card.classList.contains("out"));
  shown.forEach((card, n) => {
    linkTo(card.querySelector(".goto .before"), shown[n - 1]);
    linkTo(card.querySelector(".goto .after"), shown[n + 1]);
  });
}

function linkTo(link, card) {
  link.hidden = !card;
  if (card) link.setAttribute("href", `#${card.id}`);
}

// A value as it is printed; the last of all where there is none, or several.
function numberIn(line) {
  const value = Number((line.answer ?? "none").replace("\u2212", "-"));
  return Number.isNaN(value) ? Number.MAX_VALUE : value;
}

function compare(by, one, other) {
  if (by === "probability") return one.probability - other.probability;
  if (by === "answer" && valued) return numberIn(one) - numberIn(other) || 0;
  if (by === "verdict") return VERDICTS.indexOf(one.verdict) - VERDICTS.indexOf(other.verdict);
  return ranked.compare(one[by] ?? "", other[by] ?? "");
}

// `sort` is a column's name, with a minus for the largest first. Equal ones keep the worst first.
function sorted(sort) {
  if (sort === "worst") return lines;
  const [by, sign] = sort.startsWith("-") ? [sort.slice(1), -1] : [sort, 1];
  return [...lines].sort((one, other) => sign * compare(by, one, other));
}

function arrange(sort) {
  const order = sorted(sort);
  if (order.some((line, n) => listing.tBodies[0].rows[n] !== line.row)) {
    listing.tBodies[0].append(...order.map((line) => line.row));
    arrangeCards(order);
  }
  for (const head of listing.querySelectorAll("[data-by]")) {
    head.removeAttribute("aria-sort");
    if (head.dataset.by === sort) head.ariaSort = "ascending";
    if (`-${head.dataset.by}` === sort) head.ariaSort = "descending";
  }
}

// A head sorts upward, then downward, then back to the worst first; probability the other way round.
function nextSort(by, sort) {
  const ways = by === "probability" ? [`-${by}`, by] : [by, `-${by}`];
  const at = ways.indexOf(sort);
  return ways[at + 1] ?? "worst";
}

function makeHeads(pressed) {
  for (const head of listing.querySelectorAll("[data-by]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => pressed(head.dataset.by));
    head.replaceChildren(button);
  }
}

// What the selects offer: the classes and the flags that occur.
function offer(name, values) {
  const select = finder.querySelector(`[name=${name}]`);
  const known = [...new Set(values)].filter((value) => value !== null).sort(ranked.compare);
  select.append(...known.map((value) => new Option(value, value)));
  select.parentElement.hidden = known.length === 0;
}
