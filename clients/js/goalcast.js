// goalcast.js: listen to a goalcast hub from a browser or from Node, without dependencies.
//
//   import { Goalcast } from './goalcast.js';
//   const live = new Goalcast({ url: 'https://live.example', topics: ['team:174', 'match:1009316'] });
//   live.on('event', ({ event, match }) => console.log(event.kind, match.score));
//   live.start();
//
// It connects by WebSocket, or by EventSource where WebSockets do not get through; keeps the cursor
// and comes back with it after a cut, so that no event is lost and none is told twice; keeps each
// match's snapshot by the same reducer as the hub. Node 20 has no WebSocket of its own: hand one in
// (`import WebSocket from 'ws'`).

import { openEventSource, openSocket } from './links.js';
import { apply, emptySnapshot, inMatchOrder, placeOf } from './reducer.js';
import { codes } from './tables.js';

export { apply, clockText, emptySnapshot, inMatchOrder, minuteAt, periodOrder, placeOf, resultOf } from './reducer.js';
export { codes, frameTypes, kinds, reasons, topicKinds } from './tables.js';

const gateKey = '!'; // of the state that says whether prices may be shown

const defaults = {
  url: undefined, // of the hub, http(s); in a browser the page's own origin
  topics: [], // 'match:1', 'team:2', 'competition:3', 'odds:1'; or one text with commas
  cursor: undefined, // of an earlier session, to go on from there: with its ...
  matches: [], // ... snapshots
  // ms: prices and other states come at most this often, the newest of each; 0: as they happen; at
  // most 60000. Events are never held back
  conflateMs: 0,
  // 'auto': WebSocket, EventSource if that does not get through or breaks again and again; or
  // 'websocket', 'eventsource'
  transport: 'auto',
  WebSocket: globalThis.WebSocket,
  EventSource: globalThis.EventSource,
  // async () => 'eyJ...': the token of who watches, asked for before each connection and before it
  // ends; undefined for nobody in particular
  token: undefined,
  fetch: globalThis.fetch, // asks why a connection did not come about; browsers hide the answer to a handshake
  random: Math.random,
  backoff: 500, // ms: the n-th try in a row waits up to backoff * 2^n, evenly spread (full jitter) ...
  maxBackoff: 30_000, // ... and at most this
  // ms that a connection has to hold before tries are counted from the beginning: the hub may cut
  // one that was greeted, again and again
  settled: 60_000,
  helloTimeout: 10_000, // ms until the hub must have said hello
  pongTimeout: 10_000, // ms until it must have answered a ping
  clockPings: 1, // pings after each hello to learn the hub's clock; the quickest counts. More make latencies truer
  remember: 5000, // revisions of so many events are kept, to tell repeats
};

/**
 * A connection to a hub. `on(name, fn)` listens and returns a function that ends it. What there is
 * to hear:
 *
 * - `status` {status, reason, retry}: 'connecting', 'live', 'stale' (the hub itself hears nothing
 *   new), 'reconnecting', 'closed' (by stop, or with a reason: the hub refused for good what is asked
 *   for; start tries once more)
 * - `event` {event, cursor, match, previous, latency}: each revision once, in order. match is the
 *   snapshot with it, previous the one before; undefined for messages. A match that is not known yet
 *   comes ahead of its first event, as `match`
 * - `match` {match, previous, event}: a snapshot changed, by an event or, without event, because
 *   the hub sent a new one
 * - `state` {topic, key, version, value, at}: the newest value of something, a price for instance
 * - `reset` {reason}: events may have been missed; snapshots follow
 * - `problem` {code, error, topics, final}: the hub did not like something. topics are those of a
 *   subscription that failed; they are dropped, unless the reason may be over soon. final: the whole
 *   connection was refused for good, and is not tried again
 */
