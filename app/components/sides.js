// Two reports side by side, or stacked on a narrow screen: what each says of the whole and of every frame, with
// differing words marked. Texts only ever become text nodes.

function lineOf({ spans, fields }) {
  return element("p", {}, ...spansOf(spans, {}), ...fieldsOf(fields));
}

function sideOf(lines, place, { names, nothing }) {
  const side = element("div", { className: place ? "side second" : "side" });
  side.append(element("span", { className: "who", textContent: names[place] }));
  side.append(...lines.map(lineOf));
  if (!lines.length) side.append(element("span", { className: "none", textContent: nothing }));
  return side;
}

function whatOf({ title, picture }) {
  const what = element("div", { className: "what" });
  if (picture) what.append(pictureOf(picture), timeChip(picture.time, picture.seconds));
  if (title) what.append(element("span", { className: "title", textContent: title }));
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

export default drawnAfterRelease(({ data, parentElement }) => {
  const rows = data.rows.map((row) => pairOf(row, data));
  parentElement.querySelector(".sides").replaceChildren(...(data.heads.length ? [headsOf(data)] : []), ...rows);
});
