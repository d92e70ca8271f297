// Frames as pictures with their time and what is known of them. A click on one moves the player.

const shown = new WeakMap();

function card(frame) {
  const picture = element("button", { type: "button", className: "picture" });
  picture.setAttribute("aria-label", frame.alt);
  const image = element("img", { src: frame.src, alt: "", loading: "lazy", width: frame.width, height: frame.height });
  image.addEventListener("error", () => (picture.hidden = true)); // found on the way, and dropped when frames were chosen
  picture.append(image);
  picture.addEventListener("click", () => seekPlayer(frame.seconds));
  const head = element("div", { className: "head" }, timeChip(frame.time, frame.seconds));
  if (frame.title) head.prepend(element("span", { className: "number", textContent: frame.title }));
  head.append(element("span", { className: "why", textContent: frame.why }));
  const lines = frame.lines.map(({ kind, label, text }) => {
    const line = element("div", { className: `line ${kind}` });
    if (label) line.append(element("b", { textContent: `${label} ` }));
    line.append(text);
    return line;
  });
  const made = element("div", { className: "frame" }, picture, element("div", { className: "lines" }, head, ...lines));
  made.setAttribute("role", "listitem");
  return made;
}

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".frames");
  box.className = `frames ${data.layout}`;
  const before = shown.get(parentElement) ?? new Map();
  const after = new Map();
  for (const frame of data.frames) {
    const key = JSON.stringify(frame);
    after.set(key, before.get(key) ?? card(frame)); // a card that has not changed keeps its loaded picture
  }
  shown.set(parentElement, after);
  box.replaceChildren(...after.values());
}
