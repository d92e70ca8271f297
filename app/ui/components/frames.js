// Frames as pictures with their time and facts. A click moves the player; while frames are edited, a button removes or
// restores one.

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
  if (frame.smaller.length) {
    // The server names the longer side; a browser chooses by width.
    const wide = (side) => Math.round((side * frame.width) / frame.side);
    image.sizes = "(max-width: 40rem) 50vw, 15rem";
    image.srcset = [...frame.smaller, [frame.src, frame.side]].map(([url, side]) => `${url} ${wide(side)}w`).join(", ");
  }
  image.src = src; // set last: setting srcset after it would fetch both
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
  const lines = frame.lines.map(({ kind, label, text }) => {
    const line = element("div", { className: `line ${kind}` });
    if (label) line.append(element("b", { textContent: `${label} ` }));
    line.append(text);
    return line;
  });
  const made = element("div", { className: "frame" }, pictureOf(frame));
  made.append(element("div", { className: "lines" }, head, ...lines));
  made.setAttribute("role", "listitem");
  made.dataset.seconds = frame.seconds;
  made.classList.toggle("removed", Boolean(frame.removed));
  if (frame.change) made.append(changeButton(frame));
  return made;
}

function changeButton({ change, title, time, seconds }) {
  const button = element("button", { type: "button", className: "change", textContent: change.words });
  button.setAttribute("aria-label", `${change.words}: ${title}, ${time}`);
  button.addEventListener("click", () => editFrames(change.kind, seconds));
  return button;
}

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".frames");
  box.className = `frames ${data.layout}`;
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
}
