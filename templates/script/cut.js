// A table that is broader than its frame says that it goes on.

function sayWhatIsCut() {
  const watcher = new ResizeObserver((seen) => {
    for (const { target } of seen) sayCut(target.matches(".scroll") ? target : target.closest(".scroll"));
  });
  for (const frame of document.querySelectorAll(".scroll")) {
    watcher.observe(frame);
    if (frame.firstElementChild) watcher.observe(frame.firstElementChild);
  }
}

function sayCut(frame) {
  const cut = frame.scrollWidth > frame.clientWidth + 1;
  const before = frame.previousElementSibling;
  const note = before?.matches(".cut") ? before : null;
  if (!cut) return note?.remove();
  if (note) return undefined;
  const said = document.createElement("p");
  said.className = "soft cut";
  said.textContent = "Broader than the window: it scrolls sideways →";
  return frame.before(said);
}
