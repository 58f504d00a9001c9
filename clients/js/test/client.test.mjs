// The SDK against a hub that misbehaves on command, over real sockets.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import WebSocket from 'ws';
import { Goalcast } from '../goalcast.js';
import { until } from './demo.mjs';
import { ScriptedHub, SimpleEventSource, goal, hello, snapshot } from './hub.mjs';

let hub;
let live;

beforeEach(async () => { hub = await new ScriptedHub().open(); });
afterEach(async () => {
  live?.stop();
  await hub.close();
});

function listen(options = {}) {
  live = new Goalcast({ url: hub.url, topics: ['match:1'], WebSocket, backoff: 20, ...options });
  const heard = { status: [], events: [], resets: [], problems: [], states: [] };
  live.on('status', (s) => heard.status.push(s));
  live.on('event', (e) => heard.events.push(`${e.event.id}#${e.event.revision}`));
  live.on('reset', (r) => heard.resets.push(r.reason));
  live.on('problem', (p) => heard.problems.push(p.final ? `${p.code} for good` : p.code));
  live.on('state', (s) => heard.states.push(s.value));
  live.start();
  return heard;
}

test('hello, snapshot, events: score, latency, cursor', async () => {
  const heard = listen();
  const visit = await hub.visit(0);
  assert.deepEqual([visit.topics, visit.since, visit.transport], [['match:1'], null, 'websocket']);
  let last;
  live.on('event', (e) => { last = e; });
  visit.send(hello());
  visit.send(snapshot('e1-4'));
  visit.send(goal(5));
  visit.send(goal(6, 2, 'cancelled', { id: 5 }));
  await until(() => heard.events.length === 2);
  assert.deepEqual(heard.events, ['opta:5#1', 'opta:5#2']);
  assert.deepEqual([last.previous.score.home, last.match.score.home, live.matches.get(1).timeline.length], [1, 0, 1]);
  assert.equal(live.matches.get(1).home.name, 'KVC Oosterveke');
  assert.equal(live.cursor, 'e1-6');
  assert.equal(live.status, 'live');
  assert.equal(last.latency.ingest, 5);
  assert.ok(last.latency.total >= 0 && last.latency.total < 2000, `total ${last.latency.total}`);
  assert.ok(Math.abs(live.clockOffset) < 500, `clock offset ${live.clockOffset} on one machine`);
});

test('a cut in mid-match: back with the cursor, nothing lost, nothing twice', async () => {
  const heard = listen();
  const first = await hub.visit(0);
  first.send(hello());
  first.send(snapshot('e1-4'));
  first.send(goal(5));
  await until(() => heard.events.length === 1);
  first.end();
  const second = await hub.visit(1);
  assert.equal(second.since, 'e1-5');
  assert.equal(live.status, 'reconnecting');
  second.send(hello());
  second.send(goal(5)); // a hub that repeats
  second.send(goal(6));
  second.send(goal(7, 1, 'confirmed', { id: 6 })); // the same revision under another offset
  second.send(goal(8));
  await until(() => heard.events.length === 3);
  assert.deepEqual(heard.events, ['opta:5#1', 'opta:6#1', 'opta:8#1']);
  assert.deepEqual(heard.status.map((s) => s.status), ['connecting', 'live', 'reconnecting', 'live']);
  assert.equal(live.matches.get(1).score.home, 3);
});

