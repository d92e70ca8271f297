// Models in rows, each with its memory as a bar. Without space for columns, a row becomes a card with labelled facts.

const shown = new WeakMap();

function barOf({ share, memory }, label) {
  const bar = element("div", { className: "bar" }, element("div", { className: share > 1 ? "full over" : "full" }));
  bar.firstChild.style.width = `${Math.min(100, 100 * share).toFixed(1)}%`;
  const cell = element("div", { className: "cell memory" }, bar, element("span", { textContent: memory }));
  cell.dataset.head = label;
  return cell;
}

function rowOf(row, { heads, words }, report) {
  const name = element("div", { className: "name" }, element("span", { className: "id", textContent: row.name }));
  if (row.about) name.append(element("span", { className: "about", textContent: row.about }));
  const facts = row.facts.map((text, place) => {
    const cell = element("div", { className: "cell fact", textContent: text });
    cell.dataset.head = heads[place + 2];
    return cell;
  });
  const use = element("button", { type: "button", textContent: row.is_used ? words.used : words.use });
  use.setAttribute("aria-label", `${use.textContent}: ${row.name}`);
  use.addEventListener("click", () => report("use", row.id));
  const made = element("div", { className: "model" }, name, barOf(row, heads[1]), element("div", { className: "facts" }, ...facts), use);
  made.setAttribute("role", "listitem");
  return made;
}

function headOf(heads) {
  const made = element("div", { className: "model heads" });
  made.setAttribute("aria-hidden", "true");
  made.append(...heads.map((text) => element("div", { textContent: text })), element("div"));
  return made;
}

export default drawnAfterRelease(({ data, parentElement, setTriggerValue }) => {
  const now = JSON.stringify(data);
  if (shown.get(parentElement) === now) return; // redrawing the same rows would take the focus from a button
  shown.set(parentElement, now);
  const rows = (some) => some.map((row) => rowOf(row, data, setTriggerValue));
  parentElement.querySelector(".models").replaceChildren(headOf(data.heads), ...rows(data.rows));
  const open = [...parentElement.querySelectorAll("details")].map((fold) => fold.open);
  const folds = data.folds.map(({ title, rows: some }, place) => {
    const list = element("div", { className: "models" }, ...rows(some));
    list.setAttribute("role", "list");
    return element("details", { open: open[place] ?? false }, element("summary", { textContent: title }), list);
  });
  parentElement.querySelector(".folds").replaceChildren(...folds);
});
