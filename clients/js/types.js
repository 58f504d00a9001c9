// types.js: what goes over the wire and what the SDK tells, as types. There is no code in it. Fields and
// kinds that later versions add are any; docs/openapi.yaml and docs/asyncapi.yaml say all of each.

/**
 * @typedef {'websocket' | 'eventsource' | 'poll' | 'deltas'} Transport
 * @typedef {'connecting' | 'live' | 'stale' | 'reconnecting' | 'paused' | 'closed'} Status
 *
 * @typedef {{id: number, name?: string, short_name?: string, [field: string]: any}} Named a team, a competition,
 * a player
 * @typedef {{home: number, away: number}} Score
 * @typedef {{type: string, [field: string]: any}} Delay
 * @typedef {{team: number, [field: string]: any}} Lineup
 *
 * @typedef {{
 *   id: string, revision: number, status: 'provisional' | 'confirmed' | 'cancelled', kind: string,
 *   topics: string[], seq?: number, match?: number, team?: number, player?: Named,
 *   period?: string, minute?: number, second?: number, clock?: string,
 *   goal?: {type: string, assist?: Named}, card?: {type: string, reason?: string},
 *   substitution?: {off?: Named, on?: Named, reason?: string}, kick?: {scored: boolean},
 *   var?: {subject: string, outcome: string, decision?: string}, added_time?: number, delay?: Delay,
 *   lineup?: Lineup, fixture?: {[field: string]: any}, clip?: {[field: string]: any}, message?: any,
 *   push?: {[language: string]: {title: string, body: string}},
 *   score?: Score, at?: string,
 *   times?: {provider?: number, received?: number, published?: number}, [field: string]: any
 * }} MatchEvent one thing that happened, in one revision. Times are in ms since 1970, at is a time of RFC 3339
 *
 * @typedef {{
 *   id: number, seq: number, competition: Named, home: Named, away: Named, kickoff?: string,
 *   fixture_revision?: number, state: string, period: string, period_started?: string, score: Score,
 *   shootout?: Score, half_time?: Score, halted?: string, reported?: any, awarded?: Score, delay?: Delay,
 *   timeline: MatchEvent[], lineups?: (Lineup & {event: string, revision: number})[], updated?: number,
 *   [field: string]: any
 * }} Match a match as it stands
 *
 * @typedef {{topic: string, key: string, version: number, value: any, at?: number}} State the newest value of
 * something: a market, statistics
 * @typedef {{gate: 'open' | 'suspended' | 'closed', reason?: string, since?: number}} Gate
 *
 * @typedef {{provider?: number, ingest?: number, hub?: number, network?: number, total?: number}} Latency in ms
 *
 * @typedef {{status: Status, reason?: string, retry?: number, error?: string}} StatusTold
 * @typedef {{event: MatchEvent, cursor?: string, match?: Match, previous?: Match, latency: Latency}} EventTold
 * @typedef {{match: Match, previous?: Match, event?: MatchEvent}} MatchTold
 * @typedef {{topic: string, key: string, version?: number, value: any, at?: number}} StateTold
 * @typedef {{reason?: string}} ResetTold
 * @typedef {{code: string, error?: string, id?: string, topics?: string[], final: boolean}} ProblemTold
 *
 * @typedef {{status: StatusTold, event: EventTold, match: MatchTold, state: StateTold, reset: ResetTold,
 *   problem: ProblemTold}} Told what `on` can listen to
 *
 * @typedef {string | Iterable<string>} Topics 'match:1', or 'match:1,team:2', or several
 *
 * @typedef {{
 *   url: string, topics: Topics, cursor: string | undefined, matches: Iterable<Match>, conflateMs: number,
 *   delay: number, kinds: string[],
 *   replay: 'kickoff' | undefined, speed: number, transport: 'auto' | Transport, cdn: string | undefined,
 *   WebSocket: (new (url: string, protocols?: string[]) => any) | undefined,
 *   EventSource: (new (url: string) => any) | undefined,
 *   token: (() => Promise<string | undefined> | string | undefined) | undefined,
 *   fetch: ((url: string, init?: any) => Promise<any>) | undefined, random: () => number, backoff: number,
 *   maxBackoff: number, settled: number, helloTimeout: number, pongTimeout: number, upgradeAfter: number,
 *   ack?: string, deltasEvery: number, hiddenAfter: number, clockPings: number, remember: number, tabs: boolean
 * }} Options goalcast.js says what each is, in which unit, and its default
 *
 * @typedef {{frame: (text: string) => void, end: (reason: string, code?: number) => void}} Ears of who has a link:
 * frame is called for each frame, end once, when the link is gone; neither after close
 * @typedef {{type: string, [field: string]: any}} Frame
 * @typedef {{topics: string[], conflateMs: number}} Asked what a connection was made with
 *
 * @typedef {{
 *   frame: (frame: Frame) => void, status: (told: StatusTold) => void, problem: (problem: ProblemTold) => void,
 *   known: (match: number) => Match | undefined, loaded: (later: typeof import('./later.js')) => void
 * }} Owner of a connection: frame is called for each frame that tells something, known says what is known of a
 * match, loaded hands over what was loaded behind the first frame
 *
 * @typedef {{send?: (text: string) => void, close: () => void, readonly transport?: Transport}} Link a connection.
 * Without send it has its topics for good; transport is of another tab's, if it goes over that
 */

export {};
