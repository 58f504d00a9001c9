// goalcast.js: listen to a goalcast hub from a browser or from Node, without dependencies.
//
//   import { Goalcast } from './goalcast.js';
//   const live = new Goalcast({ url: 'https://live.example', topics: ['team:174', 'match:1009316'] });
//   live.on('event', ({ event, match }) => console.log(event.kind, match.score));
//   live.start();
//
// It connects by WebSocket, or where that does not get through by EventSource, by long poll or by what
// a CDN keeps; keeps the cursor and comes back with it after a cut, so that no event is lost and none
// is told twice; keeps each match's snapshot by the same reducer as the hub. Node 20 has no WebSocket
// of its own: hand one in (`import WebSocket from 'ws'`).

import { Connection, later } from './connection.js';
import { apply, emptySnapshot, inMatchOrder, placeOf } from './reducer.js';

/**
 * @import { EventTold, Frame, Gate, Latency, Match, MatchEvent, Options, State, Told, Topics } from './types.js'
 */

/** @type {Omit<Options, 'url'>} */
const defaults = {
  // url: of the hub, http(s); in a browser the page's own origin
  topics: [], // 'match:1', 'team:2', 'competition:3', 'odds:1'; or one text with commas
  cursor: undefined, // of an earlier session, to go on from there: with its ...
  matches: [], // ... snapshots
  // ms: prices and other states come at most this often, the newest of each; 0: as they happen; at
  // most 60000. Events are never held back
  conflateMs: 0,
  delay: 0, // s by which everything comes later, 0 to 300: for viewers whose television is late
  kinds: [], // of event, 'goal', 'card': others are left out; none stands for all
  // 'kickoff': a match that is over, the only one of topics, is played again as it was told, `speed`
  // times as fast, 1 to 60; then the status is 'closed', reason 'replay_over'. start plays it once more
  replay: undefined,
  speed: 1,
  // 'auto': WebSocket; if that does not get through, or breaks again and again, EventSource, long poll,
  // what a CDN keeps, and up again when that may have changed; or one of them: 'websocket',
  // 'eventsource', 'poll', 'deltas'
  transport: 'auto',
  // true: all tabs of a browser in which the same user wants the same of a hub share one connection.
  // Where that is not possible each has its own
  tabs: false,
  cdn: undefined, // of what serves /v1/matches, http(s); the hub's url where there is none
  WebSocket: globalThis.WebSocket,
  EventSource: globalThis.EventSource,
  // async () => 'eyJ...': the token of who watches, asked for before each connection and before it
  // ends; undefined for nobody in particular
  token: undefined,
  // ack: an app on a phone gets no push of what it shows live: base64url of the SHA-256 of its device token,
  // 43 characters (docs/wire.md, Shown). It needs a token, a WebSocket, and that the app pauses in the background
  // asks why a connection did not come about, since browsers hide the answer to a handshake; polls
  fetch: globalThis.fetch,
  random: Math.random,
  backoff: 500, // ms: the n-th try in a row waits up to backoff * 2^n, evenly spread (full jitter) ...
  maxBackoff: 30_000, // ... and at most this
  // ms that a connection has to hold before tries are counted from the beginning: the hub may cut
  // one that was greeted, again and again
  settled: 60_000,
  helloTimeout: 10_000, // ms until the hub must have said hello
  pongTimeout: 10_000, // ms until it must have answered a ping
  upgradeAfter: 300_000, // ms on a lesser transport until better ones are tried again
  deltasEvery: 2000, // ms between two looks at what a CDN keeps; five times that while no match is near
  hiddenAfter: 60_000, // ms until a page that nobody sees lets its connection go; 0: never
  clockPings: 1, // pings after each hello to learn the hub's clock; the quickest counts. More make latencies truer
  remember: 5000, // revisions of so many events are kept, to tell repeats
};

