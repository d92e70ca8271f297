// What the reader does to the frames by hand. It shows at once; the server hears of it in order, and of more only when
// it has said how much it took in, so that nothing is lost or counted twice however fast the keys are. And the pictures
// of the frames that were added, which the browser alone has.

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
    if (this.queue.length) this.tell();
  }

  // The frames as the server knows them, and what was done to them since.
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
    if (!this.courier.isOut) this.tell();
    this.owner.draw();
  }

  tell() {
    this.courier.send(() => ({ first: this.seen, operations: [...this.queue] }));
  }

  toggle(mark) {
    if (mark) this.do(mark.state === "removed" ? "add" : "remove", mark.seconds);
  }
}

const QUIET_MS = 250; // the player may be about to stand there itself
const PATIENCE_MS = 20_000; // with one picture; twice as long each time it has to be tried again
const LONGEST_PAUSE_MS = 60_000;
const IDLE_MS = 5000; // after which the second video is let go

// Gets a picture of each added frame, which no report has one of: off the player where it stands there, or else off a
// second video, which nobody sees and which goes to one frame after the other. Only where the browser shows nothing of
// the file there is none.
class Snapper {
  constructor(owner) {
    this.owner = owner; // has the marks, the video, and says which frame that shows
    this.begin();
  }

  // With another file.
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

  // To be called whenever frames were added or the player shows another one.
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

  // One thing at a time is waited for; the same thing once more does not begin the wait anew.
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
    this.plan("give up", Math.min(PATIENCE_MS * 2 ** tries, 16 * PATIENCE_MS), () => this.giveUp());
    if (!this.video) this.open();
    else if (this.video.readyState > 0) this.seek();
  }

  open() {
    const video = element("video", { muted: true, playsInline: true, preload: "auto" });
    this.video = video;
    video.onloadedmetadata = () => this.seek();
    video.onseeked = video.onloadeddata = () => this.settle(video);
    video.onerror = () => this.video === video && this.giveUp();
    video.src = this.owner.source;
  }

  seek() {
    if (this.at !== null) this.video.currentTime = this.at + this.owner.data.start_seconds + INSIDE_SECONDS;
  }

  // A video may say that it has arrived while what can be drawn of it is still the picture before.
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

  giveUp() {
    this.release();
    this.look();
  }

  release() {
    this.at = null;
    const { video } = this;
    this.video = null;
    if (!video) return;
    video.removeAttribute("src");
    video.load(); // ends what it is still fetching
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
