// iterate.js: events one after the other, for `for await`. Loaded by later.js.

/** @import { EventTold, ProblemTold, Told } from './types.js' */

/**
 * eventsOf starts, gives what `event` tells, and ends when the connection is closed. At most so many
 * events wait for who takes them.
 * @param {{on: <Name extends keyof Told>(name: Name, fn: (told: Told[Name]) => void) => () => void,
 *   start: () => unknown, readonly status: string}} live
 * @param {number} most
 * @returns {AsyncGenerator<EventTold, void, undefined>}
 */
export async function* eventsOf(live, most) {
  /** @type {EventTold[]} */
  const queue = [];
  /** @type {Partial<ProblemTold>} */
  let refused = {};
  let wake = () => {};
  const ends = [
    live.on('event', (told) => {
      queue.push(told);
      wake();
    }),
    live.on('problem', (problem) => { if (problem.final) refused = problem; }),
    live.on('status', () => wake()),
  ];
  try {
    live.start();
    for (;;) {
      if (queue.length > most) throw new Error('goalcast: events are not taken as fast as they come');
      const next = queue.shift();
      if (next) yield next;
      else if (live.status !== 'closed') await /** @type {Promise<void>} */ (new Promise((done) => { wake = done; }));
      else break;
    }
    const { code, error } = refused;
    if (code) throw Object.assign(new Error(`goalcast: ${error ?? code}`), { code });
  } finally {
    for (const end of ends) end();
  }
}
