// Store: whatever comes, in whatever order, however often, it ends in the same right state.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../thin_api/web/parley.js";
import { Log, ME, messageOf, randomLog } from "./log.mjs";
import { randomFrom } from "./random.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 400);

function storeOf(log, asOf = log.lastSeq) {
  const store = new Store();
  store.applyReady(log.ready(0, asOf));
  return store;
}

function contents(store, id = "c1") {
  return store.conversation(id).messages.map(({ content }) => content);
}

/** Messages as the log tells them, as the store is to show them. */
function shown(log) {
  return log.messages().map((message) => ({ ...message, status: "sent" }));
}

/** Answer what the store asks for, as a client does. */
function fill(store, log, readSeq = 0) {
  const id = log.id;
  for (let turn = 0; store.needs(id); turn += 1) {
    assert.ok(turn < 100, `still asks for ${store.needs(id)}`);
    const after_seq = store.cursor(id);
    if (store.needs(id) === "messages") store.applyMessages(id, log.listMessages({ limit: 7 }));
    else if (store.needs(id) === "conversation") store.applyConversations([log.conversation(readSeq)]);
    else store.applyChanges(id, log.listChanges({ after_seq, limit: 7 }));
  }
}

/** Be connected again: what is missing after the cursor comes by itself. */
function resume(store, log, readSeq = 0) {
  const cursors = store.cursors();
  store.applyReady(log.ready(readSeq), cursors);
  for (let seq = (cursors[log.id] ?? log.lastSeq) + 1; seq <= log.lastSeq; seq += 1) {
    store.applyFrame(log.frame(seq, log.lastSeq));
  }
  fill(store, log, readSeq);
}

function loadAll(store, log) {
  for (let turn = 0; store.conversation(log.id).hasMore; turn += 1) {
    assert.ok(turn < 100, "there are ever older messages");
    const request = { before_seq: store.conversation(log.id).from };
    store.applyMessages(log.id, log.listMessages({ ...request, limit: 6 }), request);
  }
}

/** Everything a server could ever have said about a log, in no order and more than once. */
function deliveries(random, log, readSeq) {
  const bag = [];
  const moment = () => random.between(0, log.lastSeq);
  for (let seq = 1; seq <= log.lastSeq; seq += 1) {
    const asOf = random.next() < 0.5 ? seq : random.between(seq, log.lastSeq);
    if (random.next() < 0.6) bag.push((store) => store.applyFrame(log.frame(seq, asOf)));
    if (random.next() < 0.2) bag.push((store) => store.applyFrame(log.frame(seq)));
  }
  for (let page = random.below(8); page > 0; page -= 1) {
    const asOf = moment();
    const limit = random.between(1, 9);
    const request = random.pick([{}, {}, { before_seq: moment() + 1 }, { after_seq: moment() }]);
    bag.push((store) => store.applyMessages(log.id, log.listMessages({ ...request, limit }, asOf), request));
  }
  for (let page = random.below(5); page > 0; page -= 1) {
    const asOf = moment();
    const request = { after_seq: random.between(0, asOf), limit: random.between(1, 9) };
    bag.push((store) => store.applyChanges(log.id, log.listChanges(request, asOf)));
  }
  for (let told = random.below(3); told > 0; told -= 1) {
    const asOf = moment();
    bag.push((store) => store.applyConversations([log.conversation(readSeq, asOf)]));
  }
  if (random.next() < 0.5) {
    const asOf = moment();
    bag.push((store) => store.applyReady(log.ready(readSeq, asOf), store.cursors()));
  }
  return random.shuffle(bag);
}

/** What must hold at every moment, however little is known. */
function check(store, before) {
  const view = store.conversation("c1");
  if (!view) return new Map();
  const seqs = view.messages.map(({ seq }) => seq);
  assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b), "in order, each once");
  const states = new Map(view.messages.map((message) => [message.id, message]));
  for (const [id, message] of states) {
    const earlier = before.get(id);
    assert.ok(!earlier?.deleted_at || message.deleted_at, `${id} came back`);
    const version = ({ content }) => Number(content?.match(/edited (\d+)/)?.[1] ?? 0);
    if (earlier && !message.deleted_at) assert.ok(version(message) >= version(earlier), `${id} went back`);
  }
  return new Map([...before, ...states]);
}

