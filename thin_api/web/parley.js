/**
 * Parley for browsers and Node: one module, no dependencies, no build step.
 *
 *   import { Client } from "./parley.js";
 *
 *   const client = new Client({ baseUrl: "https://chat.example", getToken: () => token });
 *   client.store.subscribe(() => draw(client.store.getSnapshot()));
 *   client.connect();
 *   await client.loadLatest(conversationId);
 *   await client.send(conversationId, "Hello");
 *
 * `Store` knows, `Client` talks. The store takes pages and frames in any order, any number of times,
 * and ends in the same state. Three rules make that so:
 *
 * 1. It always adds. A message is kept whether or not its conversation has been opened.
 * 2. Continuity. Every change of a conversation has a number in its log. The cursor is the highest number
 *    up to which all were seen (skips too). A number beyond it is a gap, and the store says what it needs.
 * 3. Newness. What the server tells of a message is true *as of* a number: `last_seq` for a page; `seq`, or
 *    later, for a frame (a catch-up shows messages as they are now); the cursor at the time of asking, or
 *    later, for the answer to an edit. Of two states the one deleted or edited later is newer; where those
 *    are equal, the one as of the higher number. As each change has its own number, whoever has seen the
 *    last one holds a state that nothing older outranks.
 *
 * Contents are passed on as the strings they are: show them as text, never as markup.
 */

const TYPING_SHOWN_MS = 6_000;
const TYPING_SENT_MS = 3_000;
const CONNECT_MS = 15_000;
const HEARTBEAT_MS = 10_000;
const REQUEST_MS = 30_000;
const BACKOFF_MS = 500;
const BACKOFF_MOST_MS = 30_000;
const HELLO_CURSORS = 1_000; // a larger hello would not fit into one frame the server takes
const ATTEMPTS = 4;
const FOREVER = { attempts: Infinity };

const MESSAGE_FRAMES = new Set([
  "message_created", "message_edited", "message_deleted", "reaction_added", "reaction_removed",
  "member_added", "member_removed", "role_changed",
]);
const MEMBER_FRAMES = new Set(["member_added", "member_removed", "role_changed"]);
const DESK_FRAMES = new Set(["reset", "desk_changed"]); // those of no conversation
const CONVERSATION_FRAMES = new Set([
  "conversation_created", "conversation_updated", "conversation_closed", "conversation_reopened",
]);

/**
 * @typedef {object} Message as the server tells it, and `status`. Not yet sent: `id` and `seq` are null.
 * @property {string | null} id
 * @property {number | null} seq
 * @property {string} conversation_id
 * @property {string | null} sender_id
 * @property {string | null} [sender_name]
 * @property {string} [source]
 * @property {string} type
 * @property {string | null} content null once deleted
 * @property {object} metadata
 * @property {string | null} reply_to_id
 * @property {string | null} client_message_id
 * @property {string} created_at
 * @property {string | null} edited_at
 * @property {string | null} deleted_at
 * @property {{emoji: string, count: number, user_ids: string[]}[]} reactions
 * @property {"sent" | "pending" | "failed"} [status]
 * @property {unknown} [error] why it failed
 *
 * @typedef {Pick<Message, "content" | "client_message_id" | "type" | "metadata" | "reply_to_id">} Draft
 * @typedef {{user_id: string, display_name?: string | null, role?: string | null}} Member
 * @typedef {{delivered_seq: number, read_seq: number}} Marks
 * @typedef {"messages" | "changes" | "conversation" | null} Need what to fetch next, if anything
 *
 * @typedef {object} ConversationView an immutable picture of one conversation
 * @property {string} id
 * @property {Record<string, any> | null} info title, kind...: the conversation as the server tells it
 * @property {readonly Message[]} messages by seq without holes, then what is on its way
 * @property {Message | null} lastMessage
 * @property {boolean} isLoaded whether the latest page has been
 * @property {boolean} hasMore whether there are older messages to load
 * @property {boolean} hasLeft whether this user is a member no more
 * @property {number | null} from every message from this seq on is held
 * @property {number | null} cursor every change up to this number has been seen
 * @property {Need} needs
 * @property {number} unreadCount
 * @property {number} readSeq
 * @property {number} deliveredSeq
 * @property {Record<string, Marks>} receipts by user id
 * @property {readonly Member[]} members those known of; see Client.loadMembers
 * @property {readonly string[]} typing user ids
 * @property {number} activeAt milliseconds
 *
 * @typedef {{userId: string | null, deskId: string | null, conversations: readonly ConversationView[]}} Snapshot
 *
 * @typedef {Record<string, any> & {type: string, conversation_id?: string, seq?: number}} Frame
 * @typedef {{before_seq?: number, after_seq?: number}} PageRequest
 * @typedef {{messages: Message[], last_seq: number, has_more: boolean}} MessagesPage
 * @typedef {{changes: Frame[], last_seq: number, has_more: boolean, reset: boolean}} ChangesPage
 * @typedef {{message: Message, asOf: number, deletedBy: number}} Entry
 * @typedef {"idle" | "connecting" | "live" | "waiting" | "offline" | "signed_out" | "closed"} Status
 * @typedef {{status: Status, attempt: number, retryAt: number | null, closeCode: number | null}} ConnectionState
 */

/** Those who want to know. One that throws is heard of, and disturbs nobody else. */
class Listeners {
  /** @type {Set<() => void>} */
  #all = new Set();

  /** @param {() => void} listener */
  add(listener) {
    this.#all.add(listener);
    return () => void this.#all.delete(listener);
  }

