// goal.js: the goal rush. VIEWERS watch one match; with each goal phones that were closed open at once,
// RUSH of them within a second, and ask for the same match.
import { findMatches, rest, tell } from './editor.js';
import { length, number, part, promises, viewers } from './settings.js';
import { snapshot, watch } from './viewer.js';

const rush = number('RUSH', 1000); // phones that open with a goal
const every = Math.min(20, length / 4); // s between two goals
const phones = Math.min(100, rush); // asking at the same time

export const options = {
  thresholds: promises,
  scenarios: {
    fans: { executor: 'ramping-vus', exec: 'fan', gracefulStop: '5s', gracefulRampDown: '5s',
      stages: [{ target: viewers, duration: part(0.2) }, { target: viewers, duration: part(0.8) }] },
    goals: { executor: 'constant-vus', exec: 'goal', vus: 1, startTime: part(0.25), duration: part(0.75) },
  },
};

export function setup() { return findMatches(1); }

/** @param {{matches: number[]}} data */
export async function fan({ matches }) {
  await watch([`match:${matches[0]}`], length);
}

/** @param {{matches: number[]}} data */
export async function goal({ matches }) {
  await tell(matches[0]);
  const asking = [];
  for (let i = 0; i < phones; i++) asking.push(open(matches[0], Math.ceil(rush / phones)));
  await Promise.all(asking);
  await rest(every);
}

/** open asks as one phone after the other. @param {number} match @param {number} times */
async function open(match, times) {
  for (let i = 0; i < times; i++) await snapshot(match);
}

