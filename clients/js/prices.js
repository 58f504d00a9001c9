// prices.js: whether prices may be shown at this moment. Loaded by later.js; until it is there none are.

/** @import { Gate, State, StateTold, Status } from './types.js' */

const gateKey = '!'; // of the state that says whether prices may be shown

/** @typedef {{states: Map<string, State>, readonly status: Status, readonly clockOffset?: number}} Live */

/** Keeps the gates of the prices that are followed. Only goalcast.js makes one. */
export class Prices {
  /** @type {Live} */
  #live;
  /** @type {(state: StateTold) => void} */
  #tell;
  /** @type {() => void} */
  #late;
  // topics of prices -> when the hub said what was heard last of them: {clock, steady}, in ms by the
  // clock of this machine, which goes on while the machine sleeps, and by one that nobody sets
  /** @type {Map<string, {clock: number, steady: number}>} */
  #heard = new Map();
  /** @type {Set<string>} */
  #silent = new Set(); // those that it said nothing of for too long, as listeners know it
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #beat = 5_000; // ms: hello.odds_beat

  /**
   * @param {Live} live
   * @param {(state: StateTold) => void} tell tells listeners of a gate
   * @param {() => void} late asks the hub for its time, since something came late
   */
  constructor(live, tell, late) {
    this.#live = live;
    this.#tell = tell;
    this.#late = late;
  }

  /**
   * A new connection: what another one told of prices is void. All comes again, and another hub counts its
   * gates from elsewhere.
   * @param {number} beat ms
   */
  renew(beat) {
    this.#beat = beat;
    for (const topic of this.#heard.keys()) {
      this.#void(topic);
      this.#live.states.set(`${topic} ${gateKey}`,
        { topic, key: gateKey, version: 0, value: { gate: 'suspended', reason: 'connection' } });
    }
    this.#heard.clear();
    this.#silent.clear();
  }

  /**
   * A snapshot has a gate: what was known of the topic is void.
   * @param {{topic?: string, states?: State[], [field: string]: any}} snapshot
   */
  snapshot({ topic, states }) {
    if (topic && states?.some(({ key }) => key === gateKey)) this.#void(topic);
  }

  /**
   * Notes that the hub said something of prices.
   * @param {State} state
   * @param {number} [sent]
   */
  hear({ topic, key }, sent) {
    if (key === gateKey || this.#gateOf(topic)) this.#note(topic, sent);
  }

  /**
   * Whether a state counts: no price does while its gate is shut.
   * @param {State} state
   */
  admits({ topic, key }) {
    if (key === gateKey) this.#void(topic); // whichever way it goes, they are void
    else if (this.#gateOf(topic)) return this.#gateOf(topic)?.value?.gate === 'open';
    return true;
  }

  /** @param {string} topic that is no longer followed */
  forget(topic) { this.#heard.delete(topic); }

  /**
   * @param {number | string} match
   * @returns {Gate}
   */
  gate(match) {
    const state = this.#gateOf(`odds:${match}`);
    if (!state) return { gate: 'suspended', reason: 'start' };
    if (this.#live.status !== 'live') return { gate: 'suspended', reason: 'connection' };
    if (state.value?.gate === 'open' && this.#isSilent(`odds:${match}`)) return { gate: 'suspended', reason: 'silent' };
    return state.value;
  }

  /** @param {string} topic */
  #gateOf(topic) { return this.#live.states.get(`${topic} ${gateKey}`); }

  /** @param {string} topic */
  #void(topic) {
    for (const key of this.#live.states.keys()) if (key.startsWith(`${topic} `)) this.#live.states.delete(key);
  }

  // note: what was on its way for longer than prices live, in a network or in front of a frozen tab, is
  // as good as silence; unless it is the clock that is wrong.
  /** @type {(topic: string, sent?: number) => void} */
  #note(topic, sent) {
    const now = Date.now();
    const { clockOffset } = this.#live;
    const late = sent && clockOffset !== undefined ? Math.max(0, now + clockOffset - sent) : 0;
    this.#heard.set(topic, { clock: now - late, steady: performance.now() - late });
    if (this.#isSilent(topic)) this.#late();
    this.#watch();
  }

  // isSilent: after two beats without a word prices are hidden. Nothing was lost, so that the next
  // word brings them back.
  /** @type {(topic: string) => boolean} */
  #isSilent(topic) {
    const heard = this.#heard.get(topic);
    return !heard || Math.max(Date.now() - heard.clock, performance.now() - heard.steady) > 2 * this.#beat;
  }

  // watch tells listeners when prices fall silent, and when they are heard again.
  #watch() {
    for (const topic of this.#heard.keys()) {
      const silent = this.#isSilent(topic);
      if (silent === this.#silent.has(topic)) continue;
      if (silent) this.#silent.add(topic);
      else this.#silent.delete(topic);
      this.#tell({ topic, key: gateKey, value: this.gate(topic.split(':')[1]) });
    }
    if (this.#timer || this.#heard.size === 0 || !['live', 'stale'].includes(this.#live.status)) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#watch();
    }, Math.min(500, this.#beat / 2));
  }

  /** Without a connection nothing falls silent. */
  rest() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
