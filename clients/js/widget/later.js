// later.js: the SDK's second part as elements on a page need it: one way to the hub, an event stream; nobody
// logs in, nobody bets. The build puts it in the place of ../later.js.

import { openEventSource } from '../stream.js';
import { watchMachine } from '../watch.js';

export const openSocket = undefined; // and of ../socket.js

/** Leaves a connection that was silent for twice as long as the hub said; see ../pulse.js. */
export class Pulse {
  constructor(connection) { this.connection = connection; }

  begin() {
    const { connection } = this;
    const left = connection.lastHeard + 2 * connection.silence - Date.now();
    if (left <= 0) connection.lost('silent');
    else connection.after('silence', left, () => this.begin());
  }

  test(silence = this.connection.silence) {
    const { connection } = this;
    if (connection.link && !connection.waits('hello') && Date.now() - connection.lastHeard >= silence) connection.again();
  }

  pong() {}
}

/** There are none. */
export class Prices {
  rest() {}
  renew() {}
  snapshot() {}
  hear() {}
  forget() {}
  admits() { return true; }
}

export const openOther = (c, transport, address, ears) => openEventSource(c.options.EventSource, address, ears);

export const watchConnection = (c) => watchMachine({ online: () => (c.link ? c.pulse?.test(0) : c.again()),
  offline: () => c.link && c.lost('offline', c.options.maxBackoff), changed: () => c.pulse?.test(0),
  pause: (reason) => c.pause(reason), resume: () => c.resume(), woke: () => c.again() }, c.options.hiddenAfter);

/**
 * The connection is gone. If it never came to a hello the hub may have refused it, and says why: what is
 * final ends it; what is not may say when to come back.
 */
export async function ended(c, reason) {
  if (!c.waits('hello') && reason !== 'no hello') {
    c.lost(reason);
    return;
  }
  c.drop();
  const { attempt } = c;
  let status;
  let told = {};
  let retry;
  try {
    const res = await fetch(c.url('check', [...c.topics], 'check=1'), { headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(10_000) });
    ({ status } = res);
    retry = Number(res.headers.get('retry-after')) * 1000 || undefined;
    if (/problem/.test(res.headers.get('content-type'))) told = await res.json();
  } catch {} // no network, or no hub: the next try will tell
  if (attempt !== c.attempt || !c.running) return;
  const { code, detail } = told;
  if (!code || status >= 500 || [408, 425, 429].includes(status)) {
    c.lost(code ?? reason, retry, detail);
  } else if (code === 'bad_cursor' && c.cursor) {
    c.reset({ reason: code });
    c.lost(code);
  } else {
    c.stop(code);
    c.owner.problem({ code, error: detail, final: true });
  }
}

export function problem(c, { code, error }) { c.owner.problem({ code, error, final: false }); }

export const credentials = () => ({});
export function chooseWay() {}
export function upgradeLater() {}
