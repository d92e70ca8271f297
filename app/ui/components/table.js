// A table of plain texts.

export default function ({ data, parentElement }) {
  const kinds = new Map([...data.numbers.map((place) => [place, "number"]), ...data.wide.map((place) => [place, "wide"])]);
  const cells = (tag, texts) =>
    texts.map((text, place) => element(tag, { textContent: text, className: kinds.get(place) ?? "" }));
  const head = element("thead", {}, element("tr", {}, ...cells("th", data.heads)));
  const body = element("tbody", {}, ...data.rows.map((row) => element("tr", {}, ...cells("td", row))));
  const box = parentElement.querySelector(".table");
  box.replaceChildren(element("table", {}, head, body));
  box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1; // a scrollable table can be reached with the keys
}
