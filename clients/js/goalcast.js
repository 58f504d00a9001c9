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

import { openEventSource, openSocket } from './links.js';
import { apply, emptySnapshot, inMatchOrder, placeOf } from './reducer.js';
import { codes } from './tables.js';

/**
 * @import { Asked, Ears, EventTold, Frame, Gate, Latency, Link, Match, MatchEvent, Options, ProblemTold,
 *   State, Status, Told, Topics, Transport } from './types.js'
 */
/** @import { Polled } from './polling.js' */
/** @typedef {{token?: string, ticket?: string} & Partial<typeof import('./later.js')>} Found what a way needs */

const gateKey = '!'; // of the state that says whether prices may be shown
/** @type {Transport[]} */
const transports = ['websocket', 'eventsource', 'poll', 'deltas']; // the best first

// later loads what the first frame does not need; undefined where that fails, until it is asked for
// again.
/** @type {Promise<typeof import('./later.js') | undefined> | undefined} */
let loading;
const later = () => loading ??= import('./later.js').catch(() => loading = undefined);

/** @type {Omit<Options, 'url'>} */
const defaults = {
  // url: of the hub, http(s); in a browser the page's own origin
  topics: [], // 'match:1', 'team:2', 'competition:3', 'odds:1'; or one text with commas
  cursor: undefined, // of an earlier session, to go on from there: with its ...
  matches: [], // ... snapshots
  // ms: prices and other states come at most this often, the newest of each; 0: as they happen; at
  // most 60000. Events are never held back
  conflateMs: 0,
  // 'kickoff': a match that is over, the only one of topics, is played again as it was told, `speed`
  // times as fast, 1 to 60; then the status is 'closed', reason 'replay_over'. start plays it once more
  replay: undefined,
  speed: 1,
  // 'auto': WebSocket; if that does not get through, or breaks again and again, EventSource, long poll,
  // what a CDN keeps, and up again when that may have changed; or one of them: 'websocket',
  // 'eventsource', 'poll', 'deltas'
  transport: 'auto',
  cdn: undefined, // of what serves /v1/matches, http(s); the hub's url where there is none
  WebSocket: globalThis.WebSocket,
  EventSource: globalThis.EventSource,
  // async () => 'eyJ...': the token of who watches, asked for before each connection and before it
  // ends; undefined for nobody in particular
  token: undefined,
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
  /** @type {Map<string, Set<(told: any) => void>>} */
  #listeners = new Map();
  /** @type {Set<string>} */
  #topics = new Set();
  /** @type {Set<string>} */
  #unjoined = new Set(); // topics whose snapshot has not come: until then a cursor would leave them out
  /** @type {Set<number>} */
  #outdated = new Set(); // ids of matches known before a reset: their next snapshots count whatever they say
  #outdatedStates = false; // and so do all values until every snapshot has come
  /** @type {Map<string, number>} */
  #revisions = new Map(); // match and event id -> newest revision told
  /** @type {Link | undefined} */
  #link; // the connection of now: {send, close}; undefined between two
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #timers = new Map();
  #failures = 0; // tries in a row that did not come to a connection that held
  #blocked = 0; // tries in a row that failed although the hub would have let them in
  #broken = 0; // connections in a row that did not hold, and that the hub did not close
  #lostHere = 0; // connections and tries in a row that ended since this way was taken
  #attempt = 0; // counts connections
  /** @type {Map<string | undefined, string[]>} */
  #requests = new Map(); // id -> topics of subscriptions that were sent
  #requestCount = 0;
  #greeted = false; // this way came to a hello at least once
  /** @type {string} */
  #origin; // of the hub: scheme and host
  /** @type {Transport[]} */
  #ways; // the transports that there are, the best first ...
  #way = 0; // ... and the one in use
  #left = 0; // when a better one was given up, or tried again in vain
  #climbs = 0; // how often in vain
  #trying = 0; // the way that is tried
  /** @type {Link | undefined} */
  #probe; // a connection by a better way, being tried beside the one in use
  #running = false;
  #paused = false;
  #silence = 25_000; // ms: hello.ping
  #lastHeard = 0;
  /** @type {Map<string | undefined, number>} */
  #pings = new Map();
  #pingCount = 0;
  #roundTrip = Infinity; // ms, of the ping that told the clock
  #clockPings = 0; // still to send
  /** @type {number} */
  #conflateMs; // asked for
  /** @type {(() => void) | undefined} */
  #unwatch;
  /** @type {string | undefined} */
  #authId; // of the newest auth frame
  #unauthorized = 0; // tries in a row whose token the hub did not take
  #oddsBeat = 5_000; // ms: hello.odds_beat
  // topics of prices -> when the hub said what was heard last of them: {clock, steady}, in ms by the
  // clock of this machine, which goes on while the machine sleeps, and by one that nobody sets
  /** @type {Map<string, {clock: number, steady: number}>} */
  #oddsHeard = new Map();
  /** @type {Set<string>} */
  #silentOdds = new Set(); // those that it said nothing of for too long, as listeners know it

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
  /**
   * Everything up to here was seen; undefined before the first. Good for `cursor` of a later
   * session, together with `matches`.
   * @type {string | undefined}
   */
  cursor;
  /** @type {Status} */
  status = 'closed';
  /**
   * How seldom states come on this connection, in ms: what the hub made of conflateMs. 0: as they
   * happen.
   */
  conflateMs = 0;
  /**
   * ms to add to this machine's clock for the hub's; undefined before it is known.
   * @type {number | undefined}
   */
  clockOffset;

  /** @param {Partial<Options>} options */
  constructor(options = {}) {
    this.#options = { ...defaults, url: options.url ?? globalThis.location?.origin, ...options };
    this.#origin = originOf(this.#options.url);
    this.cursor = this.#options.cursor;
    this.#conflateMs = this.#options.conflateMs;
    for (const match of this.#options.matches) this.matches.set(match.id, match);
    for (const topic of topicList([this.#options.topics])) {
      this.#topics.add(topic);
      if (!this.cursor) this.#unjoined.add(topic);
    }
    const { transport, WebSocket, EventSource, fetch, replay } = this.#options;
    const polls = !replay && fetch; // which bring none
    const there = [WebSocket, EventSource, polls, polls];
    this.#ways = transport === 'auto' ? transports.filter((_, way) => there[way]) : [transport];
  }

  get topics() { return [...this.#topics]; }

  /** How it is connected: 'websocket', 'eventsource', 'poll' or 'deltas'. */
  get transport() { return this.#ways[this.#way]; }

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
    if (this.#running) return this;
    this.#running = true;
    this.#paused = false;
    this.#connect();
    later().then((found) => {
      if (!this.#running || !found) return;
      this.#unwatch ??= found.watchMachine({ online: () => this.#online(), offline: () => this.#offline(),
        changed: () => this.#test(0), pause: (reason) => this.#pause(reason), resume: () => this.resume(),
        woke: () => this.#again() }, this.#options.hiddenAfter);
    });
    return this;
  }

  /** Ends the connection; start may follow and goes on where this stopped. */
  stop() { this.#stop(); }

  /** @type {(reason?: string) => void} */
  #stop(reason) {
    this.#running = false;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#drop();
    this.#setStatus('closed', reason);
  }

  /**
   * Lets the connection go until resume, which goes on where this was. Pages do so by themselves;
   * an app does when it goes to the background.
   */
  pause() { this.#pause('asked'); }

  /** @type {(reason: string) => void} */
  #pause(reason) {
    if (!this.#running || this.#paused) return;
    this.#paused = true;
    this.#attempt++;
    this.#drop();
    this.#setStatus('paused', reason);
  }

  resume() {
    if (!this.#paused) this.#test(); // who comes back wants to know at once
    else {
      this.#paused = false;
      this.#again();
    }
  }

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
  subscribe(...topics) {
    const added = topicList(topics).filter((topic) => !this.#topics.has(topic));
    if (added.length === 0) return;
    for (const topic of added) {
      this.#topics.add(topic);
      this.#unjoined.add(topic);
    }
    this.#topicsChanged('subscribe', added);
  }

  /** @param {Topics[]} topics */
  unsubscribe(...topics) {
    const gone = topicList(topics).filter((topic) => this.#topics.delete(topic));
    for (const topic of gone) {
      this.#unjoined.delete(topic);
      this.#oddsHeard.delete(topic);
    }
    if (gone.length > 0) this.#topicsChanged('unsubscribe', gone);
  }

  /**
   * Asks for states at most every so many ms from now on: more seldom on a slow network, 0 for as
   * they happen.
   * @param {number} ms
   */
  conflate(ms) {
    if (ms === this.#conflateMs) return;
    this.#conflateMs = ms;
    if (this.#link?.send) this.#sendConflate(); // before hello it is dropped: hello looks again
    else if (this.transport !== 'websocket') this.#again();
  }

  // sendConflate rides on a subscription to what is followed already, whose snapshot comes once
  // more. Without topics there are no states.
  #sendConflate() {
    if (this.#topics.size > 0) this.#link?.send?.(JSON.stringify({ type: 'subscribe', topics: this.topics.slice(0, 1),
      conflate_ms: this.#conflateMs }));
  }

  // topicsChanged tells the hub on the open socket; all others have their topics in the URL and connect
  // again.
  /** @type {(type: 'subscribe' | 'unsubscribe', topics: string[]) => void} */
  #topicsChanged(type, topics) {
    if (this.#link?.send) {
      if (type === 'subscribe') this.#subscribe(topics);
      else this.#link.send(JSON.stringify({ type, topics })); // before hello it is dropped: hello looks again
    } else if (this.transport !== 'websocket') this.#again();
  }

  // again connects at once: another connection, or the next one without waiting for its turn.
  #again() {
    if (!this.#running || this.#paused) return;
    this.#drop();
    this.#connect();
  }

  // subscribe asks for topics under a mark of its own, so that an error tells which were refused.
  /** @type {(topics: string[]) => void} */
  #subscribe(topics) {
    const id = `s${++this.#requestCount}`;
    this.#requests.set(id, topics);
    this.#link?.send?.(JSON.stringify({ type: 'subscribe', topics, id }));
  }

  // problem: none of a subscription's topics is followed. Those that may be later are asked for
  // again; the others are dropped, else they would have the next connection refused.
  /** @type {(frame: Frame) => void} */
  #problem({ code, error, id }) {
    if (id !== undefined && id === this.#authId) { // a token that was not taken
      if (code === 'unavailable') this.#after('auth', 2000, () => this.#expiring());
      else if (code === 'unauthorized' && ++this.#unauthorized < 3) this.#after('auth', 1000, () => this.#expiring());
      return; // else the hub says bye, and the next connection is told why it is refused
    }
    const topics = this.#requests.get(id);
    this.#requests.delete(id);
    if (topics && /** @type {{[code: string]: {final: boolean}}} */ (codes)[code]?.final === false) {
      this.#after(`again ${id}`, this.#options.backoff * (2 + 8 * this.#options.random()), () => {
        const still = topics.filter((topic) => this.#topics.has(topic));
        if (still.length > 0) this.#subscribe(still);
      });
    } else if (topics) {
      for (const topic of topics) {
        this.#topics.delete(topic);
        this.#unjoined.delete(topic);
      }
    }
    this.#refused({ code, error, id, topics, final: false });
  }

  /** @type {(problem: ProblemTold) => void} */
  #refused(problem) {
    if (!this.#listeners.get('problem')?.size) console.error(`goalcast: ${problem.error ?? problem.code}`);
    this.#emit('problem', problem);
  }

  // url is written without URL: React Native's cannot be changed.
  /** @type {(transport: Transport | 'check', topics?: string[], extra?: string) => string} */
  #url(transport, topics = this.topics, extra = '') {
    const query = [];
    if (topics.length > 0) query.push(`topics=${topics.map(encodeURIComponent).join().replaceAll('%3A', ':')}`);
    if (this.#conflateMs > 0) query.push(`conflate_ms=${this.#conflateMs}`);
    // prices are polled without a cursor
    const since = this.#unjoined.size === 0
      && (transport !== 'poll' || topics.some((topic) => !topic.startsWith('odds:')));
    if (this.#options.replay) query.push(`replay=kickoff&speed=${this.#options.speed}`);
    if (this.cursor && since) query.push(`since=${encodeURIComponent(this.cursor)}`);
    if (extra) query.push(extra);
    const origin = transport === 'websocket' ? this.#origin.replace(/^http/i, 'ws') : this.#origin;
    return `${origin}/v1/live${query.length > 0 ? '?' : ''}${query.join('&')}`;
  }

  #connect() {
    const attempt = ++this.#attempt;
    if (this.status !== 'reconnecting') this.#setStatus('connecting');
    for (const topic of this.cursor ? [] : this.#topics) this.#unjoined.add(topic);
    if (this.#topics.size === 0 && this.transport !== 'websocket') return; // until there is something to ask for
    this.#prepare(this.#way, () => attempt === this.#attempt && this.#running && !this.#link, (found) => {
      this.#link = this.#open(this.#way, found);
      this.#after('hello', this.#options.helloTimeout,
        () => (this.#options.fetch ? this.#askWhy('no hello') : this.#lost('no hello')));
    }, (err) => {
      if (err.code === 'unauthorized') this.#refusedToken(err.message);
      else this.#lost(err.code ?? 'no token', err.retry, err.code && err.message);
    });
  }

  // prepare brings what a way needs: nothing, most often, and then it is open at once.
  /** @type {(way: number, still: () => boolean, open: (found: Found) => void, fail: (err: any) => void) => void} */
  #prepare(way, still, open, fail) {
    const transport = this.#ways[way];
    if (!this.#options.token && ['websocket', 'eventsource'].includes(transport)) {
      open({});
      return;
    }
    later().then(async (found) => {
      if (!found) throw new Error('a part of the script does not load');
      return { ...found, ...await found.credentials(transport, this.#origin, this.#options) };
    }).then((found) => still() && open(found), (err) => still() && fail(err));
  }

  // refusedToken: it may have ended on its way. A new one is asked for, twice; then somebody has to
  // log in again.
  /** @type {(detail?: string) => void} */
  #refusedToken(detail) {
    if (this.#options.token && ++this.#unauthorized < 3) {
      this.#lost('unauthorized');
      return;
    }
    this.#stop('unauthorized');
    this.#unauthorized = 0;
    this.#refused({ code: 'unauthorized', error: detail, final: true });
  }

  // expiring: what the hub knows of who watches ends soon. A socket hands a new token in; an
  // EventSource comes back with one.
  #expiring() {
    if (!this.#options.token) return; // the hub says bye in time
    const link = this.#link;
    if (!link?.send) {
      this.#again();
      return;
    }
    later().then((found) => found?.tokenOf(this.#options)).then((token) => {
      if (this.#link !== link || !token) return;
      this.#authId = `a${++this.#requestCount}`;
      link.send?.(JSON.stringify({ type: 'auth', token, id: this.#authId }));
    }, () => {}); // then the hub says bye, and the next connection asks again
  }

  /** @type {(way: number, found: Found) => Link} */
  #open(way, { token, ticket, openPoll, openDeltas }) {
    const transport = this.#ways[way];
    const { WebSocket, EventSource } = this.#options;
    const asked = { topics: this.topics, conflateMs: this.#conflateMs };
    /** @type {Ears} */
    const to = {
      frame: (text) => {
        if (link === this.#probe) this.#probed(way, text);
        if (link === this.#link) this.#heard(text, asked);
      },
      end: (reason, code) => {
        if (link === this.#probe) this.#climb(way + 1);
        else if (link === this.#link) this.#ended(reason, code);
      },
    };
    /** @type {Polled} */
    const polled = { topics: this.topics, token, options: this.#options, every: this.#conflateMs,
      url: (topics, extra) => this.#url('poll', topics, extra),
      base: this.#base(), cursor: this.cursor,
      known: (id) => (this.#outdated.has(id) ? undefined : this.matches.get(id)),
      joined: (topic) => !this.#unjoined.has(topic) };
    const address = this.#url(transport, this.topics, ticket && `ticket=${encodeURIComponent(ticket)}`);
    const link = transport === 'websocket' && WebSocket ? openSocket(WebSocket, address, to, token)
      : transport === 'eventsource' && EventSource ? openEventSource(EventSource, address, to)
        : (transport === 'poll' ? openPoll : openDeltas)?.(polled, to);
    if (!link) throw new TypeError(`goalcast: this runtime has no ${transport}; hand one in`);
    return link;
  }

  #base() { return originOf(this.#options.cdn ?? this.#origin); }

  // climb tries a way that is better than the one in use, beside it, and then the next.
  #climb(way = 0) {
    this.#cancel('probe');
    this.#probe?.close();
    this.#probe = undefined;
    if (way >= this.#way) {
      this.#left = Date.now();
      this.#climbs++;
      this.#upgradeLater();
      return;
    }
    const link = this.#link;
    this.#trying = way;
    this.#after('probe', this.#options.helloTimeout, () => this.#climb(way + 1));
    this.#prepare(way, () => link !== undefined && link === this.#link && way === this.#trying && !this.#probe,
      (found) => { this.#probe = this.#open(way, found); }, () => this.#climb(way + 1));
  }

  // probed: a better way leads to the hub, if a hello comes. What both tell is told once.
  /** @type {(way: number, text: string) => void} */
  #probed(way, text) {
    if (!/"type":\s*"hello"/.test(text)) {
      this.#climb(way + 1);
      return;
    }
    const link = this.#probe;
    this.#probe = undefined;
    this.#drop();
    this.#take(way);
    this.#link = link;
  }

  // take goes by another way from now on.
  /** @type {(way: number) => void} */
  #take(way) {
    this.#way = way;
    this.#left = Date.now();
    this.#greeted = false;
    this.#blocked = this.#broken = this.#climbs = this.#lostHere = 0;
  }

  // upgradeLater: who reads from a CDN may have a hub again soon. Not all try in the same second.
  #upgradeLater() {
    const { upgradeAfter, maxBackoff, random } = this.#options;
    const most = this.transport === 'deltas' ? Math.min(upgradeAfter, maxBackoff * 2 ** this.#climbs) : upgradeAfter;
    const left = this.#left + most * (0.75 + random() / 2) - Date.now();
    if (this.#way > 0) this.#after('upgrade', Math.max(0, left), () => this.#climb());
  }

  // ended: the connection is gone. If it never came to a hello the hub may have refused it, as it may
  // refuse each poll. Connections that break again and again, without the hub having closed them, do
  // not get through as they should.
  /** @type {(reason: string, code?: number) => void} */
  #ended(reason, code) {
    if (this.#options.fetch && (this.#timers.has('hello') || this.transport === 'poll')) {
      this.#askWhy(reason);
      return;
    }
    if ([1002, 1006, 1007].includes(code ?? 0)) this.#broken++;
    this.#lost(reason);
  }

  // askWhy asks the hub whether it would let this connection in. What it refuses for good is told
  // once and not tried again; what it refuses for now is tried when it says, and what a CDN has is
  // shown meanwhile.
  /** @type {(reason: string) => Promise<void>} */
  async #askWhy(reason) {
    this.#drop();
    const attempt = this.#attempt;
    const still = () => attempt === this.#attempt && this.#running;
    const found = await later();
    const why = await found?.why(this.#url('check', this.topics, 'check=1'), this.#options) ?? { admitted: false };
    if (!still()) return;
    const { code, status = 0 } = why;
    const final = code && status >= 400 && status < 500 && ![408, 425, 429].includes(status);
    this.#blocked = why.admitted ? this.#blocked + 1 : 0;
    if (final && code === 'bad_cursor' && this.cursor) { // of another kind of hub; without it there is a way
      this.#reset({ reason: code });
      this.#lost(code);
    } else if (code === 'unauthorized') {
      this.#refusedToken(why.detail);
    } else if (final) {
      this.#stop(code);
      this.#refused({ code, error: why.detail, final: true });
    } else {
      const deltas = this.#ways.indexOf('deltas');
      if (!why.admitted && this.#failures >= 2 && this.#way < deltas
        && await found?.reachable(this.#base(), this.topics, this.#options)) {
        if (!still()) return;
        this.#take(deltas);
        this.#lost(code ?? reason, 0, why.detail);
      } else if (still()) this.#lost(code ?? reason, why.retry, why.detail);
    }
  }

  // heard takes one frame. What is not understood is left alone: later versions add types and
  // fields.
  /** @type {(text: string, asked: Asked) => void} */
  #heard(text, asked) {
    this.#lastHeard = Date.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#lost('a frame that is no JSON');
      return;
    }
    switch (frame.type) {
      case 'hello': return this.#hello(frame, asked);
      case 'snapshot': return this.#snapshot(frame);
      case 'event': return this.#event(frame);
      case 'state': return this.#state(frame.state, frame.sent);
      case 'reset': return this.#reset(frame);
      case 'stale': return this.#setStatus(frame.stale ? 'stale' : 'live');
      case 'error': return this.#problem(frame);
      case 'bye': return this.#bye(frame);
      case 'pong': return this.#pong(frame);
      case 'expiring': return this.#expiring();
    }
  }

  /** @type {(frame: Frame, asked: Asked) => void} */
  #hello(frame, asked) {
    this.#cancel('hello');
    this.#after('settled', this.#options.settled,
      () => { this.#failures = this.#broken = this.#blocked = this.#lostHere = 0; });
    this.#greeted = true;
    this.#unauthorized = 0;
    if (frame.ping > 0) this.#silence = frame.ping;
    if (frame.odds_beat > 0) this.#oddsBeat = frame.odds_beat;
    this.conflateMs = frame.conflate_ms ?? 0;
    this.#roundTrip = Infinity;
    if (frame.time) this.#measureClock(frame.time, 1000); // until a ping tells better
    // What another connection told of prices is void: all comes again, and another hub counts its gates
    // from elsewhere.
    for (const topic of this.#oddsHeard.keys()) {
      this.#forgetPrices(topic);
      this.states.set(`${topic} ${gateKey}`,
        { topic, key: gateKey, version: 0, value: { gate: 'suspended', reason: 'connection' } });
    }
    this.#oddsHeard.clear();
    this.#silentOdds.clear();
    this.#setStatus('live');
    if (!this.#link) return; // who heard it may have stopped
    this.#upgradeLater();
    this.#listenForSilence();
    if (!this.#link?.send) return;
    // What was changed while the connection was being made.
    const added = this.topics.filter((topic) => !asked.topics.includes(topic));
    const gone = asked.topics.filter((topic) => !this.#topics.has(topic));
    if (added.length > 0) this.#subscribe(added);
    if (gone.length > 0) this.#link.send(JSON.stringify({ type: 'unsubscribe', topics: gone }));
    if (asked.conflateMs !== this.#conflateMs) this.#sendConflate();
    this.#clockPings = this.#options.clockPings - 1;
    this.#ping();
  }

  /** @type {(frame: Frame) => void} */
  #snapshot(frame) {
    for (const incoming of frame.matches ?? []) this.#replace(incoming, frame.topic ?? '');
    if (frame.states?.some((/** @type {State} */ state) => state.key === gateKey)) this.#forgetPrices(frame.topic);
    for (const state of frame.states ?? []) this.#state(state);
    if (frame.topic) this.#unjoined.delete(frame.topic);
    if (this.#unjoined.size === 0) this.#outdatedStates = false;
    if (frame.cursor) this.cursor = frame.cursor;
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
      if (!this.#topics.has(`match:${match.id}`) || topic !== `match:${match.id}`) match = withMore(match, previous);
    }
    this.matches.set(match.id, match);
    this.#emit('match', { match, previous });
  }

  /** @type {(frame: Frame) => void} */
  #event(frame) {
    const { event } = frame;
    if (frame.cursor) this.cursor = frame.cursor;
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
    const old = this.states.get(key);
    const gated = state.key === gateKey || this.states.has(`${state.topic} ${gateKey}`);
    if (gated) this.#hearPrices(state.topic, sent);
    if (old && old.version >= state.version && !this.#outdatedStates) return;
    if (state.key === gateKey) this.#forgetPrices(state.topic); // whichever way it goes, they are void
    else if (gated && this.states.get(`${state.topic} ${gateKey}`)?.value?.gate !== 'open') return;
    if (state.value === null) this.states.delete(key);
    else this.states.set(key, state);
    this.#emit('state', state);
  }

  /** @type {(topic: string) => void} */
  #forgetPrices(topic) {
    for (const key of this.states.keys()) if (key.startsWith(`${topic} `)) this.states.delete(key);
  }

  // hearPrices notes when the hub said something of the prices. What was on its way for longer than
  // prices live, in a network or in front of a frozen tab, is as good as silence; unless it is the
  // clock that is wrong.
  /** @type {(topic: string, sent?: number) => void} */
  #hearPrices(topic, sent) {
    const now = Date.now();
    const late = sent && this.clockOffset !== undefined ? Math.max(0, now + this.clockOffset - sent) : 0;
    this.#oddsHeard.set(topic, { clock: now - late, steady: performance.now() - late });
    if (this.#isSilent(topic)) this.#measureAgain();
    this.#watchPrices();
  }

  // isSilent: after two beats without a word prices are hidden. Nothing was lost, so that the next
  // word brings them back.
  /** @type {(topic: string) => boolean} */
  #isSilent(topic) {
    const heard = this.#oddsHeard.get(topic);
    return !heard || Math.max(Date.now() - heard.clock, performance.now() - heard.steady) > 2 * this.#oddsBeat;
  }

  // watchPrices tells listeners when prices fall silent, and when they are heard again.
  #watchPrices() {
    for (const topic of this.#oddsHeard.keys()) {
      const silent = this.#isSilent(topic);
      if (silent === this.#silentOdds.has(topic)) continue;
      if (silent) this.#silentOdds.add(topic);
      else this.#silentOdds.delete(topic);
      this.#emit('state', { topic, key: gateKey, value: this.gate(topic.split(':')[1]) });
    }
    if (!this.#link || this.#oddsHeard.size === 0 || this.#timers.has('prices')) return;
    this.#after('prices', Math.min(500, this.#oddsBeat / 2), () => this.#watchPrices());
  }

  // measureAgain asks the hub for its time again. Without an answer the connection is of no use; an
  // EventSource cannot ask and connects again.
  #measureAgain() {
    if (!this.#link?.send) {
      this.#lost('late');
      return;
    }
    if (this.#timers.has('pong')) return;
    this.#roundTrip = Infinity;
    this.#ping();
  }

  /**
   * Whether prices of a match may be shown: {gate: 'open' | 'suspended' | 'closed', reason, since}.
   * While there is no live connection they may not. It is true at this moment only: ask again
   * whenever you draw.
   * @param {number | string} match
   * @returns {Gate}
   */
  gate(match) {
    const state = this.states.get(`odds:${match} ${gateKey}`);
    if (!state) return { gate: 'suspended', reason: 'start' };
    if (this.status !== 'live') return { gate: 'suspended', reason: 'connection' };
    if (state.value?.gate === 'open' && this.#isSilent(`odds:${match}`)) return { gate: 'suspended', reason: 'silent' };
    return state.value;
  }

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
  /** @type {(frame: {type?: string, reason?: string}) => void} */
  #reset(frame) {
    this.cursor = undefined;
    this.#outdated = new Set(this.matches.keys());
    this.#outdatedStates = true;
    this.#revisions.clear();
    for (const topic of this.#topics) this.#unjoined.add(topic);
    if (frame.type !== 'bye') this.#emit('reset', { reason: frame.reason });
  }

  // bye: the hub leaves, or cannot take anybody now, and says when to come back, differently to
  // everyone.
  /** @type {(frame: Frame) => void} */
  #bye(frame) {
    if (frame.reason === 'replay_over') {
      this.#reset(frame); // its cursor is good for nothing else
      return this.#stop(frame.reason);
    }
    if (frame.cursor && this.#unjoined.size === 0) this.cursor = frame.cursor;
    this.#lost(frame.reason ?? 'bye', frame.retry);
  }

  /** @type {(frame: Frame) => void} */
  #pong(frame) {
    if (frame.cursor && this.#unjoined.size === 0) this.cursor = frame.cursor;
    const sent = this.#pings.get(frame.id);
    this.#pings.clear();
    this.#cancel('pong');
    if (sent === undefined || !frame.time) return;
    const roundTrip = Date.now() - sent;
    if (this.#clockPings-- > 0) this.#after('clock', 300, () => this.#ping());
    this.#measureClock(frame.time + roundTrip / 2, roundTrip);
  }

  // measureClock keeps the offset of the quickest round trip: it is the one that can be least
  // wrong.
  /** @type {(hubTime: number, roundTrip: number) => void} */
  #measureClock(hubTime, roundTrip) {
    if (roundTrip > this.#roundTrip) return;
    this.#roundTrip = roundTrip;
    this.clockOffset = hubTime - Date.now();
  }

  #ping() {
    if (this.#timers.has('pong')) return; // one at a time: the first that stays unanswered tells
    const id = `p${++this.#pingCount}`;
    this.#pings.set(id, Date.now());
    this.#link?.send?.(JSON.stringify({ type: 'ping', id }));
    this.#after('pong', this.#options.pongTimeout, () => this.#lost('no pong'));
  }

  // test asks a connection that may be dead. One that cannot be asked is made anew if it was silent for
  // longer than that.
  /** @type {(silence?: number) => void} */
  #test(silence = this.#silence) {
    if (!this.#link || this.#timers.has('hello')) return;
    if (this.#link.send) this.#ping();
    else if (Date.now() - this.#lastHeard >= silence) this.#again();
  }

  // listenForSilence pings when nothing was heard for as long as the hub said it would at most be
  // silent: its own pings are invisible here. What cannot ping is left after twice as long.
  #listenForSilence() {
    const most = this.#silence * (this.#link?.send ? 1 : 2);
    const left = this.#lastHeard + most - Date.now();
    if (left <= 0 && !this.#link?.send) {
      this.#broken++;
      this.#lost('silent');
      return;
    }
    if (left <= 0) this.#ping();
    this.#after('silence', left > 0 ? left : most, () => this.#listenForSilence());
  }

  // lost waits and connects. A hub that says when to come back is not asked earlier; one that says
  // so again and again is asked ever more seldom, unless it only stops in good order. A way that leads
  // nowhere is left for the next; behind the last comes the first.
  /** @type {(reason: string, retry?: number, error?: string) => void} */
  #lost(reason, retry = 0, error) {
    this.#drop();
    if (!this.#running) return;
    if (reason !== 'drain') this.#failures++;
    this.#lostHere++;
    const { fetch, random, backoff, maxBackoff } = this.#options;
    const blocked = fetch ? this.#blocked >= (this.#greeted ? 4 : 2) : !this.#greeted && this.#failures >= 2;
    if (blocked || this.#broken >= 4) {
      if (this.#way + 1 < this.#ways.length) this.#take(this.#way + 1);
    } else if (this.transport === 'deltas' && this.#ways.length > 1 && this.#lostHere > 3) this.#take(0);
    const own = reason === 'drain' && retry > 0 ? 0
      : random() * Math.min(maxBackoff, backoff * 2 ** Math.min(Math.max(this.#failures - 1, 0), 20));
    const wait = Math.max(retry, own);
    this.#setStatus('reconnecting', reason, wait, error);
    this.#after('retry', wait, () => this.#connect());
  }

  #drop() {
    const links = [this.#link, this.#probe];
    this.#link = this.#probe = undefined;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    this.#pings.clear();
    this.#requests.clear();
    for (const link of links) link?.close();
  }

  #offline() {
    if (this.#link) this.#lost('offline', this.#options.maxBackoff);
  }

  // online: another network lets other things through.
  #online() {
    if (this.#link) {
      if (this.#way === 0) this.#test(0);
      else if (!this.#probe) this.#climb();
      return;
    }
    this.#take(0);
    this.#again(); // and whatever is asked for meanwhile does not count
  }

  /** @type {(status: Status, reason?: string, retry?: number, error?: string) => void} */
  #setStatus(status, reason, retry, error) {
    if (this.status === status && reason === undefined) return;
    this.status = status;
    this.#emit('status', { status, reason, retry, ...(error && { error }) });
  }

  /** @type {(name: string, ms: number, fn: () => void) => void} */
  #after(name, ms, fn) {
    this.#cancel(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      fn();
    }, ms));
  }

  /** @type {(name: string) => void} */
  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

// originOf is an address without its path. (React Native's URL knows little of them.)
/** @type {(url?: string) => string} */
function originOf(url) {
  const origin = /^https?:\/\/[^/?#]+/i.exec(url ?? '')?.[0];
  const wrong = url ? `the url ${url} does not begin with http:// or https://` : 'url is missing';
  if (!origin) throw new TypeError(`goalcast: ${wrong}`);
  return origin;
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
