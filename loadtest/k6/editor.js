// editor.js: who tells of goals. They are messages of an editor, numbered by topic, so that a viewer
// knows of one that is missing.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { setTimeout } from 'k6/timers';
import { adminURL, editorToken, url } from './settings.js';

const told = new Counter('goals_told');
const refused = new Counter('goals_refused');

/** @type {Record<string, number>} */
const numbers = {};
const run = `${Date.now()}`;

/** matches is what all viewers of a run follow; it ends the run where there is no match.
 * @param {number} most
 * @returns {{matches: number[]}} */
export function findMatches(most) {
  const answer = http.get(`${url}/v1/matches`, { tags: { kind: 'setup' } });
  const found = /** @type {{matches?: {id: number}[]} | null} */ (answer.status === 200 ? answer.json() : null);
  const matches = (found?.matches ?? []).slice(0, most).map((match) => match.id);
  if (!matches.length) {
    exec.test.abort(`${url}/v1/matches: status ${answer.status} and no match of today: `
      + 'run "goalcast simulate" against it, or "goalcast demo"');
  }
  return { matches };
}

/** tell tells of one goal of a match.
 * @param {number} match */
export async function tell(match) {
  const number = (numbers[match] ?? 0) + 1;
  const body = JSON.stringify({ topic: `match:${match}`, id: `k6.${run}.${match}.${number}`,
    body: { run, number, sent: Date.now() } });
  const answer = await http.asyncRequest('POST', `${adminURL}/admin/messages`, body, { tags: { kind: 'goal' },
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${editorToken}` } });
  if (answer.status !== 202) {
    refused.add(1);
    console.error(`a goal was refused: status ${answer.status}: ${answer.body}`);
    return;
  }
  numbers[match] = number;
  told.add(1);
}

/** rest waits without holding up the sockets of the same viewer.
 * @param {number} seconds
 * @returns {Promise<void>} */
export function rest(seconds) { return new Promise((done) => { setTimeout(done, seconds * 1000); }); }
