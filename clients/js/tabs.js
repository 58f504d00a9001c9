// tabs.js: one connection for all tabs. Each tab has a link that speaks to the tab that leads, over a
// BroadcastChannel; a Web Lock says who leads. Loaded by ways.js for who asks for it (`tabs: true`).
//
// The leader has a connection that follows what any tab follows, and passes on what it hears. Every tab
// remembers the newest frames and who follows what, so that the next in the queue for the lock leads
// with what all have heard, and another tab that is behind gets what it missed. Who cannot be served
// like that makes a connection of its own.

/** @import { Connection } from './connection.js' */
/** @import { Ears, Frame, Link, Match, ProblemTold, StatusTold } from './types.js' */

const most = 500; // frames that a tab remembers for others
const beat = 5_000; // ms of silence after which a tab asks whether the leader is still there ...
const patience = 5_000; // ms ... and for which it waits, before it takes its place

/**
 * What tabs say to each other. Without `to` it is for all.
 * @typedef {{from: string, to?: string} & (
 *   {type: 'lead' | 'yield' | 'leave' | 'ping'} |
 *   {type: 'join', topics: string[], want: string[], opens: boolean, since?: string} |
 *   {type: 'welcome', hello?: Frame, stale: boolean, frames?: Frame[]} |
 *   {type: 'frame', frame: Frame} |
 *   {type: 'status', told: StatusTold} |
 *   {type: 'refused', problem: ProblemTold}
 * )} Message
 */

/**
 * Opens a link to the tab that leads, which may be this one. Whoever shows the same user, wants the same
 * of the same hub, and is of the same origin shares.
 * @param {Connection} connection
 * @param {unknown} _transport
 * @param {unknown} _address
 * @param {Ears} ears
 * @param {string} [token]
 * @returns {Link}
 */
export function openTab(connection, _transport, _address, ears, token) {
  const wanted = connection.url('websocket', []).replace(/[?&]since=[^&]*/, '');
  const tab = new Tab(connection, `goalcast ${wanted} ${userOf(token)}`, token, ears);
  return { send: (text) => tab.send(JSON.parse(text)), close: () => tab.close(),
    get transport() { return tab.transport; } };
}

/**
 * What a token says of who watches and of what they may see: all but its times. The hub checks it; here
 * a wrong one could deceive only scripts of its own origin.
 * @param {string} [token]
 */
function userOf(token = '') {
  try {
    const { iat, nbf, exp, jti, ...user } = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
    return JSON.stringify(user);
  } catch {
    return token; // which says nothing: the same token is the same user
  }
}

// Memory is what was heard over the leader's connection: the same in all tabs, but for what was told
// before they came.
class Memory {
  /** @type {Frame[]} */
  #frames = []; // events, and whatever else moves the cursor
  #gone = 0; // how many were forgotten: a place is counted from the first
  /** @type {Map<string, number>} */
  #since = new Map(); // topic -> the place from which on all of it is remembered
  /** @type {Map<string, Frame>} */
  #states = new Map(); // the newest
  /** @type {string | undefined} */
  cursor;

  get #end() { return this.#gone + this.#frames.length; }