  tell() {
    for (const listener of [...this.#all]) {
      try {
        listener();
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Which numbers of a log have been seen: all of those after `since` up to `cursor`, and some ahead. */
class Continuity {
  /** @type {number | null} */
  cursor = null;
  #since = 0;
  #goal = 0;
  /** @type {Set<number>} */
  #ahead = new Set();

  /** @param {number} seq */
  start(seq) {
    this.cursor = this.#since = this.#goal = seq;
    this.#ahead.clear();
  }

  /** @param {number} seq */
  see(seq) {
    this.want(seq);
    if (seq > this.cursor) this.#ahead.add(seq);
    while (this.#ahead.delete(this.cursor + 1)) this.cursor += 1;
  }

  /** @param {number} seq a number that exists, seen or not */
  want(seq) {
    this.#goal = Math.max(this.#goal, seq);
  }

  /**
   * Something is held as of a number: go back to it if what came directly after has not been seen.
   * @param {number} asOf
   */
  rewind(asOf) {
    if (asOf >= this.#since) return false;
    this.cursor = this.#since = asOf;
    return true;
  }

  get hasGap() {
    return this.cursor !== null && this.cursor < this.#goal;
  }
}

/** One conversation, as far as it is known. */
class Conversation {
  log = new Continuity();
  /** @type {Map<string, Entry>} by message id */
  entries = new Map();
  /** @type {Entry[]} by seq */
  order = [];
  /** @type {number | null} every message from this seq to the cursor is held */
  from = null;
  /** @type {Record<string, any> | null} */
  info = null;
  infoAsOf = -1;
  /** @type {Map<string, Readonly<Message>>} by client_message_id */
  pending = new Map();
  /** @type {Set<string>} the client_message_ids of this user that are in the log */
  arrived = new Set();
  /** @type {Map<string | null, Marks>} by user id; null: this user, as long as we do not know who that is */
  receipts = new Map();
  /** @type {{unread: number, asOf: number, read: number} | null} the server's own count */
  counted = null;
  /** @type {Map<string, Member & {asOf: number, isGone: boolean}>} */
  members = new Map();
  /** @type {Map<number, number>} log number -> how many members more or fewer */
  memberChanges = new Map();
  /** @type {Map<string, number>} user id -> when to stop showing it */
  typing = new Map();
  isLoaded = false;
  isStale = false;
  hasLeft = false;
  wantsInfo = false;
  /** @type {Readonly<ConversationView> | null} */
  view = null;

  /** @param {string} id @param {Store} store */
  constructor(id, store) {
    this.id = id;
    this.store = store;
  }

  /** @param {number} seq nothing is held; what comes after this number will be */
  start(seq) {
    this.log.start(seq);
    this.from = seq + 1;
  }

  /** @param {number} asOf something is held as of this number */
  include(asOf) {
    if (this.log.cursor === null) this.start(asOf);
    else if (this.log.rewind(asOf)) this.from = Math.min(this.from, asOf + 1);
  }

  /** @param {Frame} frame @param {number} asOf @param {number} now */
  take(frame, asOf, now) {
    const { type, seq = 0, user_id } = frame;
    if (type === "reset") this.reset(frame.last_seq);
    else if (type === "receipt") this.takeReceipt(frame);
    else if (type === "typing" && user_id !== this.store.userId) this.typing.set(user_id, now + TYPING_SHOWN_MS);

    if (seq > 0) this.see(seq);
    if (MESSAGE_FRAMES.has(type)) this.put(frame.message, asOf, type === "message_deleted" ? seq : 0);
    if (MEMBER_FRAMES.has(type)) this.takeMembers(frame);
    if (CONVERSATION_FRAMES.has(type)) this.describe(frame.conversation);
    if (type === "conversation_created") {
      for (const member of frame.user_ids) this.putMember({ user_id: member }, 0);
    }
    if (type === "message_created") this.typing.delete(frame.message.sender_id);
  }

  /** @param {number} seq */
  see(seq) {
    if (this.log.cursor === null) {
      this.start(seq - 1);
      this.wantsInfo = true;
    }
    this.log.see(seq);
  }

  /** @param {Message} message @param {number} asOf @param {number} [deletedBy] the number that did it */
  put(message, asOf, deletedBy = 0) {
    /** @type {Entry} */
    const next = { message: Object.freeze({ ...message, status: "sent" }), asOf, deletedBy };
    const held = this.entries.get(message.id);
    if (held) {
      if (isNewer(next, held)) held.message = next.message;
      held.asOf = Math.max(held.asOf, asOf);
      held.deletedBy ||= deletedBy;
    } else {
      let at = this.order.length;
      while (at > 0 && this.order[at - 1].message.seq > message.seq) at -= 1;
      this.order.splice(at, 0, next);
      this.entries.set(message.id, next);
    }
    if (message.client_message_id && message.sender_id === (this.store.userId ?? message.sender_id)) {
      this.arrived.add(message.client_message_id);
      this.pending.delete(message.client_message_id);
    }
  }

  /** @param {MessagesPage} page @param {PageRequest} request */
  takePage({ messages, last_seq: asOf, has_more }, { before_seq, after_seq }) {
    this.include(asOf);
    for (const message of messages) this.put(message, asOf);

    let [first, last] = [1, asOf];
    if (after_seq !== undefined) first = after_seq + 1;
    else if (has_more) first = messages[0].seq;
    if (after_seq !== undefined && has_more) last = messages.at(-1).seq;
    else if (before_seq !== undefined) last = Math.min(asOf, before_seq - 1);
    if (last >= this.from - 1) this.from = Math.min(this.from, first);
    if (first > this.log.cursor + 1) this.log.want(first - 1);
    if (before_seq === undefined && after_seq === undefined) {
      this.isLoaded = true;
      this.isStale = false;
    }
  }

  /** @param {Record<string, any>} told a conversation as frames tell it, or as lists do, with more */
  describe(told) {
    const { unread_count, read_seq, delivered_seq, last_message, members, ...info } = told;
    const asOf = info.last_seq;
    this.include(asOf);
    this.info = asOf >= this.infoAsOf ? { ...this.info, ...info } : { ...info, ...this.info };
    this.infoAsOf = Math.max(this.infoAsOf, asOf);
    if (last_message) this.put(last_message, asOf);
    for (const member of members ?? []) this.putMember(member, asOf);
    if (unread_count !== undefined) {
      this.wantsInfo = false;
      this.count(unread_count, asOf, { read_seq, delivered_seq });
    }
  }

  /** @param {number} unread @param {number} asOf @param {Marks} marks this user's, then */
  count(unread, asOf, marks) {
    this.mark(this.store.userId, marks);
    const isOlder = this.counted && (this.counted.asOf - asOf || this.counted.read - marks.read_seq) > 0;
    if (!isOlder) this.counted = { unread, asOf, read: marks.read_seq };
  }

  /** @param {string | null} userId @returns {Marks} */
  marksOf(userId) {
    return this.receipts.get(userId) ?? { delivered_seq: 0, read_seq: 0 };
  }

  /** @param {string | null} userId @param {Partial<Marks>} marks */
  mark(userId, { delivered_seq = 0, read_seq = 0 }) {
    const held = this.marksOf(userId);
    this.receipts.set(userId, {
      delivered_seq: Math.max(held.delivered_seq, delivered_seq, read_seq),
      read_seq: Math.max(held.read_seq, read_seq),
    });
  }

  /** @param {Frame} receipt */
  takeReceipt({ user_id, delivered_seq, read_seq }) {
    this.mark(user_id, { delivered_seq, read_seq });
    if (this.isInbox) this.mark(this.store.userId, { delivered_seq, read_seq });
    // Read up to somewhere in what is not loaded: only the server can count the rest.
    const isCountable = this.canCount || this.counted?.read === read_seq;
    this.wantsInfo ||= (this.isInbox || user_id === this.store.userId) && !isCountable;
  }

  /** @param {Frame} frame */
  takeMembers({ type, seq, user_ids, message }) {
    const change = { member_added: 1, member_removed: -1 }[type] ?? 0;
    const role = type === "member_added" ? "member" : message.metadata.role;
    this.memberChanges.set(seq, change * user_ids.length);
    for (const user_id of user_ids) {
      this.putMember({ user_id, role }, seq, change < 0);
      if (user_id === this.store.userId) this.hasLeft = this.members.get(user_id).isGone;
    }
  }

  /** @param {Member & Partial<Marks>} member @param {number} asOf @param {boolean} [isGone] */
  putMember({ user_id, display_name, role, ...marks }, asOf, isGone = false) {
    const held = this.members.get(user_id);
    this.members.set(user_id, {
      user_id,
      display_name: display_name ?? held?.display_name ?? null,
      ...(held?.asOf > asOf
        ? { role: held.role, isGone: held.isGone, asOf: held.asOf }
        : { role: role ?? held?.role ?? null, isGone, asOf }),
    });
    this.mark(user_id, marks);
  }

  /** The log is too far ahead, or another one: what was held says nothing about what there is now. */
  reset(lastSeq) {
    this.isStale ||= this.isLoaded;
    this.isLoaded = false;
    this.wantsInfo = true;
    this.infoAsOf = -1;
    this.counted = null;
    this.order = [];
    for (const held of [this.entries, this.members, this.memberChanges]) held.clear();
    this.start(lastSeq);
  }

  /** @returns {Need} */
  get needs() {
    if (this.hasLeft) return null;
    if (this.isStale) return "messages";
    if (this.log.hasGap) return "changes";
    return this.wantsInfo ? "conversation" : null;
  }

  /** Whether it is with a contact: then it is the desk that has read, and only the contact's messages count. */
  get isInbox() {
    return this.info?.kind === "inbox";
  }

  /** Whether all that may be unread is held. */
  get canCount() {
    return this.from !== null && this.marksOf(this.store.userId).read_seq >= this.from - 1;
  }

  get unreadCount() {
    const { userId } = this.store;
    const read = this.marksOf(userId).read_seq;
    const others = this.order.filter(({ message }) => message.seq > read
      && (this.isInbox ? message.source === "contact"
        : message.source !== "system" && message.sender_id !== userId));
    const { unread, asOf } = this.canCount || !this.counted ? { unread: 0, asOf: 0 } : this.counted;
    const added = others.filter(({ message }) => message.seq > asOf && !message.deleted_at);
    const deleted = others.filter(({ message, deletedBy }) => message.seq <= asOf && deletedBy > asOf);
    return Math.max(0, unread + added.length - deleted.length);
  }

  /** @returns {Readonly<ConversationView>} */
  draw() {
    const held = this.order.map(({ message }) => message);
    const lastMessage = held.at(-1) ?? null;
    const marks = this.marksOf(this.store.userId);
    const info = this.info && { ...this.info };
    for (const [seq, change] of this.memberChanges) {
      if (info && seq > this.infoAsOf) info.member_count += change;
    }
    return Object.freeze({
      id: this.id,
      info: info && Object.freeze(info),
      messages: Object.freeze([
        ...held.filter(({ seq }) => seq >= (this.from ?? 0)), ...this.pending.values(),
      ]),
      lastMessage,
      from: this.from,
      cursor: this.log.cursor,
      needs: this.needs,
      isLoaded: this.isLoaded,
      hasMore: this.from === null || this.from > 1,
      hasLeft: this.hasLeft,
      unreadCount: this.unreadCount,
      readSeq: marks.read_seq,
      deliveredSeq: marks.delivered_seq,
      receipts: Object.freeze(Object.fromEntries([...this.receipts].filter(([userId]) => userId))),
      members: Object.freeze([...this.members.values()].filter(({ isGone }) => !isGone)),
      typing: Object.freeze([...this.typing.keys()]),
      activeAt: Date.parse(lastMessage?.created_at ?? info?.last_message_at ?? info?.created_at ?? "") || 0,
    });
  }
}

/** Everything known, in memory. Does no I/O. */
export class Store {
  /** @type {Map<string, Conversation>} */
  #conversations = new Map();
  #listeners = new Listeners();
  /** @type {Readonly<Snapshot> | null} */
  #snapshot = null;
  #isWorking = false;

  /** @param {{userId?: string | null}} [options] who is looking, if that is known before connecting */
  constructor({ userId = null } = {}) {
    this.userId = userId;
    /** @type {string | null} the tenant whose inbox this user answers, if any */
    this.deskId = null;
  }

  /** @param {() => void} listener @returns {() => void} ends it */
  subscribe = (listener) => this.#listeners.add(listener);

  /** All conversations, the most recently active first. The same object until something changes. */
  getSnapshot = () => {
    this.#snapshot ??= Object.freeze({
      userId: this.userId,
      deskId: this.deskId,
      conversations: Object.freeze(
        [...this.#conversations.keys()].map((id) => this.conversation(id))
          .sort((a, b) => b.activeAt - a.activeAt),
      ),
    });
    return this.#snapshot;
  };

  /** One conversation, if it is known. The same object until it changes. @param {string} id */
  conversation(id) {
    const one = this.#conversations.get(id);
    if (one) one.view ??= one.draw();
    return one?.view;
  }

  /** What to fetch next about a conversation. @param {string} id @returns {Need} */
  needs(id) {
    return this.#conversations.get(id)?.needs ?? null;
  }

  /** @param {string} id */
  cursor(id) {
    return this.#conversations.get(id)?.log.cursor ?? null;
  }

  /** The cursors to resume from, those of the most recently active conversations. @param {number} [most] */
  cursors(most = Infinity) {
    const known = this.getSnapshot().conversations
      .filter(({ cursor, hasLeft }) => cursor !== null && !hasLeft);
    return Object.fromEntries(known.slice(0, most).map(({ id, cursor }) => [id, cursor]));
  }

  /**
   * Take the frame that begins a connection.
   * @param {Frame} ready
   * @param {Record<string, number>} [cursors] those of the hello: the server does not catch up others
   */
  applyReady(ready, cursors = {}) {
    this.userId = ready.user_id;
    this.deskId = ready.desk_id ?? null;
    this.#together(() => ready.conversations.forEach((/** @type {any} */ told) =>
      this.#change(told.conversation_id, (one) => {
        one.hasLeft = false;
        one.mark(this.userId, one.marksOf(null));
        one.receipts.delete(null);
        if (one.log.cursor === null) one.start(told.last_seq);
        if (!Object.hasOwn(cursors, one.id)) one.log.want(told.last_seq);
        one.count(told.unread_count, told.last_seq, told);
      })));
  }

  /** Take any other frame. Of an unknown type only its number counts. @param {Frame} frame @param {number} [now] */
  applyFrame(frame, now = Date.now()) {
    if (frame.merged_into) this.#merge(frame);
    else if (frame.type === "conversation_deleted") this.#forget(frame.conversation_id);
    else if (!frame.conversation_id && DESK_FRAMES.has(frame.type)) this.#takeDesk(frame);
    else if (frame.conversation_id) this.#change(frame.conversation_id, (one) => one.take(frame, frame.seq, now));
  }

  /** A conversation is part of another one now, which is gone on with. @param {Frame} frame */
  #merge({ type, conversation_id, last_seq, merged_into }) {
    this.#forget(conversation_id);
    this.#change(merged_into, (one) => {
      if ((one.log.cursor ?? 0) < last_seq) one.take({ type, last_seq }, 0, 0);
    });
  }

  /** @param {string} id */
  #forget(id) {
    this.#together(() => this.#conversations.delete(id));
  }

  /** What concerns the inbox as a whole. @param {Frame} frame */
  #takeDesk({ type, desk_id }) {
    if (type === "desk_changed") this.deskId = desk_id;
    const inbox = [...this.#conversations.values()].filter(({ isInbox }) => isInbox);
    this.#together(() => inbox.forEach(({ id }) => this.#change(id, (one) => {
      if (type === "desk_changed") one.hasLeft = desk_id === null;
      // The server does not know what we hold of it: all is looked at again.
      else if (type === "reset" && one.log.cursor !== null) one.reset(one.log.cursor);
    })));
  }

  /** Take an answer of GET .../changes. @param {string} id @param {ChangesPage} page */
  applyChanges(id, { changes, last_seq, reset }) {
    this.#change(id, (one) => {
      if (reset) one.reset(last_seq);
      for (const frame of changes) one.take(frame, last_seq, 0);
    });
  }

  /**
   * Take an answer of GET .../messages.
   * @param {string} id
   * @param {MessagesPage} page
   * @param {PageRequest} [request] what was asked for; nothing for the latest
   */
  applyMessages(id, page, request = {}) {
    this.#change(id, (one) => one.takePage(page, request));
  }

  /** Take one message: the answer to a send or a change. @param {Message} message @param {number} [asOf] */
  applyMessage(message, asOf = message.seq) {
    this.#change(message.conversation_id, (one) => one.put(message, asOf));
  }

  /** Take conversations as GET /v1/conversations tells them. @param {Record<string, any>[]} conversations */
  applyConversations(conversations) {
    this.#together(() => conversations.forEach((told) =>
      this.#change(told.conversation_id, (one) => one.describe(told))));
  }

  /** @param {string} id @param {(Member & Marks)[]} members @param {number} asOf the cursor when asking */
  applyMembers(id, members, asOf) {
    this.#change(id, (one) => members.forEach((member) => one.putMember(member, asOf)));
  }

  /** Show a message before it is sent, or as pending again. @param {string} id @param {Draft} draft */
  addPending(id, draft) {
    this.#change(id, ({ arrived, pending }) => {
      if (!arrived.has(draft.client_message_id)) pending.set(draft.client_message_id, Object.freeze({
        id: null, seq: null, conversation_id: id, sender_id: this.userId, created_at: new Date().toISOString(),
        edited_at: null, deleted_at: null, reactions: [], ...draft, status: "pending",
      }));
    });
  }

  /** @param {string} id @param {string} clientMessageId @param {unknown} error */
  failPending(id, clientMessageId, error) {
    this.#change(id, ({ pending }) => {
      const draft = pending.get(clientMessageId);
      if (draft) pending.set(clientMessageId, Object.freeze({ ...draft, status: "failed", error }));
    });
  }

  /** Take away a message that failed. @param {string} id @param {string} clientMessageId */
  discardPending(id, clientMessageId) {
    this.#change(id, ({ pending }) => pending.delete(clientMessageId));
  }

  /** Note how far this user has got; never back. @param {string} id @param {Partial<Marks>} marks */
  mark(id, marks) {
    this.#change(id, (one) => one.mark(this.userId, marks));
  }

  /** This user is a member no more. @param {string} id */
  leave(id) {
    if (this.#conversations.has(id)) this.#change(id, (one) => {
      one.hasLeft = true;
    });
  }

  /** Forget who has stopped typing. @param {number} [now] @returns {boolean} whether somebody still types */
  expireTyping(now = Date.now()) {
    const all = [...this.#conversations].flatMap(([id, { typing }]) =>
      [...typing].map(([userId, until]) => ({ id, typing, userId, isOver: until <= now })));
    const over = all.filter(({ isOver }) => isOver);
    this.#together(() => over.forEach(({ id, typing, userId }) =>
      this.#change(id, () => typing.delete(userId))));
    return over.length < all.length;
  }

  /** @param {string} id @param {(one: Conversation) => void} change */
  #change(id, change) {
    const one = this.#conversations.get(id) ?? new Conversation(id, this);
    this.#conversations.set(id, one);
    this.#together(() => {
      change(one);
      one.view = null;
    });
  }

  /** Do several things, and tell of them once. @param {() => void} work */
  #together(work) {
    const isOuter = !this.#isWorking;
    this.#isWorking = true;
    try {
      work();
    } finally {
      this.#isWorking = !isOuter;
    }
    this.#snapshot = null;
    if (isOuter) this.#listeners.tell();
  }
}

