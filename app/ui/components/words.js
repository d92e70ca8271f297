// A model's text as elements: bold, italics and code of Markdown, frame numbers that were really sent as buttons, and
// below a statement what could not be verified of it. Nothing here can load or link to anything.

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

function blocks(text, marks) {
  const made = [];
  for (const line of text.split("\n")) {
    const bullet = line.match(/^\s*(?:[-*•])\s+(.*)$/);
    const numbered = line.match(/^\s*(\d{1,4})[.)]\s+(.*)$/);
    const heading = line.match(/^\s*#{1,6}\s+(.*)$/);
    const based = line.match(/^(\d{1,4}(?:, \d{1,4})*): (.*)$/); // the format of a partial answer: "3, 4: a car turns"
    const frames = based ? based[1].split(", ").filter((number) => number in marks) : [];
    const last = made.at(-1);
    if (bullet || numbered) {
      const tag = bullet ? "UL" : "OL";
      const list = last?.tagName === tag ? last : element(tag.toLowerCase());
      const item = element("li", {}, ...inline(bullet ? bullet[1] : numbered[2], marks));
      if (numbered) item.value = Number(numbered[1]);
      list.append(item);
      if (list !== last) made.push(list);
    } else if (frames.length) {
      const chips = frames.slice(0, 6).map((number) => ({ label: clock(marks[number], 3), seconds: marks[number] }));
      made.push(element("p", {}, ...inline(based[2], marks), chipsOf(chips)));
    } else if (heading) {
      made.push(element("h4", {}, ...inline(heading[1], marks)));
    } else if (line.trim()) {
      made.push(element("p", {}, ...inline(line.trim(), marks)));
    }
  }
  return made;
}

function chipsOf(chips) {
  return element("span", { className: "chips" }, ...chips.map(({ label, seconds }) => timeChip(label, seconds)));
}

function fieldsOf(fields) {
  const made = fields.filter(({ text }) => text).map(({ label, text, differs }) => {
    const field = element("span", { className: "field" }, element("span", { className: "label", textContent: label }), text);
    field.classList.toggle("differs", Boolean(differs));
    return field;
  });
  return made.length ? [element("span", { className: "fields" }, ...made)] : [];
}

function statement({ text, chips, flags, fields }, marks) {
  const body = element("p", {}, ...inline(text, marks));
  if (chips?.length) body.append(chipsOf(chips));
  if (fields) body.append(...fieldsOf(fields));
  for (const flag of flags ?? []) body.append(element("span", { className: "flag", textContent: flag }));
  return body;
}
