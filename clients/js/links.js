// links.js: the two ways to a hub, made alike. Only goalcast.js uses it.

import { frameTypes } from './tables.js';

/** @import { Ears, Link, Options } from './types.js' */

/**
 * A link hands frames over as text, and says that it ended.
 * @param {NonNullable<Options['WebSocket']>} WebSocket
 * @param {string} url
 * @param {Ears} ears
 * @param {string} [token]
 * @returns {Link}
 */
export function openSocket(WebSocket, url, { frame, end }, token) {
  const socket = token ? new WebSocket(url, ['goalcast', `bearer.${token}`]) : new WebSocket(url);
  socket.addEventListener('message', (/** @type {any} */ e) => frame(e.data));
  socket.addEventListener('close', (/** @type {any} */ e) => end(e.reason || `closed (${e.code})`, e.code));
  socket.addEventListener('error', () => {}); // close follows
  return {
    send: (text) => socket.readyState === 1 && socket.send(text),
    close: () => socket.close(),
  };
}

/**
 * EventSource would reconnect by itself; it is closed at the first error instead, so that one rule
 * of waiting holds for all.
 * @param {NonNullable<Options['EventSource']>} EventSource
 * @param {string} url
 * @param {Ears} ears
 * @returns {Link}
 */
export function openEventSource(EventSource, url, { frame, end }) {
  const source = new EventSource(url);
  for (const type of frameTypes.hub) { // EventSource must be told what to listen for
    // an 'error' without data is the connection's
    source.addEventListener(type, (/** @type {any} */ e) => typeof e.data === 'string' && frame(e.data));
  }
  source.addEventListener('error', (/** @type {any} */ e) => typeof e.data !== 'string' && end('connection lost'));
  return { close: () => source.close() };
}