  /**
   * @param {Frame} frame
   * @param {boolean} asked whether a snapshot is one that somebody asked for
   */
  add(frame, asked = false) {
    const { type, cursor, topic, state } = frame;
    if (type === 'reset') {
      this.#gone = this.#end + 1; // no cursor of before leads anywhere
      this.#frames = [];
      this.#since.clear();
      this.#states.clear();
      this.cursor = undefined;
    } else if (type === 'snapshot' && asked) {
      this.#since.set(topic, this.#end);
    } else if (type === 'state') {
      if (!isOfPrices(state.topic)) this.#states.set(`${state.topic} ${state.key}`, frame);
    } else if (type === 'event' || type === 'snapshot' || type === 'pong' && cursor && cursor !== this.cursor) {
      this.#frames.push(frame);
      if (this.#frames.length > most) this.#gone += this.#frames.splice(0, most / 5).length;
    }
    if (cursor) this.cursor = cursor;
  }

  /**
   * Begins with a cursor that is good for these topics.
   * @param {string} cursor
   * @param {string[]} topics
   */
  begin(cursor, topics) {
    this.add({ type: 'pong', cursor });
    for (const topic of topics) this.#since.set(topic, this.#end);
  }

  /**
   * What came after a cursor; undefined if that is not known of all topics.
   * @param {string | undefined} cursor
   * @param {string[]} topics
   */
  after(cursor, topics) {
    const at = cursor ? this.#frames.map((frame) => frame.cursor).lastIndexOf(cursor) + 1 : 0;
    if (at === 0 || topics.some((topic) => (this.#since.get(topic) ?? Infinity) > this.#gone + at)) return undefined;
    return [...this.#frames.slice(at), ...this.#states.values()];
  }

  /** @param {string} topic that nobody follows */
  forget(topic) { this.#since.delete(topic); }
}

class Tab {
  id = Math.random().toString(36).slice(2);
  transport = /** @type {Link['transport']} */ ('websocket'); // the leader's
  #connection; // of this tab, whose link this is
  #name;
  #token;
  #ears;
  #channel;
  #memory = new Memory();
  #closed = false;
  /** @type {Map<string, string[]>} */
  #members = new Map(); // who is there, and follows what
  /** @type {Map<string, boolean>} */
  #topics = new Map(); // of this tab -> whether its frames may be told: it has its snapshot
  /** @type {Map<string, string[]>} */
  #asked = new Map(); // id -> topics of subscriptions
  /** @type {{frames: Frame[], from: string, asks: boolean} | undefined} */
  #held; // what waits until this tab has caught up, and where the hub tells what it missed
  /** @type {string | undefined} */
  #leader; // who leads, as far as is known: whoever said so last, until it yields
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #waiting; // for a word of the leader
  #queued = new AbortController(); // waits for the lock
  #ends = new AbortController(); // whatever else waits
  #release = () => {}; // gives the lock back
  // Of the leader:
  /** @type {Connection | undefined} */
  #carrier;
  /** @type {Frame | undefined} */
  #hello;
  /** @type {Set<string>} */
  #pending = new Set(); // topics whose snapshots somebody waits for
  /** @type {Map<number, Match>} */
  #known = new Map(); // what reading from a CDN has to know of matches

  /**
   * @param {Connection} connection
   * @param {string} name
   * @param {string | undefined} token
   * @param {Ears} ears
   */
  constructor(connection, name, token, ears) {
    this.#connection = connection;
    this.#name = name;
    this.#token = token;
    this.#ears = ears;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#take(data);
    this.#lock(this.id, () => { // by which others notice that this tab is gone
      this.#join();
      this.#queue();
      return new Promise((done) => this.#ends.signal.addEventListener('abort', done));
    });
  }

  // lock asks for a lock of this group, and keeps it until the promise that fn gives is kept.
  /** @type {(name: string, fn: () => any, options?: any) => Promise<any>} */
  #lock(name, fn, options = { signal: this.#ends.signal }) {
    return navigator.locks.request(`${this.#name} ${name}`, options, () => this.#closed || fn()).catch(() => {});
  }

  // queue waits for the lead; with steal it takes it from a leader who says nothing.
  #queue(steal = false) {
    this.#queued.abort();
    this.#queued = new AbortController();
    /** @type {Promise<void> | undefined} */
    let mine;
    this.#lock('leader', () => {
      mine = new Promise((done) => { this.#release = done; });
      this.#lead();
      return mine;
    }, steal ? { steal } : { signal: this.#queued.signal }).then(() => {
      if (!mine || this.#closed) return;
      this.#stepDown(); // somebody took it: this tab was not heard of for too long
      this.#say({ type: 'yield', from: this.id }); // if it said later than the other that it leads
      this.#queue();
      this.#join();
    });
  }

  /** @param {Frame} frame that the tab's connection would have sent to a hub */
  send({ type, topics, id, conflate_ms: conflated }) {
    if (this.#closed) return;
    if (type === 'ping') {
      this.#expectWord();
      queueMicrotask(() => this.#say({ type: 'ping', from: this.id })); // no answer comes before it is awaited
    } else if (conflated !== undefined) this.#connection.again(); // among others who want that
    else if (type === 'subscribe') {
      if (id) this.#asked.set(id, topics);
      for (const topic of topics) this.#topics.set(topic, false);
      this.#follow(topics);
    } else if (type === 'unsubscribe') {
      for (const topic of topics) this.#topics.delete(topic);
      this.#follow([]);
    }
  }

  close() {
    if (this.#closed) return;
    this.#say({ type: 'leave', from: this.id });
    this.#closed = true;
    clearTimeout(this.#waiting);
    this.#queued.abort();
    this.#stepDown();
    this.#ends.abort();
    this.#release();
    this.#channel.close();
  }

  // join says what this tab follows, and how far it is. What is heard from now on is told once it is
  // known what came before it.
  #join() {
    const { topics, unjoined, cursor } = this.#connection;
    this.#held = undefined;
    this.#hold([...topics]);
    this.#topics = new Map([...topics].map((topic) => [topic, false]));
    this.#follow([...topics], true, unjoined.size === 0 ? cursor : undefined);
    this.#expectWord();
  }

  /** @type {(topics: string[]) => void} */
  #hold(topics) {
    const { cursor, unjoined } = this.#connection;
    const lasting = topics.filter((topic) => !isOfPrices(topic));
    if (!cursor || unjoined.size > 0 || lasting.length === 0) return;
    this.#held ??= { frames: [], from: this.#connection.url('poll', lasting, 'wait=0s'), asks: false };
  }

  /** @type {(want: string[], opens?: boolean, since?: string) => void} */
  #follow(want, opens = false, since) {
    this.#say({ type: 'join', from: this.id, topics: [...this.#topics.keys()], want, opens, since });
  }

  // expectWord: a leader who says nothing is frozen, or as good as that.
  #expectWord() {
    this.#waiting ??= setTimeout(() => {
      this.#waiting = undefined;
      if (!this.#carrier) this.#queue(true);
    }, patience);
  }

  // own: this tab cannot share, or had better not.
  #own() {
    this.#connection.shares = false;
    this.#connection.again();
  }

  // say tells all tabs, this one too.
  /** @type {(message: Message) => void} */
  #say(message) {
    if (this.#closed) return;
    this.#channel.postMessage(message);
    this.#take(message);
  }

  /** @type {(message: Message) => void} */
  #take(message) {
    const { type, from } = message;
    if (this.#closed || message.to && message.to !== this.id) return;
    if (type === 'join') this.#joined(message);
    else if (type === 'leave') this.#forget(from);
    else if (type === 'ping') {
      if (this.#carrier) this.#say({ type: 'frame', from: this.id, to: from, frame: this.#pong() });
    } else if (type === 'lead') {
      if (this.#carrier && from !== this.id) return; // it is late, or this one's lock is about to be lost
      this.#leader = from;
      this.#word();
      this.#join();
    } else if (type === 'yield') {
      if (from !== this.#leader) return;
      this.#leader = undefined;
      if (from !== this.id) this.#join();
    } else if (type === 'welcome') {
      this.#leader ??= from;
      if (from === this.#leader) this.#welcomed(message); // a former one's is late
    } else if (from === this.#leader) {
      if (type === 'frame') this.#heard(message.frame);
      else if (type === 'refused') this.#refused(message.problem);
      else if (type === 'status') this.#connection.setStatus(message.told.status, message.told.reason,
        message.told.retry, message.told.error);
    }
  }

  // welcomed: the leader knows this tab, and tells what it missed; or it cannot.
  /** @type {(message: Message & {type: 'welcome'}) => void} */
  #welcomed({ hello, stale, frames }) {
    const topics = [...this.#topics.keys()];
    this.#word();
    if (!frames) this.#hold(topics);
    this.#tell({ type: 'pong' }); // whatever was asked of another leader
    if (hello) this.#greet(hello);
    if (frames) {
      for (const topic of topics) if (!isOfPrices(topic)) this.#topics.set(topic, true);
      for (const frame of [...frames, ...this.#held?.frames ?? []]) this.#tell(frame);
      this.#held = undefined;
    }
    if (stale) this.#connection.setStatus('stale');
    this.#catchUp();
  }

  /** @type {(hello: Frame) => void} */
  #greet(hello) {
    this.transport = hello.transport;
    this.#tell(hello);
  }

  #word() {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
  }

  // heard takes a frame that the leader passes on.
  /** @type {(frame: Frame) => void} */
  #heard(frame) {
    this.#word();
    const { type, topic, cursor } = frame;
    const asked = type === 'snapshot' && [...this.#members.values()].some((topics) => topics.includes(topic));
    this.#memory.add(frame, asked && Boolean(cursor));
    if (type === 'hello') {
      this.#greet(frame);
      return;
    }
    if (type === 'reset') {
      this.#held = undefined;
      for (const one of this.#topics.keys()) this.#topics.set(one, false);
    }
    if (type === 'snapshot' && this.#topics.has(topic)) this.#topics.set(topic, true);
    if (this.#held) this.#held.frames.push(frame);
    else this.#tell(frame);
    this.#catchUp();
  }

  // tell hands on what is of this tab's topics. What is not moves the cursor.
  /** @type {(frame: Frame) => void} */
  #tell(frame) {
    const { type, cursor } = frame;
    let mine = /** @type {Frame | undefined} */ (frame);
    if (type === 'event' && !frame.event.topics.some((/** @type {string} */ topic) => this.#topics.get(topic))) {
      mine = cursor && { type: 'pong', cursor };
    } else if (type === 'state' && !this.#topics.get(frame.state.topic)) {
      mine = undefined;
    } else if (type === 'snapshot' && !this.#topics.has(frame.topic)) {
      const matches = (frame.matches ?? []).filter((/** @type {Match} */ match) => this.#isMine(match));
      mine = matches.length > 0 ? { ...frame, matches } : undefined;
    }
    if (mine && !this.#closed) this.#ears.frame(JSON.stringify(mine));
  }

  /** @type {(match: Match) => boolean} */
  #isMine({ id, home, away, competition }) {
    return [`match:${id}`, `team:${home?.id}`, `team:${away?.id}`, `competition:${competition?.id}`]
      .some((topic) => this.#topics.has(topic));
  }

  // catchUp: once this tab hears all that it follows, the hub tells it what came before that.
  async #catchUp() {
    const held = this.#held;
    if (!held || held.asks || ![...this.#topics.values()].every(Boolean)) return;
    held.asks = true;
    /** @type {Frame[]} */
    let missed = [{ type: 'reset', reason: 'too_old' }];
    try {
      const { fetch } = this.#connection.options;
      const res = await fetch?.(held.from, { signal: this.#ends.signal,
        headers: { accept: 'application/json', ...(this.#token && { authorization: `Bearer ${this.#token}` }) } });
      if (res?.ok) missed = (await res.json()).frames;
    } catch {} // then it begins anew
    if (this.#closed || held !== this.#held) return;
    this.#held = undefined;
    for (const frame of [...missed, ...held.frames]) if (frame.type !== 'hello') this.#tell(frame);
  }

  // refused: the leader's connection does not get some topics.
  /** @type {(problem: ProblemTold) => void} */
  #refused({ code, error, topics = [] }) {
    if (!topics.some((topic) => this.#topics.has(topic))) return;
    const [id] = [...this.#asked].find(([, those]) => those.join() === topics.join()) ?? [];
    if (!id || code === 'too_many_topics') { // of which one too many may be another tab's
      this.#own();
      return;
    }
    for (const topic of topics) this.#topics.delete(topic);
    this.#ears.frame(JSON.stringify({ type: 'error', id, code, error }));
    this.#follow([]);
  }

  // The leader.

  #lead() {
    const { topics, unjoined, cursor, options, constructor } = this.#connection;
    const own = unjoined.size === 0 ? cursor : undefined;
    if (!this.#memory.cursor && own) this.#memory.begin(own, [...topics]);
    this.#members.set(this.id, [...topics]);
    const all = [...new Set([...this.#members.values()].flat())];
    /** @type {Connection} */
    const carrier = new (/** @type {any} */ (constructor))(
      { ...options, tabs: false, hiddenAfter: 0, cursor: this.#memory.cursor }, {
        frame: (/** @type {Frame} */ frame) => this.#carried(frame),
        status: (/** @type {StatusTold} */ told) => this.#statusTold(told),
        problem: (/** @type {ProblemTold} */ problem) => this.#problem(problem),
        known: (/** @type {number} */ match) => this.#known.get(match),
        loaded: () => {},
      });
    carrier.follow(all);
    if (this.#memory.cursor) carrier.unjoined.clear();
    this.#carrier = carrier;
    this.#pending.clear();
    this.#hello = undefined;
    for (const member of this.#members.keys()) this.#watch(member);
    carrier.start();
    this.#say({ type: 'lead', from: this.id });
  }

  #stepDown() {
    const carrier = this.#carrier;
    this.#carrier = undefined;
    carrier?.stop();
  }

  // watch notices when a tab is gone without a word: then its lock can be had.
  /** @type {(member: string) => void} */
  #watch(member) {
    if (member !== this.id) this.#lock(member, () => this.#forget(member));
  }

  /** @type {(member: string) => void} */
  #forget(member) {
    this.#members.delete(member);
    if (member === this.#leader) this.#leader = undefined;
    this.#prune();
  }

  #prune() {
    const followed = new Set([...this.#members.values()].flat());
    const gone = [...this.#carrier?.topics ?? []].filter((topic) => !followed.has(topic));
    for (const topic of gone) {
      this.#memory.forget(topic);
      this.#pending.delete(topic);
    }
    this.#carrier?.unfollow(gone);
  }

  // joined: a tab is there, or follows something else.
  /** @type {(message: Message & {type: 'join'}) => void} */
  #joined({ from, topics, want, opens, since }) {
    const isNew = !this.#members.has(from);
    this.#members.set(from, topics);
    const carrier = this.#carrier;
    if (!carrier) return;
    if (isNew) this.#watch(from);
    const lasting = topics.filter((topic) => !isOfPrices(topic));
    const frames = opens ? this.#memory.after(since, lasting) : undefined;
    const needed = frames ? want.filter(isOfPrices) : want; // prices always come anew
    const fresh = needed.filter((topic) => !carrier.topics.has(topic));
    const again = needed.filter((topic) => carrier.topics.has(topic) && !carrier.unjoined.has(topic));
    for (const topic of needed) this.#pending.add(topic);
    if (opens) {
      const hello = this.#isLive && this.#hello ? { ...this.#hello, time: this.#pong().time } : undefined;
      this.#say({ type: 'welcome', from: this.id, to: from, hello, stale: carrier.status === 'stale', frames });
    }
    carrier.follow(fresh);
    this.#ask(again);
    this.#prune();
  }

  // ask has the hub send snapshots again; before a hello they wait for it.
  /** @type {(topics: string[]) => void} */
  #ask(topics) {
    const carrier = this.#carrier;
    if (!carrier || topics.length === 0 || !this.#isLive) return;
    if (carrier.link?.send) {
      carrier.subscribe(topics);
      return;
    }
    for (const topic of topics) carrier.unjoined.add(topic);
    carrier.again();
  }

  get #isLive() { return ['live', 'stale'].includes(this.#carrier?.status ?? ''); }

  /** @returns {Frame} */
  #pong() {
    const { cursor, unjoined, clockOffset = 0 } = /** @type {Connection} */ (this.#carrier);
    return { type: 'pong', time: Date.now() + clockOffset, ...(unjoined.size === 0 && { cursor }) };
  }

  // carried passes on what the leader's connection hears.
  /** @type {(frame: Frame) => void} */
  #carried(frame) {
    const carrier = this.#carrier;
    if (!carrier) return;
    const { type, topic, matches, event } = frame;
    if (type === 'hello') {
      this.#hello = { ...frame, transport: carrier.transport, ping: Math.min(beat, frame.ping || beat) };
      this.#say({ type: 'frame', from: this.id, frame: this.#hello });
      queueMicrotask(() => this.#ask([...this.#pending].filter((one) => !carrier.unjoined.has(one))));
      return;
    }
    if (type === 'snapshot') this.#pending.delete(topic);
    for (const match of matches ?? []) this.#known.set(match.id, match);
    const known = event && this.#known.get(event.match);
    if (known && event.seq > known.seq) this.#known.set(known.id, { ...known, seq: event.seq });
    this.#say({ type: 'frame', from: this.id, frame });
  }

  /** @type {(told: StatusTold) => void} */
  #statusTold(told) {
    if (this.#carrier && ['connecting', 'live', 'stale', 'reconnecting'].includes(told.status)) {
      this.#say({ type: 'status', from: this.id, told });
    }
  }

  // problem: a subscription was refused, or the whole connection: then each tab sees for itself.
  /** @type {(problem: ProblemTold) => void} */
  #problem(problem) {
    if (problem.final) this.#own();
    else if (problem.topics && !this.#carrier?.topics.has(problem.topics[0])) {
      this.#say({ type: 'refused', from: this.id, problem });
    }
  }
}

/** @type {(topic: string) => boolean} */
const isOfPrices = (topic) => topic.startsWith('odds:');
