// The one reducer, as in reducer.go: a match's snapshot with an event in it. Score, period and all
// that can be derived is derived here, from the fixture, the line-ups and the timeline. Pure; the
// order in which events arrive, and repeats, make no difference. testdata/reducer holds what it
// must say.

import { kinds as known } from './tables.js';

/** @import { Delay, Match, MatchEvent, Score } from './types.js' */

/** @type {{[kind: string]: {place: string, played: boolean} | undefined}} */
const kinds = known;

const periods = ['pre_match', 'first_half', 'half_time', 'second_half', 'full_time_90', 'extra_first_half',
  'extra_half_time',
  'extra_second_half', 'extra_full_time', 'shootout', 'full_time'];

/** @type {{[period: string]: number[] | undefined}} */
const clocks = { first_half: [0, 45], second_half: [45, 90], extra_first_half: [90, 105],
  extra_second_half: [105, 120] };

const fixtureFields = ['competition', 'season', 'matchday', 'home', 'away', 'kickoff', 'venue', 'city', 'halted',
  'reason', 'reported',
  'awarded', 'officials'];

/**
 * The snapshot of a match of which nothing is known.
 * @returns {Match}
 */
export function emptySnapshot() {
  return { id: 0, seq: 0, competition: { id: 0 }, home: { id: 0 }, away: { id: 0 }, state: '', period: '',
    score: { home: 0, away: 0 }, timeline: [] };
}

/**
 * The place of a period in a match: 0 before it (and for unknown ones) to 10 at full time.
 * @param {string} [period]
 */
export function periodOrder(period) {
  return Math.max(0, periods.indexOf(period ?? ''));
}

/**
 * A minute as fans say it: 93 in the second half is "90+3". Empty where no clock runs.
 * @param {string} period
 * @param {number} minute
 */
export function clockText(period, minute) {
  const clock = clocks[period];
  if (!clock || !(minute > 0)) return '';
  return minute > clock[1] ? `${clock[1]}+${minute - clock[1]}` : String(minute);
}

/**
 * The minute of play at a time in ms; 0 where no clock runs or its start is not known. Speed is for
 * simulated matches.
 * @param {Match} snapshot
 * @param {number} now
 */
export function minuteAt(snapshot, now, speed = 1) {
  const clock = clocks[snapshot.period];
  const started = Date.parse(snapshot.period_started ?? '');
  if (!clock || !(now >= started)) return 0;
  return clock[0] + Math.floor((now - started) * speed / 60000) + 1;
}

/**
 * Where an event stands in a snapshot: 'timeline', also if its kind is not known, 'lineups',
 * 'fixture' or 'none'.
 * @param {{kind: string}} event
 */
export function placeOf(event) {
  return kinds[event.kind]?.place ?? 'timeline';
}

/**
 * Returns the snapshot with the event in it; the one passed in is not changed.
 * @param {Match} snapshot
 * @param {MatchEvent} event
 * @returns {Match}
 */
export function apply(snapshot, event) {
  const place = placeOf(event);
  if (place === 'none' || !event.match || (snapshot.id !== 0 && snapshot.id !== event.match)) return snapshot;
  /** @type {Match} */
  const s = { ...snapshot, id: event.match, timeline: snapshot.timeline ?? [],
    seq: Math.max(snapshot.seq ?? 0, event.seq ?? 0) };
  const updated = Math.max(s.updated ?? 0, event.times?.received ?? 0, event.times?.published ?? 0);
  if (updated) s.updated = updated;
  if (place === 'fixture') {
    if (event.fixture && event.revision > (s.fixture_revision ?? 0)) {
      for (const field of fixtureFields) {
        if (field in event.fixture) s[field] = event.fixture[field];
        else delete s[field];
      }
      s.fixture_revision = event.revision;
    }
  } else if (place === 'lineups') {
    s.lineups = withLineup(s.lineups ?? [], event);
  } else {
    s.timeline = withEvent(s.timeline, event);
  }
  return derived(s);
}

/** @type {(timeline: MatchEvent[], event: MatchEvent) => MatchEvent[]} */
function withEvent(timeline, event) {
  const old = timeline.find((e) => e.id === event.id);
  if (old && old.revision >= event.revision) return timeline;
  const out = timeline.filter((e) => e.id !== event.id);
  let at = out.findIndex((e) => inMatchOrder(e, event) >= 0);
  if (at < 0) at = out.length;
  out.splice(at, 0, event);
  return out;
}

/** @type {(lineups: NonNullable<Match['lineups']>, event: MatchEvent) => NonNullable<Match['lineups']>} */
function withLineup(lineups, event) {
  const { lineup } = event;
  if (!lineup) return lineups;
  const old = lineups.find((l) => l.team === lineup.team);
  if (old && old.revision >= event.revision) return lineups;
  return [...lineups.filter((l) => l.team !== lineup.team),
    { ...lineup, event: event.id, revision: event.revision }];
}

/**
 * Compares two events by when they happened in the match: by period first, a period's own event
 * before all in it.
 * @param {MatchEvent} a
 * @param {MatchEvent} b
 */
