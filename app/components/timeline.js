// Paints the player's timeline on a canvas, and finds the contents of a position. From the top: the heads of the
// frames' marks, the shots as bands with the change curve and their boundaries, what a search has looked at and found,
// black and frozen segments as a thin line and silent ones below it, the chapters by their titles.

const HEADS = 13; // pixels above the bands
const LINES = 11; // pixels below them
const CHAPTERS = 18; // pixels below those, where there are chapters

class Timeline {
  // `view`: the seconds at the left and the right edge. `below`: the pixels reserved for chapters.
  constructor(canvas, width, height, view, colours, below = 0) {
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    this.pen = canvas.getContext("2d");
    this.pen.scale(scale, scale);
    Object.assign(this, { width, height, view, colours, top: HEADS, bottom: height - LINES - below });
  }

  x(seconds) {
    const [first, last] = this.view;
    return ((Math.min(Math.max(first, seconds), last) - first) / (last - first)) * this.width;
  }

  isSeen(start, end = start) {
    return end >= this.view[0] && start <= this.view[1];
  }

  box(start, end, top, bottom, least = 1) {
    if (!this.isSeen(start, end)) return;
    this.pen.fillRect(this.x(start), top, Math.max(least, this.x(end) - this.x(start)), bottom - top);
  }

  with(alpha, colour, draw) {
    this.pen.globalAlpha = alpha;
    this.pen.fillStyle = this.pen.strokeStyle = colour;
    draw();
    this.pen.globalAlpha = 1;
  }

  paintShots(shots) {
    const { pen, top, bottom, colours } = this;
    pen.fillStyle = colours.ground;
    pen.fillRect(0, top, this.width, bottom - top);
    shots.forEach(([start, end], place) =>
      this.with(place % 2 ? 0.13 : 0.25, colours.primary, () => this.box(start, end, top, bottom)),
    );
  }

  paintCurve(curve) {
    if (!curve || !curve.values.length) return;
    const { pen, top, bottom } = this;
    const room = bottom - top - 12; // leaves a line for the glyphs of boundaries
    this.with(0.42, this.colours.primary, () => {
      pen.beginPath();
      const edge = (place) => this.x(curve.start + place * curve.step);
      pen.moveTo(edge(0), bottom);
      curve.values.forEach((value, place) => {
        const high = bottom - Math.min(1, value) * room;
        pen.lineTo(edge(place), high);
        pen.lineTo(edge(place + 1), high);
      });
      pen.lineTo(edge(curve.values.length), bottom);
      pen.closePath();
      pen.fill();
    });
  }

  paintBoundaries(boundaries) {
    for (const [start, end, type] of boundaries) {
      if (!this.isSeen(start, end)) continue;
      const middle = (this.x(start) + this.x(end)) / 2;
      if (type === "cut") this.with(0.5, this.colours.text, () => this.pen.fillRect(middle - 0.5, this.top, 1, this.bottom - this.top));
      else {
        this.with(0.28, this.colours[type], () => this.box(start, end, this.top, this.bottom, 2));
        paintGlyph(this.pen, type, middle, this.top + 6, this.colours);
      }
    }
  }

  paintStretches(stretches) {
    const top = this.bottom + 3;
    for (const [start, end, type] of stretches) {
      const below = type === "silent" ? 4 : 0; // a picture can be frozen meanwhile
      if (this.isSeen(start, end)) paintStretch(this.pen, type, this.x(start), this.x(end), top + below, this.colours);
    }
  }

  // A line for each frame that a search has looked at, longer where the answer was yes; a bar for each interval.
  paintSearch(search) {
    if (!search) return;
    const { bottom, colours } = this;
    const lines = (times, high) => times.forEach((seconds) => this.box(seconds, seconds, bottom - high, bottom, 1));
    this.with(0.6, colours.text, () => lines(search.no, 7));
    this.with(1, colours.found, () => {
      lines(search.yes, 15);
      for (const [start, end] of search.intervals) this.box(start, end, bottom - 4, bottom, 3);
    });
  }

