// Charts of the last minutes. Each is built once; an update changes its points, its numbers and its scale in place.

const WIDTH = 600; // width of the drawing, which is scaled to the chart
const HEIGHT = 100;
const HEADROOM = 4; // keeps a line at the top fully visible
const SVG = "http://www.w3.org/2000/svg";
const shown = new WeakMap();

function drawn(className) {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("class", className);
  return path;
}

// Return a round number that is at least the value and the minimum.
function roundUp(value, least) {
  const wanted = Math.max(value, least);
  const unit = 10 ** Math.floor(Math.log10(wanted));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((times) => times * unit).find((top) => top >= wanted - unit * 1e-9);
}

function numberOf(value, unit) {
  if (unit === "share") return `${Math.round(value * 100)} %`;
  if (unit === "bytes") {
    const gib = value / 2 ** 30;
    return `${gib.toFixed(gib < 100 ? 1 : 0)} GiB`;
  }
  return value.toFixed(value === 0 || value >= 10 || Number.isInteger(value) ? 0 : value >= 1 ? 1 : 2);
}

class Chart {
  constructor() {
    this.heads = ["title", "now", "note", "legend"].map((className) => element("span", { className }));
    this.highest = element("span", { className: "highest" });
    this.tip = element("div", { className: "tip", hidden: true });
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.cursor = drawn("cursor");
    this.inks = [];
    this.edges = ["", ""].map(() => element("span"));
    this.plot = element("div", { className: "plot" }, this.svg, this.highest, this.tip);
    this.plot.append(element("div", { className: "axis" }, ...this.edges));
    this.box = element("div", {}, element("div", { className: "top" }, ...this.heads), this.plot);
    this.box.setAttribute("role", "listitem");
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerdown", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", () => this.leave());
  }

  update(chart, data) {
    Object.assign(this, { chart, data });
    this.box.className = ["chart", chart.wide && "wide", chart.stacked && "stacked"].filter(Boolean).join(" ");
    const sums = this.heights();
    const most = Math.max(0, ...sums.flat().filter((value) => value !== null));
    this.top = chart.top ?? roundUp(most, chart.unit === "bytes" ? 2 ** 30 : 1);
    this.tell();
    this.ink(sums);
    if (this.pointed !== undefined) this.showTip();
  }

  // Return the points of each line; a stacked line runs on the sum of those below it.
  heights() {
    const { lines, stacked } = this.chart;
    if (!stacked) return lines.map(({ values }) => values);
    return lines.map((_, place) =>
      this.data.ages.map((_, moment) => {
        const below = lines.slice(0, place + 1).map(({ values }) => values[moment]);
        return below.includes(null) ? null : below.reduce((sum, value) => sum + value, 0);
      }),
    );
  }

  words(value) {
    if (value === null || value === undefined) return this.data.words.none;
    return fill(this.chart.words, { n: numberOf(value, this.chart.unit) });
  }

  tell() {
    const { title, note, lines, stacked } = this.chart;
    const last = lines.map(({ values, sparse }) => (sparse ? values.findLast((value) => value !== null) : values.at(-1)) ?? null);
    const whole = stacked && !last.includes(null) ? last.reduce((sum, value) => sum + value, 0) : last[0];
    const now = lines.length === 1 || stacked ? this.words(whole) : "";
    const [titleBox, nowBox, noteBox, legend] = this.heads;
    [titleBox.textContent, nowBox.textContent, noteBox.textContent] = [title, now, note];
    noteBox.hidden = !note;
    legend.hidden = lines.length < 2;
    legend.replaceChildren(...(lines.length < 2 ? [] : lines.map(({ label }, place) => this.entry(label, last[place], place))));
    this.highest.textContent = this.words(this.top);
    this.edges[0].textContent = this.data.words.first;
    this.edges[1].textContent = this.data.words.last;
  }

  entry(label, value, place) {
    const made = element("span", { className: `entry ink${place}` }, element("span", { textContent: label }));
    made.append(element("b", { textContent: this.words(value) }));
    return made;
  }

  ink(sums) {
    if (this.inks.length !== sums.length) {
      this.inks = sums.map((_, place) => [drawn(`area ink${place}`), drawn(`line ink${place}`)]);
      const grid = drawn("grid");
      grid.setAttribute("d", [0, 0.5].map((share) => `M0 ${this.y(share * this.top)}H${WIDTH}`).join(""));
      this.svg.replaceChildren(grid, ...this.inks.flat(), this.cursor);
    }
    sums.forEach((values, place) => {
      const [area, line] = this.inks[place];
      const isSparse = this.chart.lines[place].sparse;
      const pieces = this.pieces(values, isSparse);
      line.classList.toggle("dots", isSparse);
      line.setAttribute("d", pieces.map((piece) => this.path(piece, values)).join(""));
      area.setAttribute("d", this.hasArea ? pieces.map((piece) => this.ground(piece, values, sums[place - 1])).join("") : "");
    });
  }

  // An area below crossing lines or single dots would only be in the way.
  get hasArea() {
    const { lines, stacked } = this.chart;
    return stacked || (lines.length === 1 && !lines[0].sparse);
  }

  x(moment) {
    return (WIDTH * (1 - this.data.ages[moment] / this.data.span)).toFixed(1);
  }

  y(value) {
    return (HEIGHT - (HEIGHT - HEADROOM) * Math.min(1, value / this.top)).toFixed(1);
  }

  // Split the moments into runs with a value; `isApart` keeps each moment to itself.
  pieces(values, isApart) {
    const { ages, gap } = this.data;
    const found = [];
    values.forEach((value, moment) => {
      if (value === null || ages[moment] > this.data.span) return;
      const piece = found.at(-1);
      if (!isApart && piece && piece.at(-1) === moment - 1 && ages[moment - 1] - ages[moment] <= gap) piece.push(moment);
      else found.push([moment]);
    });
    return found;
  }

  path(piece, values) {
    const points = piece.map((moment) => `${this.x(moment)} ${this.y(values[moment])}`);
    return `M${points.join("L")}${points.length === 1 ? "h0" : ""}`; // a single moment is a dot
  }

  ground(piece, values, below) {
    const floor = this.chart.stacked && below ? below : null;
    const back = [...piece].reverse().map((moment) => `${this.x(moment)} ${floor ? this.y(floor[moment]) : HEIGHT}`);
    return `${this.path(piece, values)}L${back.join("L")}Z`;
  }

  point(event) {
    const { left, width } = this.plot.getBoundingClientRect();
    this.pointed = Math.min(1, Math.max(0, (event.clientX - left) / width));
    this.showTip();
  }

  leave() {
    this.pointed = undefined;
    this.tip.hidden = true;
    this.cursor.setAttribute("d", "");
  }

  showTip() {
    const { ages, span, words } = this.data;
    const age = (1 - this.pointed) * span;
    const distance = (moment) => Math.abs(ages[moment] - age);
    const nearest = ages.reduce((best, _, moment) => (distance(moment) < distance(best) ? moment : best), 0);
    if (!ages.length || distance(nearest) > Math.max(this.data.gap, span / 40)) return this.hideTip();
    const { lines } = this.chart;
    const rows = lines.map(({ label, values }) => {
      const value = this.words(values[nearest]);
      return element("div", { textContent: lines.length > 1 ? `${label} ${value}` : value });
    });
    const ago = element("div", { className: "quiet", textContent: fill(words.ago, { n: Math.round(ages[nearest]) }) });
    this.tip.replaceChildren(...rows, ago);
    this.tip.hidden = false;
    this.cursor.setAttribute("d", `M${this.x(nearest)} 0V${HEIGHT}`);
    const room = this.plot.clientWidth - this.tip.offsetWidth;
    const at = (1 - ages[nearest] / span) * this.plot.clientWidth;
    this.tip.style.left = `${Math.max(0, Math.min(room, at > room - 8 ? at - this.tip.offsetWidth - 8 : at + 8))}px`;
  }

  hideTip() {
    this.tip.hidden = true;
    this.cursor.setAttribute("d", "");
  }
}

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".charts");
  if (!shown.has(parentElement)) shown.set(parentElement, []);
  const charts = shown.get(parentElement);
  while (charts.length > data.charts.length) charts.pop().box.remove();
  while (charts.length < data.charts.length) {
    charts.push(new Chart());
    box.append(charts.at(-1).box);
  }
  charts.forEach((chart, place) => chart.update(data.charts[place], data));
}
