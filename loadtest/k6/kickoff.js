// kickoff.js: everybody comes within minutes. Viewers rise to VIEWERS while goals are told.
//   k6 run -e GOALCAST_URL=https://... -e GOALCAST_ADMIN_URL=... -e GOALCAST_EDITOR_TOKEN=... \
//     -e VIEWERS=5000 kickoff.js
import exec from 'k6/execution';
import { findMatches, rest, tell } from './editor.js';
import { length, part, promises, viewers } from './settings.js';
import { snapshot, watch } from './viewer.js';

export const options = {
  thresholds: promises,
  scenarios: {
    fans: { executor: 'ramping-vus', exec: 'fan', gracefulStop: '5s', gracefulRampDown: '5s',
      stages: [{ target: viewers, duration: part(0.6) }, { target: viewers, duration: part(0.4) }] },
    editor: { executor: 'constant-vus', exec: 'editor', vus: 1, duration: part(1) },
  },
};

export function setup() { return findMatches(5); }

/** @param {{matches: number[]}} data */
export async function fan({ matches }) {
  const match = matches[exec.vu.idInTest % matches.length];
  await snapshot(match);
  await watch([`match:${match}`], length);
}

/** @param {{matches: number[]}} data */
export async function editor({ matches }) {
  await tell(matches[exec.vu.iterationInScenario % matches.length]);
  await rest(1);
}
