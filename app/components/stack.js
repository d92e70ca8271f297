// Parts of a sum in one bar, against the available amount.

export default function ({ data, parentElement }) {
  const sum = data.parts.reduce((whole, part) => whole + part.amount, 0);
  const length = Math.max(sum, data.there) || 1;
  const percent = (amount) => `${((100 * amount) / length).toFixed(2)}%`;
  const bar = parentElement.querySelector(".stack");
  const pieces = data.parts.map((part, place) => {
    const piece = element("div", { className: `piece ink${place}`, title: `${part.label}: ${part.words}` });
    piece.style.width = percent(part.amount);
    return piece;
  });
  bar.replaceChildren(...pieces);
  if (sum > data.there) {
    const edge = element("div", { className: "edge" });
    edge.style.left = percent(data.there);
    bar.append(edge);
  }
  bar.setAttribute("aria-label", data.about);
  parentElement.querySelector(".legend").replaceChildren(
    ...data.parts.map((part, place) =>
      element(
        "span",
        { className: `entry ink${place}` },
        element("span", { textContent: part.label }),
        element("b", { textContent: part.words }),
      ),
    ),
  );
}
