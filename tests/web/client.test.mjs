// Client: stays connected, fills gaps, and sends each message once.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { ParleyError, Store } from "../../thin_api/web/parley.js";
import { pass, settle, world as makeWorld } from "./fakes.mjs";
import { Log, ME, messageOf } from "./log.mjs";

let here;
const world = (options) => (here = makeWorld(options));

afterEach(() => here.close());

function logOf(count) {
  const log = new Log();
  for (let n = 0; n < count; n += 1) log.message();
  return log;
}

/** Answer what a server with this log would. */
function serve(log, readSeq = 0) {
  return ({ method, path, query }) => {
    const numbers = Object.fromEntries(Object.entries(query).map(([name, value]) => [name, Number(value)]));
    if (method !== "GET") return { status: 404, error: "not_found" };
    if (path.endsWith("/messages")) return log.listMessages(numbers);
    if (path.endsWith("/changes")) return log.listChanges(numbers);
    return { conversation: log.conversation(readSeq) };
  };
}

/** Answer sends as a server with this log would. */
function accept(log, { body }) {
  const known = log.messages().find(({ client_message_id }) => client_message_id === body.client_message_id);
  if (known) return { status: 200, message: known, duplicate: true };
  return { status: 201, message: log.message({ sender_id: ME, ...body }) };
}

test("it says hello with the token and the cursors, and is live when the server is ready", async () => {
  const log = logOf(3);
  const store = new Store();
  store.applyReady(log.ready());
  world({ store });
  const states = [];
  here.client.connection.subscribe(() => states.push(here.status()));
  here.client.connect();
  here.client.connect();
  await settle();
  assert.equal(here.sockets.length, 1);
  assert.equal(here.socket().url, "ws://parley.test/v1/ws");
  here.socket().begin(log.ready());
  assert.deepEqual(here.socket().sent, [{ type: "hello", token: "token", cursors: { c1: 3 } }]);
  assert.deepEqual(states, ["connecting", "live"]);
});

test("what the socket brings is in the store, whether or not the conversation was opened", async () => {
  const log = logOf(2);
  world();
  await here.connect(log.ready());
  log.message();
  here.socket().receive(log.frame(3));
  assert.deepEqual(here.contents(), ["message 3"]);
  assert.deepEqual(here.requests, []);
});

