// soak.js: hours of the same, with viewers who come and go as phones do: each comes back with its cursor
// and must have missed nothing. SECONDS=28800 is a night.
import exec from 'k6/execution';
import { findMatches, rest, tell } from './editor.js';
import { length, part, promises, viewers } from './settings.js';
import { watch } from './viewer.js';

const visit = Math.min(60, length / 5); // s

export const options = {
  thresholds: promises,
  scenarios: {
    fans: { executor: 'constant-vus', exec: 'fan', vus: viewers, duration: part(1),
      gracefulStop: `${Math.ceil(visit)}s` },
    editor: { executor: 'constant-vus', exec: 'editor', vus: 1, duration: part(1) },
  },
};

/** @type {import('./viewer.js').Place | undefined} */
let place; // of this viewer: k6 gives each its own module

export function setup() { return findMatches(5); }

/** @param {{matches: number[]}} data */
export async function fan({ matches }) {
  place = await watch([`match:${matches[exec.vu.idInTest % matches.length]}`], visit, place);
  await rest(Math.random() * 2); // in a tunnel
}

/** @param {{matches: number[]}} data */
export async function editor({ matches }) {
  await tell(matches[exec.vu.iterationInScenario % matches.length]);
  await rest(1);
}
