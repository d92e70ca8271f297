// Items of a report, corrected in place: a click or Enter opens a text, Enter saves it, Escape leaves it, Delete strikes
// it. The text in an open field is kept until the page has confirmed it.

const views = new WeakMap();
const LONG = ["note", "chapter"]; // Enter begins a line in these, Ctrl and Enter saves
const RESTS_ON_FRAMES = ["summary", "finding", "reply", "added"];

function labelled(button, text) {
  button.setAttribute("aria-label", `${button.textContent}: ${text}`.slice(0, 200));
  return button;
}

function send(view, change) {
  const id = `${Date.now()}${Math.random()}`;
  if (view.form) view.form.id = id;
  view.notify("act", { id, revision: view.form?.revision ?? view.data.revision, ...change });
}

function open(view, item) {
  view.form = { key: item.key, kind: item.kind, text: item.text || item.original, frames: [...item.frames], time: item.time, revision: view.data.revision };
  draw(view);
}

// Opens an empty field below an item, for a remark about it.
function remark(view, item) {
  view.form = { key: `${item.key} `, about: item.key, kind: "remark", text: "", frames: [], time: "", revision: view.data.revision };
  draw(view);
}

function close(view) {
  const key = view.form?.about ?? view.form?.key;
  view.form = null;
  draw(view, key);
}

function save(view) {
  const { key, kind, text, frames, time } = view.form;
  const rests = RESTS_ON_FRAMES.includes(kind) ? { frames, time } : {};
  send(view, { kind: key && !view.form.about ? "replace" : "add", target: view.form.about || key, text, ...rests });
}

function pictureOf(frame, words, isOn, act) {
  const image = element("img", { src: frame.src, alt: "", loading: "lazy" });
  image.addEventListener("error", () => image.remove());
  const made = element("button", { type: "button", className: "frame" }, image, frame.time);
  made.setAttribute("aria-pressed", String(isOn));
  made.setAttribute("aria-label", `${words.frame} ${frame.number}, ${frame.time}`);
  made.addEventListener("click", () => act(made));
  return made;
}

function framesOf(view) {
  const strip = element("div", { className: "frames" });
  strip.setAttribute("role", "group");
  strip.setAttribute("aria-label", view.data.words.rests_on);
  const chosen = new Set(view.form.frames);
  for (const frame of view.data.frames) {
    strip.append(
      pictureOf(frame, view.data.words, chosen.has(frame.number), (button) => {
        if (!chosen.delete(frame.number)) chosen.add(frame.number);
        view.form.frames = [...chosen].sort((one, other) => one - other);
        button.setAttribute("aria-pressed", String(chosen.has(frame.number)));
        seekPlayer(frame.seconds);
      }),
    );
  }
  return strip;
}

function formOf(view, label) {
  const { form, data } = view;
  const { words } = data;
  const field = element("textarea", { value: form.text, rows: LONG.includes(form.kind) ? 4 : 2, maxLength: data.most });
  field.setAttribute("aria-label", label);
  field.addEventListener("input", () => (form.text = field.value));
  const made = element("form", {}, field);
  if (form.error) made.append(Object.assign(element("div", { className: "error", textContent: form.error }), { role: "alert" }));
  if (RESTS_ON_FRAMES.includes(form.kind)) {
    const time = element("input", { value: form.time ?? "", placeholder: "00:00", inputMode: "decimal" });
    time.addEventListener("input", () => (form.time = time.value));
    if (data.frames.length) made.append(element("div", { className: "about", textContent: words.rests_on }), framesOf(view));
    made.append(element("label", {}, words.or_time, time));
  }
  const saving = element("button", { type: "submit", className: "primary", textContent: words.save });
  const leaving = element("button", { type: "button", textContent: words.cancel });
  leaving.addEventListener("click", () => close(view));
  made.append(element("div", { className: "buttons" }, saving, leaving));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    save(view);
  });
  made.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.isComposing) return; // Enter chooses a word of an input method
    if (event.key === "Escape") {
      event.preventDefault();
      close(view);
    } else if (event.key === "Enter" && event.target === field && (event.ctrlKey || event.metaKey || !(event.shiftKey || LONG.includes(form.kind)))) {
      event.preventDefault();
      save(view);
    }
  });
  return made;
}

function buttonsOf(view, item) {
  const { words } = view.data;
  const made = element("div", { className: "buttons" });
  const add = (text, act) => {
    const button = labelled(element("button", { type: "button", textContent: text }), item.text || item.original || words[item.kind]);
    button.addEventListener("click", act);
    made.append(button);
  };
  if (!item.struck) add(item.text ? words.correct : words.write, () => open(view, item));
  if (item.can_strike && !item.struck) add(words.strike, () => send(view, { kind: "strike", target: item.key }));
  if (item.can_remark && !item.struck) add(words.remark, () => remark(view, item));
  if (item.can_restore) add(item.struck ? words.bring_back : words.restore, () => send(view, { kind: "restore", target: item.key }));
  return made;
}

