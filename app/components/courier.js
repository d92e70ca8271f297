// Sends the server one message until it is known to have arrived. A message sent while the server is drawing the page
// may be overtaken by another one and get lost; sending too often keeps a slow server from ever finishing a page, so
// the wait doubles.

const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 30_000;

class Courier {
  constructor(owner, name) {
    this.owner = owner; // reports to the server
    this.name = name;
    this.isOut = false;
  }

  send(content, wait = FIRST_WAIT_MS) {
    clearTimeout(this.timer);
    this.isOut = true;
    this.owner.report(this.name, content());
    this.timer = setTimeout(() => this.send(content, Math.min(2 * wait, LONGEST_WAIT_MS)), wait);
  }

  arrived() {
    clearTimeout(this.timer);
    this.isOut = false;
  }
}
