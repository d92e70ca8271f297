// The video with its timeline and its tools. Seconds here count from the first displayed frame; the browser counts from
// the container's zero. The server gets the reader's position and the drawn range.

const players = new WeakMap();

// Seek this far into the frame: its very first instant may round to the previous frame.
const INSIDE_SECONDS = 0.001;
const SAME_SECONDS = 0.002;
// A computed time of a frame may be this much early, where the file counts whole milliseconds; not half a millisecond
// in full, or it would round to the next one.
const EARLY_SECONDS = 0.00049;

class Player {
  constructor(root, data) {
    this.find = (selector) => root.querySelector(selector);
    this.video = this.find("video");
    this.box = this.find(".strip");
    this.pending = data.start || null;
    this.view = new View(this);
    this.range = new DrawnRange(this);
    this.strip = new Strip(this.box, this);
    this.isBroken = false;
    this.stills = new Stills(this, this.find(".film"), this.find(".still"));
    this.onSeek = ({ detail: { seconds, plays } }) => {
      this.comeTo(seconds);
      if (plays) this.video.play().catch(() => {}); // a browser may refuse
    };
    window.addEventListener("framelens:seek", this.onSeek);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.box);
    this.find(".root").addEventListener("keydown", (event) => this.key(event));
    this.box.onblur = () => this.strip.hover(null);
    this.makeTools();
    this.listenToVideo();
  }

  close() {
    window.removeEventListener("framelens:seek", this.onSeek);
    this.resized.disconnect();
    clearTimeout(this.timer);
    this.stills.close();
    this.range.courier.arrived();
    this.video.pause();
  }

  listenToVideo() {
    const video = this.video;
    video.onloadedmetadata = () => {
      if (this.pending !== null) this.seek(this.pending);
      if (!video.videoWidth) this.broken(true); // the browser plays only its sound
      this.draw();
    };
    for (const name of ["timeupdate", "seeking", "seeked", "pause", "durationchange"]) {
      video.addEventListener(name, () => this.draw());
    }
    video.addEventListener("seeking", () => (this.isSure = false));
    video.addEventListener("play", () => this.follow());
    video.onerror = () => this.broken(true);
    this.watchFrames();
  }

  // Track the frame on the screen, which the browser reports to the microsecond where it can. It reports late, and
  // until a seek has ended it may still report the frame of the previous seek.
  watchFrames() {
    this.video.requestVideoFrameCallback?.((_, { mediaTime }) => {
      this.onScreen = mediaTime - this.data.start_seconds;
      this.isSure = !this.video.seeking;
      this.watchFrames();
    });
  }

  makeTools() {
    const button = (act) => {
      const made = element("button", { type: "button" });
      made.addEventListener("click", act);
      return made;
    };
    this.tools = {
      range: button(() => this.range.toggleDrawing()),
      act: button(() => this.report("act", { start: this.range.closed[0], end: this.range.closed[1] })),
      clear: button(() => this.range.clear()),
      zoom_out: button(() => this.view.zoom(2, this.now)),
      zoom_in: button(() => this.view.zoom(1 / 2, this.now)),
      help: button(() => {
        this.find(".keys").hidden = !this.find(".keys").hidden;
        this.draw();
      }),
    };
    this.find(".tools").append(...Object.values(this.tools));
  }

  // ---- updates from the server

  update(data, report) {
    this.data = data;
    this.report = report;
    this.range.adopt(data.range, data.job, this.strip.gesture !== null);
    if (this.source !== data.src) {
      if (this.source) this.pending = data.start || null; // another video, shown at a place of its own
      this.source = data.src;
      this.stills.begin();
      this.broken(false);
      this.video.src = data.src;
    }
    for (const shown of [this.video, this.find(".still")]) shown.style.aspectRatio = `auto ${data.ratio}`; // nothing below moves
    this.video.setAttribute("aria-label", data.name);
    this.box.setAttribute("aria-label", data.words.strip);
    this.find(".sorry").textContent = data.words.sorry;
    this.find(".keys").textContent = data.words.keys;
    const colours = coloursOf(this.box);
    this.find(".legend").replaceChildren(...legendOf(data.scenery, data.words, colours));
    this.draw();
  }

  broken(isBroken) {
    this.isBroken = isBroken;
    this.find(".sorry").hidden = this.find(".still").hidden = !isBroken;
    this.video.hidden = isBroken;
    if (this.data) this.stills.look();
  }

  // Show the frame decoded by the server in place of the video.
  showsFrame(seconds) {
    this.onScreen = seconds;
    this.isSure = true;
  }

  // ---- requests of the strip

  get duration() {
    const ofBrowser = this.video.duration - this.data.start_seconds;
    return this.data.duration || (Number.isFinite(ofBrowser) ? ofBrowser : 0);
  }

  get scenery() {
    return this.data.scenery;
  }

  get words() {
    return this.data.words;
  }

  get marks() {
    return this.data.marks;
  }

  // ---- position

  get now() {
    if (this.video.readyState === 0) return this.pending ?? 0;
    return Math.max(0, this.video.currentTime - this.data.start_seconds);
  }

  // The time of the frame on the screen, or null while it is unknown.
  get seen() {
    const { onScreen, now } = this;
    if (onScreen === undefined || this.video.seeking) return null;
    const isAround = onScreen <= now + SAME_SECONDS && now < onScreen + this.data.frame_seconds;
    return isAround || (this.isSure && Math.abs(onScreen - now) < 0.5) ? onScreen : null;
  }

  // The same, or else the best known time of the frame that is about to be shown.
  get frame() {
    return this.seen ?? this.sought?.frame ?? this.now;
  }

  // The last target of a seek, unless the video has moved since.
  get sought() {
    return this.aim && Math.abs(this.aim.place - this.now) < SAME_SECONDS ? this.aim : null;
  }

  // A time inside that frame.
  get moment() {
    const isReckoned = this.seen === null && this.sought?.isStep;
    return Math.max(0, Math.round((this.frame + (isReckoned ? EARLY_SECONDS : 0)) * 1e6) / 1e6);
  }

  // The mark of the frame on the screen.
  get current() {
    const length = Math.max(this.data.frame_seconds, 0.01);
    return this.marks.findLast((mark) => mark.seconds <= this.now + 0.002 && this.now < mark.seconds + length) ?? null;
  }

  comeTo(seconds) {
    this.seek(seconds);
    this.find(".root").scrollIntoView({ block: "nearest", behavior: "smooth" });
    this.tell();
  }

  // `frame`: the time of the frame that it leads to, where that was computed.
  seek(seconds, frame) {
    const target = Math.min(Math.max(0, seconds), this.duration || seconds);
    this.pending = target;
    this.isSure = false;
    if (!this.strip.gesture) this.view.reveal(target);
    if (this.video.readyState > 0) {
      this.video.currentTime = target + this.data.start_seconds + INSIDE_SECONDS;
      this.pending = null;
    }
    this.aim = { place: this.now, frame: frame ?? target, isStep: frame !== undefined };
    this.draw();
  }

  // The position matters least: it waits until a range has arrived, which it could overtake.
  tell() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.range.courier.isOut) this.tell();
      else this.report("seek", Math.round(this.now * 1000) / 1000);
    }, 250);
  }

  // Step into the middle of the adjacent frame, also from one that isn't shown yet, however quickly steps follow.
  step(count) {
    const length = this.data.frame_seconds;
    const frame = Math.max(0, this.frame + count * length);
    this.seek(frame + length / 2, frame);
  }

  togglePlay() {
    if (this.isBroken) return;
    if (this.video.paused) this.video.play();
    else this.video.pause();
  }

  follow() {
    if (!this.video.paused) this.view.reveal(this.now);
    this.draw();
    if (!this.video.paused && !this.video.ended) requestAnimationFrame(() => this.follow());
  }

  // ---- keys

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const act = this.command(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
    act();
  }

  command(event) {
    const target = event.target === this.box ? this.targetOf(event) : undefined;
    if (target !== undefined) return () => (this.seek(target), this.tell());
    const count = event.target === this.box ? { ",": -1, ".": 1 }[event.key] : undefined;
    if (count) return () => (this.step(count), this.tell());
    const acts = {
      " ": event.target === this.box && (() => this.togglePlay()),
      "+": () => this.view.zoom(1 / 2, this.now),
      "=": () => this.view.zoom(1 / 2, this.now),
      "-": () => this.view.zoom(2, this.now),
      i: () => this.range.begin(this.moment),
      o: () => this.range.end(this.moment + this.data.frame_seconds), // the shown frame is part of the range
      Escape: (this.range.edges || this.range.isDrawing) && (() => this.range.clear()),
    };
    return acts[event.key.length === 1 ? event.key.toLowerCase() : event.key] || null;
  }

  targetOf(event) {
    const now = this.now;
    const marks = this.marks.map((mark) => mark.seconds);
    const step = event.shiftKey ? 10 : 1;
    return {
      ArrowLeft: now - step,
      ArrowRight: now + step,
      Home: 0,
      End: this.duration,
      PageUp: marks.filter((seconds) => seconds < now - 0.01).pop() ?? 0,
      PageDown: marks.find((seconds) => seconds > now + 0.01) ?? this.duration,
    }[event.key];
  }

  // ---- drawing

  draw() {
    if (!this.data) return;
    this.view.showScope(this.source, this.scenery.scope);
    const { box, duration, now, current } = this;
    const here = current ? `, ${[current.label, current.why].filter(Boolean).join(", ")}` : "";
    box.setAttribute("aria-valuemin", "0");
    box.setAttribute("aria-valuemax", duration.toFixed(1));
    box.setAttribute("aria-valuenow", now.toFixed(1));
    box.setAttribute("aria-valuetext", clock(now) + here);
    box.classList.toggle("drawing", this.range.isDrawing);
    this.find(".time").textContent = `${clock(now)} / ${clock(duration)}`;
    this.drawTools();
    if (duration && box.clientWidth) this.paint(now, duration, current);
    if (this.video.paused) this.strip.follow(current);
    this.stills.look();
  }

  drawTools() {
    const { tools, words } = this;
    const range = this.range.closed;
    this.find(".below").classList.toggle("needed", Boolean(range)); // a small screen hides it otherwise
    const say = (button, text, isShown) => {
      if (button.textContent !== text) button.textContent = text;
      button.hidden = !isShown;
    };
    say(tools.range, words.range, this.duration > 0);
    tools.range.title = words.range_help;
    tools.range.setAttribute("aria-pressed", String(this.range.isDrawing));
    const sign = (name, text, hint, isShown) => {
      say(tools[name], text, isShown);
      tools[name].title = hint;
      tools[name].setAttribute("aria-label", hint);
    };
    say(tools.act, this.data.range_action, Boolean(range && this.data.range_action));
    sign("clear", "×", words.range_clear, Boolean(range));
    sign("zoom_out", "−", words.zoom_out, this.duration > 0);
    sign("zoom_in", "+", words.zoom_in, this.duration > 0);
    tools.zoom_out.disabled = !this.view.isZoomed;
    sign("help", "?", words.keys_help, true);
    tools.help.setAttribute("aria-expanded", String(!this.find(".keys").hidden));
    const [start, end] = range ?? [0, 0];
    const values = { start: clock(start, 1), end: clock(end, 1), seconds: (end - start).toFixed(1) };
    const text = range ? fill(words.range_is, values) : "";
    if (this.find(".range").textContent !== text) this.find(".range").textContent = text;
  }

  paint(now, duration, current) {
    const { box, scenery } = this;
    const below = scenery.chapters.length ? CHAPTERS : 0;
    const size = [box.clientWidth, box.clientHeight];
    const line = new Timeline(this.find("canvas"), ...size, this.view.edges, coloursOf(box), below);
    line.paintShots(scenery.shots);
    line.paintCurve(scenery.curve);
    line.paintBoundaries(scenery.boundaries);
    line.paintStretches(scenery.stretches);
    line.paintSearch(scenery.search);
    line.paintChapters(scenery.chapters);
    line.paintScope(scenery.scope);
    line.paintMarks(this.marks, current);
    line.paintRange(this.range.closed);
    line.paintView(duration);
    line.paintPlayhead(now);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!players.has(parentElement)) players.set(parentElement, new Player(parentElement, data));
  const player = players.get(parentElement);
  player.update(data, setTriggerValue);
  // Streamlit may also call this for a drawing that was overtaken by the next one: then the player stays.
  return () => setTimeout(() => {
    if (parentElement.isConnected) return;
    player.close();
    players.delete(parentElement);
  });
}
