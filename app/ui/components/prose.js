// A model's answer as text: paragraphs and lists with buttons at the frames they name, or one statement after the
// other.

const shown = new WeakMap();

export default function ({ data, parentElement }) {
  const now = JSON.stringify(data);
  if (shown.get(parentElement) === now) return; // a poll without changes must not take the focus from a button
  shown.set(parentElement, now);
  const box = parentElement.querySelector(".prose");
  box.classList.toggle("live", data.live);
  const whole = data.statements.map((each) => statement(each, data.marks));
  box.replaceChildren(...blocks(data.text, data.marks), ...whole);
}
