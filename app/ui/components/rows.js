// A report, row by row: pictures with statements, and headings of the parts with a button that asks a part again and
// notifies the page. A click on a picture or a time moves the player.

const shown = new WeakMap();

function pictureOf({ src, alt, seconds, width, height }) {
  const picture = element("button", { type: "button", className: "picture" });
  picture.setAttribute("aria-label", alt);
  picture.addEventListener("click", () => seekPlayer(seconds));
  picture.append(element("img", { alt: "", loading: "lazy", decoding: "async", width, height, src }));
  return picture;
}

function headOf({ title, note, flags, action }, report) {
  const head = element("div", { className: "head" }, element("span", { className: "title", textContent: title }));
  if (note) head.append(element("span", { className: "note", textContent: note }));
  if (action) {
    const again = element("button", { type: "button", className: "again", textContent: action.words });
    again.setAttribute("aria-label", action.label);
    again.addEventListener("click", () => {
      again.disabled = true;
      report("retry", action.number);
    });
    head.append(again);
  }
  for (const flag of flags) head.append(element("span", { className: "flag", textContent: flag }));
  return head;
}

function cardOf({ pictures, title, lead, lines }, marks) {
  const card = element("div", { className: "row" });
  const said = element("div", { className: "said" });
  if (pictures.length) card.append(element("div", { className: "pictures" }, ...pictures.map(pictureOf)));
  if (lead.length) (pictures.length ? said : card).append(chipsOf(lead));
  card.classList.toggle("plain", !pictures.length);
  card.classList.toggle("loose", !pictures.length && !lead.length);
  if (title) said.append(element("div", { className: "title", textContent: title }));
  said.append(...lines.map((line) => statement(line, marks)));
  card.append(said);
  return card;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const now = JSON.stringify(data);
  if (shown.get(parentElement) === now) return; // redrawing the same rows would take the focus from a button
  shown.set(parentElement, now);
  const made = data.rows.map((row) => {
    const one = row.kind === "head" ? headOf(row, setTriggerValue) : cardOf(row, data.marks);
    one.setAttribute("role", "listitem");
    return one;
  });
  parentElement.querySelector(".rows").replaceChildren(...made);
}