/**
 * A connection to a hub. `on(name, fn)` listens and returns a function that ends it. What there is
 * to hear:
 *
 * - `status` {status, reason, retry, error}: 'connecting', 'live', 'stale' (the hub itself hears nothing
 *   new), 'reconnecting' (error: the hub's words, if it refused), 'paused' (nobody looks), 'closed' (by
 *   stop, or with a reason: the hub refused for good what is asked for, start tries once more; or
 *   'replay_over')
 * - `event` {event, cursor, match, previous, latency}: each revision once, in order. match is the
 *   snapshot with it, previous the one before; undefined for messages. A match that is not known yet
 *   comes ahead of its first event, as `match`
 * - `match` {match, previous, event}: a snapshot changed, by an event or, without event, because
 *   the hub sent a new one
 * - `state` {topic, key, version, value, at}: the newest value of something, a price for instance
 * - `reset` {reason}: events may have been missed; snapshots follow
 * - `problem` {code, error, topics, final}: the hub did not like something. topics are those of a
 *   subscription that failed; they are dropped, unless the reason may be over soon. final: the whole
 *   connection was refused for good, and is not tried again. Where nobody listens it is written to the
 *   console
 *
 * `for await (const { event, match } of live)` gives what `event` tells.
 */
export class Goalcast {
  /** @type {Options} */
  #options;
  /** @type {Connection} */
  #connection;
  /** @type {Map<string, Set<(told: any) => void>>} */
  #listeners = new Map();
  /** @type {Set<number>} */
  #outdated = new Set(); // ids of matches known before a reset: their next snapshots count whatever they say
  #outdatedStates = false; // and so do all values until every snapshot has come
  /** @type {Map<string, number>} */
  #revisions = new Map(); // match and event id -> newest revision told
  /** @type {import('./prices.js').Prices | undefined} */
  #prices; // once what keeps them is loaded ...
  /** @type {Map<string, [State, number | undefined]>} */
  #early = new Map(); // ... and what was told of them before

  /**
   * The snapshots of the matches followed, by id.
   * @type {Map<number, Match>}
   */
  matches = new Map();
  /**
   * The newest state messages, by "topic key".
   * @type {Map<string, State>}
   */
  states = new Map();

