// The contents beside the page: the section that is read is marked. In a narrow window they fold up.

const contents = document.querySelector(".contents");
const narrowWindow = matchMedia("(max-width: 1100px)");
const inBand = new Set(); // sections in the upper part of the window

function followScroll() {
  const links = new Map([...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
  const rooms = [...document.querySelectorAll("main > header, main > section")];
  const nameOfRoom = (room) => room.getAttribute("aria-labelledby") ?? "top";
  const watcher = new IntersectionObserver(
    (seen) => {
      for (const { target, isIntersecting } of seen) inBand[isIntersecting ? "add" : "delete"](target);
      const room = rooms.findLast((section) => inBand.has(section));
      if (room) mark(links, links.get(nameOfRoom(room)));
    },
    { rootMargin: "0px 0px -66% 0px" },
  );
  for (const room of rooms) watcher.observe(room);
}

function mark(links, chosen) {
  for (const link of links.values()) {
    if (link === chosen) link.ariaCurrent = "true";
    else link.removeAttribute("aria-current");
  }
  contents.querySelector(".here").textContent = chosen ? ` · ${chosen.firstChild.textContent.trim()}` : "";
}

function fold() {
  contents.querySelector("details").open = !narrowWindow.matches;
}

// What an address leads to may stand in a fold: it opens. Not every browser does so by itself.
function unfold() {
  const target = document.querySelector(":target");
  const folds = [];
  for (let at = target?.closest("details"); at; at = at.parentElement.closest("details")) folds.push(at);
  const inner = target?.querySelector(":scope > details.fold"); // the part itself may be folded
  if (inner) folds.push(inner);
  const shut = folds.filter((at) => !at.open);
  for (const at of shut) at.open = true;
  if (shut.length) target.scrollIntoView();
}

function startContents() {
  unfold();
  addEventListener("hashchange", unfold);
  followScroll();
  fold();
  narrowWindow.addEventListener("change", fold);
  contents.addEventListener("click", (event) => event.target.closest("a") && fold());
}
