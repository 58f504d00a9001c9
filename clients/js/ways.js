// ways.js: what a connection does when it fails, is refused, or may be made better: asks why, goes by
// another way, up again, comes with a new token. Loaded by later.js.

import { openDeltas, openPoll, reachable } from './polling.js';
import { shown, tokenOf, why } from './asking.js';
import { openEventSource } from './stream.js';
import { codes } from './tables.js';
import { watchMachine } from './watch.js';

/** @import { Connection } from './connection.js' */
/** @import { Ears, Frame, Transport } from './types.js' */

/**
 * Notices what happens around a connection, until the function that it returns is called.
 * @param {Connection} c
 */
export function watchConnection(c) {
  const ends = [watchMachine({
    online: () => online(c),
    offline: () => { if (c.link) c.lost('offline', c.options.maxBackoff); },
    changed: () => c.pulse?.test(0),
    pause: (reason) => c.pause(reason),
    resume: () => c.resume(),
    woke: () => c.again(),
  }, c.options.hiddenAfter), acknowledge(c)];
  return () => { for (const end of ends) end(); };
}

/**
 * Says to a hub that wants to know which events a phone's app has shown: what came while somebody looked.
 * @param {Connection} c
 */
function acknowledge(c) {
  const { owner } = c;
  /** @type {string[]} */
  let cursors = [];
  let wanted = false;
  const send = () => {
    c.send({ type: 'ack', cursors: cursors.splice(0, 50) });
    if (cursors.length > 0) c.after('ack', 500, send);
  };
  c.owner = { ...owner, frame: (frame) => {
    owner.frame(frame);
    if (frame.type === 'hello') {
      cursors = [];
      wanted = frame.ack;
    } else if (wanted && frame.type === 'event' && !(/** @type {any} */ (globalThis).document?.hidden)) {
      if (cursors.push(frame.cursor) === 1) c.after('ack', 500, send);
    }
  } };
  return () => { c.owner = owner; };
}

// online: another network lets other things through.
/** @param {Connection} c */
function online(c) {
  if (c.link) {
    if (c.way === 0) c.pulse?.test(0);
    else if (!c.probe) climb(c);
    return;
  }
  take(c, 0);
  c.again(); // and whatever is asked for meanwhile does not count
}

/**
 * Goes by another way from now on.
 * @param {Connection} c
 * @param {number} way
 */
function take(c, way) {
  c.way = way;
  c.left = Date.now();
  c.greeted = false;
  c.blocked = c.broken = c.climbs = c.lostHere = 0;
}

/**
 * After each loss: a way that leads nowhere is left for the next; behind the last comes the first.
 * @param {Connection} c
 */
export function chooseWay(c) {
  c.lostHere++;
  const blocked = c.options.fetch ? c.blocked >= (c.greeted ? 4 : 2) : !c.greeted && c.failures >= 2;
  if (blocked || c.broken >= 4) {
    if (c.way + 1 < c.ways.length) take(c, c.way + 1);
  } else if (c.transport === 'deltas' && c.ways.length > 1 && c.lostHere > 3) take(c, 0);
}

/**
 * What the next connection shows of who watches; with openTab if tabs share one.
 * @param {Connection} c
 * @param {Transport} transport
 */
export async function credentials(c, transport) {
  if (c.shares) {
    const { navigator, BroadcastChannel } = /** @type {any} */ (globalThis);
    const found = navigator?.locks && BroadcastChannel && !c.options.replay
      && await import('./tabs.js').catch(() => undefined);
    if (found) return { openOther: found.openTab, token: await tokenOf(c.options) };
    c.shares = false;
  }
  const { token, ticket } = await shown(transport, c.origin, c.options);
  const { ack, tabs } = c.options;
  const extra = ticket ? [`ticket=${encodeURIComponent(ticket)}`] : [];
  if (ack && !tabs && (token || ticket) && transport === 'websocket') extra.push(`ack=${ack}`);
  return { token, extra: extra.join('&') };
}

/**
 * Opens a way that is no WebSocket.
 * @param {Connection} c
 * @param {Transport} transport
 * @param {string} address
 * @param {Ears} ears
 * @param {string} [token]
 */
export function openOther(c, transport, address, ears, token) {
  const { options } = c;
  if (transport === 'eventsource') return openEventSource(options.EventSource, address, ears);
  const polled = { topics: [...c.topics], token, options, every: c.conflated, base: c.base, cursor: c.cursor,
    known: c.owner.known,
    url: (/** @type {string[]} */ topics, /** @type {string} */ extra = '') => c.url('poll', topics, extra),
    joined: (/** @type {string} */ topic) => !c.unjoined.has(topic) };
  return (transport === 'poll' ? openPoll : openDeltas)(polled, ears);
}

/**
 * Tries a way that is better than the one in use, beside it, and then the next.
 * @param {Connection} c
 */
export function climb(c, way = 0) {
  c.cancel('probe');
  c.probe?.close();
  c.probe = undefined;
  if (way >= c.way) {
    c.left = Date.now();
    c.climbs++;
    upgradeLater(c);
    return;
  }
  const { link } = c;
  const trying = ++c.tries;
  c.after('probe', c.options.helloTimeout, () => climb(c, way + 1));
  c.prepare(way, () => link !== undefined && link === c.link && trying === c.tries && !c.probe,
    (found) => { c.probe = c.open(way, found); }, () => climb(c, way + 1));
}

