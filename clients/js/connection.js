// connection.js: a connection to a hub: made, kept, lost, made again. It knows what is followed and how
// far it was heard; what its frames tell of matches and prices is goalcast.js's. What a connection does
// not need until it fails or is refused is in ways.js.

import { openSocket } from './socket.js';

/**
 * @import { Asked, Ears, Frame, Link, Options, Owner, Status, Transport } from './types.js'
 */
/**
 * @typedef {{token?: string, extra?: string}
 *   & Partial<typeof import('./later.js')>} Found what a way needs
 */

/** @type {Transport[]} */
const transports = ['websocket', 'eventsource', 'poll', 'deltas']; // the best first

/** @type {Promise<typeof import('./later.js') | undefined> | undefined} */
let loading;
/** Loads what the first frame does not need; undefined where that fails, until it is asked for again. */
export const later = () => loading ??= import('./later.js').catch(() => loading = undefined);

/** Only goalcast.js makes one, and only ways.js uses what is not explained there. */
export class Connection {
  /** @type {Set<string>} */
  topics = new Set();
  /** @type {Set<string>} */
  unjoined = new Set(); // topics whose snapshot has not come: until then a cursor would leave them out
  /** @type {string | undefined} */
  cursor; // everything up to here was heard
  /** @type {Status} */
  status = 'closed';
  conflateMs = 0; // what the hub made of what was asked for ...
  /** @type {number} */
  conflated; // ... in ms
  /** @type {number | undefined} */
  clockOffset;
  oddsBeat = 5_000; // ms: hello.odds_beat
  silence = 25_000; // ms: hello.ping
  lastHeard = 0; // when a frame came, by this machine's clock
  /** @type {import('./pulse.js').Pulse | undefined} */
  pulse; // once later.js is loaded, as #later

  running = false;
  /** @type {Link | undefined} */
  link; // the connection of now: {send, close}; undefined between two
  /** @type {Link | undefined} */
  probe; // a connection by a better way, being tried beside the one in use
  /** @type {string} */
  origin; // of the hub: scheme and host
  /** @type {string} */
  base; // of what serves matches
  /** @type {Transport[]} */
  ways; // the transports that there are, the best first ...
  way = 0; // ... and the one in use
  shares = false; // it goes over another tab's connection, or is to
  greeted = false; // this way came to a hello at least once
  failures = 0; // tries in a row that did not come to a connection that held
  blocked = 0; // tries in a row that failed although the hub would have let them in
  broken = 0; // connections in a row that did not hold, and that the hub did not close
  lostHere = 0; // connections and tries in a row that ended since this way was taken
  left = 0; // when a better way was given up, or tried again in vain
  climbs = 0; // how often in vain
  tries = 0; // counts tries of better ways
  unauthorized = 0; // tries in a row whose token the hub did not take
  attempt = 0; // counts connections
  /** @type {string | undefined} */
  authId; // of the newest auth frame
  requestCount = 0;
  /** @type {Map<string | undefined, string[]>} */
  requests = new Map(); // id -> topics of subscriptions that were sent

  /** @type {typeof import('./later.js') | undefined} */
  #later; // once it is loaded
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #timers = new Map();
  #paused = false;
  /** @type {(() => void) | undefined} */
  #unwatch;

  /**
   * @param {Options} options
   * @param {Owner} owner
   */
  constructor(options, owner) {
    this.options = options;
    this.owner = owner;
    this.origin = originOf(options.url);
    this.base = originOf(options.cdn ?? options.url);
    this.shares = options.tabs;
    this.cursor = options.cursor;
    this.conflated = options.conflateMs;
    const { transport, WebSocket, EventSource, fetch, replay } = options;
    const polls = !replay && fetch; // which bring none
    const there = [WebSocket, EventSource, polls, polls];
    this.ways = transports.filter((name, way) => there[way] && ['auto', name].includes(transport));
  }

  get transport() { return this.link?.transport ?? this.ways[this.way]; }

  start() {
    if (this.running) return;
    if (!this.transport) throw new TypeError(`goalcast: this runtime has no ${this.options.transport}`);
    this.running = true;
    this.#paused = false;
    this.#connect();
    this.#load();
  }

