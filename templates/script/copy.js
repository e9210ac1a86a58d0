// Buttons that put a text or a link on the clipboard. What was done is told by the button and read aloud.

const COPIED_MS = 1500;
const copies = document.createElement("output"); // for those who hear the page

// Where a page may not write to the clipboard, a field that is there for a moment does.
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    (dialog.open ? dialog : document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

// The address of an anchor, or of the view that is shown.
function linkFor(anchor) {
  if (anchor) return `${location.href.split("#")[0]}#${anchor}`;
  return `${location.href.split("#")[0]}${addressOf(shownView)}`;
}

async function copy(button) {
  const { copy: text, copyLink } = button.dataset;
  await toClipboard(text ?? linkFor(copyLink));
  button.focus();
  copies.textContent = "copied";
  button.dataset.words ??= button.textContent;
  button.textContent = "copied";
  setTimeout(() => {
    button.textContent = button.dataset.words;
    copies.textContent = "";
  }, COPIED_MS);
}

function startCopying() {
  copies.className = "unseen";
  copies.ariaLive = "polite";
  document.body.append(copies);
  document.addEventListener("click", ({ target }) => target.closest("button.copy") && copy(target.closest("button.copy")));
}
