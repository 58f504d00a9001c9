// whistle.js: the final whistle. All who watch one match leave it within seconds, look at the table, and
// half of them open another match.
import http from 'k6/http';
import exec from 'k6/execution';
import { findMatches, rest, tell } from './editor.js';
import { length, part, promises, url, viewers } from './settings.js';
import { snapshot, watch } from './viewer.js';

export const options = {
  thresholds: promises,
  scenarios: {
    fans: { executor: 'per-vu-iterations', exec: 'fan', vus: viewers, iterations: 1, maxDuration: part(1.5) },
    editor: { executor: 'constant-vus', exec: 'editor', vus: 1, duration: part(1) },
  },
};

export function setup() { return findMatches(2); }

/** @param {{matches: number[]}} data */
export async function fan({ matches }) {
  const [first, other] = [matches[0], matches[matches.length - 1]];
  await rest(Math.random() * length * 0.3);
  await snapshot(first);
  // All leave within a tenth of the run.
  await watch([`match:${first}`], Math.max(1, length * (0.6 + Math.random() * 0.1) - elapsed()));
  await http.asyncRequest('GET', `${url}/v1/matches?state=live`, null, { tags: { kind: 'list' } });
  if (exec.vu.idInTest % 2) {
    await snapshot(other);
    await watch([`match:${other}`], Math.max(1, length - elapsed()));
  }
}

// elapsed is how long the scenario has run, in s.
function elapsed() { return (Date.now() - exec.scenario.startTime) / 1000; }

/** @param {{matches: number[]}} data */
export async function editor({ matches }) {
  await tell(matches[exec.vu.iterationInScenario % matches.length]);
  await rest(1);
}