  // load brings what the first frame does not need, sooner or later.
  #load() {
    later().then((found) => {
      if (!this.running || this.#unwatch) return;
      if (found) this.#loaded(found);
      else this.after('load', 10_000, () => this.#load());
    });
  }

  /** @type {(found: typeof import('./later.js')) => void} */
  #loaded(found) {
    this.#later = found;
    this.pulse ??= new found.Pulse(this);
    this.owner.loaded(found);
    this.#unwatch ??= found.watchConnection(this);
    if (this.status === 'live') this.#settle();
  }

  /** @type {(reason?: string) => void} */
  stop(reason) {
    this.running = false;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.drop();
    this.setStatus('closed', reason);
  }

  /** @type {(reason: string) => void} */
  pause(reason) {
    if (!this.running || this.#paused) return;
    this.#paused = true;
    this.attempt++;
    this.drop();
    this.setStatus('paused', reason);
  }

  resume() {
    if (!this.#paused) this.pulse?.test(); // who comes back wants to know at once
    else {
      this.#paused = false;
      this.again();
    }
  }

  /** @param {string[]} topics */
  follow(topics) {
    const added = topics.filter((topic) => !this.topics.has(topic));
    for (const topic of added) {
      this.topics.add(topic);
      this.unjoined.add(topic);
    }
    this.#topicsChanged('subscribe', added);
  }

  /** @param {string[]} topics */
  unfollow(topics) {
    const gone = topics.filter((topic) => this.topics.delete(topic));
    for (const topic of gone) this.unjoined.delete(topic);
    this.#topicsChanged('unsubscribe', gone);
  }

  /** @param {number} ms */
  conflate(ms) {
    if (ms === this.conflated) return;
    this.conflated = ms;
    if (this.link?.send) this.#sendConflate(); // before hello it is dropped: hello looks again
    else if (this.transport !== 'websocket') this.again();
  }

  // sendConflate rides on a subscription to what is followed already, whose snapshot comes once
  // more. Without topics there are no states.
  #sendConflate() {
    if (this.topics.size > 0) this.send({ type: 'subscribe', topics: [...this.topics].slice(0, 1),
      conflate_ms: this.conflated });
  }

  // topicsChanged tells the hub on the open socket; all others have their topics in the URL and connect
  // again.
  /** @type {(type: 'subscribe' | 'unsubscribe', topics: string[]) => void} */
  #topicsChanged(type, topics) {
    if (topics.length === 0) return;
    if (this.link?.send) {
      if (type === 'subscribe') this.subscribe(topics);
      else this.send({ type, topics }); // before hello it is dropped: hello looks again
    } else if (this.transport !== 'websocket') this.again();
  }

  /** @type {(frame: Frame) => void} */
  send(frame) { this.link?.send?.(JSON.stringify(frame)); }

