// One conversation as the server keeps it: what it would answer at any moment of its life.

export const ME = "me";
export const PEOPLE = [ME, "ada", "bo"];
const FIRST_MOMENT = Date.parse("2026-03-01T10:00:00Z");

/** A time as PostgreSQL writes it: microseconds, without zeros at the end. */
export function momentOf(seq) {
  const micros = String((seq + 1) * 70).padStart(6, "0").replace(/0+$/, "");
  return `${new Date(FIRST_MOMENT).toISOString().slice(0, 19)}.${micros}+00:00`;
}

export function messageOf(id, seq, fields = {}) {
  return {
    id: `m${seq}`, conversation_id: id, seq, sender_id: "ada", sender_name: "Ada", source: "person", type: "text",
    content: `message ${seq}`, metadata: {}, reply_to_id: null, client_message_id: null,
    created_at: momentOf(seq), edited_at: null, deleted_at: null, reactions: [], ...fields,
  };
}

export class Log {
  /** What everything was like as of each number: history[n]. */
  history = [{ messages: new Map(), title: "A group", memberCount: 3, extra: [] }];
  /** What each number was: events[n]. */
  events = [null];
  hidden = new Set();

  constructor(id = "c1") {
    this.id = id;
  }

  get lastSeq() {
    return this.events.length - 1;
  }

  get now() {
    return this.history[this.lastSeq];
  }

  message(fields = {}) {
    const seq = this.lastSeq + 1;
    const message = messageOf(this.id, seq, fields);
    return this.#append({ type: "message_created", messageId: message.id }, message);
  }

  /** A message of somebody this reader has blocked. */
  hiddenMessage() {
    this.hidden.add(`m${this.lastSeq + 1}`);
    return this.message({ sender_id: "eve" });
  }

  edit(messageId) {
    const seq = this.lastSeq + 1;
    return this.#alter("message_edited", messageId, { content: `edited ${seq}`, edited_at: momentOf(seq) });
  }

  delete(messageId) {
    const seq = this.lastSeq + 1;
    return this.#alter("message_deleted", messageId, { content: null, deleted_at: momentOf(seq), reactions: [] });
  }

