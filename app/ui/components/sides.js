// Two reports side by side, or stacked on a narrow screen: what each says of the whole and of every frame, with
// differing words marked. Texts only ever become text nodes.

function markedText(pieces) {
  return pieces.map(([text, differs]) => (differs ? element("mark", { textContent: text }) : text));
}

function lineOf({ pieces, chips, fields, flags }) {
  const body = element("p", {}, ...markedText(pieces));
  if (chips.length) body.append(chipsOf(chips));
  body.append(...fieldsOf(fields));
  for (const flag of flags) body.append(element("span", { className: "flag", textContent: flag }));
  return body;
}

function sideOf(lines, place, { names, nothing }) {
  const side = element("div", { className: place ? "side second" : "side" });
  side.append(element("span", { className: "who", textContent: names[place] }));
  side.append(...lines.map(lineOf));
  if (!lines.length) side.append(element("span", { className: "none", textContent: nothing }));
  return side;
}

function whatOf({ title, chip, picture }) {
  const what = element("div", { className: "what" });
  if (picture) {
    const button = element("button", { type: "button", className: "picture" });
    button.setAttribute("aria-label", picture.alt);
    button.addEventListener("click", () => seekPlayer(picture.seconds));
    button.append(element("img", { alt: "", loading: "lazy", decoding: "async", src: picture.src }));
    what.append(button);
  }
  if (title) what.append(element("span", { className: "title", textContent: title }));
  if (chip) what.append(timeChip(chip.label, chip.seconds));
  return what;
}

function pairOf(row, data) {
  const pair = element("div", { className: row.same ? "pair same" : "pair" }, whatOf(row));
  pair.append(...row.sides.map((lines, place) => sideOf(lines, place, data)));
  return pair;
}

function headsOf({ heads, names }) {
  const pair = element("div", { className: "pair heads" }, element("span"));
  heads.forEach((facts, place) => {
    const list = element("dl", { className: "facts" });
    for (const { label, text, differs } of facts) {
      const fact = element("div", {}, element("dt", { textContent: label }), element("dd", { textContent: text }));
      fact.classList.toggle("differs", differs);
      list.append(fact);
    }
    const name = element("span", { className: "name", textContent: names[place] });
    pair.append(element("div", { className: place ? "side second" : "side" }, name, list));
  });
  return pair;
}

export default function ({ data, parentElement }) {
  const rows = data.rows.map((row) => pairOf(row, data));
  parentElement.querySelector(".sides").replaceChildren(...(data.heads.length ? [headsOf(data)] : []), ...rows);
}