  paintChapters(chapters) {
    const { pen, colours, height } = this;
    const [top, bottom] = [height - CHAPTERS, height - 3];
    pen.font = `11px ${colours.font}`;
    pen.textBaseline = "middle";
    chapters.forEach(([start, end, title], place) => {
      if (!this.isSeen(start, end)) return;
      const [left, right] = [this.x(start), this.x(end)];
      this.with(place % 2 ? 0.1 : 0.2, colours.violet, () => pen.fillRect(left, top, Math.max(1, right - left), bottom - top));
      const label = fitted(pen, title, right - left - 8);
      this.with(0.9, colours.text, () => pen.fillText(label, left + 4, (top + bottom) / 2));
    });
  }

  // Dim everything outside of the report's range; without one nothing is dimmed.
  paintScope(scope) {
    if (!scope) return;
    this.with(0.72, this.colours.background, () => {
      this.box(0, scope[0], this.top, this.height, 0);
      if (scope[1] !== null) this.box(scope[1], Infinity, this.top, this.height, 0);
    });
  }

  paintRange(range) {
    if (!range) return;
    const { pen, top, bottom, colours } = this;
    const [start, end] = range;
    if (!this.isSeen(start, end)) return;
    this.with(0.22, colours.primary, () => this.box(start, end, top, bottom));
    this.with(1, colours.primary, () => {
      pen.lineWidth = 2;
      pen.strokeRect(this.x(start) + 1, top, Math.max(2, this.x(end) - this.x(start) - 2), bottom - top);
      for (const seconds of range.filter((edge) => this.isSeen(edge))) {
        pen.beginPath();
        pen.roundRect(Math.min(this.width - 7, Math.max(0, this.x(seconds) - 3.5)), (top + bottom) / 2 - 11, 7, 22, 3);
        pen.fill();
      }
    });
  }

  paintMarks(marks, current) {
    const { pen, top, bottom, colours } = this;
    for (const mark of marks.filter(({ seconds }) => this.isSeen(seconds))) {
      const x = Math.min(this.width - 4, Math.max(4, this.x(mark.seconds))); // keeps its head fully visible
      this.with(mark.isChosen ? 1 : 0.45, colours.primary, () => {
        pen.fillRect(x - 0.75, top, 1.5, bottom - top);
        pen.beginPath();
        pen.arc(x, top - 5, (mark.isChosen ? 4 : 2.5) + (mark === current ? 1.5 : 0), 0, 2 * Math.PI);
        pen.fill();
      });
    }
  }

  // Draw the visible part of the video as a scroll bar; nothing where all of it is visible.
  paintView(duration) {
    const [first, last] = this.view;
    if (last - first >= duration) return;
    this.with(0.15, this.colours.text, () => this.pen.fillRect(0, this.height - 2, this.width, 2));
    const long = Math.max(8, ((last - first) / duration) * this.width);
    this.with(0.7, this.colours.text, () => this.pen.fillRect((first / duration) * this.width, this.height - 2, long, 2));
  }

  paintPlayhead(now) {
    if (!this.isSeen(now)) return;
    const x = Math.min(this.width - 1, Math.max(1, this.x(now)));
    this.with(1, this.colours.text, () => this.pen.fillRect(x - 1, 0, 2, this.height));
  }
}

