// Sends files in pieces to the upload route, in turn; resumes after a pause, a lost connection, a reload or a restart
// of the server.

const VERSION = { "Tus-Resumable": "1.0.0" };
const WAITS_MS = [500, 1000, 2000, 4000, 8000];
const REMEMBERED = "framelens-upload:"; // and what the upload is for
const DONE = "#done"; // suffix of the address of a finished upload
const ABOUT_THE_FILE = [400, 415]; // other statuses concern the server, the disk or the connection
const TRY_AGAIN = [409, 423, 502, 503, 504]; // and these pass by themselves
const LONGEST_GAP_MS = 30_000; // between the removal of an uploader from the page and its return
const LONGEST_SILENCE_MS = 60_000; // of a request, after which it is repeated
const uploaders = new WeakMap();
const newest = new Map(); // by name
const interrupted = new Map(); // what an uploader was doing that was removed from the page, by its name

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function remembered(purpose) {
  try {
    return Object.entries(localStorage).filter(([key]) => key.startsWith(`${REMEMBERED}${purpose}:`));
  } catch {
    return []; // storage is disabled: uploads work, but restart after a reload
  }
}

function remember(key, url) {
  try {
    url ? localStorage.setItem(key, url) : localStorage.removeItem(key);
  } catch {
    // as above
  }
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

class Uploader {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.input = this.find("input");
    this.file = null;
    this.files = []; // all chosen files; `file` is the current one
    this.sent = []; // ids of the files that have arrived
    this.refused = []; // why the others were refused
    this.request = null;
    this.run = 0; // a pause or another file stops older loops
    this.courier = new Courier({ report: (...message) => this.report(...message) }, "uploaded");
    this.mark = null; // of the message that the server has not answered
    this.area = null; // where files are dropped or pasted
    this.find(".choose").onclick = () => this.input.click();
    this.input.onchange = () => this.startAll(this.input.files);
    this.find(".pause").onclick = () => (this.paused ? this.start(this.file) : this.pause());
    this.find(".other").onclick = () => this.leaveOut();
  }

  // Files may be dropped on the page's part around the button, or pasted there, where there is one.
  listen() {
    const drop = this.find(".drop");
    const around = this.data.area && this.root.getRootNode().host?.closest(`.${this.data.area}`);
    const area = around || drop;
    if (this.area === area) return;
    this.area = area;
    for (const name of ["dragenter", "dragover"]) {
      area.addEventListener(name, (event) => {
        if (!event.dataTransfer.types.includes("Files") || this.area !== area) return;
        event.preventDefault();
        drop.classList.add("over");
      });
    }
    area.addEventListener("dragleave", () => drop.classList.remove("over"));
    area.addEventListener("drop", (event) => this.takeFrom(event, event.dataTransfer, area));
    if (around) area.addEventListener("paste", (event) => this.takeFrom(event, event.clipboardData, area));
  }

  takeFrom(event, transfer, area) {
    this.find(".drop").classList.remove("over");
    if (!transfer.files.length || this.area !== area || !this.root.isConnected) return;
    event.preventDefault();
    this.startAll(transfer.files);
  }

  // Where both are accepted, a picture belongs to the question; a GIF may move.
  purpose(file) {
    const { purpose, accept } = this.data;
    const isPicture = accept.includes("image/*") && /^image\/(?!gif)/.test(file.type);
    return isPicture ? "picture" : purpose;
  }

  fingerprint(file) {
    return `${REMEMBERED}${this.purpose(file)}:${file.size}:${file.lastModified}:${file.name}`;
  }

  update(data, report) {
    this.data = data;
    this.report = report;
    if (this.mark && data.arrived === this.mark) {
      this.courier.arrived();
      this.reset([]);
    }
    if (this.choices !== data.choices && !this.file) {
      this.choices = data.choices;
      this.refused = []; // what was wrong with earlier files
      this.trouble("");
    }
    const words = data.words;
    this.input.accept = data.accept;
    this.find(".root").classList.toggle("compact", Boolean(data.area));
    this.root.getRootNode().host?.closest('[class*="st-key-"]')?.setAttribute("data-drawn", ""); // in its own size
    this.listen();
    this.find(".hint").textContent = words.hint;
    const choose = this.find(".choose");
    choose.textContent = data.area ? "+" : words.choose;
    choose.title = choose.ariaLabel = data.area ? words.choose : "";
    this.find(".small").textContent = words.small;
    this.find(".pause").textContent = this.paused ? words.resume : words.pause;
    newest.set(data.name, this);
    this.takeOver();
    if (this.file) this.show();
    else this.offerUnfinished();
  }

  async offerUnfinished() {
    const hint = this.find(".unfinished");
    const run = this.run;
    for (const [key, url] of remembered(this.data.purpose)) {
      if (url.endsWith(DONE)) continue;
      const [, size, , ...name] = key.slice(REMEMBERED.length).split(":");
      const offset = await this.ask(url).catch((error) => (error.status === 404 ? (remember(key, null), null) : null));
      if (run !== this.run) return;
      if (offset === null || offset >= Number(size)) continue;
      const percent = Math.floor((100 * offset) / Number(size));
      hint.textContent = fill(this.data.words.unfinished, { name: name.join(":"), percent });
      hint.hidden = false;
      return;
    }
    hint.hidden = true;
  }

  startAll(files) {
    this.courier.arrived();
    this.mark = null;
    this.files = [...files];
    this.sent = [];
    this.refused = [];
    return this.start(this.files[0]);
  }

  async start(file) {
    if (!file) return;
    const run = ++this.run;
    Object.assign(this, { file, paused: false, offset: 0, speed: 0, since: performance.now() });
    this.trouble("");
    this.show();
    try {
      await this.send(file, run);
    } catch (error) {
      if (run !== this.run) return;
      if (error instanceof Refused && ABOUT_THE_FILE.includes(error.status)) return this.refuse(file, error);
      this.pause();
      this.trouble(error instanceof Refused ? error.message : this.data.words.lost);
    }
  }

  async send(file, run) {
    const url = await this.repeat(run, () => this.locate(file));
    const sendNext = async (failures) => {
      if (failures) this.offset = await this.ask(url).catch(() => this.offset);
      if (this.offset < file.size) this.offset = await this.sendPiece(url, file, run);
    };
    while (run === this.run && this.offset < file.size) await this.repeat(run, sendNext);
    if (run !== this.run) return;
    this.show();
    await this.repeat(run, () => this.check(url));
    if (run !== this.run) return;
    remember(this.fingerprint(file), url + DONE);
    this.sent.push(url.split("/").pop());
    this.goOn(file);
  }

  // Tries again for some seconds while the server or the connection is away; after that the user has to.
  async repeat(run, attempt) {
    for (let failures = 0; run === this.run; ) {
      try {
        return await attempt(failures);
      } catch (error) {
        if (run !== this.run) return;
        const isFinal = error instanceof Refused && !TRY_AGAIN.includes(error.status);
        if (isFinal || failures === WAITS_MS.length) throw error;
        await new Promise((done) => setTimeout(done, WAITS_MS[failures++]));
      }
    }
  }

  goOn(file) {
    const next = this.files[this.files.indexOf(file) + 1];
    if (next) this.start(next);
    else if (this.sent.length) this.deliver();
    else this.reset(this.refused);
  }

  // The page may be without its connection at the moment.
  deliver(mark = `${this.run} ${Date.now()}`) {
    const message = { mark, ids: this.sent, refused: this.refused };
    this.mark = mark;
    this.courier.send(() => message);
  }

  close() {
    this.courier.arrived();
    this.request?.abort();
    this.run += 1;
    if (!this.file || this.paused) return;
    const { file, files, sent, refused, mark } = this;
    this.file = null; // the same uploader may return
    interrupted.set(this.data.name, { file, files, sent, refused, mark, since: performance.now() });
    newest.get(this.data.name)?.takeOver(); // it may have been drawn before this one was known to be gone
  }

  // Continues where an uploader was interrupted because its place on the page changed.
  takeOver() {
    const left = interrupted.get(this.data.name);
    if (!left || this.file || !this.root.isConnected) return;
    interrupted.delete(this.data.name);
    if (performance.now() - left.since > LONGEST_GAP_MS || (left.mark && left.mark === this.data.arrived)) return;
    Object.assign(this, { files: left.files, sent: left.sent, refused: left.refused });
    if (!left.mark) return void this.start(left.file);
    Object.assign(this, { file: left.file, offset: left.file.size });
    this.show();
    this.deliver(left.mark);
  }

  // A file that is not a video doesn't keep the others from arriving.
  refuse(file, error) {
    remember(this.fingerprint(file), null);
    this.refused.push(error.message);
    this.goOn(file);
  }

  leaveOut() {
    this.pause();
    if (this.files.length < 2) return this.reset([]);
    const left = this.file;
    this.goOn(left);
    this.files = this.files.filter((file) => file !== left);
  }

  async locate(file) {
    const key = this.fingerprint(file);
    const known = remembered(this.purpose(file)).find(([name]) => name === key)?.[1].replace(DONE, "");
    if (known) {
      try {
        this.offset = await this.ask(known);
        return known;
      } catch (error) {
        if (!(error instanceof Refused)) throw error; // the server is unreachable; wait for its answer
      }
    }
    const url = await this.create(file);
    remember(key, url);
    return url;
  }

  headers(more) {
    return { ...VERSION, "FrameLens-Key": this.data.key, ...more };
  }

  async create(file) {
    const headers = this.headers({
      "Upload-Length": String(file.size),
      "Upload-Metadata": `filename ${base64(file.name)},purpose ${base64(this.purpose(file))}`,
    });
    const signal = AbortSignal.timeout(LONGEST_SILENCE_MS);
    const answer = await fetch(`${this.data.url}?lang=${this.data.lang}`, { method: "POST", headers, signal });
    if (!answer.ok) throw new Refused(answer.status, (await answer.json().catch(() => ({}))).error ?? this.data.words.lost);
    return answer.headers.get("Location");
  }

  async ask(url) {
    const signal = AbortSignal.timeout(LONGEST_SILENCE_MS);
    const answer = await fetch(url, { method: "HEAD", headers: this.headers(), signal });
    if (!answer.ok) throw new Refused(answer.status, this.data.words.lost);
    return Number(answer.headers.get("Upload-Offset"));
  }

  // The server probes the file and refuses one that is not a video with a sentence.
  async check(url) {
    this.find(".figures").textContent = this.data.words.checking;
    const answer = await fetch(`${url}/check?lang=${this.data.lang}`, { method: "POST", headers: this.headers() });
    if (answer.ok) return;
    throw new Refused(answer.status, (await answer.json().catch(() => ({}))).error ?? this.data.words.lost);
  }

  // XMLHttpRequest, because fetch reports no upload progress.
  sendPiece(url, file, run) {
    return new Promise((resolve, reject) => {
      const from = this.offset;
      const request = (this.request = new XMLHttpRequest());
      request.open("PATCH", `${url}?lang=${this.data.lang}`);
      const headers = this.headers({
        "Upload-Offset": String(from),
        "Content-Type": "application/offset+octet-stream",
      });
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      let silence;
      const listen = () => {
        clearTimeout(silence);
        silence = setTimeout(() => request.abort(), LONGEST_SILENCE_MS);
      };
      request.upload.onprogress = (event) => {
        listen();
        if (run === this.run) this.moved(from + event.loaded);
      };
      request.onloadend = () => clearTimeout(silence);
      request.onload = () => {
        if (request.status === 204) return resolve(Number(request.getResponseHeader("Upload-Offset")));
        let message = this.data.words.lost;
        try {
          message = JSON.parse(request.responseText).error ?? message;
        } catch {
          // not our server's answer (a proxy's page): keep the general sentence
        }
        reject(new Refused(request.status, message));
      };
      request.onerror = request.onabort = () => reject(new Error("no answer"));
      listen();
      request.send(file.slice(from, from + this.data.piece_bytes));
    });
  }

  moved(sent) {
    const now = performance.now();
    const seconds = (now - this.since) / 1000;
    if (seconds > 0.25) {
      const speed = Math.max(0, sent - (this.counted ?? this.offset)) / seconds;
      this.speed = this.speed ? 0.7 * this.speed + 0.3 * speed : speed;
      Object.assign(this, { since: now, counted: sent });
    }
    this.show(sent);
  }

  pause() {
    this.paused = true;
    this.run += 1;
    this.counted = undefined;
    this.request?.abort();
    this.show();
  }

  reset(refused) {
    this.pause();
    this.mark = null;
    this.file = null;
    this.files = [];
    this.sent = [];
    this.input.value = "";
    this.refused = refused;
    this.trouble("");
    this.find(".drop").hidden = false;
    this.find(".work").hidden = true;
    this.offerUnfinished();
  }

  show(sent = this.offset) {
    const words = this.data.words;
    const size = this.file?.size ?? 0;
    this.find(".drop").hidden = true;
    this.find(".work").hidden = false;
    this.find(".name").textContent = this.title();
    this.find(".other").textContent = this.files.length > 1 ? words.skip : words.other;
    this.find(".percent").textContent = size ? `${Math.floor((100 * sent) / size)} %` : "";
    this.find("progress").value = size ? sent / size : 0;
    this.find("progress").setAttribute("aria-label", this.file?.name ?? "");
    this.find(".pause").textContent = this.paused ? words.resume : words.pause;
    this.find(".pause").hidden = size > 0 && sent >= size && !this.paused;
    const figures = { sent: megabytes(sent), size: megabytes(size), speed: megabytes(this.speed) };
    this.find(".figures").textContent = fill(this.paused ? words.paused : words.sending, figures);
  }

  title() {
    const name = this.file?.name ?? "";
    if (this.files.length < 2) return name;
    const values = { place: this.files.indexOf(this.file) + 1, count: this.files.length, name };
    return fill(this.data.words.one_of, values);
  }

  trouble(text) {
    const lines = [...this.refused, text].filter(Boolean);
    this.find(".trouble").textContent = lines.join("\n");
    this.find(".trouble").hidden = !lines.length;
  }
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!uploaders.has(parentElement)) uploaders.set(parentElement, new Uploader(parentElement));
  const uploader = uploaders.get(parentElement);
  uploader.update(data, setTriggerValue);
  // A file may have been chosen before this script was loaded.
  if (!uploader.file && uploader.input.files.length) uploader.startAll(uploader.input.files);
  // Streamlit may also call this for a drawing that was overtaken by the next one: then the upload continues.
  return () => setTimeout(() => parentElement.isConnected || uploader.close());
}
