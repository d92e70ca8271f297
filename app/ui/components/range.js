// The range that is drawn on the timeline, [start, end] in seconds; an end of null is the video's own.

const LEAST_RANGE = 0.01; // seconds, less than any frame is on show

class DrawnRange {
  constructor(owner) {
    this.owner = owner; // has the duration, reports to the server, and draws
    this.edges = null;
    this.isDrawing = false; // the next drag draws one
    this.told = undefined; // what the server has not confirmed yet
    this.courier = new Courier(owner, "range");
  }

  get closed() {
    return this.edges && [this.edges[0], this.edges[1] ?? this.owner.duration];
  }

  // What was just drawn stands until the server has heard of it.
  adopt(range, isBusy) {
    const same = (one, other) => Math.abs((one ?? this.owner.duration) - (other ?? this.owner.duration)) < 0.002;
    const isEcho = range && this.told ? range.every((edge, place) => same(edge, this.told[place])) : !range && !this.told;
    if (this.told !== undefined && !isEcho) return;
    this.told = undefined;
    this.courier.arrived();
    if (!isBusy) this.edges = range;
  }

  draw(start, end) {
    this.edges = [start, end];
    this.owner.draw();
  }

  finish() {
    this.isDrawing = false;
    this.take(this.closed);
  }

  take(edges) {
    const rounded = edges && edges.map((edge) => Math.round(edge * 1000) / 1000);
    this.edges = this.told = rounded && rounded[1] - rounded[0] >= LEAST_RANGE ? rounded : null;
    this.courier.send(() => this.told ?? []);
    this.owner.draw();
  }

  clear() {
    this.isDrawing = false;
    this.take(null);
  }

  toggleDrawing() {
    this.isDrawing = !this.isDrawing;
    this.owner.draw();
  }

  // The other edge stays where that still makes a range, else it goes to the video's.
  begin(seconds) {
    const end = this.closed?.[1] ?? this.owner.duration;
    this.take([seconds, end > seconds ? end : this.owner.duration]);
  }

  end(seconds) {
    const start = this.closed?.[0] ?? 0;
    this.take([start < seconds ? start : 0, Math.min(seconds, this.owner.duration)]);
  }
}