/**
 * A better way leads to the hub, if a hello comes. What both tell is told once.
 * @param {Connection} c
 * @param {number} way
 * @param {string} text
 */
export function probed(c, way, text) {
  if (!/"type":\s*"hello"/.test(text)) {
    climb(c, way + 1);
    return;
  }
  const link = c.probe;
  c.probe = undefined;
  c.drop();
  take(c, way);
  c.link = link;
}

/**
 * Who reads from a CDN may have a hub again soon. Not all try in the same second.
 * @param {Connection} c
 */
export function upgradeLater(c) {
  const { upgradeAfter, maxBackoff, random } = c.options;
  const most = c.transport === 'deltas' ? Math.min(upgradeAfter, maxBackoff * 2 ** c.climbs) : upgradeAfter;
  const left = c.left + most * (0.75 + random() / 2) - Date.now();
  if (c.way > 0) c.after('upgrade', Math.max(0, left), () => climb(c));
}

/**
 * The connection is gone. If it never came to a hello the hub may have refused it, as it may refuse each
 * poll. Connections that break again and again, without the hub having closed them, do not get through as
 * they should.
 * @param {Connection} c
 * @param {string} reason
 * @param {number} [code]
 */
export function ended(c, reason, code) {
  if (c.options.fetch && (c.waits('hello') || reason === 'no hello' || c.transport === 'poll')) {
    askWhy(c, reason);
    return;
  }
  if ([1002, 1006, 1007].includes(code ?? 0)) c.broken++;
  c.lost(reason);
}

// askWhy asks the hub whether it would let this connection in. What it refuses for good is told once and
// not tried again; what it refuses for now is tried when it says, and what a CDN has is shown meanwhile.
/** @type {(c: Connection, reason: string) => Promise<void>} */
async function askWhy(c, reason) {
  c.drop();
  const { attempt } = c;
  const still = () => attempt === c.attempt && c.running;
  const answer = await why(c.url('check', [...c.topics], 'check=1'), c.options);
  if (!still()) return;
  const { code, status = 0, detail } = answer;
  const final = code && status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  c.blocked = answer.admitted ? c.blocked + 1 : 0;
  if (final && code === 'bad_cursor' && c.cursor) { // of another kind of hub; without it there is a way
    c.reset({ reason: code });
    c.lost(code);
  } else if (code === 'unauthorized') {
    refusedToken(c, detail);
  } else if (final) {
    c.stop(code);
    c.owner.problem({ code, error: detail, final: true });
  } else {
    const deltas = c.ways.indexOf('deltas');
    if (!answer.admitted && c.failures >= 2 && c.way < deltas
      && await reachable(c.base, [...c.topics], c.options)) {
      if (!still()) return;
      take(c, deltas);
      c.lost(code ?? reason, 0, detail);
    } else if (still()) c.lost(code ?? reason, answer.retry, detail);
  }
}

/**
 * A token may have ended on its way. A new one is asked for, twice; then somebody has to log in again.
 * @param {Connection} c
 * @param {string} [detail]
 */
export function refusedToken(c, detail) {
  if (c.options.token && ++c.unauthorized < 3) {
    c.lost('unauthorized');
    return;
  }
  c.stop('unauthorized');
  c.unauthorized = 0;
  c.owner.problem({ code: 'unauthorized', error: detail, final: true });
}

/**
 * What the hub knows of who watches ends soon. A socket hands a new token in; an EventSource comes back
 * with one.
 * @param {Connection} c
 */
export function expiring(c) {
  if (!c.options.token) return; // the hub says bye in time
  const { link } = c;
  if (!link?.send) {
    c.again();
    return;
  }
  tokenOf(c.options).then((token) => {
    if (c.link !== link || !token) return;
    c.authId = `a${++c.requestCount}`;
    link.send?.(JSON.stringify({ type: 'auth', token, id: c.authId }));
  }, () => {}); // then the hub says bye, and the next connection asks again
}

/**
 * None of a subscription's topics is followed. Those that may be later are asked for again; the others are
 * dropped, else they would have the next connection refused.
 * @param {Connection} c
 * @param {Frame} frame
 */
export function problem(c, { code, error, id }) {
  if (id !== undefined && id === c.authId) { // a token that was not taken
    if (code === 'unavailable') c.after('auth', 2000, () => expiring(c));
    else if (code === 'unauthorized' && ++c.unauthorized < 3) c.after('auth', 1000, () => expiring(c));
    return; // else the hub says bye, and the next connection is told why it is refused
  }
  const topics = c.requests.get(id);
  c.requests.delete(id);
  if (topics && /** @type {{[code: string]: {final: boolean}}} */ (codes)[code]?.final === false) {
    c.after(`again ${id}`, c.options.backoff * (2 + 8 * c.options.random()), () => {
      const still = topics.filter((topic) => c.topics.has(topic));
      if (still.length > 0) c.subscribe(still);
    });
  } else {
    for (const topic of topics ?? []) {
      c.topics.delete(topic);
      c.unjoined.delete(topic);
    }
  }
  c.owner.problem({ code, error, id, topics, final: false });
}
