// A model's text as elements: bold, italics and code of Markdown, frame numbers that were really sent as buttons, and
// lines of a report as runs of text with buttons at times. Nothing here can load or link to anything.
// What a citation is follows framelens.core.citations.

const INLINE = /(\*\*[^*\n]+\*\*|__[^_\n]+__|\*[^*\s][^*\n]*\*|`[^`\n]+`)/;
const CITED =
  /(\b(?:frames?|images?)[ \t_-]*(?:(?:#|№|no\.?|number)[ \t]*)?\d{1,4}\b(?![.,，]\d|\s*[%％‰]|\s*(?:ms|fps|px|pixels?)\b|\.(?:jpe?g|png|webp|gif|bmp|tiff?|mp4|mkv|mov|avi|webm)\b)|第\s*\d{1,4}\s*(?:帧|[张幅](?:图片?|画面|照片))|(?<![\d第一二两三四五六七八九十百零])(?<!\d )帧\s*\d{1,4}(?![\d张幅个秒分次倍]|\s+[张幅个秒分次倍])|[[［]\s*(?:frame\s*|第\s*|帧\s*)?\d{1,4}\s*帧?[^\]］\n]{0,24}[\]］])/i;
// Words copied from a sign or a screen; straight quotes inside a piece of JSON are not quotations.
const COPIED = /(“[^”\n]*”|「[^」\n]*」|『[^』\n]*』|«[^»\n]*»|"[^"\n]*")/;
const JSON_PIECE = /"\s*:|^\s*[{[]/;

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
  const isCopied = (piece) => COPIED.test(piece) && !(piece.startsWith('"') && JSON_PIECE.test(text));
  return text.split(COPIED).filter(Boolean).flatMap((piece) => (isCopied(piece) ? [piece] : chips(piece, marks)));
}

function chips(text, marks) {
  return text.split(CITED).filter(Boolean).map((piece) => {
    const number = CITED.test(piece) && piece.match(/\d+/)[0].replace(/^0+(?=\d)/, "");
    return number && number in marks ? timeChip(piece, marks[number]) : piece;
  });
}

// A line of a report: its spans of text, times and doubts. `differs` marks what a compared report says otherwise;
// `opens` is the frame at a time of another video than the player's.
function spansOf(line, marks, notify) {
  return line.map(({ text, style, at, opens, differs, was }) => {
    if (at !== undefined || opens !== undefined) {
      const chip = opens === undefined ? timeChip(text, at) : chipOf(text, () => notify("open", opens));
      chip.classList.toggle("strong", style === "strong");
      return chip;
    }
    if (style === "person") return personOf(text, was);
    if (style === "doubt") return element("span", { className: "flag", textContent: `⚠️ ${text}` });
    if (differs) return element("mark", { textContent: text });
    if (style === "said") return element("span", {}, ...inline(text, marks));
    return element(style === "strong" ? "strong" : "span", { textContent: text });
  });
}

// Who wrote a sentence instead of the model; a click shows the model's words.
function personOf(text, was) {
  if (!was) return element("span", { className: "person", textContent: text });
  return element("details", { className: "person" }, element("summary", { textContent: text }), was);
}

function fieldsOf(fields) {
  const made = fields.filter(({ text }) => text).map(({ label, text, differs }) => {
    const field = element("span", { className: "field" }, element("span", { className: "label", textContent: label }), text);
    field.classList.toggle("differs", Boolean(differs));
    return field;
  });
  return made.length ? [element("span", { className: "fields" }, ...made)] : [];
}

// What a click on a picture does: the page is notified of one that the player doesn't show.
function goingTo({ number, seconds, elsewhere, plays }, notify) {
  return elsewhere ? () => notify("open", number) : () => seekPlayer(seconds, plays);
}

function pictureOf(shown, notify) {
  const { src, srcset, alt, seconds, width, height } = shown;
  const isFrame = seconds !== undefined; // not an image of the reader, which has no time
  const picture = isFrame ? chipOf("", goingTo(shown, notify)) : element("div");
  picture.className = "picture";
  picture.setAttribute(isFrame ? "aria-label" : "title", alt);
  const image = element("img", { alt: isFrame ? "" : alt, loading: "lazy", decoding: "async" });
  // src last: setting srcset after it would fetch both
  Object.assign(image, width ? { width, height } : {}, srcset ? { srcset } : {}, { src });
  image.addEventListener("error", () => (picture.hidden = true)); // dropped when frames were chosen
  picture.append(image);
  return picture;
}