for (const transport of ['websocket', 'eventsource']) {
  test(`a replay: ${transport}, after a cut it goes on, at its end it stops and is forgotten`, async () => {
    const heard = listen({ replay: 'kickoff', speed: 10, transport, EventSource: SimpleEventSource });
    const query = (visit) => ['replay', 'speed', 'since'].map((name) => visit.query.get(name));
    const first = await hub.visit(0);
    assert.deepEqual(query(first), ['kickoff', '10', null]);
    let last;
    live.on('event', (e) => { last = e; });
    first.send(hello());
    first.send(snapshot('e1-4'));
    first.send(goal(5));
    await until(() => heard.events.length === 1);
    assert.deepEqual([last.latency.ingest, last.latency.total], [undefined, undefined]); // that was then
    first.end();
    const second = await hub.visit(1);
    assert.deepEqual(query(second), ['kickoff', '10', 'e1-5']);
    second.send(hello());
    second.send(goal(6));
    second.send({ type: 'bye', reason: 'replay_over', retry: 1 });
    await until(() => live.status === 'closed');
    assert.deepEqual(heard.status.at(-1), { status: 'closed', reason: 'replay_over', retry: undefined });
    assert.deepEqual([live.cursor, live.matches.get(1).score.home], [undefined, 2]);
    live.start();
    const third = await hub.visit(2);
    assert.deepEqual(query(third), ['kickoff', '10', null]);
    third.send(hello());
    third.send(snapshot('e1-4'));
    await until(() => live.matches.get(1).score.home === 0); // as it was before kick-off
    third.send(goal(5));
    await until(() => heard.events.length === 3);
    assert.deepEqual([heard.problems, heard.resets, hub.visits.length], [[], [], 3]);
  });
}

test('an event of one match is not taken for a repetition of another match\'s that has its id', async () => {
  const heard = listen({ topics: ['match:1', 'match:2'] });
  const first = await hub.visit(0);
  first.send(hello());
  first.send(snapshot('e1-4'));
  first.send(goal(5));
  const other = goal(6, 1, 'confirmed', { id: 5 });
  other.event = { ...other.event, match: 2 };
  first.send(other);
  await until(() => heard.events.length === 2);
});

test('cut before every snapshot came: the cursor would leave a topic out, so it is not used', async () => {
  listen({ topics: ['match:1', 'match:2'] });
  const first = await hub.visit(0);
  first.send(hello());
  first.send(snapshot('e1-4'));
  await until(() => live.cursor === 'e1-4');
  first.end();
  const second = await hub.visit(1);
  assert.equal(second.since, null);
  assert.deepEqual(second.topics, ['match:1', 'match:2']);
});

test('bye: comes back when it was told to, not before', async () => {
  listen({ random: () => 0 });
  const first = await hub.visit(0);
  first.send(hello());
  first.send(snapshot('e1-4'));
  first.send({ type: 'bye', reason: 'drain', cursor: 'e1-9', retry: 400 });
  const left = Date.now();
  const second = await hub.visit(1);
  assert.ok(second.at - left >= 390, `back after ${second.at - left} ms`);
  assert.equal(second.since, 'e1-9');
});

test('full jitter: each pause is random up to a bound that doubles', async () => {
  hub.onVisit = (visit) => visit.end();
  const heard = listen({ transport: 'websocket', backoff: 8, maxBackoff: 64, random: () => 0.5 });
  await hub.visit(6);
  const waits = heard.status.filter((s) => s.status === 'reconnecting').map((s) => s.retry);
  assert.deepEqual(waits.slice(0, 6), [4, 8, 16, 32, 32, 32]);
});

test('reset: the snapshot counts, whatever it says, and old revisions are told again', async () => {
  const heard = listen();
  const first = await hub.visit(0);
  first.send(hello());
  first.send(snapshot('e1-4', 'match:1', { seq: 50, state: 'live' }));
  first.send(goal(5));
  await until(() => heard.events.length === 1);
  first.end();
  const second = await hub.visit(1);
  second.send(hello());
  second.send({ type: 'reset', reason: 'epoch' });
  second.send(snapshot('x9-1', 'match:1', { seq: 3 }));
  second.send({ ...goal(5), cursor: 'x9-2' });
  await until(() => heard.events.length === 2);
  assert.deepEqual(heard.resets, ['epoch']);
  assert.equal(live.matches.get(1).seq, 5);
  assert.equal(live.cursor, 'x9-2');
  second.send(snapshot('x9-2', 'match:1', { seq: 2 })); // not after a reset: older than what is known
  second.send({ ...goal(6), cursor: 'x9-3' });
  await until(() => heard.events.length === 3);
  assert.equal(live.matches.get(1).score.home, 2);
});

