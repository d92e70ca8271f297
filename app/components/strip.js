// Pointer input of the timeline: a click or a drag goes to a time; a drag with the range tool, with Shift or at a
// handle draws a range; hovering shows a tooltip. The owner handles what a gesture leads to.

const NEAR = 7; // pixels that a pointer may be off; twice as many for a finger
const MOVED = 4; // pixels from which a press is a drag

class Strip {
  constructor(box, owner) {
    this.box = box;
    this.tip = box.querySelector(".tip");
    this.owner = owner;
    this.gesture = null;
    box.onpointerdown = (event) => this.press(event);
    box.onpointermove = (event) => this.move(event);
    box.onpointerup = box.onpointercancel = (event) => this.release(event);
    box.onpointerleave = () => this.hover(null);
    box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  near(event) {
    return event.pointerType === "touch" ? 2 * NEAR : NEAR;
  }

  secondsOf(pixels) {
    const [first, last] = this.owner.view.edges;
    return (pixels / this.box.clientWidth) * (last - first);
  }

  secondsAt(event) {
    const { left, width } = this.box.getBoundingClientRect();
    const [first, last] = this.owner.view.edges;
    return first + Math.min(1, Math.max(0, (event.clientX - left) / width)) * (last - first);
  }

  // Return the other end of the range whose handle is here, or null.
  heldAgainst(event) {
    const range = this.owner.range.closed;
    if (!range || !this.isBelowHeads(event)) return null;
    const [start, end] = range;
    const [toStart, toEnd] = [start, end].map((edge) => Math.abs(edge - this.secondsAt(event)));
    if (Math.min(toStart, toEnd) > this.secondsOf(this.near(event))) return null;
    return toStart < toEnd ? end : start;
  }

  isBelowHeads(event) {
    return event.clientY - this.box.getBoundingClientRect().top > HEADS;
  }

  press(event) {
    if (event.button) return;
    this.box.setPointerCapture(event.pointerId);
    const held = this.heldAgainst(event);
    const draws = held !== null || event.shiftKey || this.owner.range.isDrawing;
    const target = this.isBelowHeads(event) ? this.secondsAt(event) : this.markTime(event);
    this.gesture = { draws, anchor: held ?? target, from: event.clientX, isDrag: false };
    this.hover(null);
    if (!draws) this.owner.seek(target);
  }

  // Among the heads of the marks a press goes to the mark.
  markTime(event) {
    const seconds = this.secondsAt(event);
    return placeOf(seconds, this.secondsOf(this.near(event)), this.owner.scenery, this.owner.marks).mark?.seconds ?? seconds;
  }

  move(event) {
    const gesture = this.gesture;
    if (!gesture) return this.hover(event);
    gesture.isDrag ||= Math.abs(event.clientX - gesture.from) >= MOVED;
    if (!gesture.isDrag) return;
    const here = this.secondsAt(event);
    if (gesture.draws) this.owner.range.draw(Math.min(gesture.anchor, here), Math.max(gesture.anchor, here));
    this.owner.seek(here);
  }

  release(event) {
    const gesture = this.gesture;
    this.gesture = null;
    if (!gesture) return;
    if (gesture.draws && !gesture.isDrag) this.owner.seek(this.secondsAt(event));
    if (gesture.draws && gesture.isDrag) this.owner.range.finish();
    this.owner.tell();
  }

  // With Ctrl, which a pinch on a touchpad also sends, the wheel zooms; sideways it moves the view.
  wheel(event) {
    const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const { view } = this.owner;
    if (event.ctrlKey) view.zoom(Math.exp(event.deltaY / 300), this.secondsAt(event));
    else if (isSideways && view.isZoomed) view.move(this.secondsOf(event.deltaX));
    else return;
    event.preventDefault();
  }

  hover(event) {
    this.isHovered = event !== null && event.pointerType !== "touch";
    this.box.classList.toggle("handle", event !== null && this.heldAgainst(event) !== null);
    if (this.isHovered) this.describe(this.secondsAt(event), this.secondsOf(this.near(event)));
    else this.tip.hidden = true;
  }

  // Show the tooltip of the frame under the playhead, for readers who step with the keys.
  follow(mark) {
    if (this.isHovered || this.gesture) return;
    if (mark && this.box.matches(":focus-visible")) this.describe(mark.seconds, 0);
    else this.tip.hidden = true;
  }

  describe(seconds, near) {
    const { scenery, marks, words } = this.owner;
    if (!this.owner.duration) return;
    const { mark, boundary, stretches, shot, chapter } = placeOf(seconds, near, scenery, marks);
    const lines = [];
    if (mark) {
      if (mark.src) lines.push(element("img", { src: mark.src, alt: "" }));
      lines.push(element("div", {}, element("b", { textContent: [mark.label, mark.time].filter(Boolean).join(" · ") })));
      if (mark.why) lines.push(element("div", { textContent: mark.why }));
    } else {
      lines.push(element("div", {}, element("b", { textContent: clock(seconds, 1) })));
    }
    const also = [];
    if (chapter) also.push(chapter[2]);
    if (shot) also.push(`${words.shot} ${shot}`);
    if (boundary) also.push(`${words[boundary[2]]}${lasting(boundary)}`);
    for (const [start, end, type] of stretches) also.push(`${words[type]} ${clock(start)}–${clock(end)}`);
    if (also.length) lines.push(element("div", { className: "quiet", textContent: also.join(" · ") }));
    this.showTip(lines, mark ? mark.seconds : seconds);
  }

  showTip(lines, seconds) {
    const key = lines.map((line) => line.src ?? line.textContent).join("|");
    if (key !== this.tipKey) this.tip.replaceChildren(...lines); // an unchanged picture must not blink
    this.tipKey = key;
    this.tip.hidden = false;
    const width = this.box.clientWidth;
    const [first, last] = this.owner.view.edges;
    const left = ((seconds - first) / (last - first)) * width - this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.max(0, Math.min(width - this.tip.offsetWidth, left))}px`;
  }
}

function lasting([start, end]) {
  return end > start ? ` ${(end - start).toFixed(1)} s` : "";
}
