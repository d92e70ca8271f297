// Functions that every component here shares. Text of files and models only ever becomes text nodes, never HTML.

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Components send the player to a time without a round trip to the server; it plays from there if `plays`.
function seekPlayer(seconds, plays = false) {
  window.dispatchEvent(new CustomEvent("framelens:seek", { detail: { seconds, plays } }));
}

function chipOf(label, act) {
  const chip = element("button", { type: "button", className: "chip", textContent: label });
  chip.addEventListener("click", act);
  return chip;
}

function timeChip(label, seconds) {
  return chipOf(label, () => seekPlayer(seconds));
}

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

function clock(seconds, digits = 0) {
  const unit = 10 ** digits;
  const units = Math.max(0, Math.floor(seconds * unit + 1e-6));
  const whole = Math.floor(units / unit);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  const fraction = digits ? `.${String(units % unit).padStart(digits, "0")}` : "";
  return (hours ? [hours, ...parts] : parts).join(":") + fraction;
}

// The button at a range of the video, which asks the page to do what a plugin does with it; none without such a plugin.
function rangeButtons(range, name, notify) {
  if (!range) return [];
  const button = element("button", { type: "button", className: "range-action", textContent: range.words });
  button.setAttribute("aria-label", [range.words, name].filter(Boolean).join(": "));
  button.addEventListener("click", () => notify("act", { ...range, name: range.name || name }));
  return [button];
}

// How far the pointer may move between press and release of a click. Chosen by hand; not tuned.
const MOST_PIXELS_OF_CLICK = 4;

// A click is lost if what was pressed is drawn again, or moved by what is drawn above it, before the pointer is released.
// So a component whose elements can be clicked is drawn after that, once, from its latest data, and a button that moved
// away below a pointer that stayed gets its click. All components share the state.
function presses() {
  if (window.framelensPresses) return window.framelensPresses;
  const state = (window.framelensPresses = { isPressed: false, waiting: new Map() });
  let pressed = null;
  const release = () => {
    const draws = [...state.waiting.values()];
    state.isPressed = false;
    state.waiting.clear();
    pressed = null;
    for (const draw of draws) draw();
  };
  const press = (event) => {
    const button = event.composedPath().find((one) => one instanceof HTMLButtonElement);
    pressed = button && event.button === 0 ? { button, x: event.clientX, y: event.clientY } : null;
    state.isPressed = true;
  };
  const click = (event) => {
    const { button, x, y } = pressed ?? {};
    pressed = null;
    if (!button?.isConnected || event.composedPath().includes(button)) return;
    if (Math.hypot(event.clientX - x, event.clientY - y) > MOST_PIXELS_OF_CLICK) return; // dragged away to press nothing
    event.stopPropagation();
    button.click();
  };
  window.addEventListener("pointerdown", press, true);
  window.addEventListener("click", click, true);
  for (const kind of ["pointerup", "pointercancel"]) {
    window.addEventListener(kind, () => setTimeout(release), true); // the click comes first
  }
  return state;
}

function drawnAfterRelease(draw) {
  const state = presses();
  return (given) => {
    if (state.isPressed) state.waiting.set(given.parentElement, () => draw(given));
    else draw(given);
  };
}

// Copies a text; the clipboard's own command needs a page that the browser trusts.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", { value: text });
    document.body.append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    return isDone;
  }
}
