// Analyses as compact rows: an icon of the state, a title, a line that distinguishes similar ones, a line on its state, and the actions.

const shown = new WeakMap();

function actionOf(job, name, words, report) {
  const button = element("button", { type: "button", className: "act", title: words }, iconOf(name));
  button.setAttribute("aria-label", `${words}: ${job.name}`);
  button.addEventListener("click", () => report("act", { id: job.id, action: name }));
  return button;
}

function jobOf(job, report) {
  const text = element("span", { className: "text" }, element("span", { className: "title", textContent: job.name }));
  text.append(...job.lines.map((line) => element("span", { className: "line", textContent: line })));
  const icon = iconOf(job.icon);
  icon.setAttribute("aria-hidden", "false");
  icon.setAttribute("role", "img");
  icon.setAttribute("aria-label", job.state);
  const picture = job.picture ? [element("img", { className: "cover", src: job.picture, alt: "", loading: "lazy" })] : [];
  const go = element("button", { type: "button", className: "go", title: job.about }, ...picture, icon, text);
  go.addEventListener("click", () => report("open", { id: job.id }));
  if (job.is_open) go.setAttribute("aria-current", "true");
  const actions = Object.entries(job.actions).map(([name, words]) => actionOf(job, name, words, report));
  const row = element("div", { className: "job" }, go, ...actions);
  row.classList.toggle("open", job.is_open);
  row.dataset.id = job.id;
  row.setAttribute("role", "listitem");
  return row;
}

// The rows are one stop of the Tab key, so that the page is near; arrow keys lead from button to button.
function makeOneStop(box) {
  const buttons = () => [...box.querySelectorAll("button")];
  const stopAt = (stop) => buttons().forEach((one) => (one.tabIndex = one === stop ? 0 : -1));
  stopAt(box.querySelector('[aria-current="true"]') ?? buttons()[0]);
  box.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const next = step && buttons()[buttons().indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    stopAt(next);
    next.focus();
  };
}

export default drawnAfterRelease(({ data, parentElement, setTriggerValue }) => {
  const now = JSON.stringify(data);
  if (shown.get(parentElement) === now) return; // redrawing the same rows would take the focus from a button
  shown.set(parentElement, now);
  const rows = data.jobs.map((job) => jobOf(job, setTriggerValue));
  const label = parentElement.activeElement?.getAttribute?.("aria-label");
  const box = parentElement.querySelector(".jobs");
  box.replaceChildren(...rows);
  makeOneStop(box);
  if (label) [...parentElement.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === label)?.focus();
});