export class Goalcast {
  #options;
  #listeners = new Map();
  #topics = new Set();
  #unjoined = new Set(); // topics whose snapshot has not come: until then a cursor would leave them out
  #outdated = new Set(); // ids of matches known before a reset: their next snapshots count whatever they say
  #outdatedStates = false; // and so do all values until every snapshot has come
  #revisions = new Map(); // match and event id -> newest revision told
  #link; // the connection of now: {send, close}; undefined between two
  #timers = new Map();
  #failures = 0; // tries in a row that did not come to a connection that held
  #blocked = 0; // tries in a row that failed although the hub would have let them in
  #broken = 0; // connections in a row that did not hold, and that the hub did not close
  #attempt = 0; // counts connections
  #requests = new Map(); // id -> topics of subscriptions that were sent
  #requestCount = 0;
  #greeted = false; // a WebSocket came to a hello at least once
  #transport;
  #running = false;
  #silence = 25_000; // ms: hello.ping
  #lastHeard = 0;
  #pings = new Map();
  #pingCount = 0;
  #roundTrip = Infinity; // ms, of the ping that told the clock
  #clockPings = 0; // still to send
  #conflateMs; // asked for
  #unsubscribeWindow;
  #authId; // of the newest auth frame
  #unauthorized = 0; // tries in a row whose token the hub did not take
  #oddsBeat = 5_000; // ms: hello.odds_beat
  // topics of prices -> when the hub said what was heard last of them: {clock, steady}, in ms by the
  // clock of this machine, which goes on while the machine sleeps, and by one that nobody sets
  #oddsHeard = new Map();
  #silentOdds = new Set(); // those that it said nothing of for too long, as listeners know it

  /** The snapshots of the matches followed, by id. */
  matches = new Map();
  /** The newest state messages, by "topic key". */
  states = new Map();
  /**
   * Everything up to here was seen; undefined before the first. Good for `cursor` of a later
   * session, together with `matches`.
   */
  cursor;
  status = 'closed';
  /**
   * How seldom states come on this connection, in ms: what the hub made of conflateMs. 0: as they
   * happen.
   */
  conflateMs = 0;
  /** ms to add to this machine's clock for the hub's; undefined before it is known. */
  clockOffset;

