// The blocks of a report, one function per kind. A click on a picture or a time moves the player.

const RENDERERS = {
  // Its button asks a part again and notifies the page.
  heading({ level, line, action, copy }, { marks, notify }) {
    const head = element("div", { className: "head" }, element(`h${level + 2}`, {}, ...spansOf(line, marks)));
    if (copy) head.append(copyButton(copy, () => textBelow(head)));
    if (action) {
      const again = element("button", { type: "button", className: "again", textContent: action.words });
      again.setAttribute("aria-label", action.label);
      again.addEventListener("click", () => {
        again.disabled = true;
        notify("retry", action.number);
      });
      head.append(again);
    }
    return head;
  },

  paragraph({ tone, line }, { marks, notify }) {
    return element("p", { className: tone }, ...spansOf(line, tone === "plain" ? marks : {}, notify));
  },

  // Items of a list, or rows of a table of findings: pictures, times, text and labelled fields.
  rows({ rows }, { marks, notify }) {
    const made = rows.map(({ pictures, lead, line, fields, range }) => {
      const row = element("div", { className: "row" });
      const body = element("div", { className: "said" });
      if (pictures.length) row.append(element("div", { className: "pictures" }, ...pictures.map(pictureOf)));
      if (lead.length) (pictures.length ? body : row).append(element("div", { className: "lead" }, ...spansOf(lead, marks)));
      body.append(element("p", {}, ...spansOf(line, marks), ...fieldsOf(fields)), ...rangeButtons(range, line[0]?.text, notify));
      row.append(body);
      row.classList.toggle("plain", !pictures.length);
      row.classList.toggle("loose", !pictures.length && !lead.length);
      row.setAttribute("role", "listitem");
      return row;
    });
    return list("rows", made);
  },

  // Chapters: a picture each, with time and title.
  cards({ rows }, { marks, notify }) {
    const made = rows.map(({ picture, lead, title, line, range }) => {
      const about = element("p", {}, ...(title ? [element("strong", { textContent: `${title} ` })] : []), ...spansOf(line, marks));
      const card = element("div", { className: "card" }, ...(picture ? [pictureOf(picture)] : []));
      card.append(element("div", { className: "lead" }, ...spansOf(lead, marks)), about, ...rangeButtons(range, title, notify));
      card.setAttribute("role", "listitem");
      return card;
    });
    return list("cards", made);
  },

  fold({ summary, blocks }, context) {
    const inside = element("div", { className: "blocks" }, ...blocksOf(blocks, context));
    return element("details", {}, element("summary", { textContent: summary }), inside);
  },

  folded({ summary, lines }) {
    const made = lines.map((text) => element("li", { textContent: text }));
    return element("details", { className: "measured" }, element("summary", { textContent: summary }), element("ul", {}, ...made));
  },

  table({ heads, rows, numbers, wide }, { marks }) {
    const kinds = new Map([...numbers.map((place) => [place, "number"]), ...wide.map((place) => [place, "wide"])]);
    const cells = (tag, lines) =>
      lines.map((line, place) => element(tag, { className: kinds.get(place) ?? "" }, ...spansOf(line, marks)));
    const body = rows.map((row) =>
      element("tr", {}, ...(heads.length ? cells("td", row) : [...cells("th", row.slice(0, 1)), ...cells("td", row.slice(1))])),
    );
    const head = heads.length ? [element("thead", {}, element("tr", {}, ...cells("th", heads)))] : [];
    const box = element("div", { className: "table" }, element("table", {}, ...head, element("tbody", {}, ...body)));
    box.tabIndex = 0; // a scrollable table can be reached with the keys
    return box;
  },

  // Each picture with the blocks about it.
  frames({ rows }, context) {
    const made = rows.map(({ picture, blocks }) => {
      const lines = element("div", { className: "said" }, ...blocksOf(blocks, context));
      const frame = element("div", { className: "frame" }, ...(picture ? [pictureOf(picture)] : []), lines);
      frame.setAttribute("role", "listitem");
      return frame;
    });
    return list("frames", made);
  },

  gallery({ pictures, is_strip: isStrip }, { notify }) {
    if (isStrip) return list("strip", pictures.map((picture) => listed(pictureOf(picture, notify))));
    const made = pictures.map((picture) => {
      const { title, time, why, look } = picture;
      const about = element("div", { className: "about" }, ...(title ? [element("b", { textContent: title })] : []));
      if (time) about.append(chipOf(time, goingTo(picture, notify)));
      about.append(element("span", { textContent: why }));
      if (look) about.append(chipOf(look, () => notify("look", picture.number)));
      about.append(...rangeButtons(picture.range, title, notify));
      return listed(pictureOf(picture, notify), about);
    });
    return list("gallery", made);
  },

  // Pictures of a conversation; those that aren't of the video in the player move nothing.
  thumbnails({ pictures }, { notify }) {
    const made = pictures.map((picture) => {
      const caption = element("figcaption", { textContent: picture.title });
      const figure = element("figure", {}, pictureOf(picture), caption, ...rangeButtons(picture.range, picture.title, notify));
      figure.setAttribute("role", "listitem");
      return figure;
    });
    return list("thumbnails", made);
  },

  // What a search has looked at: a line for each frame, a bar for each interval. A click moves the player.
  search({ start, end, yes, no, intervals, label, can_seek: canSeek }) {
    const x = (seconds) => ((seconds - start) / Math.max(end - start, 0.001)) * 1000;
    const strip = svg("svg", { class: "search", viewBox: "0 0 1000 30", preserveAspectRatio: "none", "aria-hidden": "true" });
    const lines = (seconds, top) => seconds.map((one) => `M${x(one).toFixed(1)} ${top}V24`).join("");
    strip.append(svg("path", { class: "no", d: lines(no, 16) }), svg("path", { class: "yes", d: lines(yes, 8) }));
    for (const [first, last] of intervals)
      strip.append(svg("rect", { class: "yes", x: x(first), y: 24, width: Math.max(3, x(last) - x(first)), height: 6 }));
    if (canSeek) {
      strip.addEventListener("click", ({ clientX }) => {
        const { left, width } = strip.getBoundingClientRect();
        seekPlayer(start + ((clientX - left) / width) * (end - start));
      });
    }
    return element("figure", {}, strip, element("figcaption", { textContent: label }));
  },

  // The player has an interactive one; this is for reports without their video.
  timeline({ heading, svg: drawing, alt }, context) {
    const chart = element("img", { alt, src: `data:image/svg+xml,${encodeURIComponent(drawing)}` });
    const about = element("figcaption", { textContent: alt });
    return element("figure", {}, RENDERERS.heading(heading, context), chart, about);
  },

  // A list of a page, at its levels.
  items({ items }, { marks }) {
    const made = items.map(({ level, line }) => {
      const item = element("li", {}, ...spansOf(line, marks));
      item.style.marginInlineStart = `${1.2 * level}rem`;
      return item;
    });
    return element("ul", { className: "items" }, ...made);
  },

  code: ({ text }) => element("pre", { textContent: text, tabIndex: 0 }),

  verbatim({ summary, text, copy }) {
    const button = element("button", { type: "button", className: "again", textContent: copy });
    button.addEventListener("click", () => copied(text));
    return element(
      "details",
      {},
      element("summary", { textContent: summary }),
      button,
      element("pre", { textContent: text, tabIndex: 0 }),
    );
  },

  // An answer: paragraphs and lists with buttons at the frames they name. A bare one isn't in the format of a part.
  prose({ text, live, bare }, { marks }) {
    const box = element("div", { className: "prose" }, ...paragraphsOf(text, marks, bare));
    box.classList.toggle("live", live);
    if (live) requestAnimationFrame(() => box.scrollTo(0, box.scrollHeight)); // what comes now is at its end
    return box;
  },
};

