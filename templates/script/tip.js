// The value under the mouse, on the maps of a card. The dialog says the same by keyboard and touch.

const tip = document.createElement("div");
let pointed = null; // the picture that the mouse is on

tip.className = "under-mouse";
tip.hidden = true;
tip.ariaHidden = "true";

async function hover(event) {
  const picture = event.pointerType === "mouse" ? event.target.closest?.("figure[data-low] > img") : null;
  pointed = picture;
  if (!picture) {
    tip.hidden = true;
    return;
  }
  const figure = picture.parentElement;
  const map = await mapOf(figure);
  if (pointed !== picture) return; // the mouse went on
  const inside = insidePicture(picture, event);
  tip.hidden = !inside;
  if (!inside) return;
  tip.textContent = toldAt(map, inputOf(figure, map), inside);
  tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${event.clientY + 18}px`;
}

// A place as fractions of a picture that is fitted into its box; null in the margins.
function insidePicture(picture, { clientX, clientY }) {
  const box = picture.getBoundingClientRect();
  const [width, height] = ["width", "height"].map((side) => Number(picture.getAttribute(side)));
  const factor = Math.min(box.width / width, box.height / height);
  const x = (clientX - box.left - (box.width - width * factor) / 2) / (width * factor);
  const y = (clientY - box.top - (box.height - height * factor) / 2) / (height * factor);
  return [x, y].every((side) => side >= 0 && side < 1) ? [x, y] : null;
}

document.body.append(tip);
document.addEventListener("pointermove", hover, { passive: true });
document.addEventListener("scroll", () => (tip.hidden = true), { passive: true });
