// The reader's edits of the frames. They show at once; the server gets them in order, and further ones only when it has
// confirmed how many it applied, so that none is lost or counted twice however fast the keys are. The pictures of added
// frames, which only the browser has, are taken here as well.

class Handwork {
  constructor(owner) {
    this.owner = owner; // has the data and the video, reports to the server, and draws
    this.queue = [];
    this.seen = 0;
    this.courier = new Courier(owner, "edit");
    this.snapper = new Snapper(owner);
  }

  update({ editing, seen }) {
    if (editing && seen === this.seen) return;
    this.queue.splice(0, editing ? seen - this.seen : this.queue.length);
    this.seen = seen;
    this.courier.arrived();
    if (this.queue.length) this.sendQueue();
  }

  // The frames as the server knows them, with the edits since.
  get marks() {
    return this.queue.reduce((marks, [kind, seconds]) => this.changed(marks, kind, seconds), this.owner.data.marks);
  }

  changed(marks, kind, seconds) {
    const known = marks.find((mark) => mark.seconds === seconds);
    const others = marks.filter((mark) => mark !== known);
    if (kind === "undo" || (kind === "remove" && !known)) return marks; // the server knows what came before
    if (kind === "remove" && known.state === "added") return others;
    const fresh = { seconds, state: "added", label: "", time: clock(seconds, 3), why: "", src: "" };
    const state = kind === "remove" ? "removed" : known?.state === "added" ? "added" : "chosen";
    return [...others, known ? { ...known, state } : fresh].sort((one, other) => one.seconds - other.seconds);
  }

  get canUndo() {
    return this.owner.data.can_undo || this.queue.length > 0;
  }

  do(kind, seconds) {
    const { data } = this.owner;
    if (!data.editing) return;
    this.queue.push(kind === "undo" ? [kind] : [kind, seconds]);
    if (!this.courier.isOut) this.sendQueue();
    this.owner.draw();
  }

  sendQueue() {
    this.courier.send(() => ({ first: this.seen, operations: [...this.queue] }));
  }

  toggle(mark) {
    if (mark) this.do(mark.state === "removed" ? "add" : "remove", mark.seconds);
  }
}

const QUIET_MS = 250; // the player may be about to show this moment itself
const PATIENCE_MS = 20_000; // for one picture; doubles with each retry
const LONGEST_PAUSE_MS = 60_000;
const IDLE_MS = 5000; // after which the second video is released

// Takes a picture of each added frame, which no report has: from the player where it shows that frame, else from a
// hidden second video that goes from frame to frame. There is none where the browser can't show the file.
class Snapper {
  constructor(owner) {
    this.owner = owner; // has the marks and the video, and knows which frame it shows
    this.begin();
  }

  // Start over with another file.
  begin() {
    this.plan(null);
    this.release();
    this.tries = new Map();
    snapshots().clear();
  }

  get wanted() {
    const { video, marks } = this.owner;
    if (video.error || (video.readyState > 0 && !video.videoWidth)) return [];
    const tries = (mark) => this.tries.get(mark.seconds) ?? 0;
    return marks
      .filter((mark) => mark.state === "added" && !mark.src && !snapshots().has(mark.seconds))
      .sort((one, other) => tries(one) - tries(other));
  }

  // Call this whenever frames were added or the player shows another one.
  look() {
    if (this.isClosed) return;
    for (const { seconds } of this.wanted) if (this.owner.shows(seconds)) this.keep(seconds, this.owner.video);
    const wanted = this.wanted.map((mark) => mark.seconds);
    if (wanted.includes(this.at)) return;
    this.at = null;
    if (wanted.length) this.plan("go", this.pauseBefore(wanted[0]), () => this.go());
    else if (this.video) this.plan("release", IDLE_MS, () => this.release());
    else this.plan(null);
  }

  pauseBefore(seconds) {
    const tries = this.tries.get(seconds) ?? 0;
    return this.video && !tries ? 0 : Math.min(QUIET_MS * 2 ** tries, LONGEST_PAUSE_MS);
  }

  // Wait for one action at a time; planning the same one again doesn't restart the wait.
  plan(name, wait, act) {
    if (name === this.planned) return;
    clearTimeout(this.timer);
    this.planned = name;
    const run = () => {
      this.planned = null;
      act();
    };
    this.timer = name && setTimeout(run, wait);
  }

  go() {
    const [next] = this.wanted;
    if (!next) return this.look();
    const tries = this.tries.get(next.seconds) ?? 0;
    this.tries.set(next.seconds, tries + 1);
    this.at = next.seconds;
    this.plan("time out", Math.min(PATIENCE_MS * 2 ** tries, 16 * PATIENCE_MS), () => this.timeOut());
    if (!this.video) this.open();
    else if (this.video.readyState > 0) this.seek();
  }

  open() {
    const video = element("video", { muted: true, playsInline: true, preload: "auto" });
    this.video = video;
    video.onloadedmetadata = () => this.seek();
    video.onseeked = video.onloadeddata = () => this.settle(video);
    video.onerror = () => this.video === video && this.timeOut();
    video.src = this.owner.source;
  }

  seek() {
    if (this.at !== null) this.video.currentTime = this.at + this.owner.data.start_seconds + INSIDE_SECONDS;
  }

  // A video may report the end of a seek while drawing it still yields the previous picture.
  settle(video) {
    const { at } = this;
    const take = () => {
      const isThere = this.video === video && this.at === at && !video.seeking && video.readyState >= 2;
      if (at === null || !isThere || !video.videoWidth) return;
      this.keep(at, video);
      this.look();
    };
    if (!video.seeking) requestAnimationFrame(() => requestAnimationFrame(take));
  }

  timeOut() {
    this.release();
    this.look();
  }

  release() {
    this.at = null;
    const { video } = this;
    this.video = null;
    if (!video) return;
    video.removeAttribute("src");
    video.load(); // cancels its pending requests
  }

  close() {
    this.isClosed = true;
    this.plan(null);
    this.release();
  }

  keep(seconds, video) {
    const share = Math.min(1, 320 / Math.max(video.videoWidth, video.videoHeight));
    const canvas = element("canvas", { width: video.videoWidth * share, height: video.videoHeight * share });
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    snapshots().set(seconds, canvas.toDataURL("image/jpeg", 0.8));
    window.dispatchEvent(new CustomEvent("framelens:snapshot", { detail: { seconds } }));
  }
}