test('stale and live again', async () => {
  const heard = listen();
  const visit = await hub.visit(0);
  visit.send(hello());
  visit.send({ type: 'stale', stale: true });
  await until(() => live.status === 'stale');
  visit.send({ type: 'stale', stale: false });
  await until(() => live.status === 'live');
  assert.deepEqual(heard.status.map((s) => s.status), ['connecting', 'live', 'stale', 'live']);
});

test('a silent hub is asked, and left when it does not answer', async () => {
  hub.answerPings = false;
  listen({ pongTimeout: 60 });
  const first = await hub.visit(0);
  first.send(hello({ ping: 30 }));
  await hub.visit(1);
  assert.ok(first.pings >= 1);
});

test('a silent hub that answers is kept', async () => {
  listen({ pongTimeout: 1000 });
  const first = await hub.visit(0);
  first.send(hello({ ping: 20 }));
  await until(() => first.pings >= 4);
  assert.equal(hub.visits.length, 1);
});

test('a hub that never says hello is left', async () => {
  const heard = listen({ helloTimeout: 40 });
  await hub.visit(1);
  assert.equal(heard.status.find((s) => s.status === 'reconnecting').reason, 'no hello');
});

test('subscribe and unsubscribe on the open socket, before hello, and in the next URL', async () => {
  listen();
  const first = await hub.visit(0);
  live.subscribe('team:7', 'match:1'); // before hello
  first.send(hello());
  await until(() => first.received.length === 1);
  first.send(snapshot('e1-1'));
  first.send(snapshot('e1-1', 'team:7'));
  live.subscribe('competition:9');
  live.unsubscribe('match:1');
  await until(() => first.received.length === 3);
  assert.deepEqual(first.received,
    [{ type: 'subscribe', topics: ['team:7'], id: 's2' }, { type: 'subscribe', topics: ['competition:9'], id: 's3' },
    { type: 'unsubscribe', topics: ['match:1'] }]);
  first.send(snapshot('e1-2', 'competition:9'));
  await until(() => live.cursor === 'e1-2');
  first.end();
  const second = await hub.visit(1);
  assert.deepEqual([second.topics, second.since], [['team:7', 'competition:9'], 'e1-2']);
});

test('an event brings its match along: names and score are there before it, and nothing that was known is lost',
  async () => {
  const heard = listen({ topics: ['team:7'] });
  const visit = await hub.visit(0);
  visit.send(hello());
  visit.send({ ...snapshot('e1-4', 'team:7'), matches: [] });
  const told = [];
  live.on('event', ({ match, previous }) => told.push([previous?.home.name, previous?.score.home, match.score.home]));
  const { cursor, ...along } = snapshot('e1-4', 'match:1');
  visit.send(along);
  visit.send(goal(5));
  await until(() => heard.events.length === 1);
  assert.deepEqual(told, [['KVC Oosterveke', 0, 1]]);
  assert.equal(live.cursor, 'e1-5');
  const [known] = live.matches.values();
  const lineups = [{ team: 11, players: [], event: 'x', revision: 1 }];
  visit.send({ ...along, matches: [{ ...known, seq: 6, lineups }] });
  visit.send({ ...along, matches: [{ ...known, seq: 7, timeline: [] }] }); // once more, for somebody else's sake
  visit.send(goal(6));
  await until(() => heard.events.length === 2);
  assert.deepEqual([live.matches.get(1).score.home, live.matches.get(1).lineups.length, live.topics],
    [2, 1, ['team:7']]);
});

