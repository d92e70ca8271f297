// Analyses as cards: each opens its analysis, and has a box that selects it, a field that renames it, and search hits,
// each of which opens it at that time.

const shown = new WeakMap();
const picked = new WeakMap(); // for each place, the boxes by id that the server doesn't know to be changed

// The name for screen readers: titles of several analyses of one video differ, and so do names with one title.
function named(entry) {
  return entry.title ? `${entry.title} (${entry.name})` : entry.name;
}

function coverOf(entry, words, report) {
  const cover = element("button", { type: "button", className: "cover" });
  cover.setAttribute("aria-label", [`${words.open}: ${named(entry)}`, entry.length].filter(Boolean).join(" · "));
  if (entry.cover) cover.append(element("img", { alt: "", loading: "lazy", decoding: "async", src: entry.cover }));
  else cover.append(iconOf(entry.icon));
  if (entry.length) cover.append(element("span", { className: "length", textContent: entry.length }));
  cover.addEventListener("click", () => report("open", { id: entry.id, seconds: null }));
  return cover;
}

// A message that the server has not read yet is replaced by the next one, so each names all boxes that were changed.
function pickOf(entry, words, report, changed) {
  const box = element("input", { type: "checkbox", checked: changed.get(entry.id) ?? entry.is_chosen });
  box.setAttribute("aria-label", `${words.select}: ${named(entry)}`);
  box.addEventListener("change", () => {
    box.closest(".entry").classList.toggle("chosen", box.checked);
    changed.set(entry.id, box.checked);
    report("choose", Object.fromEntries(changed));
  });
  return element("label", { className: "pick" }, box);
}

function titleOf(entry, report) {
  const title = element("button", { type: "button", className: "name" }, ...breakable(entry.title || entry.name));
  title.addEventListener("click", () => report("open", { id: entry.id, seconds: null }));
  return title;
}

// The line with the name, which can be changed unless the page has no label for that; without a title, the name is the
// title.
function headingOf(entry, words, report) {
  const heading = element("div", { className: "heading" });
  const name = entry.title
    ? element("span", { className: "file", title: entry.name }, ...breakable(entry.name))
    : titleOf(entry, report);
  heading.append(name);
  if (!words.rename) return heading;
  const edit = element("button", { type: "button", className: "edit", title: words.rename, textContent: "✎" });
  edit.setAttribute("aria-label", `${words.rename}: ${entry.name}`);
  edit.addEventListener("click", () => beginNaming(heading, entry, words, report));
  heading.append(edit);
  return heading;
}

function beginNaming(heading, entry, words, report) {
  const field = element("input", { type: "text", value: entry.name, maxLength: 255 });
  field.setAttribute("aria-label", `${words.rename}: ${entry.name}`);
  const end = (isMeant) => {
    const name = field.value.trim();
    heading.replaceWith(headingOf(entry, words, report));
    if (isMeant && name && name !== entry.name) report("rename", { id: entry.id, name });
  };
  const save = element("button", { type: "button", className: "edit", textContent: words.rename_done });
  save.addEventListener("click", () => end(true));
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && !event.isComposing) end(true); // an input method for Chinese uses Enter itself
    if (event.key === "Escape") end(false);
  });
  heading.replaceChildren(field, save);
  field.select();
}

// A hit, and the button of its range beside it.
function hitOf(hit, entry, words, report) {
  const line = element("button", { type: "button", className: "hit" });
  line.append(element("span", { className: "where", textContent: [hit.time, hit.kind].filter(Boolean).join(" · ") }));
  line.append(...hit.pieces.map(([text, isFound]) => (isFound ? element("mark", { textContent: text }) : text)));
  if (hit.time) line.title = fill(words.open_at, { time: hit.time });
  line.addEventListener("click", () => report("open", { id: entry.id, seconds: hit.seconds }));
  return element("div", { className: "found" }, line, ...rangeButtons(hit.range, hit.pieces.map(([text]) => text).join(""), report));
}

function entryOf(entry, words, report, changed) {
  const about = element("div", { className: "about" });
  if (entry.title) about.append(titleOf(entry, report));
  about.append(headingOf(entry, words, report));
  for (const text of entry.facts) about.append(element("div", { className: "facts", textContent: text }));
  const badges = entry.badges.map(([kind, text]) => element("span", { className: `badge ${kind}`, textContent: text }));
  badges[0]?.prepend(iconOf(entry.icon)); // the first is the state
  about.append(element("div", { className: "badges" }, ...badges));
  if (entry.hits.length) {
    about.append(element("div", { className: "hits" }, ...entry.hits.map((hit) => hitOf(hit, entry, words, report))));
  }
  const card = element("div", { className: "entry" }, coverOf(entry, words, report), about, pickOf(entry, words, report, changed));
  card.classList.toggle("chosen", changed.get(entry.id) ?? entry.is_chosen);
  card.setAttribute("role", "listitem");
  card.addEventListener("click", (event) => {
    const selected = (card.getRootNode().getSelection?.() ?? document.getSelection()).toString();
    if (!selected && !event.target.closest("button, input, label")) report("open", { id: entry.id, seconds: null });
  });
  return card;
}

export default drawnAfterRelease(({ data, parentElement, setTriggerValue }) => {
  const states = new Map(data.entries.map((entry) => [entry.id, entry.is_chosen]));
  const changed = picked.get(parentElement) ?? new Map();
  for (const [id, isChosen] of [...changed]) if ((states.get(id) ?? isChosen) === isChosen) changed.delete(id);
  picked.set(parentElement, changed);
  const now = JSON.stringify(data);
  if (shown.get(parentElement) === now) return; // redrawing the same cards would take the focus from a field
  shown.set(parentElement, now);
  const cards = data.entries.map((entry) => entryOf(entry, data.words, setTriggerValue, changed));
  const focused = parentElement.activeElement?.getAttribute?.("aria-label");
  parentElement.querySelector(".cards").replaceChildren(...cards);
  if (focused) [...parentElement.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
});
