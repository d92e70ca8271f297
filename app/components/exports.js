// Buttons that save a file. A route writes it for the user of the page, while its button says so. The reason for a failure
// is below the buttons.

const drawn = new WeakMap();

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

function buttonOf({ label, url, about }, data, error) {
  const button = element("button", { type: "button", textContent: label, title: about });
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    button.textContent = `${label} · ${data.words.writing}`;
    error.hidden = true;
    error.textContent = await save(url, data.key, data.words);
    error.hidden = !error.textContent;
    button.textContent = label;
    button.removeAttribute("aria-disabled");
  });
  return button;
}

export default drawnAfterRelease(({ data, parentElement }) => {
  const now = JSON.stringify(data);
  if (drawn.get(parentElement) === now) return;
  drawn.set(parentElement, now);
  const error = parentElement.querySelector(".error");
  error.classList.toggle("narrow", data.width === "content");
  const groups = data.groups.map(({ caption, items }) => {
    const group = element("div", { className: "group" }, ...items.map((item) => buttonOf(item, data, error)));
    group.setAttribute("role", "group");
    if (caption) group.setAttribute("aria-label", caption);
    return element("div", {}, ...(caption ? [element("p", { className: "caption", textContent: caption })] : []), group);
  });
  parentElement.querySelector(".groups").replaceChildren(...groups);
});
