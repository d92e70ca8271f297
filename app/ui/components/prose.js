// A model's words as text: paragraphs, lists, headings, bold, italics and code of Markdown, and nothing that could load
// or link to anything. Frame numbers that were really sent become buttons that move the player.

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
    const last = made.at(-1);
    if (bullet || numbered) {
      const tag = bullet ? "UL" : "OL";
      const list = last?.tagName === tag ? last : element(tag.toLowerCase());
      const item = element("li", {}, ...inline(bullet ? bullet[1] : numbered[2], marks));
      if (numbered) item.value = Number(numbered[1]);
      list.append(item);
      if (list !== last) made.push(list);
    } else if (heading) {
      made.push(element("h4", {}, ...inline(heading[1], marks)));
    } else if (line.trim()) {
      made.push(element("p", {}, ...inline(line.trim(), marks)));
    }
  }
  return made;
}

function statement({ text, chips, flags }, marks) {
  const body = element("p", {}, ...inline(text, marks));
  if (chips.length) {
    body.append(element("span", { className: "chips" }, ...chips.map(({ label, seconds }) => timeChip(label, seconds))));
  }
  for (const flag of flags) body.append(element("br"), element("span", { className: "flag", textContent: flag }));
  return body;
}

const shown = new WeakMap();

export default function ({ data, parentElement }) {
  const now = JSON.stringify(data);
  if (shown.get(parentElement) === now) return; // a poll without news must not take the focus from a button
  shown.set(parentElement, now);
  const box = parentElement.querySelector(".prose");
  box.classList.toggle("live", data.live);
  const whole = data.statements.map((each) => statement(each, data.marks));
  box.replaceChildren(...blocks(data.text, data.marks), ...whole);
}