test('what a competition snapshot leaves out stays', async () => {
  listen();
  const visit = await hub.visit(0);
  visit.send(hello());
  const [early, late] = [goal(2).event, goal(3, 2, 'cancelled').event];
  const review = { ...goal(4).event, kind: 'var', minute: 13 };
  visit.send(snapshot('e1-1', 'match:1',
    { seq: 4, timeline: [early, { ...late, revision: 1, status: 'confirmed' }, review],
    lineups: [{ team: 11, players: [], event: 'x', revision: 1 }] }));
  visit.send(snapshot('e1-2', 'competition:9', { seq: 5, timeline: [early, late] }));
  await until(() => live.matches.get(1)?.seq === 5);
  const match = live.matches.get(1);
  assert.equal(match.lineups.length, 1);
  assert.deepEqual(match.timeline.map((e) => `${e.id}#${e.revision}`), ['opta:2#1', 'opta:3#2', 'opta:4#1']);
  // After a reset the long snapshot must survive the short one that follows it.
  visit.send({ type: 'reset', reason: 'epoch' });
  visit.send(snapshot('x1-1', 'match:1', { seq: 2, timeline: [review] }));
  visit.send(snapshot('x1-1', 'competition:9', { seq: 2, timeline: [early] }));
  await until(() => live.matches.get(1).timeline.length === 2);
  assert.deepEqual(live.matches.get(1).timeline.map((e) => e.id), ['opta:2', 'opta:4']);
});

test('newest state per key', async () => {
  const heard = listen();
  const visit = await hub.visit(0);
  const price = (version, value) => ({ type: 'state', state: { topic: 'odds:1', key: '1x2/home', version, value } });
  visit.send(hello());
  for (const [version, value] of [[5, 2.1], [4, 9.9], [6, 2.2]]) visit.send(price(version, value));
  await until(() => heard.states.length === 2);
  assert.deepEqual(heard.states, [2.1, 2.2]);
  assert.equal(live.states.get('odds:1 1x2/home').value, 2.2);
});

test('prices are shown behind an open gate only', async () => {
  listen({ topics: ['odds:1'] });
  const visit = await hub.visit(0);
  let version = 0;
  const state = (key, value) => ({ topic: 'odds:1', key, version: ++version, value });
  const send = (key, value) => visit.send({ type: 'state', state: state(key, value) });
  const market = (p) => ({ st: 'open', sel: { home: { p }, away: {} } });
  const home = () => live.price(1, '1x2', 'home');
  visit.send(hello({ odds_beat: 200 }));
  assert.equal(live.gate(1).reason, 'start');
  visit.send({ type: 'snapshot', topic: 'odds:1', states: [state('!', { gate: 'open' }), state('1x2', market(2350))] });
  await until(() => home() === 2350);
  assert.equal(live.price(1, '1x2', 'away'), undefined);
  send('!', { gate: 'suspended', reason: 'goal' });
  send('1x2', market(9999)); // of who has not heard of it
  await until(() => live.gate(1).reason === 'goal');
  send('!', { gate: 'open' });
  await until(() => live.gate(1).gate === 'open');
  assert.equal(home(), undefined, 'what was told before is void');
  send('1x2', market(1800));
  await until(() => home() === 1800);
  send('1x2', { ...market(1800), st: 'suspended' });
  await until(() => home() === undefined);
  send('1x2', market(1900));
  await until(() => home() === 1900);
  await until(() => live.gate(1).reason === 'silent'); // two beats without a word
  assert.equal(home(), undefined);
  visit.send({ type: 'state', state: { topic: 'odds:1', key: '!', version: 1, value: { gate: 'open' } } });
  await until(() => home() === 1900);
  send('1x2', null);
  await until(() => home() === undefined && live.gate(1).gate === 'open');
  visit.send({ type: 'stale', stale: true });
  await until(() => live.gate(1).reason === 'connection');
  // Another hub counts its gates from elsewhere: its snapshot counts, whatever the versions say.
  visit.end();
  const next = await hub.visit(1);
  next.send(hello({ odds_beat: 60_000 }));
  next.send({ type: 'snapshot', topic: 'odds:1', states: [
    { topic: 'odds:1', key: '!', version: 1, value: { gate: 'open' } },
    { topic: 'odds:1', key: '1x2', version: 1, value: market(1700) }] });
  await until(() => home() === 1700);
});

