// pulse.js: whether a connection is alive, and what time it is at the hub. Loaded by later.js.

/** @import { Connection } from './connection.js' */
/** @import { Frame } from './types.js' */

/** The pulse of a connection: one for all that it makes. Only connection.js has one. */
export class Pulse {
  /** @type {Map<string | undefined, number>} */
  #pings = new Map(); // id -> when it was sent
  #count = 0;
  #roundTrip = Infinity; // ms, of the ping that told the clock
  #clockPings = 0; // still to send

  /** @param {Connection} connection */
  constructor(connection) { this.connection = connection; }

  /** Begins after a hello. */
  begin() {
    const { link, options } = this.connection;
    this.#pings.clear();
    this.#roundTrip = 1000; // of a hello's time; until a ping tells better
    this.#listenForSilence();
    if (!link?.send) return;
    this.#clockPings = options.clockPings - 1;
    this.#ping();
  }

  /** @param {Frame} frame */
  pong({ id, time }) {
    const sent = this.#pings.get(id);
    this.#pings.clear();
    this.connection.cancel('pong');
    if (sent === undefined || !time) return;
    const roundTrip = Date.now() - sent;
    if (this.#clockPings-- > 0) this.connection.after('clock', 300, () => this.#ping());
    if (roundTrip > this.#roundTrip) return; // the quickest can be least wrong
    this.#roundTrip = roundTrip;
    this.connection.clockOffset = time + roundTrip / 2 - Date.now();
  }

  /** Asks a connection that may be dead. One that cannot be asked is made anew if it was silent for longer. */
  test(silence = this.connection.silence) {
    const { link, lastHeard } = this.connection;
    if (!link || this.connection.waits('hello')) return;
    if (link.send) this.#ping();
    else if (Date.now() - lastHeard >= silence) this.connection.again();
  }

  /**
   * Asks the hub for its time again. Without an answer the connection is of no use; an EventSource cannot
   * ask and connects again.
   */
  measureAgain() {
    if (!this.connection.link?.send) {
      this.connection.lost('late');
      return;
    }
    if (this.connection.waits('pong')) return;
    this.#roundTrip = Infinity;
    this.#ping();
  }

  #ping() {
    const { connection } = this;
    if (connection.waits('pong')) return; // one at a time: the first that stays unanswered tells
    const id = `p${++this.#count}`;
    this.#pings.set(id, Date.now());
    connection.send({ type: 'ping', id });
    connection.after('pong', connection.options.pongTimeout, () => connection.lost('no pong'));
  }

  // listenForSilence pings when nothing was heard for as long as the hub said it would at most be
  // silent: its own pings are invisible here. What cannot ping is left after twice as long.
  #listenForSilence() {
    const { connection } = this;
    const most = connection.silence * (connection.link?.send ? 1 : 2);
    const left = connection.lastHeard + most - Date.now();
    if (left <= 0 && !connection.link?.send) {
      connection.broken++;
      connection.lost('silent');
      return;
    }
    if (left <= 0) this.#ping();
    connection.after('silence', left > 0 ? left : most, () => this.#listenForSilence());
  }
}