  /** @param {Partial<Options>} options */
  constructor(options = {}) {
    this.#options = { ...defaults, url: options.url ?? globalThis.location?.origin, ...options };
    this.#connection = new Connection(this.#options, {
      status: (told) => {
        this.#prices?.rest();
        this.#emit('status', told);
      },
      problem: (problem) => {
        if (!this.#listeners.get('problem')?.size) console.error(`goalcast: ${problem.error ?? problem.code}`);
        this.#emit('problem', problem);
      },
      frame: (frame) => this.#frame(frame),
      known: (id) => (this.#outdated.has(id) ? undefined : this.matches.get(id)),
      loaded: ({ Prices }) => this.#watchPrices(Prices),
    });
    for (const match of this.#options.matches) this.matches.set(match.id, match);
    this.subscribe(this.#options.topics);
    if (this.cursor) this.#connection.unjoined.clear();
  }

  get topics() { return [...this.#connection.topics]; }

  /**
   * Everything up to here was seen; undefined before the first. Good for `cursor` of a later
   * session, together with `matches`.
   */
  get cursor() { return this.#connection.cursor; }

  get status() { return this.#connection.status; }

  /** How it is connected: 'websocket', 'eventsource', 'poll' or 'deltas'. */
  get transport() { return this.#connection.transport; }

  /**
   * How seldom states come on this connection, in ms: what the hub made of conflateMs. 0: as they
   * happen.
   */
  get conflateMs() { return this.#connection.conflateMs; }

  /** ms to add to this machine's clock for the hub's; undefined before it is known. */
  get clockOffset() { return this.#connection.clockOffset; }

  /** The hub's clock, in ms since 1970. */
  now() { return Date.now() + (this.clockOffset ?? 0); }

  /**
   * Listens, until the function that it returns is called.
   * @template {keyof Told} Name
   * @param {Name} name
   * @param {(told: Told[Name]) => void} fn
   * @returns {() => void}
   */
  on(name, fn) {
    const fns = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, fns.add(fn));
    return () => { fns.delete(fn); };
  }

  /**
   * @template {keyof Told} Name
   * @param {Name} name
   * @param {Told[Name]} detail
   */
  #emit(name, detail) {
    for (const fn of [...this.#listeners.get(name) ?? []]) fn(detail);
  }

  /** Connects, and reconnects until stop. */
  start() {
    this.#connection.start();
    return this;
  }

  /** Ends the connection; start may follow and goes on where this stopped. */
  stop() { this.#connection.stop(); }

  /**
   * Lets the connection go until resume, which goes on where this was. Pages do so by themselves;
   * an app does when it goes to the background.
   */
  pause() { this.#connection.pause('asked'); }

  resume() { this.#connection.resume(); }

  /**
   * The same as `event` tells, one after the other; starts, and ends with stop.
   * @returns {AsyncGenerator<EventTold, void, undefined>}
   */
  async* [Symbol.asyncIterator]() {
    const found = await later();
    if (!found) throw new Error('goalcast: a part of the script does not load');
    yield* found.eventsOf(this, this.#options.remember);
  }

  /** @param {Topics[]} topics */
  subscribe(...topics) { this.#connection.follow(topicList(topics)); }

  /** @param {Topics[]} topics */
  unsubscribe(...topics) {
    const gone = topicList(topics);
    for (const topic of gone) this.#prices?.forget(topic);
    this.#connection.unfollow(gone);
  }

  /**
   * Asks for states at most every so many ms from now on: more seldom on a slow network, 0 for as
   * they happen.
   * @param {number} ms
   */
  conflate(ms) { this.#connection.conflate(ms); }

  // frame takes what a frame tells of matches and prices.
  /** @type {(frame: Frame) => void} */
  #frame(frame) {
    this.#outdatedStates &&= this.#connection.unjoined.size > 0;
    switch (frame.type) {
      case 'hello':
        this.#early.clear();
        return this.#prices?.renew(this.#connection.oddsBeat);
      case 'snapshot': return this.#snapshot(frame);
      case 'event': return this.#event(frame);
      case 'state': return this.#state(frame.state, frame.sent);
      case 'reset': return this.#reset(frame);
    }
  }

  /** @type {(frame: Frame) => void} */
  #snapshot(frame) {
    for (const incoming of frame.matches ?? []) this.#replace(incoming, frame.topic ?? '');
    this.#prices?.snapshot(frame);
    for (const state of frame.states ?? []) this.#state(state);
  }

  // replace takes a snapshot, unless the match is known newer. A team's or competition's has no
  // line-ups and only the main events, and so has that of a match which comes along with an event:
  // what else is known of the match stays.
  /** @type {(incoming: Match, topic: string) => void} */
  #replace(incoming, topic) {
    const previous = this.matches.get(incoming.id);
    let match = { ...incoming, timeline: incoming.timeline ?? [] };
    if (previous && !this.#outdated.delete(incoming.id)) {
      if (incoming.seq < previous.seq) return;
      const own = `match:${match.id}`;
      if (topic !== own || !this.#connection.topics.has(own)) match = withMore(match, previous);
    }
    this.matches.set(match.id, match);
    this.#emit('match', { match, previous });
  }

  /** @type {(frame: Frame) => void} */
  #event(frame) {
    const { event } = frame;
    const id = `${event.match ?? 0}/${event.id}`; // an event's id is of its match
    const known = this.#revisions.get(id) ?? 0;
    if (known >= event.revision) return;
    this.#revisions.delete(id); // and to the end of the queue
    this.#revisions.set(id, event.revision);
    const oldest = this.#revisions.keys().next().value ?? '';
    if (this.#revisions.size > this.#options.remember) this.#revisions.delete(oldest);

    let match;
    let previous;
    if (placeOf(event) !== 'none' && event.match) {
      previous = this.matches.get(event.match);
      match = apply(previous ?? emptySnapshot(), event);
      this.matches.set(match.id, match);
    }
    this.#emit('event', { event, cursor: frame.cursor, match, previous, latency: this.#latency(event, frame) });
    if (match) this.#emit('match', { match, previous, event });
  }

  // latency tells in ms how long each part of the way took; parts that are not known are left out,
  // and in a replay those of then. total is from the document's last byte to here.
  /** @type {(event: MatchEvent, frame: Frame) => Latency} */
  #latency(event, frame) {
    const { provider, received, published } = !this.#options.replay && event.times || {};
    const here = this.now();
    /** @type {(from?: number, to?: number) => number | undefined} */
    const span = (from, to) => (from && to ? Math.max(0, to - from) : undefined);
    return { provider: span(provider, received), ingest: span(received, published), hub: span(published, frame.sent),
      network: span(frame.sent, here), total: span(received, here) };
  }

  /** @type {(state?: State, sent?: number) => void} */
  #state(state, sent) {
    if (!state) return;
    const key = `${state.topic} ${state.key}`;
    if (!this.#prices && state.topic.startsWith('odds:')) {
      this.#early.delete(key); // and to the end of the queue
      this.#early.set(key, [state, sent]);
      return;
    }
    this.#prices?.hear(state, sent);
    const old = this.states.get(key);
    if (old && old.version >= state.version && !this.#outdatedStates || !(this.#prices?.admits(state) ?? true)) return;
    if (state.value === null) this.states.delete(key);
    else this.states.set(key, state);
    this.#emit('state', state);
  }

  /** @type {(kept: typeof import('./prices.js').Prices) => void} */
  #watchPrices(Prices) {
    if (this.#prices) return;
    this.#prices = new Prices(this, (told) => this.#emit('state', told), () => this.#connection.pulse?.measureAgain());
    this.#prices.renew(this.#connection.oddsBeat);
    for (const [state, sent] of this.#early.values()) this.#state(state, sent);
    this.#early.clear();
  }

  /**
   * Whether prices of a match may be shown: {gate: 'open' | 'suspended' | 'closed', reason, since}.
   * While there is no live connection they may not. It is true at this moment only: ask again
   * whenever you draw.
   * @param {number | string} match
   * @returns {Gate}
   */
  gate(match) { return this.#prices?.gate(match) ?? { gate: 'suspended', reason: 'start' }; }

  /**
   * A price in thousandths, `live.price(1009316, '1x2', 'home')`; undefined if none may be shown
   * now.
   * @param {number | string} match
   * @param {string} market
   * @param {string} selection
   * @returns {number | undefined}
   */
  price(match, market, selection) {
    if (this.gate(match).gate !== 'open') return undefined;
    const { value } = this.states.get(`odds:${match} ${market}`) ?? {};
    return value?.st === 'open' ? value.sel?.[selection]?.p : undefined;
  }

  // reset: what comes next begins anew. At the end of a replay, a bye, nobody is told: nothing comes.
  /** @type {(frame: Frame) => void} */
  #reset(frame) {
    this.#outdated = new Set(this.matches.keys());
    this.#outdatedStates = true;
    this.#revisions.clear();
    if (frame.reason !== 'replay_over') this.#emit('reset', { reason: frame.reason });
  }
}

// topicList takes topics as they are given: one by one, in lists, or in one text with commas.
/** @type {(given: Topics[]) => string[]} */
function topicList(given) {
  return given.flatMap((one) =>
    (typeof one === 'object' && one?.[Symbol.iterator] ? [...one] : [one])).flatMap((topic) => {
    if (typeof topic !== 'string') throw new TypeError(`goalcast: a topic is a text like match:1, not ${topic === null
      ? 'null' : typeof topic}`);
    return topic.split(',').map((text) => text.trim()).filter(Boolean);
  });
}

// withMore adds to a shortened snapshot what an older, longer one knows: line-ups, and events that
// it leaves out.
/** @type {(short: Match, long: Match) => Match} */
function withMore(short, long) {
  const newest = new Map(long.timeline.map((e) => [e.id, e]));
  for (const e of short.timeline) if (!((newest.get(e.id)?.revision ?? 0) > e.revision)) newest.set(e.id, e);
  return { ...short, timeline: [...newest.values()].sort(inMatchOrder),
    ...(long.lineups && !short.lineups && { lineups: long.lineups }) };
}