function copyButton({ copy, copied: done }, read) {
  const button = element("button", { type: "button", className: "again", textContent: copy });
  button.addEventListener("click", async () => {
    button.textContent = (await copied(read())) ? done : copy;
    setTimeout(() => (button.textContent = copy), 2000);
  });
  return button;
}

// The text from a heading to the next one of its level or above, a line for each paragraph and item.
function textBelow(head) {
  const level = (one) => Number(one.querySelector("h2, h3, h4, h5, h6")?.tagName[1] ?? 9);
  const found = [];
  for (let one = head.nextElementSibling; one; one = one.nextElementSibling) {
    if (one.className === "head" && level(one) <= level(head)) break;
    const items = one.getAttribute("role") === "list" ? [...one.children] : [];
    found.push(...(items.length ? items.map((item) => `- ${lineOf(item)}`) : [lineOf(one)]));
  }
  return found.filter(Boolean).join("\n\n");
}

const lineOf = (one) => one.innerText.replace(/\s+/g, " ").trim();

function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function listed(...parts) {
  const item = element("div", { className: "one" }, ...parts);
  item.setAttribute("role", "listitem");
  return item;
}

function list(name, items) {
  const box = element("div", { className: name }, ...items);
  box.setAttribute("role", "list");
  return box;
}

function blocksOf(blocks, context) {
  return blocks.map((block) => RENDERERS[block.kind](block, context));
}

function paragraphsOf(text, marks, isBare) {
  const made = [];
  let code = null; // the block that is open, between two lines of ```
  for (const line of text.split("\n")) {
    if (/^\s*```/.test(line)) {
      code = code ? null : element("pre", { tabIndex: 0 });
      if (code) made.push(code);
      continue;
    }
    if (code) {
      code.append(`${line}\n`);
      continue;
    }
    const bullet = line.match(/^\s*(?:[-*•])\s+(.*)$/);
    const numbered = line.match(/^\s*(\d{1,4})[.)]\s+(.*)$/);
    const heading = line.match(/^\s*#{1,6}\s+(.*)$/);
    const based = !isBare && line.match(/^(\d{1,4}(?:, \d{1,4})*): (.*)$/); // the format of a partial answer: "3, 4: a car turns"
    const frames = based ? based[1].split(", ").filter((number) => number in marks) : [];
    const last = made.at(-1);
    if (bullet || numbered) {
      const tag = bullet ? "UL" : "OL";
      const items = last?.tagName === tag ? last : element(tag.toLowerCase());
      const item = element("li", {}, ...inline(bullet ? bullet[1] : numbered[2], marks));
      if (numbered) item.value = Number(numbered[1]);
      items.append(item);
      if (items !== last) made.push(items);
    } else if (frames.length) {
      const chips = frames.slice(0, 6).map((number) => timeChip(clock(marks[number], 3), marks[number]));
      made.push(element("p", {}, ...inline(based[2], marks), " ", ...chips));
    } else if (heading) {
      made.push(element("h4", {}, ...inline(heading[1], marks)));
    } else if (line.trim()) {
      made.push(element("p", {}, ...inline(line.trim(), marks)));
    }
  }
  return made;
}
