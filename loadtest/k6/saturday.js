// saturday.js: an afternoon with many matches. Fans follow three of them each, lists are asked for, and
// goals fall everywhere.
import http from 'k6/http';
import exec from 'k6/execution';
import { findMatches, rest, tell } from './editor.js';
import { length, part, promises, url, viewers } from './settings.js';
import { snapshot, watch } from './viewer.js';

export const options = {
  thresholds: { ...promises, 'http_req_duration{kind:list}': ['p(99)<250'],
    'http_req_failed{kind:list}': ['rate<0.001'] },
  scenarios: {
    fans: { executor: 'ramping-vus', exec: 'fan', gracefulStop: '5s', gracefulRampDown: '5s',
      stages: [{ target: viewers, duration: part(0.3) }, { target: viewers, duration: part(0.4) },
        { target: 0, duration: part(0.3) }] },
    readers: { executor: 'constant-vus', exec: 'reader', vus: Math.ceil(viewers / 50), duration: part(1) },
    editor: { executor: 'constant-vus', exec: 'editor', vus: 1, duration: part(1) },
  },
};

export function setup() { return findMatches(50); }

/** @param {{matches: number[]}} data */
export async function fan({ matches }) {
  const mine = [0, 1, 2].map((n) => matches[(exec.vu.idInTest + n * 7) % matches.length]);
  await watch([...new Set(mine)].map((id) => `match:${id}`), length);
}

/** @param {{matches: number[]}} data */
export async function reader({ matches }) {
  await http.asyncRequest('GET', `${url}/v1/matches?state=live`, null, { tags: { kind: 'list' } });
  await snapshot(matches[Math.floor(Math.random() * matches.length)]);
  await rest(1 + Math.random());
}

/** @param {{matches: number[]}} data */
export async function editor({ matches }) {
  await tell(matches[Math.floor(Math.random() * matches.length)]);
  await rest(0.2);
}