/** A refusal of the server, or no answer at all (status 0). */
export class ParleyError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{status?: number, details?: any, retryAfter?: number}} [more]
   */
  constructor(code, message, { status = 0, details = null, retryAfter } = {}) {
    super(message);
    this.name = "ParleyError";
    this.code = code;
    this.status = status;
    this.details = details;
    /** @type {number | undefined} milliseconds */
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get isRetryable() {
    return this.status === 0 || this.status === 429 || this.status > 500;
  }
}

/** Requests with a token; again when the server cannot be reached or is busy. */
class Http {
  #options;
  /** @type {Promise<string | null> | null} */
  #token = null;
  #isRefused = false;
  /** @type {Set<() => void>} */
  #sleepers = new Set();

  constructor(options) {
    this.#options = options;
  }

  /** The token everybody uses: asked for once, and again after it was refused or could not be had. */
  token() {
    if (!this.#token) {
      this.#token = Promise.resolve({ isRefused: this.#isRefused }).then(this.#options.getToken);
      this.#token.then((token) => this.#keep(token), () => this.#keep(null));
    }
    return this.#token;
  }

  #keep(token) {
    if (token) this.#isRefused = false;
    else this.#token = null;
  }

  /** @param {Promise<string | null>} token */
  refuse(token) {
    if (this.#token !== token) return;
    this.#token = null;
    this.#isRefused = true;
  }

  async request(method, path, body, attempts) {
    for (let attempt = 1, wasRefused = false; ;) {
      const token = this.token();
      try {
        return await this.#exchange(method, path, body, await token);
      } catch (error) {
        const failure = this.#explain(error);
        if (failure.code === "unauthenticated" && !wasRefused) {
          wasRefused = true;
          this.refuse(token);
        } else if (failure.isRetryable && attempt < attempts) {
          wasRefused = false;
          if (failure.retryAfter === undefined) await this.pause(this.backOff(attempt), true);
          else await this.pause(failure.retryAfter);
          attempt += 1;
        } else {
          throw failure;
        }
      }
    }
  }

  async #exchange(method, path, body, token) {
    this.#options.closed.throwIfAborted();
    if (!token) throw new ParleyError("signed_out", "there is no token", { status: 401 });
    const { fetch, baseUrl, closed } = this.#options;
    const response = await fetch(new URL(path, baseUrl).href, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.any([closed, AbortSignal.timeout(REQUEST_MS)]),
    });
    const answer = await response.json().catch(() => null);
    if (response.ok && answer) return answer;
    const seconds = Number(response.headers.get("retry-after") ?? NaN);
    throw new ParleyError(answer?.error ?? "unreadable", answer?.message ?? `status ${response.status}`, {
      status: response.ok ? 0 : response.status,
      details: answer?.details,
      retryAfter: Number.isFinite(seconds) ? seconds * 1000 : undefined,
    });
  }

  #explain(error) {
    const { closed } = this.#options;
    if (closed.aborted) return new ParleyError("closed", "the client was closed", { status: 499 });
    if (error instanceof ParleyError) return error;
    return new ParleyError("unreachable", String(error?.message ?? error));
  }

  /** Anything up to a limit that doubles: clients that lost a server together do not return together. */
  backOff(attempt) {
    return this.#options.random() * Math.min(BACKOFF_MOST_MS, BACKOFF_MS * 2 ** attempt);
  }

  /** @param {number} ms @param {boolean} [isWoken] sooner when there is a connection again */
  pause(ms, isWoken = false) {
    const { closed } = this.#options;
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        closed.removeEventListener("abort", end);
        this.#sleepers.delete(end);
        resolve(undefined);
      };
      const timer = setTimeout(end, ms);
      closed.addEventListener("abort", end);
      if (isWoken) this.#sleepers.add(end);
    });
  }

  wake() {
    for (const end of [...this.#sleepers]) end();
  }
}

/** A socket, and another one when it is lost. Subscribe to it to show how things are. */
class Connection {
  #options;
  #listeners = new Listeners();
  /** @type {Readonly<ConnectionState>} */
  #state = Object.freeze({ status: "idle", attempt: 0, retryAt: null, closeCode: null });
  /** @type {WebSocket | null} */
  #socket = null;
  #session = 0; // what an earlier socket still has to say is not heard
  #attempt = 0;
  #quiet = 0;
  #timers = { retry: undefined, deadline: undefined, heartbeat: undefined };

  constructor(options) {
    this.#options = options;
    for (const event of ["online", "offline"]) options.network.addEventListener?.(event, this);
  }

  /** @param {() => void} listener @returns {() => void} ends it */
  subscribe = (listener) => this.#listeners.add(listener);

  /** The same object until something changes. */
  getSnapshot = () => this.#state;

  close() {
    for (const event of ["online", "offline"]) this.#options.network.removeEventListener?.(event, this);
    this.#hangUp();
    this.#become("closed");
  }

  /** @param {Event} event of the network */
  handleEvent({ type }) {
    const { status } = this.#state;
    if (["idle", "signed_out", "closed"].includes(status)) return;
    if (type === "offline") {
      this.#hangUp();
      this.#become("offline");
    } else if (status !== "live") {
      this.#attempt = 0;
      this.open();
    }
  }

  async open() {
    this.#hangUp();
    const session = this.#session;
    const ifCurrent = (act) => (event) => session === this.#session && act(event);
    const { http, baseUrl, WebSocket, cursors, onError } = this.#options;
    this.#become("connecting");
    const asked = http.token();
    const token = await asked.catch((error) => void onError(error));
    if (session !== this.#session) return;
    if (token === undefined) return void this.#drop(null);
    if (!token) return void this.#become("signed_out");

    const socket = new WebSocket(new URL("v1/ws", baseUrl).href.replace(/^http/, "ws"));
    this.#socket = socket;
    this.#timers.deadline = setTimeout(() => this.#drop(null), CONNECT_MS);
    socket.onopen = ifCurrent(() => socket.send(JSON.stringify({ type: "hello", token, cursors: cursors() })));
    socket.onmessage = ifCurrent(({ data }) => this.#receive(data));
    socket.onclose = ifCurrent(({ code }) => {
      if (code === 4401) http.refuse(asked);
      this.#drop(code);
    });
  }

  /** @param {object} frame @returns {boolean} whether it could be sent */
  tell(frame) {
    const isLive = this.#state.status === "live";
    if (isLive) this.#socket.send(JSON.stringify(frame));
    return isLive;
  }

  /** @param {string} data */
  #receive(data) {
    const frame = JSON.parse(data);
    this.#quiet = 0;
    if (frame.type === "ready") {
      clearTimeout(this.#timers.deadline);
      this.#timers.heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
      this.#become("live");
    }
    this.#options.onFrame(frame);
  }

  /** A connection that lasts is a good one; one that says nothing, whatever it is asked, is none. */
  #beat() {
    this.#attempt = 0;
    this.#quiet += 1;
    if (this.#quiet > 2) this.#drop(null);
    else this.tell({ type: "ping" });
  }

  #hangUp() {
    this.#session += 1;
    this.#quiet = 0;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#socket?.close();
    this.#socket = null;
  }

  /** @param {number | null} code */
  #drop(code) {
    this.#hangUp();
    const isExpired = code === 4401 && this.#attempt === 0;
    this.#attempt += 1;
    const delay = isExpired ? 0 : this.#options.http.backOff(this.#attempt);
    this.#timers.retry = setTimeout(() => this.open(), delay);
    this.#become("waiting", Date.now() + delay, code);
  }

  /** @param {Status} status @param {number | null} [retryAt] @param {number | null} [closeCode] */
  #become(status, retryAt = null, closeCode = null) {
    this.#state = Object.freeze({ status, attempt: this.#attempt, retryAt, closeCode });
    this.#listeners.tell();
  }
}