function itemOf(view, item) {
  const { words } = view.data;
  if (view.form?.key === item.key) return element("div", { className: "item" }, formOf(view, words[item.kind]));
  const shown = item.struck ? item.original : item.text;
  const text = element("div", { className: shown ? "text" : "text empty", textContent: shown || words.nothing });
  const about = element("div", { className: "about" }, ...item.times.map(({ text: at, seconds }) => timeChip(at, seconds)));
  if (item.doubts) about.append(element("span", { className: "doubt", textContent: `⚠️ ${item.doubts}` }));
  if (item.by) about.append(element("span", { textContent: item.by }));
  const line = element("div", { className: "line" }, about, buttonsOf(view, item));
  const made = element("div", { className: item.struck ? "item struck" : "item", tabIndex: 0 }, text, line);
  made.dataset.key = item.key;
  text.addEventListener("click", () => !item.struck && open(view, item));
  made.addEventListener("keydown", (event) => {
    if (event.target !== made) return;
    if (event.key === "Enter" && !item.struck) open(view, item);
    else if (event.key === "Delete" && item.can_strike && !item.struck) send(view, { kind: "strike", target: item.key });
    else return;
    event.preventDefault();
  });
  if (item.original && item.by && !item.struck) {
    made.append(element("details", {}, element("summary", { textContent: words.original }), item.original));
  }
  return made;
}

function differenceOf(item) {
  const made = element("div", { className: "item" });
  if (item.about) made.append(element("div", { className: "about", textContent: item.about }));
  if (item.original) made.append(element("del", { textContent: item.original }));
  if (item.text && !item.struck) made.append(element("ins", { textContent: item.text }));
  made.append(element("div", { className: "about", textContent: item.by }));
  return made;
}

function added(view) {
  const { words } = view.data;
  if (view.form?.key === "") return element("div", { className: "item" }, formOf(view, words.add));
  const button = element("button", { type: "button", textContent: words.add });
  button.addEventListener("click", () => open(view, { key: "", kind: "added", text: "", original: "", frames: [], time: "" }));
  return element("div", { className: "buttons" }, button);
}

// Draws the items again; the one with the key has the focus then, by default the one that has it now.
function draw(view, key = view.root.activeElement?.closest?.("[data-key]")?.dataset.key) {
  const { data, items } = view;
  const { words } = data;
  const made = [];
  let kind = "";
  const shown = data.differences ? data.items.filter((item) => item.by) : data.items;
  for (const item of shown) {
    const head = item.question || words[item.kind];
    if (item.kind !== "remark" && head !== kind) made.push(element("h4", { textContent: (kind = head) }));
    made.push(data.differences ? differenceOf(item) : itemOf(view, item));
    if (view.form?.about === item.key) made.push(element("div", { className: "item" }, formOf(view, words.remark)));
  }
  if (data.differences) {
    for (const frame of data.frames.filter(({ off }) => off)) made.push(element("div", { className: "item", textContent: `${words.left_out} ${frame.time}` }));
    if (!made.length) made.push(element("div", { className: "empty", textContent: words.no_differences }));
  } else {
    made.push(added(view));
    if (data.frames.length) made.push(element("h4", { textContent: words.pictures }), picturesOf(view));
  }
  items.replaceChildren(...made);
  const field = items.querySelector("textarea");
  if (field) field.focus();
  else if (key) items.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true });
}

function picturesOf(view) {
  const strip = element("div", { className: "frames all" });
  for (const frame of view.data.frames) {
    const act = () => send(view, { kind: frame.off ? "restore" : "strike", target: `p${frame.number}` });
    const made = pictureOf(frame, view.data.words, !frame.off, act);
    made.classList.toggle("off", frame.off);
    strip.append(made);
  }
  return strip;
}

export default drawnAfterRelease(({ data, parentElement, setTriggerValue }) => {
  const now = JSON.stringify(data);
  let view = views.get(parentElement);
  if (!view) {
    view = { items: parentElement.querySelector(".items"), root: parentElement.getRootNode(), form: null };
    views.set(parentElement, view);
    view.items.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.target.closest("form")) return;
      const key = event.key.toLowerCase();
      const kind = key === "y" || (key === "z" && event.shiftKey) ? "redo" : key === "z" ? "undo" : "";
      if (!kind) return;
      event.preventDefault();
      send(view, { kind });
    });
  }
  view.notify = setTriggerValue;
  if (view.now === now) return;
  Object.assign(view, { now, data });
  if (view.form?.id && data.answered?.id === view.form.id) {
    if (data.answered.error) view.form.error = data.answered.error;
    else return close(view);
  }
  draw(view);
});
