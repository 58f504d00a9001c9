// polling.js: two ways to a hub where no connection stays open: the hub's long poll, and what a CDN
// keeps. Both are links as that of socket.js. Loaded when one is needed, by later.js.

const abreast = 50; // revisions: from further behind a match is read anew, which is less to carry
const day = 86_400_000; // ms
const soon = 10 * 60_000; // ms before kick-off from which a match is asked for as if it were live

/** @import { Ears, Link, Match, Options } from './types.js' */

/**
 * @typedef {{topics: string[], options: Options, token?: string, every: number,
 *   url: (topics: string[], query?: string) => string, base: string, cursor?: string,
 *   known: (match: number) => Match | undefined, joined: (topic: string) => boolean}} Polled what is asked for,
 * and how: url is of a long poll, base the address of what serves matches, every in ms for prices
 */

/**
 * paused waits; an abort ends it early.
 * @param {number} ms
 * @param {AbortSignal} signal
 */
function paused(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); done(undefined); });
  });
}

/**
 * within fetches, and gives up after so many ms. (AbortSignal.timeout is not everywhere.)
 * @param {number} ms
 * @param {Options} options
 * @param {string} url
 * @param {{[name: string]: string}} headers
 * @param {AbortSignal} signal
 * @returns {Promise<{status: number, ok: boolean, cursor: string | null, text: string}>}
 */