test('no price is older than two beats, whatever timers and networks do', async () => {
  listen({ topics: ['odds:1'] });
  const visit = await hub.visit(0);
  let version = 0;
  const state = (key, value) => ({ topic: 'odds:1', key, version: ++version, value });
  const market = (p) => ({ st: 'open', sel: { home: { p } } });
  const send = (p, sent) => visit.send({ type: 'state', sent, state: state('1x2', market(p)) });
  const home = () => live.price(1, '1x2', 'home');
  visit.send(hello({ odds_beat: 200 }));
  visit.send({ type: 'snapshot', topic: 'odds:1', states: [state('!', { gate: 'open' }), state('1x2', market(2350))] });
  await until(() => home() === 2350);
  send(2400, Date.now());
  await until(() => home() === 2400);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600); // no timer runs
  assert.equal(home(), undefined, 'a frozen client shows what it had');
  const pings = visit.pings;
  send(2500, Date.now() - 1000); // it waited in the network, or in front of the client
  await until(() => live.states.get('odds:1 1x2').value.sel.home.p === 2500);
  assert.equal(home(), undefined, 'a price that came late is shown');
  await until(() => visit.pings > pings); // it may be the clock
  send(2600, Date.now());
  await until(() => home() === 2600);
});

test('what another connection told of prices is void', async () => {
  listen({ topics: ['odds:1'] });
  const first = await hub.visit(0);
  const state = (key, version, value) => ({ type: 'state', sent: Date.now(), state: { topic: 'odds:1', key, version, value } });
  const market = (p) => ({ st: 'open', sel: { home: { p } } });
  first.send(hello());
  first.send({ type: 'snapshot', cursor: 'e1-1', topic: 'odds:1', states: [] });
  first.send(state('!', 9, { gate: 'open' }));
  first.send(state('1x2', 5, market(2350)));
  await until(() => live.price(1, '1x2', 'home') === 2350);
  first.end();
  const next = await hub.visit(1); // it goes on from its cursor: no snapshot comes
  assert.equal(next.since, 'e1-1');
  next.send(hello());
  await until(() => live.status === 'live');
  assert.equal(live.price(1, '1x2', 'home'), undefined);
  next.send(state('!', 8, { gate: 'open' })); // this hub counts its gates from elsewhere
  next.send(state('1x2', 5, market(2350)));
  await until(() => live.price(1, '1x2', 'home') === 2350);
  next.send(state('!', 9, { gate: 'suspended', reason: 'silent' }));
  await until(() => live.gate(1).gate === 'suspended');
});

test('states as seldom as asked for: in the URL, on the open socket, before hello, by EventSource', async () => {
  listen({ conflateMs: 1000 });
  const first = await hub.visit(0);
  assert.equal(first.query.get('conflate_ms'), '1000');
  live.conflate(2000); // before hello
  first.send(hello({ conflate_ms: 1000 }));
  await until(() => first.received.length === 1);
  assert.equal(live.conflateMs, 1000);
  live.conflate(0);
  live.conflate(0); // changes nothing
  live.subscribe('team:7');
  await until(() => first.received.length === 3);
  assert.deepEqual(first.received,
    [{ type: 'subscribe', topics: ['match:1'], conflate_ms: 2000 },
    { type: 'subscribe', topics: ['match:1'], conflate_ms: 0 },
    { type: 'subscribe', topics: ['team:7'], id: 's1' }]);
  first.end();
  assert.equal((await hub.visit(1)).query.get('conflate_ms'), null);
  live.stop();

  listen({ transport: 'eventsource', EventSource: SimpleEventSource });
  const third = await hub.visit(2);
  third.send(hello());
  third.send(snapshot('e1-4'));
  await until(() => live.cursor === 'e1-4');
  live.conflate(500);
  const fourth = await hub.visit(3);
  assert.deepEqual([third.query.get('conflate_ms'), fourth.query.get('conflate_ms'), fourth.since],
    [null, '500', 'e1-4']);
});

