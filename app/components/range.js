// The range drawn on the timeline, [start, end] in seconds; an end of null is the end of the video.

const LEAST_RANGE = 0.01; // seconds, shorter than any frame

class DrawnRange {
  constructor(owner) {
    this.owner = owner; // has the duration, reports to the server, and draws
    this.edges = null;
    this.isDrawing = false; // whether the next drag draws a range
    this.pending = undefined; // sent to the server and not confirmed yet
    this.courier = new Courier(owner, "range");
  }

  get closed() {
    return this.edges && [this.edges[0], this.edges[1] ?? this.owner.duration];
  }

  // Keep the range that was just drawn until the server has confirmed it, or has opened another analysis.
  adopt(range, job, isBusy) {
    if (job !== this.job) this.pending = undefined;
    this.job = job;
    const same = (one, other) => Math.abs((one ?? this.owner.duration) - (other ?? this.owner.duration)) < 0.002;
    const { pending } = this;
    const isEcho = range && pending ? range.every((edge, place) => same(edge, pending[place])) : !range && !pending;
    if (pending !== undefined && !isEcho) return;
    this.pending = undefined;
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
    this.edges = this.pending = rounded && rounded[1] - rounded[0] >= LEAST_RANGE ? rounded : null;
    this.courier.send(() => ({ job: this.job, edges: this.pending ?? null }));
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

  // The other edge stays where that still makes a range, else it moves to the edge of the video.
  begin(seconds) {
    const end = this.closed?.[1] ?? this.owner.duration;
    this.take([seconds, end > seconds ? end : this.owner.duration]);
  }

  end(seconds) {
    const start = this.closed?.[0] ?? 0;
    this.take([start < seconds ? start : 0, Math.min(seconds, this.owner.duration)]);
  }
}