async function within(ms, { fetch }, url, headers, signal) {
  if (!fetch) throw new Error('this runtime has no fetch');
  const own = new AbortController();
  const stop = () => own.abort();
  const timer = setTimeout(stop, ms);
  signal.addEventListener('abort', stop);
  try {
    const res = await fetch(url, { headers, signal: own.signal });
    return { status: res.status, ok: res.ok, cursor: res.headers.get('goalcast-cursor'), text: await res.text() };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/**
 * The hub's long poll: each answer brings what is new since the cursor of the one before. Prices are
 * asked for apart, without a cursor: another node may answer each time, and each counts its gates
 * for itself, so that only whole snapshots of them can be trusted.
 * @param {Polled} polled
 * @param {Ears} ears
 * @returns {Link}
 */
export function openPoll({ url, topics, token, options, every }, { frame, end }) {
  const abort = new AbortController();
  const { signal } = abort;
  /** @type {{[name: string]: string}} */
  const headers = { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const priced = topics.filter((topic) => topic.startsWith('odds:'));
  const others = topics.filter((topic) => !priced.includes(topic));
  let greeted = false;

  /** @type {(topics: string[], limit: number, wait?: string) => Promise<any>} */
  async function ask(these, limit, wait) {
    const res = await within(limit, options, url(these, wait && `wait=${wait}`), headers, signal);
    if (signal.aborted) return undefined;
    if (!res.ok) throw new Error(`answered ${res.status}`);
    return JSON.parse(res.text);
  }

  // Of each answer's hello only the first counts: the connection is one to whoever listens. Who comes
  // with a cursor is sent none.
  /** @param {any[]} frames */
  function tell(frames) {
    if (!greeted && !frames.some(({ type }) => type === 'hello')) {
      frame(JSON.stringify({ type: 'hello', conflate_ms: every }));
    }
    for (const one of frames) {
      if (!(one.type === 'hello' && greeted) && !signal.aborted) frame(JSON.stringify(one));
      greeted = true;
    }
    greeted = true;
  }

  async function events() {
    for (let wait = '0s'; !signal.aborted; wait = '') { // the first answer comes at once
      const answer = await ask(others, 2 * 25_000, wait);
      if (!answer) return;
      tell(answer.frames);
      if (!signal.aborted) frame(JSON.stringify({ type: 'pong', cursor: answer.cursor }));
      if (answer.frames.length === 0) await paused(50, signal); // a hub in a hurry is not asked in a loop
    }
  }

  async function prices() {
    while (!signal.aborted) {
      const answer = await ask(priced, 5000);
      if (!answer) return;
      tell(answer.frames.filter((/** @type {any} */ { type }) => type === 'snapshot' || others.length === 0)
        .map((/** @type {any} */ { cursor, ...rest }) => rest));
      await paused(Math.max(1000, every), signal);
    }
  }

  Promise.all([others.length > 0 && events(), priced.length > 0 && prices()])
    .catch((err) => signal.aborted || end(err.message));
  return { close: () => abort.abort() };
}

/**
 * What a CDN keeps: the snapshots of matches, and each later revision under its number, for ever.
 * There are no prices and no statistics on this way.
 * @param {Polled} polled
 * @param {Ears} ears
 * @returns {Link}
 */
export function openDeltas({ base, topics, known, joined, cursor, options }, { frame, end }) {
  const abort = new AbortController();
  const { signal } = abort;
  const { helloTimeout, deltasEvery, random, delay } = options;
  const late = delay ? `?delay=${delay}` : ''; // then a match is asked for as of then
  let needsCursor = !cursor;

  // read answers undefined for what is not there.
  /** @param {string} path */
  async function read(path) {
    const res = await within(helloTimeout, options, base + path, {}, signal);
    if (res.status === 404) return undefined;
    if (!res.ok) throw new Error(`answered ${res.status}`);
    return res;
  }

  /** @type {Map<number, number>} */
  const seen = new Map(); // matches of lists that are far off -> their seq

  /** @param {any} what */
  const tell = (what) => signal.aborted || frame(typeof what === 'string' ? what : JSON.stringify(what));

  // match reads one as it stands, or stood. The first that is read gives the cursor with which a better
  // way goes on: all others are read after it.
  /** @type {(id: number, query?: string) => Promise<{snapshot?: Match, cursor?: string}>} */
  async function match(id, query = '') {
    const res = await read(`/v1/matches/${id}${late || query}`);
    if (!res) return {};
    const { minute, clock, ...snapshot } = JSON.parse(res.text); // of the moment at which it was asked for
    const found = { snapshot, cursor: needsCursor ? res.cursor ?? undefined : undefined };
    if (res.cursor) needsCursor = false;
    return found;
  }

  /** @type {(id: number, topic: string, query?: string) => Promise<void>} */
  async function whole(id, topic, query) {
    const { snapshot, cursor: first } = await match(id, query);
    tell({ type: 'snapshot', topic, matches: snapshot ? [snapshot] : [], cursor: first });
  }

  // catchUp reads a match's revisions, in order: up to a number that somebody told, or until one is
  // not there yet.
  /** @type {(id: number, upTo?: number) => Promise<void>} */
  async function catchUp(id, upTo = Infinity) {
    const from = known(id)?.seq ?? 0;
    if (upTo < Infinity && upTo - from > abreast) return whole(id, `match:${id}`);
    for (let seq = from + 1; seq <= upTo && !signal.aborted; seq++) {
      if (seq - from > abreast) return whole(id, `match:${id}`);
      const delta = await read(`/v1/matches/${id}/deltas/${seq}${late}`);
      if (!delta) return undefined;
      tell(delta.text);
      if ((known(id)?.seq ?? seq) < seq) return undefined; // it was not understood: not for ever
    }
    return undefined;
  }

  // list follows the matches that a hub's snapshot of the topic would have, and others once something
  // happens in them. Entries of a list have no events, so that each match is read.
  /** @param {string} topic */
  async function list(topic) {
    const [kind, id] = topic.split(':');
    /** @type {{matches?: Match[]}} */
    const { matches = [] } = JSON.parse((await read(`/v1/${kind}s/${id}`))?.text ?? '{}');
    if (!joined(topic)) {
      const found = [];
      for (const { id } of matches.filter(isNear)) found.push(await match(id));
      tell({ type: 'snapshot', topic, matches: found.flatMap(({ snapshot }) => snapshot ?? []),
        cursor: found.find(({ cursor }) => cursor)?.cursor });
    }
    for (const m of matches) {
      const old = seen.get(m.id);
      if (!known(m.id)) {
        seen.set(m.id, m.seq);
        if (isNear(m)) await whole(m.id, `match:${m.id}`);
        else if (old && old < m.seq) await whole(m.id, `match:${m.id}`, `?seq=${old}`);
      }
      if ((known(m.id)?.seq ?? m.seq) < m.seq) await catchUp(m.id, m.seq);
    }
    return matches.map((m) => m.id);
  }

  /** @param {string} topic */
  async function one(topic) {
    const id = Number(topic.split(':')[1]);
    if (joined(topic) && known(id)) await catchUp(id);
    else await whole(id, topic);
    return [id];
  }

  async function round() {
    /** @type {Set<number>} */
    const ids = new Set();
    for (const topic of topics) {
      if (topic.startsWith('odds:')) tell({ type: 'snapshot', topic, states: [] });
      else for (const id of await (topic.startsWith('match:') ? one : list)(topic)) ids.add(id);
      if (signal.aborted) return true;
    }
    return [...ids].some((id) => {
      const { state, kickoff } = known(id) ?? {};
      return state === 'live' || state === 'scheduled' && Date.parse(kickoff ?? '') - Date.now() < soon;
    });
  }

  (async () => {
    for (let first = true; !signal.aborted; first = false) {
      if (first) await read(pathOf(topics));
      if (first) tell({ type: 'hello' });
      const busy = await round();
      tell({ type: 'pong' });
      await paused(deltasEvery * (busy ? 1 : 5) * (0.75 + random() / 2), signal);
    }
  })().catch((err) => signal.aborted || end(err.message));
  return { close: () => abort.abort() };
}

/**
 * pathOf is where the first of some topics that has matches is read.
 * @param {string[]} topics
 */
function pathOf(topics) {
  const topic = topics.find((one) => !one.startsWith('odds:'));
  if (!topic) throw new Error('no matches');
  const [kind, id] = topic.split(':');
  return kind === 'match' ? `/v1/matches/${id}` : `/v1/${kind}s/${id}`;
}

/**
 * isNear says whether a hub's snapshots of teams and competitions have a match.
 * @param {Match} match
 */
function isNear({ state, kickoff }) {
  const left = Date.parse(kickoff ?? '') - Date.now();
  return state === 'live' || left > -day && left < 2 * day;
}

/**
 * Whether what serves matches answers.
 * @param {string} base
 * @param {string[]} topics
 * @param {Options} options
 */
export async function reachable(base, topics, options) {
  const { signal } = new AbortController();
  try {
    const { status } = await within(options.helloTimeout, options, base + pathOf(topics), {}, signal);
    return status === 200;
  } catch {
    return false;
  }
}
