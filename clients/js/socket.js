// socket.js: a WebSocket as a link to a hub. Only connection.js uses it.

/** @import { Ears, Link } from './types.js' */

/**
 * A link hands frames over as text, and says that it ended.
 * @param {any} WebSocket the class, as browsers have it
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