export function inMatchOrder(a, b) {
  /** @param {MatchEvent} e */
  const opens = (e) => (e.kind === 'period' ? 0 : 1);
  return periodOrder(a.period) - periodOrder(b.period)
    || opens(a) - opens(b)
    || (a.minute ?? 0) - (b.minute ?? 0)
    || (a.second ?? 0) - (b.second ?? 0)
    || compareTimes(a.at, b.at)
    || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

// compareTimes orders two UTC times of RFC 3339, which may be finer than the milliseconds of a
// Date. No time is before all others.
/** @type {(a?: string, b?: string) => number} */
function compareTimes(a, b) {
  if (!a || !b) return (a ? 1 : 0) - (b ? 1 : 0);
  /** @param {string} t */
  const fraction = (t) => (/\.(\d+)/.exec(t)?.[1] ?? '').padEnd(9, '0');
  return Date.parse(a.replace(/\.\d+/, '')) - Date.parse(b.replace(/\.\d+/, ''))
    || Number(fraction(a)) - Number(fraction(b));
}

// derived fills what follows from the fixture, the line-ups and the timeline, in a snapshot that
// nobody else has yet.
/** @type {(s: Match) => Match} */
function derived(s) {
  const result = resultOf(s.timeline, s);
  let { period, score, shootout } = result;
  let started;
  let delay;
  let abandoned = false;
  let detailed = (s.lineups ?? []).length > 0; // a feed of the match itself is known
  for (const e of s.timeline) {
    detailed ||= kinds[e.kind]?.played ?? true;
    if (e.status === 'cancelled') continue;
    if (e.kind === 'period') {
      if (e.period === period) started = e.at;
      delay = undefined; // whatever held the match up is over when its next part begins
    } else if (e.kind === 'delay') {
      delay = e.delay;
      abandoned ||= e.delay?.type === 'abandonment';
    }
  }
  if (s.reported && !detailed) ({ period, score, shootout } = s.reported);
  const afterFirstHalf = detailed && periodOrder(period) > periodOrder('first_half');
  s.score = s.awarded ?? score;
  s.period = period;
  set(s, 'shootout', shootout);
  set(s, 'period_started', started);
  set(s, 'half_time', afterFirstHalf ? result.firstHalf : undefined);
  set(s, 'delay', heldUp(period, delay));
  s.state = stateNow(s, abandoned);
  if (s.lineups) s.lineups = homeFirst(s.lineups, s.home.id);
  return s;
}

/**
 * What events of a match come to: {period, score, firstHalf, shootout}. Goals are counted here and
 * nowhere else; one of neither side counts for nobody.
 * @param {MatchEvent[]} events
 * @param {{home: {id: number}, away: {id: number}}} sides
 */
export function resultOf(events, { home, away }) {
  const none = () => ({ home: 0, away: 0 });
  /** @type {{period: string, score: Score, firstHalf: Score, shootout?: Score}} */
  const result = { period: 'pre_match', score: none(), firstHalf: none(), shootout: undefined };
  /** @type {(to: Score, team?: number) => void} */
  const count = (to, team = 0) => {
    if (team === home.id) to.home++;
    else if (team === away.id) to.away++;
  };
  for (const e of events) {
    if (e.status === 'cancelled') continue;
    if (e.kind === 'goal') {
      count(result.score, e.team);
      if (periodOrder(e.period) <= periodOrder('first_half')) count(result.firstHalf, e.team);
    } else if (e.kind === 'shootout_kick') {
      result.shootout ??= none();
      if (e.kick?.scored) count(result.shootout, e.team);
    } else if (e.kind === 'period' && periodOrder(e.period) >= periodOrder(result.period)) {
      result.period = e.period ?? '';
    }
  }
  return result;
}

/** @type {(s: Match, abandoned: boolean) => string} */
function stateNow(s, abandoned) {
  if (s.awarded) return 'finished';
  if (s.halted) return s.halted;
  if (abandoned) return 'abandoned';
  if (s.period === 'full_time') return 'finished';
  return periodOrder(s.period) > 0 ? 'live' : 'scheduled';
}

// heldUp returns the delay that a timeline ends with, if it still holds the match up: a late start
// only until kick-off.
/** @type {(period: string, delay?: Delay) => Delay | undefined} */
function heldUp(period, delay) {
  if (!delay || period === 'full_time') return undefined;
  return (delay.type === 'late_start' && period === 'pre_match') || delay.type === 'stopped'
    || delay.type === 'suspended' ? delay : undefined;
}

/** @type {(s: Match, field: string, value: any) => void} */
function set(s, field, value) {
  if (value === undefined) delete s[field];
  else s[field] = value;
}

/** @type {(lineups: NonNullable<Match['lineups']>, home: number) => NonNullable<Match['lineups']>} */
function homeFirst(lineups, home) {
  return [...lineups].sort((a, b) => Number(b.team === home) - Number(a.team === home) || a.team - b.team);
}