  constructor(options = {}) {
    this.#options = { ...defaults, ...options };
    this.#options.url ??= globalThis.location?.origin;
    if (!this.#options.url) throw new TypeError('goalcast: url is missing');
    this.cursor = this.#options.cursor;
    this.#conflateMs = this.#options.conflateMs;
    for (const match of this.#options.matches) this.matches.set(match.id, match);
    for (const topic of topicList([this.#options.topics])) {
      this.#topics.add(topic);
      if (!this.cursor) this.#unjoined.add(topic);
    }
    this.#transport = this.#options.transport;
    if (this.#transport === 'auto') this.#transport = this.#options.WebSocket ? 'websocket' : 'eventsource';
  }

  get topics() { return [...this.#topics]; }

  /** How it is connected: 'websocket' or 'eventsource'. */
  get transport() { return this.#transport; }

  /** The hub's clock, in ms since 1970. */
  now() { return Date.now() + (this.clockOffset ?? 0); }

  on(name, fn) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(fn);
    return () => this.#listeners.get(name).delete(fn);
  }

  #emit(name, detail) {
    for (const fn of [...this.#listeners.get(name) ?? []]) fn(detail);
  }

  /** Connects, and reconnects until stop. */
  start() {
    if (this.#running) return this;
    this.#running = true;
    if (globalThis.window?.addEventListener) this.#watchNetwork();
    this.#connect();
    return this;
  }

  /** Ends the connection; start may follow and goes on where this stopped. */
  stop() { this.#stop(); }

  #stop(reason) {
    this.#running = false;
    this.#unsubscribeWindow?.();
    this.#drop();
    this.#setStatus('closed', reason);
  }

  subscribe(...topics) {
    const added = topicList(topics).filter((topic) => !this.#topics.has(topic));
    if (added.length === 0) return;
    for (const topic of added) {
      this.#topics.add(topic);
      this.#unjoined.add(topic);
    }
    this.#topicsChanged('subscribe', added);
  }

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
   */
  conflate(ms) {
    if (ms === this.#conflateMs) return;
    this.#conflateMs = ms;
    if (!this.#running) return;
    if (this.#link?.send) this.#sendConflate(); // before hello it is dropped: hello looks again
    else if (this.#transport === 'eventsource') {
      this.#drop();
      this.#connect();
    }
  }

  // sendConflate rides on a subscription to what is followed already, whose snapshot comes once
  // more. Without topics there are no states.
  #sendConflate() {
    if (this.#topics.size > 0) this.#link.send(JSON.stringify({ type: 'subscribe', topics: this.topics.slice(0, 1),
      conflate_ms: this.#conflateMs }));
  }

  // topicsChanged tells the hub on the open socket; an EventSource has its topics in the URL and
  // connects again.
  #topicsChanged(type, topics) {
    if (!this.#running) return;
    if (this.#link?.send) {
      if (type === 'subscribe') this.#subscribe(topics);
      else this.#link.send(JSON.stringify({ type, topics })); // before hello it is dropped: hello looks again
    } else if (this.#transport === 'eventsource') {
      this.#drop();
      this.#connect();
    }
  }

  // subscribe asks for topics under a mark of its own, so that an error tells which were refused.
  #subscribe(topics) {
    const id = `s${++this.#requestCount}`;
    this.#requests.set(id, topics);
    this.#link.send(JSON.stringify({ type: 'subscribe', topics, id }));
  }

  // problem: none of a subscription's topics is followed. Those that may be later are asked for
  // again; the others are dropped, else they would have the next connection refused.
  #problem({ code, error, id }) {
    if (id !== undefined && id === this.#authId) { // a token that was not taken
      if (code === 'unavailable') this.#after('auth', 2000, () => this.#expiring());
      else if (code === 'unauthorized' && ++this.#unauthorized < 3) this.#after('auth', 1000, () => this.#expiring());
      return; // else the hub says bye, and the next connection is told why it is refused
    }
    const topics = this.#requests.get(id);
    this.#requests.delete(id);
    if (topics && codes[code]?.final === false) {
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
    this.#emit('problem', { code, error, id, topics, final: false });
  }

  #url(scheme) {
    const url = new URL('/v1/live', this.#options.url);
    if (scheme === 'ws') url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    if (this.#topics.size > 0) url.searchParams.set('topics', [...this.#topics].join(','));
    if (this.#conflateMs > 0) url.searchParams.set('conflate_ms', this.#conflateMs);
    if (this.cursor && this.#unjoined.size === 0) url.searchParams.set('since', this.cursor);
    return url.href.replaceAll('%3A', ':').replaceAll('%2C', ',');
  }

  #connect() {
    const attempt = ++this.#attempt;
    if (this.status !== 'reconnecting') this.#setStatus('connecting');
    for (const topic of this.cursor ? [] : this.#topics) this.#unjoined.add(topic);
    if (!this.#options.token) {
      this.#open();
      return;
    }
    const going = () => attempt === this.#attempt && this.#running && !this.#link;
    this.#credentials().then((found) => going() && this.#open(found), (err) => {
      if (!going()) return;
      if (err.code === 'unauthorized') this.#refusedToken(err.message);
      else this.#lost(err.code ?? 'no token', err.retry);
    });
  }

  // credentials are what the next connection shows: a token, or, where a browser can send none, a
  // ticket for it. A failure has the hub's code and when to come back, if it is the hub's.
  async #credentials() {
    const { token: ask, fetch, helloTimeout, url } = this.#options;
    const token = await withTimeout(ask(), helloTimeout);
    const socket = this.#transport === 'websocket';
    if (!token || socket && /^[\w.~+-]+$/.test(token)) return { token }; // as a subprotocol may be written
    const res = await fetch(new URL('/v1/live/ticket', url).href, { method: 'POST', body: JSON.stringify({ for: socket ? 'websocket' : 'stream' }),
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(helloTimeout) });
    const answer = await res.json();
    if (res.ok) return { ticket: answer.ticket };
    throw Object.assign(new Error(answer.detail), { code: answer.code,
      retry: Number(res.headers.get('retry-after')) * 1000 || undefined });
  }

  // refusedToken: it may have ended on its way. A new one is asked for, twice; then somebody has to
  // log in again.
  #refusedToken(detail) {
    if (this.#options.token && ++this.#unauthorized < 3) {
      this.#lost('unauthorized');
      return;
    }
    this.#stop('unauthorized');
    this.#unauthorized = 0;
    this.#emit('problem', { code: 'unauthorized', error: detail, final: true });
  }

  // expiring: what the hub knows of who watches ends soon. A socket hands a new token in; an
  // EventSource comes back with one.
  #expiring() {
    if (!this.#options.token) return; // the hub says bye in time
    const link = this.#link;
    if (!link.send) {
      this.#drop();
      this.#connect();
      return;
    }
    withTimeout(this.#options.token(), this.#options.helloTimeout).then((token) => {
      if (this.#link !== link || !token) return;
      this.#authId = `a${++this.#requestCount}`;
      link.send(JSON.stringify({ type: 'auth', token, id: this.#authId }));
    }, () => {}); // then the hub says bye, and the next connection asks again
  }

  #open({ token, ticket } = {}) {
    const open = this.#transport === 'websocket' ? openSocket : openEventSource;
    const Class = this.#transport === 'websocket' ? this.#options.WebSocket : this.#options.EventSource;
    if (!Class) throw new TypeError(`goalcast: this runtime has no ${this.#transport}; hand a class in`);
    const asked = { topics: this.topics, conflateMs: this.#conflateMs };
    let address = this.#url(this.#transport === 'websocket' ? 'ws' : 'http');
    if (ticket) address += `${address.includes('?') ? '&' : '?'}ticket=${encodeURIComponent(ticket)}`;
    const link = open(Class, address, {
      frame: (text) => this.#link === link && this.#heard(text, asked),
      end: (reason, code) => this.#link === link && this.#ended(reason, code),
    }, token);
    this.#link = link;
    this.#after('hello', this.#options.helloTimeout,
      () => (this.#options.fetch ? this.#askWhy('no hello') : this.#lost('no hello')));
  }

  // ended: the connection is gone. If it never came to a hello the hub may have refused it.
  // WebSockets that break again and again, without the hub having closed them, do not get through
  // as they should.
  #ended(reason, code) {
    if (this.#timers.has('hello') && this.#options.fetch) {
      this.#askWhy(reason);
      return;
    }
    if ([1002, 1006, 1007].includes(code)) this.#broken++;
    if (this.#options.transport === 'auto' && this.#broken >= 4
      && this.#options.EventSource) this.#transport = 'eventsource';
    this.#lost(reason);
  }

  // askWhy asks the hub whether it would let this connection in. What it refuses for good is told
  // once and not tried again; what it refuses for now is tried when it says.
  async #askWhy(reason) {
    this.#drop();
    const attempt = this.#attempt;
    const url = new URL(this.#url('http'));
    url.searchParams.set('check', '1');
    const { fetch, helloTimeout, token: ask } = this.#options;
    let why = {};
    let admitted = false;
    try {
      const headers = { accept: 'application/json' };
      const token = ask && await withTimeout(ask(), helloTimeout);
      if (token) headers.authorization = `Bearer ${token}`;
      const res = await fetch(url.href, { headers, signal: AbortSignal.timeout(helloTimeout) });
      admitted = res.ok;
      // anything else is not the hub's word
      if (/problem\+json/.test(res.headers.get('content-type'))) why = await res.json();
      why.retry = Number(res.headers.get('retry-after')) * 1000 || undefined;
    } catch {
      // no network, or no hub: the next try will tell
    }
    if (attempt !== this.#attempt || !this.#running) return;
    const final = why.code && why.status >= 400 && why.status < 500 && ![408, 425, 429].includes(why.status);
    this.#blocked = admitted ? this.#blocked + 1 : 0;
    if (final && why.code === 'bad_cursor' && this.cursor) { // of another kind of hub; without it there is a way
      this.#reset({ reason: why.code });
      this.#lost(why.code);
    } else if (why.code === 'unauthorized') {
      this.#refusedToken(why.detail);
    } else if (final) {
      this.#stop(why.code);
      this.#emit('problem', { code: why.code, error: why.detail, final: true });
    } else {
      this.#lost(why.code ?? reason, why.retry);
    }
  }

  // heard takes one frame. What is not understood is left alone: later versions add types and
  // fields.
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

  #hello(frame, asked) {
    this.#cancel('hello');
    this.#after('settled', this.#options.settled, () => { this.#failures = this.#broken = 0; });
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
    if (!this.#link?.send) return;
    // What was changed while the connection was being made.
    const added = this.topics.filter((topic) => !asked.topics.includes(topic));
    const gone = asked.topics.filter((topic) => !this.#topics.has(topic));
    if (added.length > 0) this.#subscribe(added);
    if (gone.length > 0) this.#link.send(JSON.stringify({ type: 'unsubscribe', topics: gone }));
    if (asked.conflateMs !== this.#conflateMs) this.#sendConflate();
    this.#clockPings = this.#options.clockPings - 1;
    this.#ping();
    this.#listenForSilence();
  }

  #snapshot(frame) {
    for (const incoming of frame.matches ?? []) this.#replace(incoming, frame.topic ?? '');
    if (frame.states?.some((state) => state.key === gateKey)) this.#forgetPrices(frame.topic);
    for (const state of frame.states ?? []) this.#state(state);
    if (frame.topic) this.#unjoined.delete(frame.topic);
    if (this.#unjoined.size === 0) this.#outdatedStates = false;
    if (frame.cursor) this.cursor = frame.cursor;
  }

  // replace takes a snapshot, unless the match is known newer. A team's or competition's has no
  // line-ups and only the main events, and so has that of a match which comes along with an event:
  // what else is known of the match stays.
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

  #event(frame) {
    const { event } = frame;
    if (frame.cursor) this.cursor = frame.cursor;
    const id = `${event.match ?? 0}/${event.id}`; // an event's id is of its match
    const known = this.#revisions.get(id) ?? 0;
    if (known >= event.revision) return;
    this.#revisions.delete(id); // and to the end of the queue
    this.#revisions.set(id, event.revision);
    if (this.#revisions.size > this.#options.remember) this.#revisions.delete(this.#revisions.keys().next().value);

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

  // latency tells in ms how long each part of the way took; parts that are not known are left out.
  // total is from the document's last byte to here.
  #latency(event, frame) {
    const { provider, received, published } = event.times ?? {};
    const here = this.now();
    const span = (from, to) => (from && to ? Math.max(0, to - from) : undefined);
    return { provider: span(provider, received), ingest: span(received, published), hub: span(published, frame.sent),
      network: span(frame.sent, here), total: span(received, here) };
  }

  #state(state, sent) {
    if (!state) return;
    const key = `${state.topic} ${state.key}`;
    const old = this.states.get(key);
    const gated = state.key === gateKey || this.states.has(`${state.topic} ${gateKey}`);
    if (gated) this.#hearPrices(state.topic, sent);
    if (old && old.version >= state.version && !this.#outdatedStates) return;
    if (state.key === gateKey) this.#forgetPrices(state.topic); // whichever way it goes, they are void
    else if (gated && this.states.get(`${state.topic} ${gateKey}`).value?.gate !== 'open') return;
    if (state.value === null) this.states.delete(key);
    else this.states.set(key, state);
    this.#emit('state', state);
  }

  #forgetPrices(topic) {
    for (const key of this.states.keys()) if (key.startsWith(`${topic} `)) this.states.delete(key);
  }

  // hearPrices notes when the hub said something of the prices. What was on its way for longer than
  // prices live, in a network or in front of a frozen tab, is as good as silence; unless it is the
  // clock that is wrong.
  #hearPrices(topic, sent) {
    const now = Date.now();
    const late = sent && this.clockOffset !== undefined ? Math.max(0, now + this.clockOffset - sent) : 0;
    this.#oddsHeard.set(topic, { clock: now - late, steady: performance.now() - late });
    if (this.#isSilent(topic)) this.#measureAgain();
    this.#watchPrices();
  }

  // isSilent: after two beats without a word prices are hidden. Nothing was lost, so that the next
  // word brings them back.
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
   */
  price(match, market, selection) {
    if (this.gate(match).gate !== 'open') return undefined;
    const { value } = this.states.get(`odds:${match} ${market}`) ?? {};
    return value?.st === 'open' ? value.sel?.[selection]?.p : undefined;
  }

  #reset(frame) {
    this.cursor = undefined;
    this.#outdated = new Set(this.matches.keys());
    this.#outdatedStates = true;
    this.#revisions.clear();
    for (const topic of this.#topics) this.#unjoined.add(topic);
    this.#emit('reset', { reason: frame.reason });
  }

  // bye: the hub leaves, or cannot take anybody now, and says when to come back, differently to
  // everyone.
  #bye(frame) {
    if (frame.cursor && this.#unjoined.size === 0) this.cursor = frame.cursor;
    this.#lost(frame.reason ?? 'bye', frame.retry);
  }

  #pong(frame) {
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
  #measureClock(hubTime, roundTrip) {
    if (roundTrip > this.#roundTrip) return;
    this.#roundTrip = roundTrip;
    this.clockOffset = hubTime - Date.now();
  }

  #ping() {
    if (this.#timers.has('pong')) return; // one at a time: the first that stays unanswered tells
    const id = `p${++this.#pingCount}`;
    this.#pings.set(id, Date.now());
    this.#link.send(JSON.stringify({ type: 'ping', id }));
    this.#after('pong', this.#options.pongTimeout, () => this.#lost('no pong'));
  }

  // listenForSilence pings when nothing was heard for as long as the hub said it would at most be
  // silent: its own pings are invisible here.
  #listenForSilence() {
    const left = this.#lastHeard + this.#silence - Date.now();
    if (left <= 0) this.#ping();
    this.#after('silence', left > 0 ? left : this.#silence, () => this.#listenForSilence());
  }

  // lost waits and connects. A hub that says when to come back is not asked earlier; one that says
  // so again and again is asked ever more seldom, unless it only stops in good order.
  #lost(reason, retry = 0) {
    this.#drop();
    if (!this.#running) return;
    if (reason !== 'drain') this.#failures++;
    const { transport, EventSource, fetch, random, backoff, maxBackoff } = this.#options;
    const failed = fetch ? this.#blocked : this.#failures;
    if (transport === 'auto' && !this.#greeted && failed >= 2 && EventSource) this.#transport = 'eventsource';
    const own = reason === 'drain' && retry > 0 ? 0
      : random() * Math.min(maxBackoff, backoff * 2 ** Math.min(Math.max(this.#failures - 1, 0), 20));
    const wait = Math.max(retry, own);
    this.#setStatus('reconnecting', reason, wait);
    this.#after('retry', wait, () => this.#connect());
  }

  #drop() {
    const link = this.#link;
    this.#link = undefined;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    this.#pings.clear();
    this.#requests.clear();
    link?.close();
  }

  // watchNetwork: a browser knows at once when the network goes and comes; a socket may take
  // minutes to notice.
  #watchNetwork() {
    const off = () => this.#link && this.#lost('offline', this.#options.maxBackoff);
    const on = () => {
      if (this.#link || !this.#running) return;
      this.#drop();
      this.#connect(); // and whatever is asked for meanwhile does not count
    };
    window.addEventListener('offline', off);
    window.addEventListener('online', on);
    this.#unsubscribeWindow = () => {
      window.removeEventListener('offline', off);
      window.removeEventListener('online', on);
    };
  }

  #setStatus(status, reason, retry) {
    if (this.status === status && reason === undefined) return;
    this.status = status;
    this.#emit('status', { status, reason, retry });
  }

  #after(name, ms, fn) {
    this.#cancel(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      fn();
    }, ms));
  }

  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

// withTimeout waits for a promise of somebody else, not for ever.
function withTimeout(promise, ms) {
  let timer;
  const over = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('no token in time')), ms); });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

// topicList takes topics as they are given: one by one, in lists, or in one text with commas.
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
function withMore(short, long) {
  const newest = new Map(long.timeline.map((e) => [e.id, e]));
  for (const e of short.timeline) if (!(newest.get(e.id)?.revision > e.revision)) newest.set(e.id, e);
  return { ...short, timeline: [...newest.values()].sort(inMatchOrder),
    ...(long.lineups && !short.lineups && { lineups: long.lineups }) };
}