test('problems, messages, unknown frames and fields do not disturb; a frame that is no JSON does', async () => {
  const heard = listen();
  const visit = await hub.visit(0);
  visit.send(hello({ surprise: 1 }));
  visit.send({ type: 'fireworks' });
  visit.send({ type: 'error', code: 'bad_topic', error: 'want match:' });
  visit.send({ type: 'event', cursor: 'e1-1',
    event: { id: 'message:1', revision: 1, status: 'confirmed', kind: 'message', topics: ['match:1'],
    message: { a: 1 } } });
  await until(() => heard.events.length === 1);
  assert.deepEqual([heard.problems, live.matches.size, live.status], [['bad_topic'], 0, 'live']);
  visit.raw('{"type":');
  await hub.visit(1);
});

test('EventSource where WebSockets do not get through', async () => {
  hub.refuseWebSockets = true;
  const heard = listen({ EventSource: SimpleEventSource });
  const first = await hub.visit(0);
  assert.deepEqual([first.transport, live.transport], ['eventsource', 'eventsource']);
  first.send(hello());
  first.send(snapshot('e1-4'));
  first.send({ type: 'error', code: 'bad_topic', error: 'as an SSE event of that name' });
  first.send(goal(5));
  await until(() => heard.events.length === 1);
  assert.deepEqual(heard.problems, ['bad_topic']);
  first.end();
  const second = await hub.visit(1);
  assert.equal(second.since, 'e1-5');
  second.send(hello());
  live.subscribe('team:7');
  const third = await hub.visit(2);
  assert.deepEqual([third.topics, third.since], [['match:1', 'team:7'], null]);
});

test('stop ends it; start goes on where it was', async () => {
  const heard = listen();
  const first = await hub.visit(0);
  first.send(hello());
  first.send(snapshot('e1-4'));
  await until(() => live.cursor === 'e1-4');
  live.stop();
  assert.equal(heard.status.at(-1).status, 'closed');
  live.start();
  assert.equal((await hub.visit(1)).since, 'e1-4');
});

test('a later session goes on with cursor and snapshots of an earlier one', async () => {
  const heard = listen({ cursor: 'e1-4', matches: snapshot('').matches });
  const visit = await hub.visit(0);
  assert.equal(visit.since, 'e1-4');
  visit.send(hello());
  visit.send(goal(5));
  await until(() => heard.events.length === 1);
  assert.equal(live.matches.get(1).score.home, 1);
});

test('the clock is learnt from as many pings as asked for', async () => {
  listen({ clockPings: 3 });
  const visit = await hub.visit(0);
  visit.send(hello({ time: Date.now() - 5000 })); // a hello that took long: pings know better
  await until(() => visit.pings === 3);
  await until(() => Math.abs(live.clockOffset) < 200);
});

const refusals = JSON.parse(readFileSync(new URL('../../../testdata/refusals.json', import.meta.url)));

for (const transport of ['websocket', 'eventsource', 'poll']) {
  for (const refusal of refusals) {
    test(`refused by ${transport} because of ${refusal.code}: ${refusal.final ? 'told once, not tried again'
      : 'comes back when it was told to'}`, async () => {
      hub.refusal = refusal;
      const heard = listen({ transport, EventSource: SimpleEventSource, backoff: 1, random: () => 0 });
      if (refusal.final) {
        await until(() => live.status === 'closed');
        assert.deepEqual(heard.status.at(-1), { status: 'closed', reason: refusal.code, retry: undefined });
        await new Promise((done) => setTimeout(done, 50)); // 50 backoffs
        assert.deepEqual([hub.refused.length, hub.checks, heard.problems], [1, 1, [`${refusal.code} for good`]]);
      } else {
        await until(() => live.status === 'reconnecting');
        const { reason, retry } = heard.status.at(-1);
        assert.deepEqual([reason, retry], [refusal.code, transport === 'eventsource' ? 300 : 1000]);
        hub.refusal = undefined;
        const visit = await hub.visit(0);
        assert.ok(visit.at - hub.refused[0] >= retry - 10, `back after ${visit.at - hub.refused[0]} ms`);
        assert.deepEqual(heard.problems, []);
      }
      hub.refusal = undefined;
      if (refusal.final) { // whoever has mended what was wrong may try again
        live.start();
        (await hub.visit(0)).send(hello());
        await until(() => live.status === 'live');
      }
    });
  }
}

