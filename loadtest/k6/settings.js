// settings.js: what a run is told by `k6 run -e NAME=VALUE`, and how its length is divided.

const environment = /** @type {Record<string, string | undefined>} */ (__ENV);

// The hub, and the admin address with an editor's token: the goals of a run are messages of an editor,
// so that a run needs no provider. Without a token nothing is told and only joining is measured.
export const url = (environment.GOALCAST_URL ?? 'http://127.0.0.1:8080').replace(/\/$/, '');
export const adminURL = (environment.GOALCAST_ADMIN_URL ?? 'http://127.0.0.1:8081').replace(/\/$/, '');
export const editorToken = environment.GOALCAST_EDITOR_TOKEN ?? '';

export const viewers = number('VIEWERS', 1000); // at the height of the run
export const length = number('SECONDS', 120); // of the run

/** part is a share of the run, as k6 writes durations.
 * @param {number} share 0 to 1 */
export function part(share) { return `${Math.max(1, Math.round(length * share * 1000))}ms`; }

/** @param {string} name @param {number} otherwise */
export function number(name, otherwise) {
  const value = Number(environment[name] ?? otherwise);
  if (!(value > 0)) throw new Error(`${name}: ${environment[name]}: want a number above 0`);
  return value;
}

// What goalcast promises its users. A goal's time is counted from the request that tells of it to the
// frame in the viewer, on one clock.
export const promises = {
  goal_seconds: ['p(99)<0.25'],
  join_seconds: ['p(99)<1'],
  viewers_lost: ['count==0'],
  goals_lost: ['count==0'],
  goals_doubled: ['count==0'],
  'http_req_failed{kind:snapshot}': ['rate<0.001'],
  'http_req_duration{kind:snapshot}': ['p(99)<250'],
};
