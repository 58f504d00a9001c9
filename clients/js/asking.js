// asking.js: what the SDK asks a hub by fetch: why a connection did not come about, and a ticket for
// the next. Loaded by later.js.

/** @import { Options, Transport } from './types.js' */

/**
 * asked fetches, and gives up after helloTimeout. (AbortSignal.timeout is not everywhere.)
 * @param {string} url
 * @param {Options} options
 * @param {{[field: string]: any}} init
 */
async function asked(url, { fetch, helloTimeout }, init) {
  if (!fetch) throw new Error('this runtime has no fetch');
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), helloTimeout);
  try {
    const res = await fetch(url, { ...init, signal: abort.signal });
    const told = /json/.test(res.headers.get('content-type') ?? '') ? await res.json() : {};
    return { ok: res.ok, told, problem: /problem\+json/.test(res.headers.get('content-type') ?? ''),
      retry: Number(res.headers.get('retry-after')) * 1000 || undefined };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * withTimeout waits for a promise of somebody else, not for ever.
 * @template T
 * @param {Promise<T> | T} promise
 * @param {number} ms
 */
function withTimeout(promise, ms) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  /** @type {Promise<never>} */
  const over = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('no token in time')), ms); });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

/**
 * The token of who watches; undefined for nobody in particular.
 * @param {Options} options
 */
export const tokenOf = async ({ token, helloTimeout }) => (token ? withTimeout(token(), helloTimeout) : undefined);

/**
 * What the next connection shows: a token, or, where a browser can send none, a ticket for it. A
 * failure has the hub's code and when to come back, if it is the hub's.
 * @param {Transport} transport
 * @param {string} origin of the hub
 * @param {Options} options
 * @returns {Promise<{token?: string, ticket?: string}>}
 */
export async function shown(transport, origin, options) {
  const token = transport === 'deltas' ? undefined : await tokenOf(options); // a CDN has what everybody may see
  const socket = transport === 'websocket';
  // as a header or a subprotocol may be written
  if (!token || transport === 'poll' || socket && /^[\w.~+-]+$/.test(token)) return { token };
  const { ok, told, retry } = await asked(`${origin}/v1/live/ticket`, options, { method: 'POST',
    body: JSON.stringify({ for: socket ? 'websocket' : 'stream' }),
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } });
  if (ok) return { ticket: told.ticket };
  throw Object.assign(new Error(told.detail), { code: told.code, retry });
}

/**
 * Whether the hub would let a connection in (admitted), and if not why: code, status, detail and
 * retry, in ms. Empty if the hub said nothing.
 * @param {string} url
 * @param {Options} options
 * @returns {Promise<{admitted: boolean, code?: string, status?: number, detail?: string, retry?: number}>}
 */
export async function why(url, options) {
  try {
    const token = await tokenOf(options);
    const { ok, told, problem, retry } = await asked(url, options,
      { headers: { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) } });
    return { admitted: ok, ...(problem && told), retry }; // anything else is not the hub's word
  } catch {
    return { admitted: false }; // no network, or no hub: the next try will tell
  }
}
