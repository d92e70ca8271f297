// Pictures that the server decodes: the one at the playhead where the browser can't show the video, and the filmstrip
// under the timeline. The playhead's goes first and is alone of its kind, so that
// dragging requests the playhead's current position and not every one on the way. With several requests of the
// filmstrip waiting, the server decodes them in a row, before it opens the file of another page.

const FILM_WAIT_MS = 400; // a view that is still being zoomed or moved isn't filled
const FILM_SLOT = 96; // approximate width in pixels
const FILM_SIDE = 192;
const MOST_STILLS = 240;
const MOST_REQUESTS = 3; // at a time; a browser has six connections for a server
const RETRY_MS = 2000; // after an answer that didn't come, or that says that the server can't now

class Stills {
  constructor(owner, film, image) {
    this.owner = owner; // has the data, the view, the marks and the time; knows whether the browser shows the video
    this.film = film;
    this.image = image;
    this.kept = new Map(); // name -> { url, seconds }, in the order of their use
    this.requested = new Map(); // name -> wish
    this.late = new Set(); // names of those that are requested again in a while
    film.addEventListener("click", (event) => owner.comeTo(owner.strip.secondsAt(event)));
  }

  // Start over with another file.
  begin() {
    for (const { url } of this.kept.values()) if (url) URL.revokeObjectURL(url);
    this.kept.clear();
    this.requested.clear();
    this.slots = [];
    this.image.removeAttribute("src");
    this.film.replaceChildren();
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.begin();
  }

  // Return a time just inside the frame at `seconds`, in whole milliseconds: rounding down could reach the previous
  // frame.
  wish(seconds, side) {
    const ms = Math.ceil(Math.max(0, seconds) * 1000 - 0.001);
    return { ms, side, name: `${ms}/${side}` };
  }

  get playhead() {
    const { box, now } = this.owner;
    return this.wish(now, box.clientWidth * (window.devicePixelRatio || 1) > 700 ? 1280 : 640);
  }

  get wanted() {
    const isMoving = [...this.requested.values()].some((wish) => wish.isPlayhead);
    const shown = isMoving ? [] : [{ ...this.playhead, isPlayhead: true }];
    const all = [...(this.owner.isBroken ? shown : []), ...(this.slots ?? [])];
    return all.find(({ name }) => !this.kept.has(name) && !this.requested.has(name) && !this.late.has(name));
  }

  // Call this whenever the playhead, the view, the marks or the file may have changed.
  look() {
    if (this.isClosed || !this.owner.data) return;
    this.layFilm();
    if (this.owner.isBroken) this.show();
    while (this.requested.size < MOST_REQUESTS) {
      const next = this.wanted;
      if (!next) return;
      this.get(next);
    }
  }

  show() {
    const { name } = this.playhead;
    const still = this.kept.get(name);
    if (!still) return;
    const { words, now } = this.owner;
    if (!still.url) {
      this.image.removeAttribute("src"); // the last one would pass for the picture of another time
      this.image.alt = fill(words.no_still, { time: clock(now, 3) });
      return;
    }
    if (this.image.src !== still.url) this.image.src = still.url;
    this.image.alt = fill(words.still, { time: clock(still.seconds, 3) });
    this.owner.showsFrame(still.seconds);
  }

  async get(wish) {
    this.requested.set(wish.name, wish);
    const { source } = this.owner;
    const still = await this.fetched(wish).catch(() => null);
    if (!still) this.retryLater(wish);
    if (this.requested.get(wish.name) === wish) this.requested.delete(wish.name);
    if (this.isClosed || source !== this.owner.source) {
      if (still?.url) URL.revokeObjectURL(still.url);
    } else if (still) this.keep(wish, still);
    this.owner.draw();
  }

  retryLater({ name }) {
    this.late.add(name);
    setTimeout(() => {
      this.late.delete(name);
      this.owner.draw();
    }, RETRY_MS);
  }

  // Return the picture, without an address where there is none; null where another request may get it.
  async fetched({ ms, side }) {
    const answer = await fetch(`${fill(this.owner.data.stills, { ms })}&side=${side}`);
    if (answer.status === 429 || answer.status >= 500) return null;
    if (!answer.ok) return { url: "" };
    return { url: URL.createObjectURL(await answer.blob()), seconds: Number(answer.headers.get("FrameLens-Time")) };
  }

  keep(wish, still) {
    this.kept.set(wish.name, still);
    for (const [name, { url }] of [...this.kept].slice(0, Math.max(0, this.kept.size - MOST_STILLS))) {
      if (url && !this.slots.some((slot) => slot.name === name)) URL.revokeObjectURL(url), this.kept.delete(name);
    }
    if (wish.cell && still.url) wish.cell.replaceChildren(element("img", { src: still.url, alt: "" }));
  }

  // The filmstrip shows the visible part of the timeline.
  layFilm() {
    const { box, duration, view } = this.owner;
    const count = Math.max(3, Math.min(16, Math.round(box.clientWidth / FILM_SLOT)));
    const shown = [this.owner.source, count, ...view.edges, this.foundStarts];
    const key = duration && box.clientWidth ? JSON.stringify(shown) : "";
    this.film.hidden = !key;
    if (key === this.key) return;
    this.key = key;
    clearTimeout(this.timer);
    if (key) this.timer = setTimeout(() => this.fillFilm(count), FILM_WAIT_MS);
  }

  get foundStarts() {
    return (this.owner.data.scenery.search?.intervals ?? []).map(([start]) => start);
  }

  // Each cell shows its middle, or what was found in its part of the video.
  fillFilm(count) {
    const [first, last] = this.owner.view.edges;
    const width = (last - first) / count;
    this.slots = Array.from({ length: count }, (_, place) => {
      const start = first + width * place;
      const found = this.foundStarts.find((seconds) => seconds >= start && seconds < start + width);
      return { ...this.wish(found ?? start + width / 2, FILM_SIDE), cell: element("span") };
    });
    for (const { name, cell } of this.slots) {
      const still = this.kept.get(name);
      if (still?.url) cell.append(element("img", { src: still.url, alt: "" }));
    }
    this.film.replaceChildren(...this.slots.map(({ cell }) => cell));
    this.look();
  }
}
