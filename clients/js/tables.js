// tables.js: what the hub's tables say (kind.go, topic.go, wire.go). Written by `go test . -update`; not to be
// changed by hand.

/** The kinds of event. */
export const kinds = {
  goal: { detail: 'goal', place: 'timeline', push: 'withdrawn', sided: true, played: true, listed: true },
  card: { detail: 'card', place: 'timeline', push: 'withdrawn', sided: true, played: true, listed: true },
  substitution: { detail: 'substitution', place: 'timeline', push: 'never', sided: true, played: true, listed: false },
  period: { place: 'timeline', push: 'told', sided: false, played: true, listed: true },
  missed_penalty: { place: 'timeline', push: 'told', sided: true, played: true, listed: false },
  shootout_kick: { detail: 'kick', place: 'timeline', push: 'never', sided: true, played: true, listed: true },
  var: { detail: 'var', place: 'timeline', push: 'never', sided: false, played: true, listed: false },
  added_time: { detail: 'added_time', place: 'timeline', push: 'never', sided: false, played: true, listed: false },
  penalty: { place: 'timeline', push: 'withdrawn', sided: true, played: true, listed: false },
  delay: { detail: 'delay', place: 'timeline', push: 'told', sided: false, played: true, listed: true },
  lineup: { detail: 'lineup', place: 'lineups', push: 'told', sided: true, played: false, listed: false },
  fixture: { detail: 'fixture', place: 'fixture', push: 'told', sided: false, played: false, listed: false },
  clip: { detail: 'clip', place: 'timeline', push: 'told', sided: false, played: false, listed: false },
  message: { detail: 'message', place: 'none', push: 'told', sided: false, played: false, listed: false },
  settlement: { detail: 'settlement', place: 'none', push: 'never', sided: false, played: false, listed: false },
};

/** The kinds of topic. A state's key that ends with a / is followed by more; an empty one stands for any. */
export const topicKinds = {
  match: { events: true, matches: 'one', states: ['stats', 'commentary/'] },
  team: { events: true, matches: 'list', states: [] },
  competition: { events: true, matches: 'short', states: ['table'] },
  odds: { events: false, matches: 'none', states: [''] },
};

/** The types of frame, by who sends them. */
export const frameTypes = {
  hub: ['hello', 'snapshot', 'event', 'state', 'reset', 'stale', 'error', 'bye', 'pong', 'expiring', 'renewed'],
  client: ['subscribe', 'unsubscribe', 'ping', 'auth', 'ack'],
};

/** Why the hub refuses something. What is not final may be right a little later. */
export const codes = {
  full: { status: 503, inFrame: false, final: false },
  rate: { status: 503, inFrame: false, final: false },
  draining: { status: 503, inFrame: false, final: false },
  starting: { status: 503, inFrame: false, final: false },
  unavailable: { status: 503, inFrame: true, final: false },
  replays_full: { status: 503, inFrame: false, final: false },
  no_replay: { status: 404, inFrame: false, final: true },
  bad_topic: { status: 400, inFrame: true, final: true },
  too_many_topics: { status: 400, inFrame: true, final: true },
  bad_parameter: { status: 400, inFrame: false, final: true },
  bad_cursor: { status: 400, inFrame: false, final: true },
  unauthorized: { status: 401, inFrame: true, final: true },
  forbidden: { status: 403, inFrame: true, final: true },
  bad_origin: { status: 403, inFrame: false, final: true },
  method_not_allowed: { status: 405, inFrame: false, final: true },
  bad_frame: { status: 0, inFrame: true, final: true },
};

/** Why a stream cannot be resumed, and why it ends. */
export const reasons = {
  reset: ['epoch', 'too_old', 'ahead', 'too_much', 'gap', 'refresh', 'bad_cursor'],
  bye: ['drain', 'too_slow', 'expired', 'replay_over', 'full', 'rate', 'draining', 'starting', 'unavailable', 'replays_full'],
};
