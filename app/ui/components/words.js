// A model's text as elements: bold, italics and code of Markdown, frame numbers that were really sent as buttons, and
// lines of a report as runs of text with buttons at times. Nothing here can load or link to anything.

const INLINE = /(\*\*[^*\n]+\*\*|__[^_\n]+__|\*[^*\s][^*\n]*\*|`[^`\n]+`)/;
const CITED = /(\bframes?\s*\d{1,4}\b|第\s*\d{1,4}\s*帧|\[\s*(?:frame\s*|第\s*)?\d{1,4}\s*帧?[^\]\n]{0,24}\])/i;

function inline(text, marks) {
  return text.split(INLINE).filter(Boolean).map((piece) => {
    if (/^(\*\*|__).+\1$/.test(piece)) return element("strong", {}, ...inline(piece.slice(2, -2), marks));
    if (/^`.+`$/.test(piece)) return element("code", { textContent: piece.slice(1, -1) });
    if (/^\*.+\*$/.test(piece)) return element("em", {}, ...inline(piece.slice(1, -1), marks));
    const run = element("span");
    run.append(...cited(piece, marks));
    return run;
  });
}

function cited(text, marks) {
  return text.split(CITED).filter(Boolean).map((piece) => {
    const number = CITED.test(piece) && piece.match(/\d+/)[0].replace(/^0+(?=\d)/, "");
    return number && number in marks ? timeChip(piece, marks[number]) : piece;
  });
}

// A line of a report: its spans of text, times and doubts. `differs` marks what a compared report says otherwise.
function spansOf(line, marks) {
  return line.map(({ text, style, at, differs }) => {
    if (at !== undefined) return timeChip(text, at);
    if (style === "doubt") return element("span", { className: "flag", textContent: `⚠️ ${text}` });
    if (differs) return element("mark", { textContent: text });
    return element(style === "strong" ? "strong" : "span", {}, ...inline(text, marks));
  });
}

function fieldsOf(fields) {
  const made = fields.filter(({ text }) => text).map(({ label, text, differs }) => {
    const field = element("span", { className: "field" }, element("span", { className: "label", textContent: label }), text);
    field.classList.toggle("differs", Boolean(differs));
    return field;
  });
  return made.length ? [element("span", { className: "fields" }, ...made)] : [];
}

function pictureOf({ src, srcset, alt, seconds, width, height }) {
  const picture = element("button", { type: "button", className: "picture" });
  picture.setAttribute("aria-label", alt);
  picture.addEventListener("click", () => seekPlayer(seconds));
  const image = element("img", { alt: "", loading: "lazy", decoding: "async", width, height });
  Object.assign(image, { srcset, src }); // src last: setting srcset after it would fetch both
  image.addEventListener("error", () => (picture.hidden = true)); // dropped when frames were chosen
  picture.append(image);
  return picture;
}
