// A link to a server that can be cut, healed, and made to lose an answer.

import { createServer, connect } from "node:net";

export class Proxy {
  #target;
  #sockets = new Set();
  #isUp = true;
  #lost = null;

  constructor(target) {
    this.#target = new URL(target);
    this.#server = createServer((socket) => this.#join(socket));
  }

  #server;

  async start() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  /** Destroy every connection; let no new one in. */
  cut() {
    this.#isUp = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  heal() {
    this.#isUp = true;
  }

  /** Destroy a connection instead of passing on the next answer that has this in it. Resolves when it did. */
  lose(mark) {
    return new Promise((resolve) => (this.#lost = { mark, resolve }));
  }

  stop() {
    this.cut();
    this.#server.close();
  }

  #join(socket) {
    if (!this.#isUp) return void socket.destroy();
    const there = connect(this.#target.port, this.#target.hostname);
    for (const [one, other] of [[socket, there], [there, socket]]) {
      this.#sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    socket.pipe(there);
    there.on("data", (data) => {
      if (this.#lost && data.includes(this.#lost.mark)) {
        this.#lost.resolve();
        this.#lost = null;
        socket.destroy();
      } else {
        socket.write(data);
      }
    });
  }
}
