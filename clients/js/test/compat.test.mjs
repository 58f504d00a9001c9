// Yesterday's client against today's hub: the SDK of version 1.0, as it was built, on each of its ways to the
// real one. Needs GOALCAST_BIN.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Goalcast } from '../../../testdata/v1.0/goalcast.mjs';
import { Wire, asProvider, startGoalcast, until } from './demo.mjs';
import { SimpleEventSource } from './hub.mjs';

let hub;
before(async () => { hub = await startGoalcast('serve'); });
after(() => hub?.stop());

// post tells the hub that so many goals have fallen.
async function post(match, goals) {
  const res = await fetch(`${hub.url}/feeds/json?wait=5s`, { method: 'POST', headers: asProvider,
    body: JSON.stringify({ time: new Date().toISOString(), match,
      fixture: { competition: { id: match, name: 'Sunday League' }, home: { id: match * 10 + 1, name: 'Millpond Athletic' },
        away: { id: match * 10 + 2, name: 'Quarry Town' }, kickoff: new Date(Date.now() - 3_600_000).toISOString() },
      events: [{ id: 'kickoff', kind: 'period', period: 'first_half' },
        ...Array.from({ length: goals }, (_, i) => ({ id: `goal-${i + 1}`, kind: 'goal', team: match * 10 + 1,
          period: 'first_half', minute: i + 1 }))] }) });
  assert.equal(res.status, 200, await res.text());
}

for (const [i, transport] of ['websocket', 'eventsource', 'poll', 'deltas'].entries()) {
  test(`by ${transport}: a match as it stands, its goals, and those of a cut, each once`, async (t) => {
    const match = 9_300_000 + i;
    const wire = await new Wire().open(hub.port);
    const live = new Goalcast({ url: wire.url, topics: [`match:${match}`], transport, WebSocket,
      EventSource: SimpleEventSource, backoff: 10, maxBackoff: 100, deltasEvery: 20 });
    t.after(async () => {
      live.stop();
      await wire.close();
    });
    const goals = [];
    const problems = [];
    live.on('event', ({ event }) => event.kind === 'goal' && goals.push(event.id.replace(/.*goal-/, '')));
    live.on('problem', ({ code }) => problems.push(code));
    const score = () => live.matches.get(match)?.score.home;
    await post(match, 1);
    await until(async () => (await fetch(`${hub.url}/v1/matches/${match}`)).ok);
    live.start();
    await until(() => score() === 1);
    assert.equal(live.matches.get(match).home.name, 'Millpond Athletic');
    await post(match, 2);
    await until(() => score() === 2);
    wire.cut();
    await until(() => live.status === 'reconnecting');
    await post(match, 3);
    wire.mend();
    await until(() => score() === 3);
    assert.deepEqual([goals, problems, live.transport], [['2', '3'], [], transport]);
  });
}

test('what the hub refuses for good it is told, and does not ask again', async () => {
  const live = new Goalcast({ url: hub.url, topics: ['mach:1'], WebSocket });
  const problems = [];
  live.on('problem', ({ code, final }) => problems.push([code, final]));
  live.start();
  await until(() => live.status === 'closed');
  assert.deepEqual(problems, [['bad_topic', true]]);
});
