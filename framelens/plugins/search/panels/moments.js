// Moments of videos as pictures: each opens its report at its time, or asks for moments that look like it.

const shown = new WeakMap();

function momentOf(moment, words, report) {
  const picture = element("div", { className: "picture" });
  if (moment.picture) picture.append(element("img", { alt: "", loading: "lazy", decoding: "async", src: moment.picture }));
  picture.append(element("span", { className: "time", textContent: moment.time }));
  const about = element("div", { className: "about" });
  about.append(element("span", { className: "name", textContent: moment.name, title: moment.name }));
  about.append(element("span", { className: "why", textContent: moment.why, title: moment.why }));
  const open = element("button", { type: "button", className: "open" }, picture, about);
  open.title = fill(words.open_at, { time: moment.time });
  open.setAttribute("aria-label", `${open.title}: ${moment.name} · ${moment.why}`);
  open.addEventListener("click", () => report("open", { id: moment.id, seconds: moment.seconds }));
  const card = element("div", { className: "moment" }, open);
  card.setAttribute("role", "listitem");
  if (words.similar && moment.frame !== null) {
    const similar = element("button", { type: "button", className: "similar", textContent: words.similar });
    similar.setAttribute("aria-label", `${words.similar}: ${moment.name} · ${moment.time}`);
    similar.addEventListener("click", () => report("similar", { id: moment.id, frame: moment.frame }));
    card.append(similar);
  }
  return card;
}

export default drawnAfterRelease(({ data, parentElement, setTriggerValue }) => {
  const now = JSON.stringify(data);
  if (shown.get(parentElement) === now) return; // redrawing the same moments would take the focus from a button
  shown.set(parentElement, now);
  const cards = data.moments.map((moment) => momentOf(moment, data.words, setTriggerValue));
  parentElement.querySelector(".moments").replaceChildren(...cards);
});
