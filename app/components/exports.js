// Buttons that save a file. A route writes it for the user of the page, while its button says so. The reason for a failure
// is below the buttons. Where a file depends on choices beside the buttons, a press is sent to the page first: its answer
// comes with the address that belongs to all choices made before.

const groupsOf = new WeakMap();

const MOST_WAITED_MS = 60_000;

function nameOf(answer) {
  const given = answer.headers.get("Content-Disposition") ?? "";
  const found = /filename\*=utf-8''([^;]+)/i.exec(given);
  return found ? decodeURIComponent(found[1]) : (/filename="([^"]+)"/.exec(given)?.[1] ?? "framelens");
}

async function save(url, key, words) {
  try {
    const answer = await fetch(url, { headers: { "FrameLens-Key": key } });
    if (!answer.ok) return (await answer.json()).error ?? words.failed;
    const place = URL.createObjectURL(await answer.blob());
    element("a", { href: place, download: nameOf(answer) }).click();
    setTimeout(() => URL.revokeObjectURL(place), 60_000);
    return "";
  } catch {
    return words.failed;
  }
}

function isBusy(button) {
  return button.getAttribute("aria-disabled") === "true";
}

class SaveGroups {
  constructor(root) {
    this.root = root;
    this.error = root.querySelector(".error");
    this.asked = null; // the last press that waits for the page's answer, with the places of all buttons that wait
  }

  update({ answer, ...shown }, setTriggerValue) {
    this.ask = (name) => setTriggerValue("press", name);
    const now = JSON.stringify(shown);
    if (this.drawn !== now) {
      this.drawn = now;
      this.data = shown;
      this.draw();
    }
    if (this.asked && answer === this.asked.name) this.answered();
  }

  // Buttons whose text or address changes stay, and keep the focus.
  draw() {
    const { data, error } = this;
    error.classList.toggle("narrow", data.width === "content");
    const items = data.groups.flatMap((group) => group.items);
    const shape = JSON.stringify(data.groups.map((group) => [group.caption, group.items.length]));
    if (this.shape !== shape) this.build(shape);
    for (const [place, made] of this.buttons.entries()) {
      made.item = items[place];
      made.button.title = made.item.about;
      this.setBusy(made, isBusy(made.button));
    }
  }

  build(shape) {
    this.shape = shape;
    this.buttons = [];
    const groups = this.data.groups.map(({ caption, items, is_folded }) => {
      const group = element("div", { className: "group" }, ...items.map(() => this.makeButton()));
      group.setAttribute("role", "group");
      if (caption) group.setAttribute("aria-label", caption);
      const head = element(is_folded ? "summary" : "p", { className: "caption", textContent: caption });
      return element(is_folded ? "details" : "div", {}, ...(caption ? [head] : []), group);
    });
    this.root.querySelector(".groups").replaceChildren(...groups);
    for (const made of this.waiting) made.button.setAttribute("aria-disabled", "true");
  }

  makeButton() {
    const made = { button: element("button", { type: "button" }) };
    made.button.addEventListener("click", () => this.press(made));
    this.buttons.push(made);
    return made.button;
  }

  setBusy(made, isNow) {
    const { button, item } = made;
    button.textContent = isNow ? `${item.label} · ${this.data.words.writing}` : item.label;
    if (isNow) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  }

  press(made) {
    if (isBusy(made.button)) return;
    this.error.hidden = true;
    this.setBusy(made, true);
    if (!this.data.has_choices) {
      this.save(made);
      return;
    }
    const places = [...(this.asked?.places ?? []), this.buttons.indexOf(made)];
    const asked = { name: `${performance.now()} ${Math.random()}`, places };
    this.asked = asked;
    this.ask(asked.name);
    setTimeout(() => this.asked === asked && this.giveUp(), MOST_WAITED_MS);
  }

  // What was chosen may have no such file: then its button has gone.
  get waiting() {
    return (this.asked?.places ?? []).map((place) => this.buttons[place]).filter(Boolean);
  }

  answered() {
    const { waiting } = this;
    this.asked = null;
    for (const made of waiting) this.save(made);
  }

  // The address drawn last may be that of other choices.
  giveUp() {
    const { waiting } = this;
    this.asked = null;
    for (const made of waiting) this.end(made, this.data.words.failed);
  }

  async save(made) {
    this.end(made, await save(made.item.url, this.data.key, this.data.words));
  }

  end(made, reason) {
    this.error.textContent = reason;
    this.error.hidden = !reason;
    this.setBusy(made, false);
  }
}

export default drawnAfterRelease(({ data, parentElement, setTriggerValue }) => {
  if (!groupsOf.has(parentElement)) groupsOf.set(parentElement, new SaveGroups(parentElement));
  groupsOf.get(parentElement).update(data, setTriggerValue);
});