  /** Connects at once: another connection, or the next one without waiting for its turn. */
  again() {
    if (!this.running || this.#paused) return;
    this.drop();
    this.#connect();
  }

  /**
   * Asks for topics under a mark of its own, so that an error tells which were refused.
   * @param {string[]} topics
   */
  subscribe(topics) {
    const id = `s${++this.requestCount}`;
    this.requests.set(id, topics);
    this.send({ type: 'subscribe', topics, id });
  }

  /**
   * Where a way leads to, written without URL: React Native's cannot be changed.
   * @type {(transport: Transport | 'check', topics?: string[], extra?: string) => string}
   */
  url(transport, topics = [...this.topics], extra = '') {
    const query = [];
    const { replay, speed, delay, kinds } = this.options;
    if (topics.length > 0) query.push(`topics=${topics.map(encodeURIComponent).join().replaceAll('%3A', ':')}`);
    if (this.conflated > 0) query.push(`conflate_ms=${this.conflated}`);
    // prices are polled without a cursor
    const since = this.unjoined.size === 0
      && (transport !== 'poll' || !topics.every((topic) => topic.startsWith('odds:')));
    if (delay) query.push(`delay=${delay}`);
    if (kinds?.length) query.push(`kinds=${kinds}`);
    if (replay) query.push(`replay=kickoff&speed=${speed}`);
    if (this.cursor && since) query.push(`since=${encodeURIComponent(this.cursor)}`);
    if (extra) query.push(extra);
    const origin = transport === 'websocket' ? this.origin.replace(/^http/i, 'ws') : this.origin;
    return `${origin}/v1/live${query.length > 0 ? '?' : ''}${query.join('&')}`;
  }

  #connect() {
    const attempt = ++this.attempt;
    if (this.status !== 'reconnecting') this.setStatus('connecting');
    for (const topic of this.cursor ? [] : this.topics) this.unjoined.add(topic);
    if (this.topics.size === 0 && this.transport !== 'websocket') return; // until there is something to ask for
    this.prepare(this.way, () => attempt === this.attempt && this.running && !this.link, (found) => {
      this.link = this.open(this.way, found);
      if (!this.shares) this.after('hello', this.options.helloTimeout, () => this.#ended('no hello'));
    }, (err) => {
      if (err.code === 'unauthorized') this.#later?.refusedToken(this, err.message);
      else this.lost(err.code ?? 'no token', err.retry, err.code && err.message);
    });
  }

  /**
   * Brings what a way needs. A WebSocket without a token needs nothing, and is opened at once.
   * @type {(way: number, still: () => boolean, open: (found: Found) => void, fail: (err: any) => void) => void}
   */
  prepare(way, still, open, fail) {
    const transport = this.ways[way];
    if (!this.options.token && transport === 'websocket' && !this.shares) {
      open({});
      return;
    }
    later().then(async (found) => {
      if (!found) throw new Error('a part of the script does not load');
      this.#later ??= found;
      return { ...found, ...await found.credentials(this, transport) };
    }).then((found) => still() && open(found), (err) => still() && fail(err));
  }

  /** @type {(way: number, found: Found) => Link} */
  open(way, { token, extra, openOther }) {
    const transport = this.ways[way];
    const asked = { topics: [...this.topics], conflateMs: this.conflated };
    /** @type {Ears} */
    const to = {
      frame: (text) => {
        if (link === this.probe) this.#later?.probed(this, way, text);
        if (link === this.link) this.#heard(text, asked);
      },
      end: (reason, code) => {
        if (link === this.probe) this.#later?.climb(this, way + 1);
        else if (link === this.link) this.#ended(reason, code);
      },
    };
    const address = this.url(transport, asked.topics, extra);
    /** @type {Link} */
    const link = openOther && (this.shares || transport !== 'websocket')
      ? openOther(this, transport, address, to, token) : openSocket(this.options.WebSocket, address, to, token);
    return link;
  }

  // ended: the connection is gone, or never came to a hello. What follows is in ways.js.
  /** @type {(reason: string, code?: number) => void} */
  #ended(reason, code) {
    const { link } = this;
    later().then((found) => {
      if (link !== this.link) return;
      if (found) found.ended(this, reason, code);
      else this.lost(reason);
    });
  }