test("it comes back after a loss, with its cursors and a waiting time that doubles up to a limit", async () => {
  const log = logOf(1);
  world();
  await here.connect(log.ready());
  log.message();
  here.socket().receive(log.frame(2));
  here.socket().fail();
  const waits = [];
  for (let turn = 0; turn < 8; turn += 1) {
    const { status, retryAt } = here.client.connection.getSnapshot();
    assert.equal(status, "waiting");
    waits.push(retryAt - Date.now());
    await pass(retryAt - Date.now());
    assert.equal(here.sockets.length, turn + 2);
    if (turn < 7) here.socket().fail();
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  here.socket().begin(log.ready());
  assert.deepEqual(here.socket().sent[0].cursors, { c1: 2 });
  assert.equal(here.status(), "live");
});

test("waiting is random between nothing and the limit, so that not all come back at once", async () => {
  world({ random: () => 0.25 });
  await here.connect();
  here.socket().fail(1012);
  assert.equal(here.client.connection.getSnapshot().retryAt - Date.now(), 250);
  assert.equal(here.client.connection.getSnapshot().closeCode, 1012);
});

test("a connection that lasted starts the waiting times anew, one that did not goes on", async () => {
  world();
  await here.connect();
  here.socket().fail(1013);
  await pass(1000);
  here.socket().begin();
  here.socket().fail(1013);
  assert.equal(here.client.connection.getSnapshot().retryAt - Date.now(), 2000);
  await pass(2000);
  here.socket().begin();
  await pass(15_000);
  here.socket().receive({ type: "pong" });
  here.socket().fail(1013);
  assert.equal(here.client.connection.getSnapshot().retryAt - Date.now(), 1000);
});

test("4401 asks for another token at once, and does not hurry when that is refused, too", async () => {
  const asked = [];
  world({ getToken: ({ isRefused }) => `token ${asked.push(isRefused)}` });
  await here.connect();
  here.socket().fail(4401);
  await pass(1, 1);
  assert.equal(here.sockets.length, 2);
  here.socket().onopen({});
  assert.equal(here.socket().sent[0].token, "token 2");
  here.socket().fail(4401);
  assert.equal(here.client.connection.getSnapshot().retryAt - Date.now(), 2000);
  await pass(2000);
  assert.deepEqual(asked, [false, true, true]);
});

test("other losses keep the token", async () => {
  let asked = 0;
  world({ getToken: () => `token ${(asked += 1)}` });
  await here.connect();
  here.socket().fail(1012);
  await pass(1000);
  here.socket().begin();
  assert.equal(asked, 1);
});

test("a token that cannot be had is asked for again; none at all is signed out until connect", async () => {
  const answers = [() => Promise.reject(new Error("the token server is away")), () => null, () => "token"];
  world({ getToken: () => answers.shift()() });
  here.client.connect();
  await settle();
  assert.equal(here.status(), "waiting");
  assert.match(here.errors[0].message, /away/);
  await pass(1000);
  assert.equal(here.status(), "signed_out");
  here.network.dispatchEvent(new Event("online"));
  await pass(60_000, 10_000);
  assert.equal(here.sockets.length, 0);
  here.client.connect();
  await settle();
  assert.equal(here.sockets.length, 1);
});

test("a socket that never gets ready is given up", async () => {
  world();
  here.client.connect();
  await settle();
  here.socket().onopen({});
  await pass(15_000, 1000);
  assert.ok(here.socket().isClosed);
  assert.equal(here.status(), "waiting");
});

test("a silent connection is pinged, and given up when no pong comes", async () => {
  world();
  await here.connect();
  const [socket] = here.sockets;
  const pings = () => socket.sent.filter(({ type }) => type === "ping").length;
  for (let turn = 1; turn <= 10; turn += 1) {
    await pass(10_000, 1000);
    assert.equal(pings(), turn);
    socket.receive({ type: "pong" });
  }
  assert.equal(here.status(), "live");
  await pass(30_000, 1000);
  assert.ok(socket.isClosed);
  assert.equal(here.status(), "waiting");
});

test("what a given-up socket still says is not heard", async () => {
  const log = logOf(3);
  world();
  await here.connect(log.ready());
  const [old] = here.sockets;
  old.fail();
  await pass(1000);
  here.socket().begin(log.ready());
  log.message();
  old.receive(log.frame(4));
  old.fail();
  assert.deepEqual(here.contents(), []);
  assert.equal(here.status(), "live");
});

test("offline waits for online, and then loses no time", async () => {
  world();
  await here.connect();
  here.network.dispatchEvent(new Event("offline"));
  assert.equal(here.status(), "offline");
  assert.ok(here.socket().isClosed);
  await pass(120_000, 10_000);
  assert.equal(here.sockets.length, 1);
  here.network.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(here.sockets.length, 2);
});

test("a gap is filled from the log, page by page", async () => {
  const log = logOf(1);
  world();
  await here.connect(log.ready());
  here.answer = serve(log);
  for (let n = 0; n < 250; n += 1) log.message();
  here.socket().receive(log.frame(log.lastSeq));
  await settle();
  assert.deepEqual(here.requests.map(({ query }) => query.after_seq), ["1", "101", "201"]);
  assert.equal(here.store.cursor("c1"), 251);
  assert.equal(here.contents().length, 250);
});

test("a gap is filled once, however many frames tell of it, and in spite of a server that is away", async () => {
  const log = logOf(1);
  world({ answer: () => null });
  await here.connect(log.ready());
  for (let n = 0; n < 5; n += 1) log.message();
  here.socket().receive(log.frame(4), log.frame(5), log.frame(6));
  await settle();
  assert.equal(here.requests.length, 1);
  here.answer = serve(log);
  await pass(1000);
  assert.equal(here.requests.length, 2);
  assert.equal(here.store.cursor("c1"), 6);
});

test("a server that does not know yet what the socket told is asked again, without haste", async () => {
  const log = logOf(1);
  world({ answer: ({ query }) => log.listChanges({ after_seq: Number(query.after_seq) }, 1) });
  await here.connect(log.ready());
  for (let n = 0; n < 3; n += 1) log.message();
  here.socket().receive(log.frame(4));
  await pass(3500);
  assert.deepEqual(here.requests.map(({ at }) => at - here.requests[0].at), [0, 1000, 3000]);
  here.answer = serve(log);
  await pass(4000);
  assert.equal(here.store.cursor("c1"), 4);
});

test("a reset loads the latest page and the conversation again", async () => {
  const log = logOf(60);
  world({ answer: serve(log) });
  await here.connect(log.ready());
  await here.client.loadLatest("c1");
  for (let n = 0; n < 5; n += 1) log.edit("m3");
  here.requests.length = 0;
  here.socket().receive({ type: "reset", conversation_id: "c1", last_seq: 65 });
  await settle();
  assert.deepEqual(here.requests.map(({ path }) => path), ["/v1/conversations/c1/messages", "/v1/conversations/c1"]);
  assert.equal(here.contents().length, 50);
  log.message();
  here.socket().receive(log.frame(66));
  assert.equal(here.contents().length, 51);
  assert.equal(here.requests.length, 2);
});

test("a page that was asked for before the connection is completed after it", async () => {
  const log = logOf(4);
  let answer;
  world({ answer: () => new Promise((resolve) => (answer = resolve)) });
  const loaded = here.client.loadLatest("c1");
  await settle();
  const page = log.listMessages();
  for (let n = 0; n < 3; n += 1) log.message();
  await here.connect(log.ready());
  here.answer = serve(log);
  answer(page);
  await loaded;
  await settle();
  assert.equal(here.contents().length, 7);
  assert.equal(here.store.cursor("c1"), 7);
});

test("older pages follow each other to the beginning, one at a time", async () => {
  const log = logOf(12);
  world({ answer: serve(log) });
  await here.connect(log.ready());
  await here.client.loadLatest("c1", { limit: 5 });
  await Promise.all([here.client.loadOlder("c1", { limit: 5 }), here.client.loadOlder("c1", { limit: 5 })]);
  assert.equal(here.contents().length, 10);
  await here.client.loadOlder("c1", { limit: 5 });
  await here.client.loadOlder("c1", { limit: 5 });
  assert.equal(here.contents().length, 12);
  assert.deepEqual(here.requests.map(({ query }) => query.before_seq), [undefined, "8", "3"]);
});

test("a conversation that comes up with its first frame is looked up", async () => {
  const log = logOf(1);
  world({ answer: serve(log) });
  await here.connect();
  here.socket().receive(log.frame(1));
  await settle();
  assert.equal(here.store.conversation("c1").info.title, "A group");
  assert.equal(here.requests.length, 1);
});

test("the server's not_a_member ends a conversation, other errors are reported", async () => {
  const log = logOf(1);
  world();
  await here.connect(log.ready());
  here.socket().receive({ type: "error", error: "not_a_member", message: "no", conversation_id: "c1" });
  assert.ok(here.store.conversation("c1").hasLeft);
  here.socket().receive({ type: "error", error: "validation_error", message: "bad", request: "read" });
  assert.ok(here.errors[0] instanceof ParleyError);
  assert.equal(here.errors[0].code, "validation_error");
  here.socket().receive(
    { ...log.frame(1), conversation_id: "c2" },
    { type: "error", error: "not_a_member", message: "no", conversation_id: "c2", request: "typing" },
  );
  assert.ok(!here.store.conversation("c2").hasLeft);
});

test("a gap in a conversation one has been removed from is its end", async () => {
  const log = logOf(3);
  world({ answer: () => ({ status: 403, error: "not_a_member" }) });
  await here.connect(log.ready(0, 1));
  here.socket().receive(log.frame(3));
  await settle();
  assert.ok(here.store.conversation("c1").hasLeft);
  assert.deepEqual([here.requests.length, here.errors], [1, []]);
});

test("a gap in a conversation that is deleted meanwhile brings nothing of it back", async () => {
  const log = logOf(3);
  world({ answer: () => ({ status: 404, error: "not_found" }) });
  await here.connect(log.ready(0, 1));
  here.socket().receive(log.frame(3), { type: "conversation_deleted", conversation_id: "c1" });
  await settle();
  assert.equal(here.requests.length, 1);
  assert.deepEqual([here.store.conversation("c1"), here.errors], [undefined, []]);
});

test("a message is pending at once and sent when it is answered", async () => {
  const log = logOf(0);
  world({ answer: (request) => accept(log, request) });
  await here.connect(log.ready());
  const sent = here.client.send("c1", "hello", { metadata: { color: "red" }, replyToId: "m9" });
  const [pending] = here.store.conversation("c1").messages;
  assert.deepEqual([pending.status, pending.content, pending.sender_id], ["pending", "hello", ME]);
  const message = await sent;
  assert.equal(message.seq, 1);
  assert.deepEqual(here.store.conversation("c1").messages.map(({ status, id }) => [status, id]), [["sent", "m1"]]);
  const [{ method, path, body, token }] = here.requests;
  assert.deepEqual([method, path, token], ["POST", "/v1/conversations/c1/messages", "Bearer token"]);
  assert.deepEqual(body, {
    content: "hello", client_message_id: pending.client_message_id, type: "text", metadata: { color: "red" },
    reply_to_id: "m9",
  });
});

test("a message is shown once when its frame comes before the answer, and when it comes after", async () => {
  for (const isFrameFirst of [true, false]) {
    const log = logOf(0);
    let release;
    world({
      answer: async (request) => {
        const answer = accept(log, request);
        await new Promise((resolve) => (release = resolve));
        return answer;
      },
    });
    await here.connect(log.ready());
    const sent = here.client.send("c1", "hello");
    await settle();
    if (isFrameFirst) here.socket().receive(log.frame(1));
    assert.deepEqual(here.contents(), ["hello"]);
    assert.equal(here.store.conversation("c1").messages[0].status, isFrameFirst ? "sent" : "pending");
    release();
    await sent;
    assert.deepEqual(here.contents(), ["hello"]);
    if (!isFrameFirst) here.socket().receive(log.frame(1));
    assert.deepEqual(here.contents(), ["hello"]);
    assert.equal(here.store.cursor("c1"), 1);
    if (isFrameFirst) here.close();
  }
});

test("a send is repeated with the same key until it is answered", async () => {
  const log = logOf(0);
  const outcomes = [
    () => null,
    () => ({ status: 503, error: "unavailable", headers: { "retry-after": "7" } }),
    () => ({ status: 429, error: "rate_limited", headers: { "retry-after": "3" } }),
    () => ({ status: 502 }),
    (request) => void accept(log, request),
    (request) => accept(log, request),
  ];
  world({ answer: (request, count) => outcomes[count - 1](request) });
  await here.connect(log.ready());
  const sent = here.client.send("c1", "hello");
  await pass(60_000, 500);
  assert.equal((await sent).content, "hello");
  assert.equal(log.lastSeq, 1);
  assert.deepEqual(here.requests.map(({ at }) => at - here.requests[0].at), [0, 1000, 8000, 11_000, 19_000, 35_000]);
  assert.equal(new Set(here.requests.map(({ body }) => body.client_message_id)).size, 1);
});

test("a send that waits goes on as soon as there is a connection again, but not before the server's time", async () => {
  for (const [first, due] of [[null, 1200], [{ status: 429, headers: { "retry-after": "60" } }, 60_000]]) {
    const log = logOf(0);
    world({ answer: (request, count) => (count < 9 && Date.now() < 1_001_100 ? first : accept(log, request)) });
    here.client.connect();
    await settle();
    const sent = here.client.send("c1", "hello");
    await pass(1200);
    here.socket().begin();
    await pass(60_000, 500);
    await sent;
    const last = here.requests.at(-1).at - 1_000_000;
    assert.ok(last <= due + 500 && last >= due - 500, `sent after ${last} ms`);
    if (!first) here.close();
  }
});

test("messages of a conversation go one after the other, in the order of the calls", async () => {
  const log = logOf(0);
  let isAway = true;
  world({ answer: (request) => (isAway ? null : accept(log, request)) });
  await here.connect(log.ready());
  const sends = ["one", "two", "three"].map((content) => here.client.send("c1", content));
  await settle();
  await pass(1000);
  assert.deepEqual(here.requests.map(({ body }) => body.content), ["one", "one"]);
  assert.deepEqual(here.contents(), ["one", "two", "three"]);
  isAway = false;
  await pass(2000);
  await Promise.all(sends);
  assert.deepEqual(log.messages().map(({ content }) => content), ["one", "two", "three"]);
  assert.deepEqual(here.contents(), ["one", "two", "three"]);
});

test("one conversation does not wait for another", async () => {
  const log = logOf(0);
  world({ answer: (request) => (request.path.includes("c2") ? null : accept(log, request)) });
  await here.connect(log.ready());
  here.client.send("c2", "stuck");
  assert.equal((await here.client.send("c1", "hello")).content, "hello");
});

test("a refused message is marked as failed, the next one goes, and it can be sent again with its key", async () => {
  const log = logOf(0);
  let isBlocked = true;
  world({
    answer: (request) => (isBlocked && request.body.content === "one"
      ? { status: 403, error: "blocked", message: "blocked", details: null } : accept(log, request)),
  });
  await here.connect(log.ready());
  const first = here.client.send("c1", "one");
  const second = here.client.send("c1", "two");
  await assert.rejects(first, { name: "ParleyError", code: "blocked", status: 403 });
  await second;
  const [, failed] = here.store.conversation("c1").messages;
  assert.deepEqual([failed.content, failed.status, failed.error.code], ["one", "failed", "blocked"]);
  isBlocked = false;
  const again = here.client.retry("c1", failed.client_message_id);
  assert.equal(here.store.conversation("c1").messages[1].status, "pending");
  await again;
  assert.deepEqual(here.contents(), ["two", "one"]);
  assert.equal(here.requests[0].body.client_message_id, here.requests.at(-1).body.client_message_id);
  assert.throws(() => here.client.retry("c1", "other"), { code: "not_found" });
});

test("a failed send that nobody awaits disturbs nobody", async () => {
  world({ answer: () => ({ status: 400, error: "validation_error" }) });
  here.client.send("c1", "");
  await settle();
  assert.equal(here.store.conversation("c1").messages[0].status, "failed");
});

test("a refused token is replaced once per request, for all requests together", async () => {
  const asked = [];
  const log = logOf(0);
  world({
    getToken: ({ isRefused }) => `token ${asked.push(isRefused)}`,
    answer: (request) => (request.token === "Bearer token 1" ? { status: 401, error: "unauthenticated" }
      : accept(log, request)),
  });
  await Promise.all([here.client.send("c1", "one"), here.client.send("c2", "two")]);
  assert.deepEqual(asked, [false, true]);
  here.answer = () => ({ status: 401, error: "unauthenticated", message: "expired" });
  await assert.rejects(here.client.request("GET", "v1/me"), { code: "unauthenticated" });
  assert.equal(asked.length, 3);
});

test("edits, deletions and reactions show as soon as they are answered", async () => {
  const log = logOf(2);
  world({
    answer: ({ method, path, body }) => {
      if (method === "GET") return log.listMessages();
      if (method === "PATCH") log.edit("m1");
      else if (path.includes("reactions")) log.react("m1", decodeURIComponent(path.split("/").at(-1)));
      else log.delete("m2");
      return { message: log.now.messages.get(path.split("/")[5]) };
    },
  });
  await here.connect(log.ready());
  await here.client.loadLatest("c1");
  await here.client.edit("c1", "m1", "edited 3", "2026");
  await here.client.react("c1", "m1", "👍/");
  await here.client.delete("c1", "m2");
  assert.deepEqual(here.contents(), ["edited 3", null]);
  assert.equal(here.store.conversation("c1").messages[0].reactions[0].emoji, "👍/");
  await here.client.react("c1", "m1", "👍/", false);
  assert.deepEqual(here.store.conversation("c1").messages[0].reactions, []);
  assert.deepEqual(here.requests.slice(1).map(({ method, path, body }) => [method, path.slice(20), body]), [
    ["PATCH", "/messages/m1", { content: "edited 3", expected_edited_at: "2026" }],
    ["PUT", `/messages/m1/reactions/${encodeURIComponent("👍/")}`, undefined],
    ["DELETE", "/messages/m2", undefined],
    ["DELETE", `/messages/m1/reactions/${encodeURIComponent("👍/")}`, undefined],
  ]);
});

test("marks are told once, and again if the server has not heard of them", async () => {
  const log = logOf(5);
  world({ answer: serve(log) });
  await here.connect(log.ready());
  await here.client.loadLatest("c1");
  here.client.markDelivered("c1", 2);
  here.client.markRead("c1", 3);
  here.client.markRead("c1", 2);
  here.client.markDelivered("c1", 3);
  const marks = () => here.socket().sent.slice(1);
  assert.deepEqual(marks(), [
    { type: "delivered", conversation_id: "c1", seq: 2 }, { type: "read", conversation_id: "c1", seq: 3 },
  ]);
  assert.equal(here.store.conversation("c1").unreadCount, 2);
  here.socket().fail();
  here.client.markDelivered("c1", 4);
  await pass(1000);
  here.socket().begin(log.ready(3));
  assert.deepEqual(marks(), [{ type: "delivered", conversation_id: "c1", seq: 4 }]);
  here.socket().fail();
  here.client.markRead("c1");
  assert.equal(here.store.conversation("c1").unreadCount, 0);
  await pass(2000);
  here.socket().begin(log.ready(3));
  assert.deepEqual(marks(), [{ type: "read", conversation_id: "c1", seq: 5 }]);
  here.socket().fail();
  await pass(4000);
  here.socket().begin(log.ready(5));
  assert.deepEqual(marks(), []);
});

test("what was read before we knew who we are is told with the first connection", async () => {
  const log = logOf(5);
  world({ answer: serve(log) });
  await here.client.loadLatest("c1");
  here.client.markRead("c1");
  await here.connect(log.ready());
  assert.deepEqual(here.socket().sent.slice(1), [{ type: "read", conversation_id: "c1", seq: 5 }]);
  assert.deepEqual(Object.keys(here.store.conversation("c1").receipts), [ME]);
});

test("typing is told every three seconds at most, and shown for six", async () => {
  const log = logOf(0);
  world();
  await here.connect(log.ready());
  const count = () => here.socket().sent.filter(({ type }) => type === "typing").length;
  for (let key = 0; key < 40; key += 1) {
    here.client.typing("c1");
    await pass(100, 100);
  }
  assert.equal(count(), 2);
  here.socket().receive({ type: "typing", conversation_id: "c1", user_id: "ada" });
  assert.deepEqual(here.store.conversation("c1").typing, ["ada"]);
  await pass(3000, 500);
  here.socket().receive({ type: "typing", conversation_id: "c1", user_id: "bo" });
  await pass(3000, 500);
  assert.deepEqual(here.store.conversation("c1").typing, ["bo"]);
  await pass(4000, 500);
  assert.deepEqual(here.store.conversation("c1").typing, []);
});

test("lists of conversations and members are loaded in pages", async () => {
  const log = logOf(2);
  const member = (n) => (
    { user_id: `user${n}`, display_name: `User ${n}`, role: "member", delivered_seq: n, read_seq: n });
  world({
    answer: ({ path, query }) => {
      if (path.endsWith("/conversations")) {
        return { conversations: [log.conversation()], has_more: true, next_before: `after ${query.before}` };
      }
      return query.after ? { members: [member(2)], has_more: false } : { members: [member(1)], has_more: true };
    },
  });
  assert.deepEqual(await here.client.loadConversations({ before: "x" }), { has_more: true, next_before: "after x" });
  assert.equal(here.store.conversation("c1").info.title, "A group");
  assert.deepEqual(here.contents(), []);
  assert.equal(here.store.conversation("c1").lastMessage.content, "message 2");
  await here.client.loadMembers("c1");
  const names = here.store.conversation("c1").members.map(({ display_name }) => display_name);
  assert.deepEqual(names.slice(-2), ["User 1", "User 2"]);
  assert.deepEqual(here.store.conversation("c1").receipts.user2, { delivered_seq: 2, read_seq: 2 });
});

test("a request gives up after a few attempts; a refusal and an answer that is none are errors", async () => {
  world({ answer: () => null });
  const gone = assert.rejects(here.client.request("GET", "v1/me"), { code: "unreachable", status: 0 });
  await pass(60_000, 500);
  await gone;
  assert.equal(here.requests.length, 4);
  here.answer = () => ({ status: 500, error: "internal_error", message: "a bug", details: { error_id: "x" } });
  await assert.rejects(here.client.request("GET", "v1/me"), { code: "internal_error", details: { error_id: "x" } });
});

test("close ends everything for good", async () => {
  const log = logOf(1);
  world({ answer: () => null });
  await here.connect(log.ready());
  const sent = here.client.send("c1", "hello");
  log.message();
  log.message();
  here.socket().receive(log.frame(3));
  await settle();
  const count = here.requests.length;
  here.client.close();
  await assert.rejects(sent, { code: "closed" });
  assert.ok(here.socket().isClosed);
  assert.equal(here.status(), "closed");
  here.client.connect();
  here.network.dispatchEvent(new Event("online"));
  await pass(120_000, 10_000);
  assert.deepEqual([here.sockets.length, here.requests.length], [1, count]);
  assert.equal(here.store.conversation("c1").messages.at(-1).status, "failed");
  await assert.rejects(here.client.send("c1", "more"), { code: "closed" });
  assert.deepEqual(here.errors, []);
});

test("a listener that throws is heard of and stops nothing", async (t) => {
  const log = logOf(1);
  world();
  await here.connect(log.ready());
  const later = [];
  t.mock.method(globalThis, "queueMicrotask", (act) => later.push(act));
  here.store.subscribe(() => {
    throw new Error("a bug of the page");
  });
  let isTold = false;
  here.store.subscribe(() => (isTold = true));
  here.socket().receive({ type: "message_created", conversation_id: "c1", seq: 2, message: messageOf("c1", 2) });
  assert.ok(isTold);
  assert.equal(later.length, 1);
  assert.throws(later[0], /a bug of the page/);
});