test("pages and frames in any order and number end in the same list", () => {
  for (let seed = 1; seed <= ROUNDS; seed += 1) {
    const random = randomFrom(seed);
    const log = randomLog(random, random.between(5, 60));
    const readSeq = random.between(0, log.lastSeq);
    const store = new Store(random.next() < 0.5 ? { userId: ME } : {});
    let seen = new Map();
    try {
      for (const deliver of deliveries(random, log, readSeq)) {
        deliver(store);
        seen = check(store, seen);
      }
      resume(store, log, readSeq);
      store.applyConversations([log.conversation(readSeq)]);
      fill(store, log, readSeq);
      const partial = store.conversation("c1");
      assert.equal(partial.unreadCount, log.unread(readSeq), "unread, before all is loaded");
      loadAll(store, log);

      const view = store.conversation("c1");
      assert.deepEqual(view.messages, shown(log));
      assert.equal(view.cursor, log.lastSeq);
      assert.equal(view.needs, null);
      assert.equal(view.info.title, log.now.title);
      assert.equal(view.info.member_count, log.now.memberCount);
      assert.equal(view.unreadCount, log.unread(readSeq), "unread");
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
});

test("a live connection alone, shuffled within reach, ends in the same list and counts", () => {
  for (let seed = 1; seed <= ROUNDS; seed += 1) {
    const random = randomFrom(seed * 7919);
    const log = randomLog(random, random.between(20, 60));
    const start = random.between(0, log.lastSeq - 1);
    const readSeq = random.between(0, start);
    const store = new Store();
    store.applyReady(log.ready(readSeq, start));
    if (random.next() < 0.7) store.applyConversations([log.conversation(readSeq, random.between(start, log.lastSeq))]);
    const frames = random.shuffle(Array.from({ length: log.lastSeq - start }, (_, n) => start + 1 + n));
    for (const seq of frames) store.applyFrame(log.frame(seq, random.between(seq, log.lastSeq)));
    for (const seq of frames) if (random.next() < 0.3) store.applyFrame(log.frame(seq));
    const view = store.conversation("c1");
    assert.equal(view.cursor, log.lastSeq, `seed ${seed}`);
    assert.equal(view.needs, null, `seed ${seed}`);
    assert.equal(view.unreadCount, log.unread(readSeq), `seed ${seed}`);
    assert.deepEqual(view.messages, shown(log).filter(({ seq }) => seq > start), `seed ${seed}`);
    if (view.info) assert.equal(view.info.member_count, log.now.memberCount, `seed ${seed}`);
  }
});

test("a message of a conversation nobody has opened is kept", () => {
  const store = new Store({ userId: ME });
  store.applyFrame({ type: "message_created", conversation_id: "c1", seq: 8, message: messageOf("c1", 8) });
  assert.deepEqual(contents(store), ["message 8"]);
  assert.equal(store.needs("c1"), "conversation");
});

test("a page does not take away what the socket brought before it", () => {
  const log = new Log();
  for (let n = 0; n < 3; n += 1) log.message();
  const store = storeOf(log);
  const page = log.listMessages();
  log.message();
  store.applyFrame(log.frame(4));
  store.applyMessages("c1", page);
  assert.deepEqual(contents(store), ["message 1", "message 2", "message 3", "message 4"]);
});

test("a page from before the connection leaves no hole between the two", () => {
  const log = new Log();
  for (let n = 0; n < 6; n += 1) log.message();
  log.delete("m2");
  const store = storeOf(log);
  store.applyMessages("c1", log.listMessages({}, 4));
  assert.equal(store.needs("c1"), "changes");
  assert.equal(store.cursor("c1"), 4);
  fill(store, log);
  assert.deepEqual(store.conversation("c1").messages, shown(log));
});

test("a state from before an edit, a deletion or a reaction does not overwrite it", () => {
  for (const action of ["edit", "delete", "react"]) {
    const log = new Log();
    log.message();
    const store = storeOf(log);
    const page = log.listMessages();
    log[action]("m1");
    store.applyFrame(log.frame(2));
    store.applyMessages("c1", page);
    store.applyFrame(log.frame(1));
    store.applyMessage(log.history[1].messages.get("m1"));
    assert.deepEqual(store.conversation("c1").messages, shown(log), action);
  }
});

test("a catch-up that shows a message as it is now is not undone by the frames that follow", () => {
  const log = new Log();
  const store = storeOf(log);
  log.message();
  log.react("m1");
  log.edit("m1");
  store.applyFrame(log.frame(1, 3));
  store.applyFrame(log.frame(2));
  assert.deepEqual(contents(store), ["edited 3"]);
  store.applyFrame(log.frame(3));
  assert.deepEqual(store.conversation("c1").messages, shown(log));
});

test("changes show messages as of the page, whatever the numbers of its frames", () => {
  const log = new Log();
  const store = storeOf(log);
  log.message();
  log.react("m1");
  log.react("m1");
  store.applyChanges("c1", log.listChanges({ after_seq: 0, limit: 1 }));
  store.applyFrame(log.frame(2));
  assert.deepEqual(store.conversation("c1").messages, shown(log));
});

test("the answer to an edit holds against what was on its way, and gives way to what came later", () => {
  const log = new Log();
  log.message();
  log.react("m1");
  log.edit("m1");
  log.edit("m1");
  const store = storeOf(log, 1);
  store.applyMessages("c1", log.listMessages({}, 1));
  store.applyMessage(log.history[3].messages.get("m1"), 1);
  store.applyFrame(log.frame(2));
  assert.deepEqual(contents(store), ["edited 3"]);
  store.applyFrame(log.frame(3));
  store.applyFrame(log.frame(4));
  assert.deepEqual(store.conversation("c1").messages, shown(log));
});

test("times are compared to the microsecond and across offsets", () => {
  const store = new Store({ userId: ME });
  const edited = (edited_at) => messageOf("c1", 1, { content: edited_at, edited_at });
  for (const [older, newer] of [
    ["2026-03-01T10:00:00.1234+00:00", "2026-03-01T10:00:00.123401+00:00"],
    ["2026-03-01T10:00:00+00:00", "2026-03-01T10:00:00.000001+00:00"],
    ["2026-03-01T12:00:00.5+02:00", "2026-03-01T10:00:01+00:00"],
  ]) {
    const fresh = new Store({ userId: ME });
    fresh.applyMessage(edited(newer), 5);
    fresh.applyMessage(edited(older), 9);
    assert.deepEqual(contents(fresh), [newer]);
  }
  store.applyMessage(edited(null), 9);
  store.applyMessage(edited("2026-03-01T10:00:00+00:00"), 5);
  assert.deepEqual(contents(store), ["2026-03-01T10:00:00+00:00"]);
});

test("a gap asks for changes; a skip and an unknown frame fill their numbers", () => {
  const store = new Store({ userId: ME });
  const frame = (type, seq) => ({ type, conversation_id: "c1", seq, message: messageOf("c1", seq) });
  store.applyFrame(frame("message_created", 1));
  store.applyConversations([new Log().conversation()]);
  store.applyFrame(frame("message_created", 4));
  assert.deepEqual([store.needs("c1"), store.cursor("c1")], ["changes", 1]);
  assert.deepEqual(contents(store), ["message 1", "message 4"]);
  store.applyFrame({ type: "skip", conversation_id: "c1", seq: 2 });
  assert.deepEqual([store.needs("c1"), store.cursor("c1")], ["changes", 2]);
  store.applyFrame(frame("message_pinned", 3));
  assert.deepEqual([store.needs("c1"), store.cursor("c1")], [null, 4]);
  assert.deepEqual(contents(store), ["message 1", "message 4"]);
});

test("frames nobody knows and that belong nowhere change nothing", () => {
  const store = new Store({ userId: ME });
  const before = store.getSnapshot();
  store.applyFrame({ type: "weather" });
  assert.equal(store.getSnapshot(), before);
});

test("a page beyond the cursor asks for what lies between", () => {
  const log = new Log();
  for (let n = 0; n < 9; n += 1) log.message();
  const store = storeOf(log, 3);
  store.applyMessages("c1", log.listMessages({ limit: 2 }));
  assert.equal(store.needs("c1"), "changes");
  fill(store, log);
  assert.deepEqual(store.conversation("c1").messages.map(({ seq }) => seq), [4, 5, 6, 7, 8, 9]);
});

test("a reset throws away what was held, keeps what is on its way, and asks for the latest again", () => {
  const log = new Log();
  for (let n = 0; n < 20; n += 1) log.message();
  const store = storeOf(log, 2);
  store.applyMessages("c1", log.listMessages({}, 2));
  store.applyConversations([log.conversation(0, 2)]);
  store.addPending("c1", { content: "on its way", client_message_id: "k", type: "text" });
  store.applyFrame({ type: "reset", conversation_id: "c1", last_seq: 20 });
  assert.equal(store.needs("c1"), "messages");
  assert.deepEqual(contents(store), ["on its way"]);
  store.applyMessages("c1", log.listMessages({ limit: 2 }));
  assert.equal(store.needs("c1"), "conversation");
  fill(store, log);
  assert.deepEqual(contents(store), ["message 19", "message 20", "on its way"]);
  assert.equal(store.cursor("c1"), 20);
  log.message();
  store.applyFrame(log.frame(21));
  assert.equal(store.needs("c1"), null);
});

test("a reset instead of changes is one, too; so is a log that lost what we have seen", () => {
  const log = new Log();
  for (let n = 0; n < 20; n += 1) log.message();
  const store = storeOf(log, 2);
  store.applyMessages("c1", log.listMessages({}, 2));
  store.applyFrame(log.frame(20));
  store.applyChanges("c1", log.listChanges({ after_seq: 2, gap: 5 }));
  assert.equal(store.needs("c1"), "messages");
  fill(store, log);
  loadAll(store, log);
  assert.deepEqual(store.conversation("c1").messages, shown(log));
  log.addMember();
  store.applyFrame(log.frame(21));
  assert.equal(store.conversation("c1").info.member_count, 4);

  const restored = new Log();
  for (let n = 0; n < 3; n += 1) restored.message({ content: `again ${n}` });
  restored.rename();
  store.applyFrame({ type: "reset", conversation_id: "c1", last_seq: 4 });
  fill(store, restored);
  loadAll(store, restored);
  const { info, members } = store.conversation("c1");
  assert.deepEqual(contents(store), ["again 0", "again 1", "again 2"]);
  assert.deepEqual([info.title, info.member_count, members.length], ["title 4", 3, 3]);
});

test("a hello without a conversation's cursor leaves the catch-up to us", () => {
  const log = new Log();
  for (let n = 0; n < 5; n += 1) log.message();
  const store = new Store({ userId: ME });
  store.applyMessages("c1", log.listMessages({}, 3));
  store.applyReady(log.ready(), {});
  assert.equal(store.needs("c1"), "changes");
  fill(store, log);
  assert.equal(contents(store).length, 5);

  const other = new Store({ userId: ME });
  other.applyMessages("c1", log.listMessages({}, 3));
  other.applyReady(log.ready(), { c1: 3 });
  assert.equal(other.needs("c1"), null);
});

test("older pages are shown once they join what is shown", () => {
  const log = new Log();
  for (let n = 0; n < 30; n += 1) log.message();
  const store = storeOf(log);
  store.applyMessages("c1", log.listMessages({ limit: 5 }));
  const view = store.conversation("c1");
  assert.deepEqual([view.from, view.hasMore, view.isLoaded], [26, true, true]);
  const farther = { before_seq: 11 };
  store.applyMessages("c1", log.listMessages({ ...farther, limit: 5 }), farther);
  assert.equal(store.conversation("c1").messages.length, 5);
  const next = { before_seq: 26 };
  store.applyMessages("c1", log.listMessages({ ...next, limit: 20 }), next);
  assert.deepEqual([store.conversation("c1").from, store.conversation("c1").messages.length], [6, 25]);
  loadAll(store, log);
  assert.deepEqual(store.conversation("c1").messages, shown(log));
  assert.equal(store.conversation("c1").hasMore, false);
});

test("a pending message becomes the sent one, whichever brings it first, frame or answer", () => {
  for (const order of ["frame first", "answer first", "page first"]) {
    const log = new Log();
    log.message();
    const store = storeOf(log);
    store.addPending("c1", { content: "mine", client_message_id: "k", type: "text" });
    const states = () => store.conversation("c1").messages.map(({ status, id }) => [status, id]);
    assert.deepEqual(states(), [["pending", null]]);
    const message = log.message({ sender_id: ME, content: "mine", client_message_id: "k" });
    const steps = [
      () => store.applyFrame(log.frame(2)),
      () => store.applyMessage(message),
      () => store.applyMessages("c1", log.listMessages({ limit: 1 })),
    ];
    if (order === "answer first") steps.reverse();
    if (order === "page first") steps.unshift(steps.pop());
    for (const step of steps) {
      step();
      assert.deepEqual(states(), [["sent", "m2"]], order);
    }
    store.failPending("c1", "k", new Error("too late"));
    store.addPending("c1", { content: "mine", client_message_id: "k", type: "text" });
    assert.equal(store.conversation("c1").messages.length, 1);
  }
});

test("somebody else's message does not settle ours, whatever its key", () => {
  const store = new Store({ userId: ME });
  store.addPending("c1", { content: "mine", client_message_id: "k", type: "text" });
  store.applyMessage(messageOf("c1", 4, { client_message_id: "k" }));
  assert.deepEqual(store.conversation("c1").messages.map(({ status }) => status), ["sent", "pending"]);
});

test("a failed message stays until it is sent again or discarded", () => {
  const store = new Store({ userId: ME });
  const draft = { content: "mine", client_message_id: "k", type: "text" };
  store.addPending("c1", draft);
  store.failPending("c1", "k", "blocked");
  const states = () => store.conversation("c1").messages.map(({ status, error }) => [status, error]);
  assert.deepEqual(states(), [["failed", "blocked"]]);
  store.addPending("c1", draft);
  assert.deepEqual(states(), [["pending", undefined]]);
  store.discardPending("c1", "k");
  assert.deepEqual(store.conversation("c1").messages, []);
});

test("marks only move forward, and reading is having got", () => {
  const store = storeOf(new Log());
  const receipt = (user_id, delivered_seq, read_seq) =>
    store.applyFrame({ type: "receipt", conversation_id: "c1", user_id, delivered_seq, read_seq });
  receipt("ada", 5, 3);
  receipt("ada", 4, 2);
  receipt("bo", 1, 7);
  const { receipts } = store.conversation("c1");
  assert.deepEqual(receipts.ada, { delivered_seq: 5, read_seq: 3 });
  assert.deepEqual(receipts.bo, { delivered_seq: 7, read_seq: 7 });
  store.mark("c1", { read_seq: 4 });
  receipt(ME, 2, 2);
  assert.equal(store.conversation("c1").readSeq, 4);
});

test("unread counts what others said since, and nothing read, own, deleted or of the system", () => {
  const log = new Log();
  for (let n = 0; n < 4; n += 1) log.message();
  const store = storeOf(log);
  assert.equal(store.conversation("c1").unreadCount, 4);
  log.message({ sender_id: ME });
  log.addMember();
  log.message();
  log.delete("m2");
  for (let seq = 5; seq <= log.lastSeq; seq += 1) store.applyFrame(log.frame(seq));
  assert.equal(store.conversation("c1").unreadCount, 4);
  log.delete("m7");
  store.applyFrame(log.frame(9));
  assert.equal(store.conversation("c1").unreadCount, 3);
  store.applyMessages("c1", log.listMessages());
  assert.equal(store.conversation("c1").unreadCount, 3);
  store.mark("c1", { read_seq: 3 });
  assert.equal(store.conversation("c1").unreadCount, 1);
  store.mark("c1", { read_seq: 9 });
  assert.equal(store.conversation("c1").unreadCount, 0);
});

test("reading elsewhere, within what is not loaded, asks the server how much is left", () => {
  const log = new Log();
  for (let n = 0; n < 9; n += 1) log.message();
  const store = storeOf(log);
  store.applyFrame({ type: "receipt", conversation_id: "c1", user_id: "ada", delivered_seq: 6, read_seq: 6 });
  assert.equal(store.needs("c1"), null);
  store.applyFrame({ type: "receipt", conversation_id: "c1", user_id: ME, delivered_seq: 6, read_seq: 6 });
  assert.equal(store.needs("c1"), "conversation");
  fill(store, log, 6);
  assert.equal(store.conversation("c1").unreadCount, 3);
});

test("a count from before one read does not replace the one from after", () => {
  const log = new Log();
  for (let n = 0; n < 9; n += 1) log.message();
  const store = new Store();
  store.applyReady(log.ready(4));
  store.applyConversations([log.conversation(0)]);
  assert.equal(store.conversation("c1").unreadCount, 5);
});

test("typing ends with time or with the message, and one's own is not shown", () => {
  const store = new Store({ userId: ME });
  const type = (user_id, now) => store.applyFrame({ type: "typing", conversation_id: "c1", user_id }, now);
  type("ada", 1000);
  type("bo", 2000);
  type(ME, 2000);
  assert.deepEqual(store.conversation("c1").typing, ["ada", "bo"]);
  assert.equal(store.expireTyping(7000), true);
  assert.deepEqual(store.conversation("c1").typing, ["bo"]);
  store.applyFrame({
    type: "message_created", conversation_id: "c1", seq: 1, message: messageOf("c1", 1, { sender_id: "bo" }),
  });
  assert.deepEqual(store.conversation("c1").typing, []);
  assert.equal(store.expireTyping(9000), false);
});

test("members come, go and change roles, in any order", () => {
  const event = (type, seq, metadata) => ({
    type, conversation_id: "c1", seq, user_ids: ["ada"],
    message: messageOf("c1", seq, { source: "system", type: "system", sender_id: null, metadata }),
  });
  const frames = [
    event("member_added", 1, {}), event("role_changed", 2, { role: "admin" }), event("member_removed", 3, {}),
    event("member_added", 4, {}), event("role_changed", 5, { role: "owner" }),
  ];
  for (const order of [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]]) {
    const store = new Store({ userId: ME });
    for (const n of order) store.applyFrame(frames[n]);
    store.applyMembers("c1", [{ user_id: "ada", display_name: "Ada", role: "member" }], 2);
    const [ada, ...others] = store.conversation("c1").members;
    assert.deepEqual([ada.display_name, ada.role, others.length], ["Ada", "owner", 0]);
  }
});

test("who has been removed asks for nothing more, until they are added again", () => {
  const log = new Log();
  log.message();
  const store = storeOf(log);
  const event = (type, seq) => ({
    type, conversation_id: "c1", seq, user_ids: [ME],
    message: messageOf("c1", seq, { source: "system", metadata: {} }),
  });
  store.applyFrame(event("member_removed", 2));
  store.applyFrame({ type: "skip", conversation_id: "c1", seq: 9 });
  assert.deepEqual([store.conversation("c1").hasLeft, store.needs("c1"), store.cursors()], [true, null, {}]);
  store.applyFrame(event("member_added", 10));
  assert.deepEqual([store.conversation("c1").hasLeft, store.needs("c1")], [false, "changes"]);
  store.applyFrame(event("member_removed", 8));
  assert.equal(store.conversation("c1").hasLeft, false);
});

test("a new conversation appears whole: nothing has to be loaded", () => {
  const log = new Log();
  const store = storeOf(log);
  const conversation = { ...log.conversation(), conversation_id: "c2" };
  for (const name of ["unread_count", "read_seq", "delivered_seq", "last_message", "members", "role"]) {
    delete conversation[name];
  }
  const created = { type: "conversation_created", conversation_id: "c2", seq: 0 };
  store.applyFrame({ ...created, conversation, user_ids: [ME, "ada"] });
  store.applyFrame({ type: "message_created", conversation_id: "c2", seq: 1, message: messageOf("c2", 1) });
  const view = store.conversation("c2");
  assert.deepEqual([view.info.title, view.hasMore, view.unreadCount, view.needs], ["A group", false, 1, null]);
  assert.deepEqual(view.members.map(({ user_id }) => user_id), [ME, "ada"]);
  assert.deepEqual(store.getSnapshot().conversations.map(({ id }) => id), ["c2", "c1"]);
});

/** A thread of the inbox, which no `ready` lists, as far as its latest page. */
function threadOf(log) {
  const store = new Store();
  store.applyReady({ type: "ready", user_id: ME, desk_id: "t1", conversations: [] });
  store.applyFrame(log.frame(log.lastSeq));
  store.applyConversations([{ ...log.conversation(), kind: "inbox", unread_count: 0 }]);
  store.applyMessages(log.id, log.listMessages());
  return store;
}

test("a thread of the inbox is known from its first frame, and its cursor is told", () => {
  const log = new Log();
  for (let n = 0; n < 5; n += 1) log.message({ source: "contact" });
  const store = threadOf(log);
  assert.equal(store.getSnapshot().deskId, "t1");
  assert.deepEqual(store.cursors(), { c1: 5 });
  store.applyReady({ type: "ready", user_id: ME, desk_id: "t1", conversations: [] }, store.cursors());
  assert.deepEqual([store.conversation("c1").hasLeft, store.needs("c1")], [false, null]);
});

test("in an inbox only what the contact says is unread, until anybody at the desk has read it", () => {
  const log = new Log();
  log.message({ source: "contact" });
  const store = threadOf(log);
  store.applyFrame({ type: "receipt", conversation_id: "c1", user_id: "ada", delivered_seq: 1, read_seq: 1 });
  for (const source of ["contact", "bot", "automation", "person", "contact"]) {
    log.message({ source });
    store.applyFrame(log.frame(log.lastSeq));
  }
  assert.equal(store.conversation("c1").unreadCount, 2);
  store.applyFrame({ type: "receipt", conversation_id: "c1", user_id: "bo", delivered_seq: 2, read_seq: 2 });
  assert.equal(store.conversation("c1").unreadCount, 1);
});

test("a reset of the whole inbox asks for every thread again, and for nothing else", () => {
  const log = new Log();
  for (let n = 0; n < 3; n += 1) log.message({ source: "contact" });
  const store = threadOf(log);
  const group = new Log("c2");
  group.message();
  store.applyReady({ ...group.ready(), desk_id: "t1" });
  log.message({ source: "contact" });
  store.applyFrame({ type: "reset", desk_id: "t1" });
  assert.deepEqual([store.needs("c1"), store.needs("c2")], ["messages", null]);
  fill(store, log);
  assert.deepEqual(contents(store).at(-1), "message 4");
});

test("who is of no desk any more has left its threads, until they are back", () => {
  const log = new Log();
  log.message({ source: "contact" });
  const store = threadOf(log);
  for (const deskId of [null, "t1"]) {
    store.applyFrame({ type: "desk_changed", desk_id: deskId });
    assert.equal(store.getSnapshot().deskId, deskId);
    assert.equal(store.conversation("c1").hasLeft, deskId === null);
  }
});

test("a conversation that was merged is gone, and what it became is gone on with", () => {
  const [log, other] = [new Log(), new Log("c2")];
  for (let n = 0; n < 4; n += 1) log.message({ source: "contact" });
  other.message({ source: "contact" });
  const store = threadOf(other);
  store.applyFrame({ type: "reset", conversation_id: "c2", last_seq: 4, merged_into: "c1" });
  assert.equal(store.conversation("c2"), undefined);
  assert.equal(store.cursor("c1"), 4);
  fill(store, log);
  loadAll(store, log);
  assert.deepEqual(store.conversation("c1").messages, shown(log));
  log.message({ source: "contact" });
  store.applyFrame(log.frame(5));
  assert.equal(store.needs("c1"), null);
  store.applyFrame({ type: "reset", conversation_id: "c2", last_seq: 4, merged_into: "c1" });
  assert.equal(store.cursor("c1"), 5);
});

test("a conversation that was deleted is gone, and one made anew under its id begins empty", () => {
  const log = new Log();
  for (let n = 0; n < 3; n += 1) log.message();
  const store = storeOf(log);
  store.applyMessages("c1", log.listMessages());
  let told = 0;
  store.subscribe(() => (told += 1));
  store.applyFrame({ type: "conversation_deleted", conversation_id: "c1" });
  store.leave("c1");
  assert.equal(told, 1);
  assert.equal(store.conversation("c1"), undefined);
  assert.deepEqual([store.cursors(), store.getSnapshot().conversations], [{}, []]);
  const anew = new Log();
  anew.message({ content: "anew" });
  store.applyFrame(anew.frame(1));
  assert.deepEqual(contents(store), ["anew"]);
});

test("snapshots stay the same until something changes, and cannot be changed", () => {
  const log = new Log();
  log.message();
  const store = storeOf(log);
  store.applyFrame({ ...log.frame(1), conversation_id: "c2", message: messageOf("c2", 1) });
  const before = store.getSnapshot();
  assert.equal(store.getSnapshot(), before);
  const untouched = store.conversation("c2");
  log.message();
  store.applyFrame(log.frame(2));
  assert.notEqual(store.getSnapshot(), before);
  assert.equal(store.conversation("c2"), untouched);
  assert.notEqual(store.conversation("c1"), before.conversations.find(({ id }) => id === "c1"));
  assert.throws(() => store.conversation("c1").messages.push({}), TypeError);
  assert.throws(() => (store.conversation("c1").messages[0].content = "other"), TypeError);
});

test("subscribers hear of each change once, and of nothing after they left", () => {
  const log = new Log();
  for (let n = 0; n < 5; n += 1) log.message();
  const store = new Store();
  let count = 0;
  const leave = store.subscribe(() => (count += 1));
  store.applyReady(log.ready(0, 0));
  store.applyChanges("c1", log.listChanges({ after_seq: 0 }));
  assert.equal(count, 2);
  assert.equal(store.conversation("c1").messages.length, 5);
  leave();
  store.applyMessages("c1", log.listMessages());
  assert.equal(count, 2);
});

test("only the cursors of the most recently active conversations go into a hello of limited size", () => {
  const store = new Store({ userId: ME });
  for (let n = 1; n <= 5; n += 1) {
    const message = messageOf(`c${n}`, n, { created_at: `2026-03-0${n}T10:00:00+00:00` });
    store.applyFrame({ type: "message_created", conversation_id: `c${n}`, seq: n, message });
  }
  assert.deepEqual(store.cursors(2), { c5: 5, c4: 4 });
});

test("contents are kept as the text they are", () => {
  const content = "<img src=x onerror=alert(1)> & __proto__";
  const store = new Store({ userId: ME });
  store.applyMessage(messageOf("c1", 1, { content }));
  assert.deepEqual(contents(store), [content]);
});