test('while every node is full, what a CDN has is shown; then the hub again, with nothing missed', async () => {
  hub.refusal = refusals.find((r) => r.code === 'full');
  const [match] = snapshot('').matches;
  hub.rest['/v1/matches/1'] = { ...match, seq: 4 };
  hub.rest['/v1/matches/1/deltas/5'] = { type: 'event', event: goal(5).event };
  hub.retryAfter = 0;
  const heard = listen({ backoff: 1, maxBackoff: 10, upgradeAfter: 50, deltasEvery: 10, random: () => 0,
    EventSource: SimpleEventSource });
  hub.onVisit = (visit) => visit.send(hello());
  await until(() => heard.events.length === 1);
  assert.deepEqual([live.transport, live.status, live.matches.get(1).score.home], ['deltas', 'live', 1]);
  assert.equal(heard.status.find((s) => s.status === 'reconnecting').error, 'refused: full');
  assert.ok(hub.refused.length >= 3, `gone after ${hub.refused.length} refusals`);
  hub.refusal = undefined;
  await until(() => live.transport === 'websocket');
  const visit = hub.visits.findLast(({ transport }) => transport === 'websocket');
  assert.equal(visit.since, 'e1-4');
  visit.send({ ...goal(5), cursor: 'e1-5' });
  visit.send({ ...goal(6), cursor: 'e1-6' });
  await until(() => heard.events.length === 2);
  assert.deepEqual([heard.events, heard.problems], [['opta:5#1', 'opta:6#1'], []]);
});

test('a cursor that the hub cannot read is left, and the viewer comes in', async () => {
  hub.refusal = refusals.find((r) => r.code === 'bad_cursor');
  const heard = listen({ cursor: 'of-another-kind', matches: snapshot('').matches });
  await until(() => heard.resets.length === 1);
  hub.refusal = undefined;
  const visit = await hub.visit(0);
  assert.equal(visit.since, null);
  assert.deepEqual([heard.resets, heard.problems], [['bad_cursor'], []]);
});

test('no network is no refusal', async () => {
  const { url } = hub;
  await hub.close();
  const heard = listen({ backoff: 2, maxBackoff: 4 });
  await until(() => heard.status.filter((s) => s.status === 'reconnecting').length > 3);
  assert.deepEqual([heard.problems, live.transport], [[], 'websocket']);
  hub = await new ScriptedHub().open(Number(new URL(url).port));
  await hub.visit(0);
});

test('cut again and again after its hello it comes back ever more seldom; after a connection that held it begins again',
  async () => {
  hub.onVisit = (visit) => { visit.send(hello()); setTimeout(() => visit.end(4008), 1); };
  const heard = listen({ backoff: 8, maxBackoff: 64, random: () => 0.5, settled: 200 });
  await hub.visit(5);
  const waits = () => heard.status.filter((s) => s.status === 'reconnecting').map((s) => s.retry);
  assert.deepEqual(waits().slice(0, 5), [4, 8, 16, 32, 32]);
  let last;
  hub.onVisit = (visit) => { last = visit; visit.send(hello()); };
  await until(() => last);
  await new Promise((done) => setTimeout(done, 300)); // the time that it has to hold
  last.end(4008);
  await until(() => heard.status.at(-1).status === 'reconnecting');
  assert.equal(waits().at(-1), 4);
});

