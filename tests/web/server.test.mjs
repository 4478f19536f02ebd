// Two clients and a real server, with a link between them that breaks. Run by test_parley_js.py.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Client } from "../../thin_api/web/parley.js";
import { Proxy } from "./proxy.mjs";

const {
  PARLEY_TEST_URL: url, PARLEY_TEST_ADA: adasToken, PARLEY_TEST_BO: bosToken, PARLEY_TEST_GROUP: group,
} = process.env;
const PATIENCE_MS = 20_000;

let link;
let ada;
let bo;

function join(token, options = {}) {
  const errors = [];
  const paths = [];
  const client = new Client({
    baseUrl: url, getToken: () => token, random: () => 0.02, onError: (error) => errors.push(error),
    fetch: (address, request) => {
      paths.push(new URL(address).pathname);
      return fetch(address, request);
    },
    ...options,
  });
  client.connect();
  return Object.assign(client, { errors, paths });
}

/** Wait for something to become true in a client. */
function until(client, isSo, what) {
  return new Promise((resolve, reject) => {
    const leave = [client.store.subscribe(look), client.connection.subscribe(look)];
    const timer = setTimeout(() => end(() => reject(new Error(`waited in vain for ${what}`))), PATIENCE_MS);
    function end(settle) {
      clearTimeout(timer);
      leave.forEach((one) => one());
      settle();
    }
    function look() {
      if (isSo()) end(resolve);
    }
    look();
  });
}

const isLive = (client) => client.connection.getSnapshot().status === "live";
const view = (client) => client.store.conversation(group);
const contents = (client) => view(client).messages.map(({ content }) => content);
const has = (client, content) => until(client, () => contents(client).includes(content), content);

/** Everything there is, as a third party would read it. */
async function truth() {
  const messages = [];
  for (let after_seq = 0, page; !page || page.has_more; after_seq = messages.at(-1).seq) {
    page = await ada.request("GET", `v1/conversations/${group}/messages?limit=100&after_seq=${after_seq}`);
    messages.push(...page.messages);
    assert.ok(page.messages.length || !page.has_more);
    if (!page.messages.length) break;
  }
  const { conversation } = await ada.request("GET", `v1/conversations/${group}`);
  return { messages: messages.map((message) => ({ ...message, status: "sent" })), lastSeq: conversation.last_seq };
}

async function assertAllAgree() {
  const { messages, lastSeq } = await truth();
  for (const client of [ada, bo]) {
    await until(client, () => view(client).cursor === lastSeq, `number ${lastSeq}`);
    while (view(client).hasMore) await client.loadOlder(group);
    assert.deepEqual(view(client).messages, messages);
    assert.equal(view(client).needs, null);
    assert.deepEqual(client.errors, []);
  }
}

beforeEach(async () => {
  link = await new Proxy(url).start();
  ada = join(adasToken);
  bo = join(bosToken, { baseUrl: link.url });
  for (const client of [ada, bo]) {
    await until(client, () => isLive(client), "the connection");
    await client.loadLatest(group);
  }
});

afterEach(() => {
  ada.close();
  bo.close();
  link.stop();
});

test("two clients see what either says, each once and in one order", async () => {
  const sends = [];
  for (let n = 0; n < 20; n += 1) {
    sends.push(ada.send(group, `ada ${n}`), bo.send(group, `bo ${n}`));
  }
  await Promise.all(sends);
  await assertAllAgree();
  const mine = contents(bo).filter((content) => content.startsWith("bo "));
  assert.deepEqual(mine, Array.from({ length: 20 }, (_, n) => `bo ${n}`));
});

test("who is cut off misses messages, an edit, a deletion and a reaction, and then has them all", async () => {
  const [first, second, third] = await Promise.all(["first", "second", "third"].map((one) => ada.send(group, one)));
  await has(bo, "third");
  const before = contents(bo);

  link.cut();
  await until(bo, () => !isLive(bo), "the loss");
  await ada.send(group, "missed");
  await ada.edit(group, first.id, "first, edited");
  await ada.delete(group, second.id);
  await ada.react(group, third.id, "👍");
  await ada.send(group, "missed, too");
  assert.deepEqual(contents(bo), before);
  const sent = bo.send(group, "said while away");
  assert.equal(view(bo).messages.at(-1).status, "pending");

  link.heal();
  await sent;
  await has(bo, "missed, too");
  await has(ada, "said while away");
  await assertAllAgree();
  assert.deepEqual(contents(bo).slice(-6),
    ["first, edited", null, "third", "missed", "missed, too", "said while away"]);
  assert.equal(view(bo).messages.find(({ id }) => id === third.id).reactions[0].emoji, "👍");
  const asked = bo.paths.filter((path) => path.endsWith("/changes"));
  assert.deepEqual(asked, [], "the socket resumes where it was");
});

