// A server in memory, as far as a client can see: sockets that tests speak through, requests that tests answer.

import { mock } from "node:test";

import { Client } from "../../thin_api/web/parley.js";
import { ME } from "./log.mjs";

/** Let everything run that waits for nothing but its turn. */
export async function settle() {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
}

/** Let time pass, in steps in which what is due can start something new. */
export async function pass(ms, step = 50) {
  for (let left = ms; left > 0; left -= step) {
    mock.timers.tick(Math.min(step, left));
    await settle();
  }
}

export class FakeSocket {
  sent = [];
  isClosed = false;

  constructor(url) {
    this.url = url;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  receive(...frames) {
    for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
  }

  /** The server, or the network, ends it. */
  fail(code = 1006) {
    this.onclose({ code });
  }

  /** Answer the hello. */
  begin(ready = { type: "ready", user_id: ME, conversations: [] }) {
    this.onopen({});
    this.receive(ready);
  }
}

/** A client whose server is the test. Timers are the test's, too. */
export function world({ answer = () => ({ status: 404 }), getToken = () => "token", ...options } = {}) {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
  const sockets = [];
  const requests = [];
  const errors = [];
  const here = { answer, sockets, requests, errors, network: new EventTarget() };

  class WebSocket extends FakeSocket {
    constructor(url) {
      super(url);
      sockets.push(this);
    }
  }
  async function fetch(url, { method, headers, body, signal }) {
    const { pathname, searchParams } = new URL(url);
    const request = {
      method, path: pathname, query: Object.fromEntries(searchParams), body: body && JSON.parse(body),
      token: headers.authorization, at: Date.now(),
    };
    requests.push(request);
    const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const answered = await Promise.race([aborted, here.answer(request, requests.length)]);
    if (!answered) throw new TypeError("fetch failed");
    const { status = 200, headers: given = {}, ...rest } = answered;
    return new Response(JSON.stringify({ success: status < 400, ...rest }), { status, headers: given });
  }

  here.client = new Client({
    baseUrl: "http://parley.test", getToken, fetch, WebSocket, random: () => 1, network: here.network,
    onError: (error) => errors.push(error), ...options,
  });
  here.store = here.client.store;
  here.status = () => here.client.connection.getSnapshot().status;
  here.socket = () => sockets.at(-1);
  here.connect = async (ready) => {
    here.client.connect();
    await settle();
    here.socket().begin(ready);
    await settle();
  };
  here.contents = (id = "c1") => here.store.conversation(id)?.messages.map(({ content }) => content);
  here.close = () => {
    here.client.close();
    mock.timers.reset();
  };
  return here;
}
