// stream.js: an EventSource as a link to a hub. Loaded by later.js.

import { frameTypes } from './tables.js';

/** @import { Ears, Link } from './types.js' */

/**
 * EventSource would reconnect by itself; it is closed at the first error instead, so that one rule
 * of waiting holds for all.
 * @param {any} EventSource the class, as browsers have it
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
