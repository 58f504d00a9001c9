// The SDK's tokens, against a hub that does what it is told.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import WebSocket from 'ws';
import { Goalcast } from '../goalcast.js';
import { until } from './demo.mjs';
import { ScriptedHub, SimpleEventSource, hello, snapshot } from './hub.mjs';

let hub;
let live;
let asked; // how often for a token

beforeEach(async () => {
  hub = await new ScriptedHub().open();
  asked = 0;
});
afterEach(async () => {
  live?.stop();
  await hub.close();
});

function listen(options = {}) {
  live = new Goalcast({ url: hub.url, topics: ['match:1'], WebSocket, backoff: 20,
    token: async () => `head.token-${++asked}.sign`, ...options });
  const heard = { status: [], problems: [] };
  live.on('status', (s) => heard.status.push(s));
  live.on('problem', (p) => heard.problems.push(p));
  live.start();
  return heard;
}

const unauthorized = { code: 'unauthorized', status: 401, final: true };

test('a socket shows the token as a subprotocol, a new one with each connection', async () => {
  listen();
  const first = await hub.visit(0);
  assert.equal(first.protocols, 'goalcast,bearer.head.token-1.sign');
  first.send(hello());
  first.send(snapshot('e1-4'));
  await until(() => live.cursor === 'e1-4');
  first.end();
  const second = await hub.visit(1);
  assert.equal(second.protocols, 'goalcast,bearer.head.token-2.sign');
  assert.equal(second.since, 'e1-4');
  assert.equal(second.query.get('ticket'), null);
});

const device = 'x'.repeat(43);
const event = (n) => ({ type: 'event', cursor: `e1-${n}`, event: { id: `json:${n}`, revision: 1, kind: 'goal', match: 1,
  status: 'confirmed', topics: ['match:1'], seq: n } });

test('a phone that is asked to says what it has shown, by the half second', async (t) => {
  listen({ ack: device });
  const visit = await hub.visit(0);
  assert.equal(visit.query.get('ack'), device);
  visit.send({ ...hello(), ack: true });
  visit.send(snapshot('e1-4'));
  for (let n = 5; n < 65; n++) visit.send(event(n));
  const acked = () => visit.received.filter(({ type }) => type === 'ack').map(({ cursors }) => cursors);
  await until(() => acked().flat().length === 60);
  assert.deepEqual(acked().flat(), Array.from({ length: 60 }, (_, n) => `e1-${n + 5}`));
  assert.ok(acked().length > 1 && acked().every((cursors) => cursors.length <= 50), 'at most 50 in a frame');

  globalThis.document = { hidden: true }; // nobody looks
  t.after(() => { delete globalThis.document; });
  visit.send(event(65));
  await until(() => live.cursor === 'e1-65');
  globalThis.document.hidden = false;
  visit.send(event(66));
  await until(() => acked().flat().length === 61);
  assert.equal(acked().flat().at(-1), 'e1-66');

  live.stop();
  live.start(); // and says everything once
  const next = await hub.visit(1);
  next.send({ ...hello(), ack: true });
  next.send(event(67));
  await until(() => next.received.some(({ type }) => type === 'ack'));
  assert.deepEqual(next.received.filter(({ type }) => type === 'ack'), [{ type: 'ack', cursors: ['e1-67'] }]);
});

test('nothing is acked that a hub does not ask for, that nobody can be told of by, and that tabs share', async () => {
  listen({ ack: device });
  const visit = await hub.visit(0);
  visit.send(hello());
  visit.send(snapshot('e1-4'));
  visit.send(event(5));
  await until(() => live.cursor === 'e1-5');
  visit.send({ ...hello(), ack: true }); // from here on
  visit.send(event(6));
  await until(() => visit.received.some(({ type }) => type === 'ack'));
  assert.deepEqual(visit.received.find(({ type }) => type === 'ack').cursors, ['e1-6']);
  for (const options of [{ token: async () => undefined }, { token: undefined }, { tabs: true }]) {
    live.stop();
    listen({ ack: device, ...options });
    assert.equal((await hub.visit(hub.visits.length)).query.get('ack'), null);
  }
});

