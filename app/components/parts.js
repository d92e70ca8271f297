// The parts of a running analysis, in time order. An incoming answer shows its words as they arrive; a finished part is
// a line that unfolds, and then the page sends its contents. Only changes are drawn.

const shown = new WeakMap();

class Parts {
  constructor(box) {
    this.box = box;
    this.made = new Map(); // number -> {now, element}
  }

  update(data, setStateValue) {
    this.tell = setStateValue;
    this.opened = new Set(data.parts.filter((part) => part.can_open && part.blocks.length).map(({ number }) => number));
    const kept = data.parts.map((part) => {
      const now = JSON.stringify([part, data.marks]);
      const before = this.made.get(part.number);
      if (before?.now === now) return before;
      return this.replaced(part, { now, element: this.partOf(part, data.marks) }, before);
    });
    this.made = new Map(data.parts.map((part, place) => [part.number, kept[place]]));
    const wanted = kept.map(({ element }) => element);
    if (wanted.length !== this.box.children.length || wanted.some((one, place) => one !== this.box.children[place])) {
      this.box.replaceChildren(...wanted);
    }
  }

  // Replace the element in its place, keeping the focus.
  replaced(part, after, before) {
    if (!before?.element.isConnected) return after;
    const hadFocus = before.element.contains(this.box.getRootNode().activeElement);
    before.element.replaceWith(after.element);
    if (hadFocus) after.element.querySelector("button")?.focus();
    return after;
  }

  partOf(part, marks) {
    const { number, title, note, state, state_text, brief, blocks, can_open } = part;
    const bar = element(can_open ? "button" : "div", { className: "bar" });
    bar.append(element("span", { className: "name", textContent: title }));
    bar.append(element("span", { className: "quiet", textContent: note }));
    bar.append(element("span", { className: "state", textContent: state_text }));
    if (brief) bar.append(element("span", { className: "brief", textContent: brief }));
    if (can_open) {
      bar.type = "button";
      bar.setAttribute("aria-expanded", String(blocks.length > 0));
      bar.addEventListener("click", () => this.toggle(number));
    }
    const made = element("div", { className: `part ${state}` }, bar);
    made.setAttribute("role", "listitem");
    if (blocks.length) made.append(element("div", { className: "body blocks" }, ...blocksOf(blocks, { marks })));
    return made;
  }

  toggle(number) {
    const after = new Set(this.opened);
    if (!after.delete(number)) after.add(number);
    this.tell("open", [...after]);
  }
}

export default drawnAfterRelease(({ data, parentElement, setStateValue }) => {
  if (!shown.has(parentElement)) shown.set(parentElement, new Parts(parentElement.querySelector(".parts")));
  shown.get(parentElement).update(data, setStateValue);
});