  react(messageId, emoji = "+") {
    const { reactions } = this.now.messages.get(messageId);
    const isOn = reactions.length === 0;
    return this.#alter(isOn ? "reaction_added" : "reaction_removed", messageId, {
      reactions: isOn ? [{ emoji, count: 1, user_ids: ["bo"] }] : [],
    });
  }

  rename() {
    return this.#append({ type: "conversation_updated" }, null, { title: `title ${this.lastSeq + 1}` });
  }

  addMember() {
    const seq = this.lastSeq + 1;
    const message = messageOf(this.id, seq, {
      sender_id: null, source: "system", type: "system", content: "somebody came",
      metadata: { event: "member_added", user_ids: [`user${seq}`] },
    });
    const { memberCount, extra } = this.now;
    return this.#append({ type: "member_added", messageId: message.id }, message,
      { memberCount: memberCount + 1, extra: [...extra, `user${seq}`] });
  }

  removeMember() {
    const seq = this.lastSeq + 1;
    const { memberCount, extra } = this.now;
    const message = messageOf(this.id, seq, {
      sender_id: null, source: "system", type: "system", content: "somebody went",
      metadata: { event: "member_removed", user_ids: [extra[0]] },
    });
    return this.#append({ type: "member_removed", messageId: message.id }, message,
      { memberCount: memberCount - 1, extra: extra.slice(1) });
  }

  #alter(type, messageId, changes) {
    return this.#append({ type, messageId }, { ...this.now.messages.get(messageId), ...changes });
  }

  #append(event, message, changes = {}) {
    const messages = new Map(this.now.messages);
    if (message) messages.set(message.id, message);
    this.history.push({ ...this.now, messages, ...changes });
    this.events.push({ ...event, seq: this.events.length });
    return message ?? event;
  }

  /** The frame of a number: live as of the number itself, in a catch-up as of a later one. */
  frame(seq, asOf = seq) {
    const { type, messageId } = this.events[seq];
    const common = { conversation_id: this.id, seq };
    if (this.hidden.has(messageId)) return { type: "skip", ...common };
    if (!messageId) return { type, ...common, actor_id: "ada", conversation: this.#conversation(asOf) };
    const message = this.history[asOf].messages.get(messageId);
    const { user_ids } = message.metadata;
    return { type, ...common, message, ...(user_ids && { user_ids }) };
  }

  /** What the reader may see of the messages. */
  messages(asOf = this.lastSeq) {
    return [...this.history[asOf].messages.values()]
      .filter(({ id }) => !this.hidden.has(id)).sort((a, b) => a.seq - b.seq);
  }

  listMessages({ before_seq, after_seq, limit = 50 } = {}, asOf = this.lastSeq) {
    const all = this.messages(asOf).filter(
      ({ seq }) => seq < (before_seq ?? Infinity) && seq > (after_seq ?? -1));
    const messages = after_seq === undefined ? all.slice(-limit) : all.slice(0, limit);
    return { success: true, messages, last_seq: asOf, has_more: all.length > limit };
  }

  listChanges({ after_seq, limit = 100, gap = Infinity }, asOf = this.lastSeq) {
    if (after_seq > asOf || asOf - after_seq > gap) {
      return { success: true, changes: [], last_seq: asOf, has_more: false, reset: true };
    }
    const to = Math.min(after_seq + limit, asOf);
    const changes = [];
    for (let seq = after_seq + 1; seq <= to; seq += 1) changes.push(this.frame(seq, asOf));
    return { success: true, changes, last_seq: asOf, has_more: to < asOf, reset: false };
  }

  unread(readSeq, asOf = this.lastSeq) {
    return this.messages(asOf).filter((one) =>
      one.seq > readSeq && one.source !== "system" && one.sender_id !== ME && !one.deleted_at).length;
  }

  /** As GET /v1/conversations/{id} tells it. */
  conversation(readSeq = 0, asOf = this.lastSeq) {
    const members = [...PEOPLE, ...this.history[asOf].extra].slice(0, 5)
      .map((user_id) => ({ user_id, display_name: `Name of ${user_id}`, role: "member" }));
    return {
      ...this.#conversation(asOf), unread_count: this.unread(readSeq, asOf), read_seq: readSeq,
      delivered_seq: readSeq, last_message: this.messages(asOf).at(-1) ?? null, members, role: "member",
    };
  }

  ready(readSeq = 0, asOf = this.lastSeq) {
    return {
      type: "ready", user_id: ME, conversations: [{
        conversation_id: this.id, last_seq: asOf, read_seq: readSeq, delivered_seq: readSeq,
        unread_count: this.unread(readSeq, asOf), joined_seq: 0,
      }],
    };
  }

  #conversation(asOf) {
    const { title, memberCount } = this.history[asOf];
    return {
      conversation_id: this.id, kind: "group", title, metadata: {}, created_at: momentOf(0), closed_at: null,
      history: "all", last_seq: asOf, last_message_at: momentOf(asOf), member_count: memberCount,
    };
  }
}

/** A log of things that happened at random. */
export function randomLog(random, length) {
  const log = new Log();
  while (log.lastSeq < length) {
    const live = [...log.now.messages.values()].filter((one) => one.source !== "system" && !one.deleted_at);
    const target = live.length && random.pick(live).id;
    const action = random.pick([
      "message", "message", "message", "message", "own", "hidden", "edit", "edit", "react", "react", "delete",
      "rename", "addMember", "removeMember",
    ]);
    if (action === "message") log.message();
    else if (action === "own") log.message({ sender_id: ME, client_message_id: `key ${log.lastSeq + 1}` });
    else if (action === "hidden") log.hiddenMessage();
    else if (action === "rename" || action === "addMember") log[action]();
    else if (action === "removeMember" && log.now.extra.length) log.removeMember();
    else if (target && action !== "removeMember") log[action](target);
  }
  return log;
}