/** Keeps a store up to date and does what the user asks for. */
export class Client {
  #http;
  #onError;
  #closing = new AbortController();
  /** @type {Record<string, number>} those of the last hello */
  #cursors = {};
  /** @type {Map<string, Promise<unknown>>} conversation id -> its last send */
  #queues = new Map();
  /** @type {Map<string, Promise<void>>} */
  #loading = new Map();
  /** @type {Set<string>} */
  #filling = new Set();
  /** @type {Map<string, number>} */
  #typedAt = new Map();
  #typingTimer;

  /**
   * @param {object} options
   * @param {(why: {isRefused: boolean}) => string | null | Promise<string | null>} options.getToken asked at
   *   first, and again when the server has refused the last one; null: signed out
   * @param {string} [options.baseUrl] default: where the page came from
   * @param {Store} [options.store]
   * @param {typeof fetch} [options.fetch]
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {() => number} [options.random]
   * @param {EventTarget} [options.network] tells `online` and `offline`; default: the window
   * @param {(error: unknown) => void} [options.onError] gets what nobody awaits
   */
  constructor({
    getToken, baseUrl = globalThis.location?.origin, store = new Store(), fetch = globalThis.fetch,
    WebSocket = globalThis.WebSocket, random = Math.random, network = globalThis, onError = console.error,
  }) {
    const base = baseUrl.replace(/\/*$/, "/");
    this.store = store;
    this.#onError = onError;
    this.#http = new Http({ baseUrl: base, getToken, fetch, random, closed: this.#closing.signal });
    /** Its `subscribe` and `getSnapshot` tell the state of the connection. */
    this.connection = new Connection({
      http: this.#http, baseUrl: base, WebSocket, network, onError,
      cursors: () => (this.#cursors = store.cursors(HELLO_CURSORS)),
      onFrame: (frame) => this.#take(frame),
    });
  }

  /** Connect, and stay connected until `close`. */
  connect() {
    if (["idle", "signed_out"].includes(this.connection.getSnapshot().status)) this.connection.open();
  }

  /** End it for good. What was still being sent is marked as failed. */
  close() {
    this.#closing.abort();
    this.connection.close();
    clearTimeout(this.#typingTimer);
  }

  /**
   * Send a message: shown at once as pending, delivered once, in the order of the calls.
   * @param {string} id of the conversation
   * @param {string | null} content
   * @param {{type?: string, metadata?: object, replyToId?: string, clientMessageId?: string}} [options]
   * @returns {Promise<Message>} as it is in the log; need not be awaited
   */
  send(id, content, { type = "text", metadata = {}, replyToId = null, clientMessageId = newId() } = {}) {
    const draft = { content, client_message_id: clientMessageId, type, metadata, reply_to_id: replyToId };
    return this.#enqueue(id, draft);
  }

  /** Send a message that failed once more. @param {string} id @param {string} clientMessageId */
  retry(id, clientMessageId) {
    const failed = this.store.conversation(id)?.messages.find(
      (message) => message.status === "failed" && message.client_message_id === clientMessageId);
    if (!failed) throw new ParleyError("not_found", "no such message has failed");
    const { content, client_message_id, type, metadata, reply_to_id } = failed;
    return this.#enqueue(id, { content, client_message_id, type, metadata, reply_to_id });
  }

  /**
   * @param {string} id
   * @param {string} messageId
   * @param {string} content
   * @param {string} [expectedEditedAt] its edited_at (or created_at): refused if it was edited since
   */
  edit(id, messageId, content, expectedEditedAt) {
    return this.#alter(id, messageId, "PATCH", "", { content, expected_edited_at: expectedEditedAt });
  }

  /** @param {string} id @param {string} messageId */
  delete(id, messageId) {
    return this.#alter(id, messageId, "DELETE");
  }

  /**
   * @param {string} id
   * @param {string} messageId
   * @param {string} emoji
   * @param {boolean} [isOn] false takes it back
   */
  react(id, messageId, emoji, isOn = true) {
    const path = `/reactions/${encodeURIComponent(emoji)}`;
    return this.#alter(id, messageId, isOn ? "PUT" : "DELETE", path);
  }

  /** Note that this user has read up to a number: by default all. @param {string} id @param {number} [seq] */
  markRead(id, seq) {
    this.#mark("read", id, seq);
  }

  /** Note that this device has got everything up to a number. @param {string} id @param {number} [seq] */
  markDelivered(id, seq) {
    this.#mark("delivered", id, seq);
  }

  /** Tell the others that this user is typing. To be called at every key. @param {string} id */
  typing(id) {
    const now = Date.now();
    if (now - (this.#typedAt.get(id) ?? -Infinity) < TYPING_SENT_MS) return;
    if (this.connection.tell({ type: "typing", conversation_id: id })) this.#typedAt.set(id, now);
  }

  /** Load the latest messages. @param {string} id @param {{limit?: number}} [options] */
  loadLatest(id, options) {
    return this.#once(`latest ${id}`, () => this.#loadMessages(id, {}, options));
  }

  /** Load the page before what is shown. @param {string} id @param {{limit?: number}} [options] */
  loadOlder(id, options) {
    const { from, hasMore } = this.store.conversation(id) ?? { hasMore: true };
    if (!hasMore) return Promise.resolve();
    return this.#once(`older ${id}`, () => this.#loadMessages(id, from ? { before_seq: from } : {}, options));
  }

  /**
   * Load a page of the list of conversations.
   * @param {{limit?: number, before?: string}} [options] before: the last answer's next_before
   * @returns {Promise<{has_more: boolean, next_before: string | null}>}
   */
  async loadConversations({ limit = 50, before } = {}) {
    const page = await this.request("GET", `v1/conversations?${query({ limit, before })}`);
    this.store.applyConversations(page.conversations);
    for (const { conversation_id } of page.conversations) this.#fill(conversation_id);
    return { has_more: page.has_more, next_before: page.next_before };
  }

  /** Load all members, with names, roles and how far they have read. @param {string} id */
  async loadMembers(id) {
    for (let after, page; !page || page.has_more; after = page.members.at(-1).user_id) {
      const asOf = this.store.cursor(id) ?? 0;
      page = await this.request("GET", `${pathOf(id)}/members?${query({ limit: 100, after })}`);
      this.store.applyMembers(id, page.members, asOf);
    }
  }

  /**
   * Ask the server for anything else.
   * @param {string} method
   * @param {string} path as in "v1/me"
   * @param {object} [body]
   * @param {{attempts?: number}} [options] how often, if it cannot be reached or is busy
   * @returns {Promise<any>} the answer's body
   */
  request(method, path, body, { attempts = ATTEMPTS } = {}) {
    return this.#http.request(method, path, body, attempts);
  }

  /** @param {Frame} frame */
  #take(frame) {
    const { type, conversation_id: id } = frame;
    if (type === "ready") {
      this.#ready(frame);
    } else if (type === "error") {
      // One that answers a frame of ours may be late: who was removed is told by another frame.
      if (frame.error === "not_a_member" && id && !frame.request) this.store.leave(id);
      else this.#onError(new ParleyError(frame.error, frame.message, { details: frame.details }));
    } else if (id) {
      this.store.applyFrame(frame);
      if (type === "typing") this.#typingTimer ??= setTimeout(this.#expireTyping, TYPING_SHOWN_MS);
      this.#fill(frame.merged_into ?? id);
    } else {
      this.store.applyFrame(frame);
      for (const { id: known, needs } of this.store.getSnapshot().conversations) if (needs) this.#fill(known);
    }
  }

  #ready(frame) {
    this.store.applyReady(frame, this.#cursors);
    this.#http.wake();
    for (const { conversation_id: id, read_seq, delivered_seq } of frame.conversations) {
      const { readSeq, deliveredSeq } = this.store.conversation(id);
      if (readSeq > read_seq) this.#tellMark("read", id, readSeq);
      if (deliveredSeq > Math.max(delivered_seq, readSeq)) this.#tellMark("delivered", id, deliveredSeq);
      this.#fill(id);
    }
  }

  #expireTyping = () => {
    const isAnyLeft = this.store.expireTyping();
    this.#typingTimer = isAnyLeft ? setTimeout(this.#expireTyping, TYPING_SHOWN_MS / 6) : undefined;
  };

  #mark(kind, id, given) {
    const view = this.store.conversation(id);
    const seq = given ?? Math.max(view?.cursor ?? 0, view?.lastMessage?.seq ?? 0);
    if (seq <= (view?.[`${kind}Seq`] ?? 0)) return;
    this.store.mark(id, { [`${kind}_seq`]: seq });
    this.#tellMark(kind, id, seq);
  }

  /** Without a connection the next `ready` shows that the server does not know yet. */
  #tellMark(type, id, seq) {
    this.connection.tell({ type, conversation_id: id, seq });
  }

  #enqueue(id, draft) {
    this.store.addPending(id, draft);
    const sent = (this.#queues.get(id) ?? Promise.resolve()).then(() => this.#deliver(id, draft));
    this.#queues.set(id, sent.catch(() => {}));
    return sent;
  }

  async #deliver(id, draft) {
    try {
      const { message } = await this.request("POST", `${pathOf(id)}/messages`, draft, FOREVER);
      this.store.applyMessage(message);
      return message;
    } catch (error) {
      this.store.failPending(id, draft.client_message_id, error);
      throw error;
    }
  }

