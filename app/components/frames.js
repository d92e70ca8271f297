// The frames of a report while they are edited: a click moves the player, a button removes or restores one.

const shown = new WeakMap();

function pictureOf(frame) {
  const picture = element("button", { type: "button", className: "picture" });
  picture.setAttribute("aria-label", frame.alt);
  picture.addEventListener("click", () => seekPlayer(frame.seconds));
  if (!fillIn(picture, frame)) waitFor(picture, frame);
  return picture;
}

function fillIn(picture, frame) {
  const src = frame.src || snapshots().get(frame.seconds);
  if (!src) return false;
  const image = element("img", { alt: "", loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => (picture.hidden = true)); // dropped when frames were chosen
  if (frame.width) Object.assign(image, { width: frame.width, height: frame.height });
  Object.assign(image, { srcset: frame.srcset, src }); // src last: setting srcset after it would fetch both
  picture.classList.remove("none");
  picture.replaceChildren(image);
  return true;
}

// Show only the time until the browser has a picture of this moment.
function waitFor(picture, frame) {
  picture.classList.add("none");
  picture.textContent = frame.time;
  const look = () => {
    const isOver = fillIn(picture, frame) || !picture.isConnected;
    if (isOver) window.removeEventListener("framelens:snapshot", look);
  };
  window.addEventListener("framelens:snapshot", look);
}

function card(frame) {
  const head = element("div", { className: "head" }, timeChip(frame.time, frame.seconds));
  if (frame.title) head.prepend(element("span", { className: "number", textContent: frame.title }));
  if (frame.why) head.append(element("span", { className: "why", textContent: frame.why }));
  const made = element("div", { className: "frame" }, pictureOf(frame));
  made.append(head, changeButton(frame));
  made.setAttribute("role", "listitem");
  made.dataset.seconds = frame.seconds;
  made.classList.toggle("removed", Boolean(frame.removed));
  return made;
}

function changeButton({ change, title, time, seconds }) {
  const button = element("button", { type: "button", className: "change", textContent: change.words });
  button.setAttribute("aria-label", `${change.words}: ${title}, ${time}`);
  button.addEventListener("click", () => editFrames(change.kind, seconds));
  return button;
}

export default drawnAfterRelease(({ data, parentElement }) => {
  const box = parentElement.querySelector(".frames");
  const before = shown.get(parentElement) ?? new Map();
  const after = new Map();
  for (const frame of data.frames) {
    const key = JSON.stringify(frame);
    after.set(key, before.get(key) ?? card(frame)); // an unchanged card keeps its loaded picture
  }
  shown.set(parentElement, after);
  const cards = [...after.values()];
  if (cards.length === box.children.length && cards.every((made, place) => made === box.children[place])) return;
  const active = parentElement.activeElement;
  const focused = active?.className === "change" ? active.closest(".frame").dataset.seconds : null;
  box.replaceChildren(...cards);
  if (focused !== null) box.querySelector(`[data-seconds="${focused}"] .change`)?.focus();
});