test("a link that breaks again and again loses nothing and doubles nothing", async () => {
  const sends = [];
  for (let turn = 0; turn < 6; turn += 1) {
    for (let n = 0; n < 10; n += 1) sends.push(ada.send(group, `ada ${turn}.${n}`), bo.send(group, `bo ${turn}.${n}`));
    await has(bo, `ada ${turn}.3`);
    link.cut();
    await until(bo, () => !isLive(bo), "the loss");
    link.heal();
  }
  await Promise.all(sends);
  await until(bo, () => isLive(bo), "the connection");
  await assertAllAgree();
  assert.equal(new Set(sends).size, 120);
  assert.equal(contents(bo).filter((content) => /^bo \d\.\d$/.test(content)).length, 60);
});

test("a send whose answer was lost is in the log once", async () => {
  const lost = link.lose("HTTP/1.1 201");
  const sent = bo.send(group, "once and only once");
  await lost;
  assert.equal((await sent).content, "once and only once");
  await assertAllAgree();
  assert.equal(contents(ada).filter((content) => content === "once and only once").length, 1);
});

test("marks and typing reach the other one; unread goes down as one reads", async () => {
  const { seq } = await ada.send(group, "read this");
  await has(bo, "read this");
  assert.ok(view(bo).unreadCount > 0);
  bo.markRead(group);
  assert.equal(view(bo).unreadCount, 0);
  const bosId = bo.store.getSnapshot().userId;
  await until(ada, () => (view(ada).receipts[bosId]?.read_seq ?? 0) >= seq, "the receipt");
  bo.typing(group);
  await until(ada, () => view(ada).typing.includes(bosId), "typing");
  await bo.send(group, "here it is");
  await until(ada, () => !view(ada).typing.includes(bosId), "no more typing");
  await ada.loadMembers(group);
  assert.deepEqual(view(ada).members.map(({ display_name }) => display_name).sort(), ["Ada", "Bo"]);
});

test("unread counts of the server and of the client are the same", async () => {
  await ada.loadConversations();
  for (let n = 0; n < 3; n += 1) await bo.send(group, `unread ${n}`);
  const last = await bo.send(group, "taken back");
  await bo.delete(group, last.id);
  const { conversation } = await ada.request("GET", `v1/conversations/${group}`);
  await until(ada, () => view(ada).cursor >= conversation.last_seq, "the deletion");
  assert.equal(view(ada).unreadCount, conversation.unread_count);
});

test("a new conversation shows up by itself; who leaves it gets no more", async () => {
  const bosId = bo.store.getSnapshot().userId;
  const made = await ada.request("POST", "v1/conversations", {
    kind: "group", title: "Another", member_ids: [bosId], initial_message: "welcome",
  });
  const id = made.conversation_id;
  const other = () => bo.store.conversation(id);
  await until(bo, () => other()?.messages.length === 1, "the first message");
  assert.deepEqual([other().info.title, other().hasMore, other().unreadCount], ["Another", false, 1]);
  await bo.request("DELETE", `v1/conversations/${id}/members/${bosId}`);
  await until(bo, () => other().hasLeft, "the end");
  await assert.rejects(bo.send(id, "too late"), { code: "not_a_member" });
  assert.deepEqual(other().messages.map(({ status }) => status), ["sent", "sent", "failed"]);

  await ada.request("POST", `v1/conversations/${id}/members`, { member_ids: [bosId] });
  await until(bo, () => !other().hasLeft, "the return");
  await bo.send(id, "back");
  await until(bo, () => other().messages.some(({ content }) => content === "back"), "the message");
  assert.equal(other().needs, null);
  assert.deepEqual(bo.errors, []);
});

test("a refused token is replaced by another one", async () => {
  const asked = [];
  const client = join(null, {
    getToken: ({ isRefused }) => (asked.push(isRefused), isRefused ? bosToken : "no token at all"),
  });
  try {
    await until(client, () => isLive(client), "the connection");
    assert.deepEqual(asked, [false, true]);
  } finally {
    client.close();
  }
});