// Return as much of a text as fits, "" where that is next to nothing.
function fitted(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let length = text.length;
  while (length && pen.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return length > 1 ? `${text.slice(0, length)}…` : "";
}

// A dissolve is two wedges that meet, a fade one that closes, a wipe a slanted bar, a page a sheet with
// its corner cut off: distinguishable without colours.
function paintGlyph(pen, type, x, y, colours) {
  const outlines = {
    dissolve: [[[-5, -4], [-5, 4], [0, 0]], [[5, -4], [5, 4], [0, 0]]],
    fade: [[[-5, -4], [5, -4], [0, 4]]],
    wipe: [[[-1, -4], [4, -4], [1, 4], [-4, 4]]],
    page: [[[-4, -5], [1, -5], [4, -2], [4, 5], [-4, 5]]],
    cut: [[[-0.75, -6], [0.75, -6], [0.75, 6], [-0.75, 6]]],
  };
  pen.fillStyle = colours[type];
  for (const outline of outlines[type]) {
    pen.beginPath();
    outline.forEach(([right, down], place) => pen[place ? "lineTo" : "moveTo"](x + right, y + down));
    pen.closePath();
    pen.fill();
  }
}

// Black is a full line, frozen a dashed one, flashing a dotted one, silent a thin one, what was not looked at is hatched.
function paintStretch(pen, type, start, end, top, colours) {
  const [dash, gap, thickness] = {
    black: [Infinity, 0, 4],
    frozen: [6, 3, 4],
    flashing: [2, 2, 4],
    silent: [Infinity, 0, 2],
    skipped: [1, 3, 10],
  }[type];
  pen.fillStyle = colours[type];
  for (let x = start; x < Math.max(end, start + 2); x += dash + gap) {
    pen.fillRect(x, top, Math.min(dash, Math.max(end, start + 2) - x), thickness);
  }
}

function coloursOf(element) {
  const style = getComputedStyle(element);
  const colour = (name, otherwise) => style.getPropertyValue(`--st-${name}`).trim() || otherwise;
  const text = colour("text-color", "#222");
  return {
    text,
    cut: text,
    black: text,
    primary: colour("primary-color", "#0f766e"),
    ground: colour("secondary-background-color", "#eee"),
    background: colour("background-color", "#fff"),
    font: colour("font", "sans-serif"),
    violet: colour("violet-color", "#7c3aed"),
    found: colour("green-color", "#16a34a"),
    dissolve: colour("violet-color", "#7c3aed"),
    fade: colour("blue-color", "#2563eb"),
    wipe: colour("red-color", "#dc2626"),
    page: colour("orange-color", "#d97706"),
    frozen: colour("blue-color", "#2563eb"),
    flashing: colour("orange-color", "#d97706"),
    silent: colour("red-color", "#dc2626"),
    skipped: text,
  };
}

// Return what is at `seconds`, plus or minus `near` seconds: the mark, the boundary, the segments, the chapter and the
// number of the shot.
function placeOf(seconds, near, { shots, boundaries, stretches, chapters }, marks) {
  const closest = marks
    .filter((mark) => Math.abs(mark.seconds - seconds) <= near)
    .sort((one, other) => Math.abs(one.seconds - seconds) - Math.abs(other.seconds - seconds));
  return {
    mark: closest[0] ?? null,
    boundary: boundaries.find(([start, end]) => start - near <= seconds && seconds <= end + near) ?? null,
    stretches: stretches.filter(([start, end]) => start <= seconds && seconds < end),
    chapter: chapters.find(([start, end]) => start <= seconds && seconds < end) ?? null,
    shot: 1 + shots.findIndex(([start, end]) => start <= seconds && seconds < end),
  };
}

// Draw a swatch and a word for each kind of thing that this timeline shows.
function legendOf({ boundaries, stretches, curve, shots, chapters, search }, words, colours) {
  const swatch = (paint) => {
    const canvas = element("canvas");
    const scale = window.devicePixelRatio || 1;
    Object.assign(canvas, { width: 16 * scale, height: 14 * scale });
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    paint(pen);
    return canvas;
  };
  const entry = (paint, word) => element("span", {}, swatch(paint), word);
  const types = (list) => [...new Set(list.map(([, , type]) => type))].sort();
  const tint = (alpha, colour) => (pen) => {
    pen.globalAlpha = alpha;
    pen.fillStyle = colour;
    pen.fillRect(0, 1, 16, 12);
  };
  const hill = (pen) => {
    pen.fillStyle = colours.primary;
    pen.globalAlpha = 0.5;
    for (const [place, high] of [2, 5, 10, 6, 3].entries()) pen.fillRect(place * 3, 13 - high, 3, high);
  };
  return [
    ...(shots.length ? [entry(tint(0.25, colours.primary), words.shot)] : []),
    ...types(boundaries).map((type) => entry((pen) => paintGlyph(pen, type, 8, 7, colours), words[type])),
    ...(curve ? [entry(hill, words.change)] : []),
    ...types(stretches).map((type) => entry((pen) => paintStretch(pen, type, 1, 15, 5, colours), words[type])),
    ...(search ? [entry(tint(1, colours.found), words.search)] : []),
    ...(chapters.length ? [entry(tint(0.2, colours.violet), words.chapter)] : []),
  ];
}