  // heard takes one frame. What is not understood is left alone: later versions add types and
  // fields.
  /** @type {(text: string, asked: Asked) => void} */
  #heard(text, asked) {
    this.lastHeard = Date.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.lost('a frame is no JSON');
      return;
    }
    switch (frame.type) {
      case 'hello': return this.#hello(frame, asked);
      case 'snapshot':
        this.owner.frame(frame);
        this.unjoined.delete(frame.topic);
        break;
      case 'reset': return this.reset(frame);
      case 'stale': return this.setStatus(frame.stale ? 'stale' : 'live');
      case 'error': return this.#problem(frame);
      case 'bye': return this.#bye(frame);
      case 'pong': return this.#pong(frame);
      case 'expiring': this.#later?.expiring(this);
    }
    if (frame.cursor) this.cursor = frame.cursor;
    if (frame.type !== 'snapshot') this.owner.frame(frame);
  }

  /** @type {(frame: Frame, asked: Asked) => void} */
  #hello(frame, asked) {
    this.cancel('hello');
    this.after('settled', this.options.settled,
      () => { this.failures = this.broken = this.blocked = this.lostHere = 0; });
    this.greeted = true;
    this.unauthorized = 0;
    if (frame.ping > 0) this.silence = frame.ping;
    if (frame.odds_beat > 0) this.oddsBeat = frame.odds_beat;
    this.conflateMs = frame.conflate_ms ?? 0;
    if (frame.time) this.clockOffset = frame.time - Date.now();
    this.owner.frame(frame);
    this.setStatus('live');
    if (!this.link) return; // who heard it may have stopped
    this.#settle();
    if (!this.link?.send) return;
    // What was changed while the connection was being made.
    const added = [...this.topics].filter((topic) => !asked.topics.includes(topic));
    const gone = asked.topics.filter((topic) => !this.topics.has(topic));
    if (added.length > 0) this.subscribe(added);
    if (gone.length > 0) this.send({ type: 'unsubscribe', topics: gone });
    if (asked.conflateMs !== this.conflated) this.#sendConflate();
  }

  // settle: a connection that has begun is watched, and made better where that is possible.
  #settle() {
    this.pulse?.begin();
    this.#later?.upgradeLater(this);
  }

  // problem: the hub did not like something.
  /** @type {(frame: Frame) => void} */
  #problem(frame) {
    if (this.#later) this.#later.problem(this, frame);
    else later().then((found) => found?.problem(this, frame));
  }

  /**
   * What comes next begins anew.
   * @param {{type?: string, reason?: string}} frame
   */
  reset(frame) {
    this.cursor = undefined;
    for (const topic of this.topics) this.unjoined.add(topic);
    this.owner.frame({ ...frame, type: 'reset' });
  }

  // bye: the hub leaves, or cannot take anybody now, and says when to come back, differently to
  // everyone.
  /** @type {(frame: Frame) => void} */
  #bye(frame) {
    if (frame.reason === 'replay_over') {
      this.reset(frame); // its cursor is good for nothing else
      return this.stop(frame.reason);
    }
    this.#caughtUp(frame);
    this.lost(frame.reason ?? 'bye', frame.retry);
  }

  /** @type {(frame: Frame) => void} */
  #caughtUp(frame) {
    if (frame.cursor && this.unjoined.size === 0) this.cursor = frame.cursor;
  }

  /** @type {(frame: Frame) => void} */
  #pong(frame) {
    this.#caughtUp(frame);
    this.pulse?.pong(frame);
  }

  /**
   * Waits and connects. A hub that says when to come back is not asked earlier; one that says so again
   * and again is asked ever more seldom, unless it only stops in good order.
   * @type {(reason: string, retry?: number, error?: string) => void}
   */
  lost(reason, retry = 0, error) {
    this.drop();
    if (!this.running) return;
    const drains = reason === 'drain';
    if (!drains) this.failures++;
    this.#later?.chooseWay(this);
    const { random, backoff, maxBackoff } = this.options;
    const own = drains && retry > 0 ? 0
      : random() * Math.min(maxBackoff, backoff * 2 ** Math.min(Math.max(this.failures - 1, 0), 20));
    const wait = Math.max(retry, own);
    this.setStatus('reconnecting', reason, wait, error);
    this.after('retry', wait, () => this.#connect());
  }

  drop() {
    const links = [this.link, this.probe];
    this.link = this.probe = undefined;
    for (const name of [...this.#timers.keys()]) this.cancel(name);
    this.requests.clear();
    for (const link of links) link?.close();
  }

  /** @type {(status: Status, reason?: string, retry?: number, error?: string) => void} */
  setStatus(status, reason, retry, error) {
    if (this.status === status && reason === undefined) return;
    this.status = status;
    this.owner.status({ status, reason, retry, ...(error && { error }) });
  }

  /** @type {(name: string, ms: number, fn: () => void) => void} */
  after(name, ms, fn) {
    this.cancel(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      fn();
    }, ms));
  }

  /** @type {(name: string) => boolean} */
  waits(name) { return this.#timers.has(name); }

  /** @type {(name: string) => void} */
  cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

// originOf is an address without its path. (React Native's URL knows little of them.)
/** @type {(url?: string) => string} */
function originOf(url) {
  const origin = /^https?:\/\/[^/?#]+/i.exec(url ?? '')?.[0];
  const wrong = url ? `the url ${url} does not begin with http` : 'url is missing';
  if (!origin) throw new TypeError(`goalcast: ${wrong}`);
  return origin;
}