test('a hub that says "too slow" again and again is asked ever more seldom, one that drains as it says', async () => {
  let reason = 'too_slow';
  hub.onVisit = (visit) => { visit.send(hello()); visit.send({ type: 'bye', reason, retry: 5 }); };
  const heard = listen({ transport: 'eventsource', EventSource: SimpleEventSource, backoff: 8, maxBackoff: 64,
    random: () => 1 });
  await hub.visit(3);
  const waits = () => heard.status.filter((s) => s.status === 'reconnecting').map((s) => s.retry);
  assert.deepEqual(waits().slice(0, 3), [8, 16, 32]);
  reason = 'drain';
  await until(() => waits().at(-1) === 5);
});

test('topics as one text, as a list, as a set', async () => {
  for (const [i, topics] of ['match:1, team:2', ['match:1', 'team:2'], new Set(['match:1,team:2'])].entries()) {
    listen({ topics });
    const visit = await hub.visit(i);
    assert.deepEqual(visit.topics, ['match:1', 'team:2']);
    live.subscribe('odds:1,match:3', ['match:4']);
    live.unsubscribe('team:2,match:1');
    assert.deepEqual(live.topics, ['odds:1', 'match:3', 'match:4']);
    live.stop();
  }
  assert.throws(() => listen({ topics: [7] }), /a topic is a text like match:1, not number/);
  assert.throws(() => listen({ topics: { match: 1 } }), /a topic is a text/);
  assert.throws(() => live.subscribe(null), /not null/);
});

test('a subscription that is refused is told with its topics and dropped, else the next connection would be refused; '
  + 'one that cannot be had now is asked for again', async () => {
  listen({ backoff: 4, random: () => 0 });
  const problems = [];
  live.on('problem', (p) => problems.push([p.code, p.topics, p.final]));
  const first = await hub.visit(0);
  first.send(hello());
  first.send(snapshot('e1-1'));
  await until(() => live.cursor === 'e1-1');
  live.subscribe('mach:2');
  live.subscribe('match:3');
  await until(() => first.received.length === 2);
  first.send({ type: 'error', code: 'bad_topic', error: 'want match:', id: first.received[0].id });
  first.send({ type: 'error', code: 'unavailable', error: 'try again', id: first.received[1].id });
  await until(() => first.received.length === 3);
  assert.deepEqual(problems, [['bad_topic', ['mach:2'], false], ['unavailable', ['match:3'], false]]);
  assert.deepEqual([first.received[2].topics, live.topics], [['match:3'], ['match:1', 'match:3']]);
  first.end();
  assert.deepEqual((await hub.visit(1)).topics, ['match:1', 'match:3']);
});

test('WebSockets that break again and again after their hello are left for EventSource; '
  + 'those that the hub closes are not', async () => {
  for (const [code, transport] of [[undefined, 'eventsource'], [4008, 'websocket']]) {
    const before = hub.visits.length;
    hub.onVisit = (visit) => { visit.send(hello()); if (visit.query
      && visit.transport !== 'eventsource') setTimeout(() => visit.end(code), 1); };
    listen({ backoff: 2, maxBackoff: 4, EventSource: SimpleEventSource });
    await hub.visit(before + 5);
    assert.equal(live.transport, transport);
    if (transport === 'eventsource') assert.equal(hub.visits.slice(before,
      before + 5).filter((v) => v.transport === 'eventsource').length, 1);
    live.stop();
  }
});

test('a snapshot of a match that was not asked for comes along with its event, and counts', async () => {
  const heard = listen({ topics: ['team:11'] });
  const visit = await hub.visit(0);
  visit.send(hello());
  visit.send({ type: 'snapshot', cursor: 'e1-4', topic: 'team:11' });
  visit.send({ ...snapshot('e1-4', 'match:1', { seq: 4 }), cursor: undefined });
  visit.send(goal(5));
  visit.send(snapshot('e1-4', 'match:1', { seq: 3 })); // late, older than what is known
  visit.send(goal(6));
  await until(() => heard.events.length === 2);
  assert.deepEqual([live.matches.get(1).home.name, live.matches.get(1).score, live.matches.get(1).seq],
    ['KVC Oosterveke', { home: 2, away: 0 }, 6]);
});
