// The picture that is searched for. A part of it is chosen by drawing with pointer or finger, or with the arrow keys.

const LEAST_PIXELS = 5; // what is drawn smaller is a slip of the pointer; not tuned
const STEP = 0.02; // of a side of the picture, by a key; not tuned
const KEY_MS = 600; // after the last key, the part is searched for
const START = [0.25, 0.25, 0.75, 0.75]; // the part that the first key chooses
const MOVES = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const queries = new WeakMap();

const within = (value, low = 0, high = 1) => Math.min(high, Math.max(low, value));

class Query {
  constructor(root) {
    this.picture = element("div", { className: "picture", tabIndex: 0 });
    this.image = element("img", { alt: "", draggable: false });
    this.box = element("div", { className: "region", hidden: true });
    this.picture.append(this.image, this.box);
    this.picture.setAttribute("role", "group");
    this.name = element("span", { className: "name" });
    this.hint = element("span", { className: "hint" });
    this.whole = element("button", { type: "button" });
    this.forget = element("button", { type: "button" });
    const buttons = element("div", { className: "buttons" }, this.whole, this.forget);
    root.replaceChildren(this.picture, element("div", { className: "about" }, this.name, this.hint, buttons));
    this.picture.onpointerdown = (event) => this.press(event);
    this.picture.onpointermove = (event) => this.drag(event);
    this.picture.onpointerup = (event) => this.release(event);
    this.picture.onpointercancel = () => this.cancel();
    this.picture.onkeydown = (event) => this.pressKey(event);
    this.whole.onclick = () => this.choose(null);
    this.forget.onclick = () => this.report("forget", true);
  }

  update({ query, words }, report) {
    this.report = report;
    this.region = query.region;
    if (this.image.src !== query.picture) this.image.src = query.picture;
    this.name.textContent = this.name.title = query.name;
    this.hint.textContent = words.hint;
    this.whole.textContent = words.whole;
    this.forget.textContent = words.forget;
    this.picture.setAttribute("aria-label", `${query.name}: ${words.keys}`);
    this.show(this.region);
  }

  show(region) {
    this.whole.hidden = !this.region;
    this.box.hidden = !region;
    if (!region) return;
    const [left, top, right, bottom] = region.map((edge) => 100 * edge);
    Object.assign(this.box.style, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
  }

  choose(region) {
    clearTimeout(this.timer);
    this.region = region;
    this.show(region);
    this.report("region", region ? region.map((edge) => Math.round(edge * 1e4) / 1e4) : []);
  }

  at(event) {
    const { left, top, width, height } = this.picture.getBoundingClientRect();
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  }

  press(event) {
    if (event.button) return;
    this.picture.setPointerCapture(event.pointerId);
    this.start = this.at(event);
    this.drawn = null;
  }

  drag(event) {
    if (!this.start) return;
    const [x, y] = this.at(event);
    const [fromX, fromY] = this.start;
    this.drawn = [Math.min(x, fromX), Math.min(y, fromY), Math.max(x, fromX), Math.max(y, fromY)];
    this.show(this.drawn);
  }

  release(event) {
    this.drag(event);
    const [left, top, right, bottom] = this.drawn ?? [0, 0, 0, 0];
    const { width, height } = this.picture.getBoundingClientRect();
    const isSlip = (right - left) * width < LEAST_PIXELS || (bottom - top) * height < LEAST_PIXELS;
    if (this.start && !isSlip) this.choose(this.drawn);
    this.cancel();
  }

  cancel() {
    this.start = null;
    this.show(this.region);
  }

  pressKey(event) {
    if (event.key === "Escape" && this.region) this.choose(null);
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    this.region = this.region ? moved(this.region, move, event.shiftKey) : START;
    this.show(this.region);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.choose(this.region), KEY_MS);
  }
}

// A part that is moved, or whose right and lower edges are, within the picture.
function moved([left, top, right, bottom], [x, y], isResized) {
  if (isResized) return [left, top, within(right + x, left + STEP), within(bottom + y, top + STEP)];
  const [dx, dy] = [within(x, -left, 1 - right), within(y, -top, 1 - bottom)];
  return [left + dx, top + dy, right + dx, bottom + dy];
}

export default drawnAfterRelease(({ data, parentElement, setTriggerValue }) => {
  const root = parentElement.querySelector(".root");
  if (!queries.has(root)) queries.set(root, new Query(root));
  queries.get(root).update(data, setTriggerValue);
});