  async #alter(id, messageId, method, path = "", body = undefined) {
    const asOf = this.store.cursor(id) ?? 0;
    const url = `${pathOf(id)}/messages/${encodeURIComponent(messageId)}${path}`;
    const { message } = await this.request(method, url, body);
    this.store.applyMessage(message, Math.max(asOf, message.seq));
    return message;
  }

  #once(key, work) {
    if (!this.#loading.has(key)) {
      this.#loading.set(key, work().finally(() => this.#loading.delete(key)));
    }
    return this.#loading.get(key);
  }

  async #loadMessages(id, asked, { limit = 50 } = {}, options = {}) {
    const path = `${pathOf(id)}/messages?${query({ ...asked, limit })}`;
    const page = await this.request("GET", path, undefined, options);
    this.store.applyMessages(id, page, asked);
    this.#fill(id);
  }

  /** Fetch what the store lacks of a conversation, until it lacks nothing. */
  async #fill(id) {
    if (!this.store.needs(id) || this.#filling.has(id)) return;
    this.#filling.add(id);
    try {
      for (let idle = 0; this.store.needs(id) && !this.#closing.signal.aborted;) {
        const lacked = this.#lack(id);
        await this.#fetchNeeded(id, this.store.needs(id));
        // Nothing gained: who answered does not know yet of what the socket told us.
        idle = lacked === this.#lack(id) ? idle + 1 : 0;
        if (idle) await this.#http.pause(this.#http.backOff(idle));
      }
    } catch (error) {
      if (error.status === 403 || error.status === 404) this.store.leave(id);
      else if (error.code !== "closed") this.#onError(error);
    } finally {
      this.#filling.delete(id);
    }
  }

  #lack(id) {
    return `${this.store.needs(id)} after ${this.store.cursor(id)}`;
  }

  async #fetchNeeded(id, need) {
    if (need === "messages") {
      await this.#loadMessages(id, {}, {}, FOREVER);
    } else if (need === "changes") {
      const path = `${pathOf(id)}/changes?${query({ after_seq: this.store.cursor(id), limit: 100 })}`;
      this.store.applyChanges(id, await this.request("GET", path, undefined, FOREVER));
    } else {
      const { conversation } = await this.request("GET", pathOf(id), undefined, FOREVER);
      this.store.applyConversations([conversation]);
    }
  }
}

/** @param {{message: Message, asOf: number}} next @param {{message: Message, asOf: number}} held */
function isNewer(next, held) {
  const isDeleted = Boolean(next.message.deleted_at);
  if (isDeleted !== Boolean(held.message.deleted_at)) return isDeleted;
  const edited = compareTimes(next.message.edited_at, held.message.edited_at);
  return edited === 0 ? next.asOf >= held.asOf : edited > 0;
}

/** Compare times to the microsecond, which Date does not know. */
function compareTimes(a, b) {
  if (!a || !b) return Number(Boolean(a)) - Number(Boolean(b));
  const [one, other] = [a, b].map((time) => /\.\d+/.exec(time)?.[0] ?? "");
  return Date.parse(a) - Date.parse(b) || Number(one > other) - Number(one < other);
}

function pathOf(id) {
  return `v1/conversations/${encodeURIComponent(id)}`;
}

function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
}

/** A random id. (crypto.randomUUID is missing where a page is not served securely.) */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
