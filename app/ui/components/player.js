// The video and its timeline strip: shots as bands, frames as marks, the playhead. A click goes there at once.
// Seconds here count from the first displayed frame; the browser counts from the container's zero.

const players = new WeakMap();

class Player {
  constructor(root, data) {
    this.find = (selector) => root.querySelector(selector);
    this.video = this.find("video");
    this.strip = this.find(".strip");
    this.pending = data.start || null;
    this.onSeek = (event) => this.comeTo(event.detail.seconds);
    window.addEventListener("framelens:seek", this.onSeek);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.strip);
    this.listenToVideo();
    this.listenToStrip();
  }

  close() {
    window.removeEventListener("framelens:seek", this.onSeek);
    this.resized.disconnect();
    clearTimeout(this.timer);
    this.video.pause();
  }

  listenToVideo() {
    const video = this.video;
    video.onloadedmetadata = () => {
      if (this.pending !== null) this.seek(this.pending);
      this.draw();
    };
    for (const name of ["timeupdate", "seeking", "pause", "durationchange"]) {
      video.addEventListener(name, () => this.draw());
    }
    video.addEventListener("play", () => this.follow());
    video.onerror = () => this.broken(true);
  }

  listenToStrip() {
    const strip = this.strip;
    const place = (event) => {
      const box = strip.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.duration;
    };
    strip.onpointerdown = (event) => {
      strip.setPointerCapture(event.pointerId);
      this.seek(place(event));
    };
    strip.onpointermove = (event) => {
      if (strip.hasPointerCapture(event.pointerId)) this.seek(place(event));
    };
    strip.onpointerup = () => this.tell();
    strip.onkeydown = (event) => this.key(event);
  }

  key(event) {
    const now = this.now;
    const marks = this.data.marks.map((mark) => mark.seconds);
    const step = event.shiftKey ? 10 : 1;
    const target = {
      ArrowLeft: now - step,
      ArrowRight: now + step,
      Home: 0,
      End: this.duration,
      PageUp: marks.filter((seconds) => seconds < now - 0.05).pop() ?? 0,
      PageDown: marks.find((seconds) => seconds > now + 0.05) ?? this.duration,
    }[event.key];
    if (target !== undefined) {
      event.preventDefault();
      this.seek(target);
      this.tell();
    } else if (event.key === " ") {
      event.preventDefault();
      this.video.paused ? this.video.play() : this.video.pause();
    }
  }

  update(data, report) {
    this.data = data;
    this.report = report;
    if (this.source !== data.src) {
      this.source = data.src;
      this.broken(false);
      this.video.src = data.src;
    }
    this.video.setAttribute("aria-label", data.name);
    this.strip.setAttribute("aria-label", data.words.strip);
    this.find(".sorry").textContent = data.words.sorry;
    this.find(".keys").textContent = data.words.keys;
    this.draw();
  }

  broken(isBroken) {
    this.find(".sorry").hidden = !isBroken;
    this.video.hidden = isBroken;
  }

  get duration() {
    const ofBrowser = this.video.duration - this.data.start_seconds;
    return this.data.duration || (Number.isFinite(ofBrowser) ? ofBrowser : 0);
  }

  get now() {
    if (this.video.readyState === 0) return this.pending ?? 0;
    return Math.max(0, this.video.currentTime - this.data.start_seconds);
  }

  comeTo(seconds) {
    this.seek(seconds);
    this.find(".root").scrollIntoView({ block: "nearest", behavior: "smooth" });
    this.tell();
  }

  seek(seconds) {
    const target = Math.min(Math.max(0, seconds), this.duration || seconds);
    this.pending = target;
    if (this.video.readyState > 0) {
      // A hair inside the frame: its very first instant may round to the frame before.
      this.video.currentTime = target + this.data.start_seconds + 0.001;
      this.pending = null;
    }
    this.draw();
  }

  tell() {
    clearTimeout(this.timer);
    const seconds = Math.round(this.now * 1000) / 1000;
    this.timer = setTimeout(() => this.report("seek", seconds), 250);
  }

  follow() {
    this.draw();
    if (!this.video.paused && !this.video.ended) requestAnimationFrame(() => this.follow());
  }

  draw() {
    if (!this.data) return;
    const { strip, duration, now } = this;
    strip.setAttribute("aria-valuemin", "0");
    strip.setAttribute("aria-valuemax", duration.toFixed(1));
    strip.setAttribute("aria-valuenow", now.toFixed(1));
    strip.setAttribute("aria-valuetext", clock(now));
    this.find(".time").textContent = `${clock(now)} / ${clock(duration)}`;
    this.paint(strip.clientWidth, strip.clientHeight, now, duration);
  }

  paint(width, height, now, duration) {
    const canvas = this.find("canvas");
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    if (!duration || !width) return;
    const style = getComputedStyle(this.strip);
    const colour = (name) => style.getPropertyValue(name).trim();
    const pen = canvas.getContext("2d");
    const x = (seconds) => (seconds / duration) * width;
    pen.scale(scale, scale);
    const band = { top: 8, height: height - 16 };
    pen.fillStyle = colour("--st-secondary-background-color");
    pen.fillRect(0, band.top, width, band.height);
    pen.fillStyle = colour("--st-primary-color");
    this.data.shots.forEach(([start, end], index) => {
      pen.globalAlpha = index % 2 ? 0.16 : 0.3;
      pen.fillRect(x(start), band.top, Math.max(1, x(end) - x(start) - 1), band.height);
    });
    pen.globalAlpha = 1;
    for (const mark of this.data.marks) {
      pen.globalAlpha = mark.chosen ? 1 : 0.45;
      pen.fillRect(x(mark.seconds) - 1, band.top, 2, band.height);
      pen.beginPath();
      pen.arc(x(mark.seconds), band.top, mark.chosen ? 4 : 2.5, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.globalAlpha = 1;
    pen.fillStyle = colour("--st-text-color");
    pen.fillRect(Math.min(width - 2, Math.max(0, x(now) - 1)), 2, 2, height - 4);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!players.has(parentElement)) players.set(parentElement, new Player(parentElement, data));
  const player = players.get(parentElement);
  player.update(data, setTriggerValue);
  // Streamlit may also call this for a drawing that was overtaken by the next one: then the player lives on.
  return () => setTimeout(() => {
    if (parentElement.isConnected) return;
    player.close();
    players.delete(parentElement);
  });
}