test('a ticket and an ack are shown together', async () => {
  listen({ ack: device, token: async () => 'no/subprotocol' });
  const visit = await hub.visit(0);
  assert.deepEqual([visit.query.get('ticket'), visit.query.get('ack')], ['ticket-1', device]);
});

test('without a token nothing is shown', async () => {
  listen({ token: async () => undefined });
  const visit = await hub.visit(0);
  assert.equal(visit.protocols, undefined);
});

test('a token that is no subprotocol is exchanged for a ticket', async () => {
  listen({ token: async () => 'opaque/token==' });
  const visit = await hub.visit(0);
  assert.equal(visit.protocols, undefined);
  assert.equal(visit.query.get('ticket'), 'ticket-1');
  assert.deepEqual(hub.tickets, ['POST Bearer opaque/token==']);
});

test('an event stream comes with a ticket, and with another when it ends', async () => {
  listen({ transport: 'eventsource', EventSource: SimpleEventSource });
  const first = await hub.visit(0);
  assert.equal(first.query.get('ticket'), 'ticket-1');
  assert.deepEqual(hub.tickets, ['POST Bearer head.token-1.sign']);
  first.send(hello());
  first.send(snapshot('e1-4'));
  await until(() => live.cursor === 'e1-4');
  first.send({ type: 'expiring', expires: Date.now() + 30_000 });
  const second = await hub.visit(1);
  assert.equal(second.query.get('ticket'), 'ticket-2');
  assert.equal(second.since, 'e1-4');
});

test('before it ends a new token goes over the open socket', async () => {
  const heard = listen();
  const visit = await hub.visit(0);
  visit.send(hello({ expires: Date.now() + 60_000 }));
  visit.send({ type: 'expiring', expires: Date.now() + 30_000 });
  await until(() => visit.received.length === 1);
  const auth = visit.received[0];
  assert.deepEqual([auth.type, auth.token], ['auth', 'head.token-2.sign']);
  visit.send({ type: 'error', id: auth.id, code: 'unauthorized', error: 'no' }); // it was an old one
  await until(() => visit.received.length === 2);
  assert.equal(visit.received[1].token, 'head.token-3.sign');
  visit.send({ type: 'renewed', id: visit.received[1].id, expires: Date.now() + 3_600_000 });
  assert.deepEqual(heard.problems, []);
  assert.equal(live.status, 'live');
  assert.equal(hub.visits.length, 1);
});

test('a hub that says bye since the token has ended gets a new one', async () => {
  listen();
  const first = await hub.visit(0);
  first.send(hello());
  first.send({ type: 'bye', reason: 'expired', retry: 1 });
  const second = await hub.visit(1);
  assert.match(second.protocols, /token-2/);
});

for (const transport of ['websocket', 'eventsource', 'poll']) {
  test(`a token that is refused is asked for again, three times, then never: ${transport}`, async () => {
    hub.refusal = unauthorized;
    const heard = listen({ transport, EventSource: SimpleEventSource });
    await until(() => heard.problems.length === 1);
    assert.deepEqual([heard.problems[0].code, heard.problems[0].final, live.status], ['unauthorized', true, 'closed']);
    assert.ok(asked >= 3 && asked <= 6, `asked ${asked} times`);
    if (transport === 'websocket') assert.match(hub.asked.at(-1), /^Bearer head\.token-/);
    hub.refusal = undefined;
    live.start(); // after a login
    const visit = await hub.visit(0);
    visit.send(hello());
    await until(() => live.status === 'live');
  });
}

test('who cannot get a token tries again', async () => {
  let fail = true;
  const heard = listen({ token: async () => {
    if (fail) throw new Error('no network');
    return 'a.b.c';
  } });
  await until(() => heard.status.some((s) => s.status === 'reconnecting'));
  assert.equal(hub.visits.length, 0);
  fail = false;
  await hub.visit(0);
});

test('a stop while a token is awaited stays a stop', async () => {
  let give;
  listen({ token: () => new Promise((done) => { give = done; }) });
  await until(() => give);
  live.stop();
  give('a.b.c');
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(hub.visits.length, 0);
  assert.equal(live.status, 'closed');
});
