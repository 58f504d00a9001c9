// later.js: what the SDK does not need for its first frame, and loads behind it.

export { credentials, tokenOf, why } from './asking.js';
export { eventsOf } from './iterate.js';
export { openDeltas, openPoll, reachable } from './polling.js';
export { watchMachine } from './watch.js';
