// The part of the video that the timeline shows: all of it, or a window that zooms and moves.

const LEAST_VIEW = 0.5; // seconds

class View {
  constructor(owner) {
    this.owner = owner; // has the duration, and draws
    this.window = null;
  }

  get edges() {
    return this.window ?? [0, this.owner.duration];
  }

  get isZoomed() {
    return this.window !== null;
  }

  zoom(factor, around) {
    const [first, last] = this.edges;
    const length = Math.max(LEAST_VIEW, (last - first) * factor);
    this.show(around - ((around - first) / (last - first)) * length, length);
  }

  move(seconds) {
    const [first, last] = this.edges;
    this.show(first + seconds, last - first);
  }

  show(first, length) {
    const { duration } = this.owner;
    const start = Math.max(0, Math.min(first, duration - length));
    this.window = length < duration ? [start, start + length] : null;
    this.owner.draw();
  }

  // Start with the report's range in view where it is a small part of a long video.
  showScope(source, scope) {
    const { duration } = this.owner;
    const key = JSON.stringify([source, scope]);
    if (key === this.scopeShown || !duration) return;
    this.scopeShown = key;
    this.window = null;
    const [start, end] = scope ? [scope[0], scope[1] ?? duration] : [0, duration];
    const margin = (end - start) / 6;
    if (end - start < duration / 3) this.show(start - margin, end - start + 2 * margin);
  }

  // Bring the reader's position into view.
  reveal(seconds) {
    const [first, last] = this.edges;
    if (seconds < first || seconds > last) this.show(seconds - (last - first) / 2, last - first);
  }
}
