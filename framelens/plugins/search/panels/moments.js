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

// The picture that is searched for, which a press takes away.
function queryOf(query, words, report) {
  const forget = element("button", { type: "button", className: "query" });
  forget.append(element("img", { alt: "", src: query.picture }), element("span", { textContent: `✕ ${query.name}` }));
  forget.title = words.forget;
  forget.setAttribute("aria-label", `${words.forget}: ${query.name}`);
  forget.addEventListener("click", () => report("forget", true));
  return forget;
}

export default drawnAfterRelease(({ data, parentElement, setTriggerValue }) => {
  const now = JSON.stringify(data);
  if (shown.get(parentElement) === now) return; // redrawing the same moments would take the focus from a button
  shown.set(parentElement, now);
  const cards = data.moments.map((moment) => momentOf(moment, data.words, setTriggerValue));
  const query = data.query ? [queryOf(data.query, data.words, setTriggerValue)] : [];
  parentElement.querySelector(".asked").replaceChildren(...query);
  parentElement.querySelector(".moments").replaceChildren(...cards);
});
