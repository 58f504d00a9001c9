// later.js: what the SDK does not need for its first frame, and loads behind it.

export { eventsOf } from './iterate.js';
export { Prices } from './prices.js';
export { Pulse } from './pulse.js';
export { chooseWay, climb, credentials, ended, expiring, openOther, probed, problem, refusedToken, upgradeLater, watchConnection }
  from './ways.js';
