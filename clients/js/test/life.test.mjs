// What happens around a connection: a machine that sleeps, a page that nobody sees, a stream that says
// nothing; and the SDK's other shapes: an iterator, words on the console, runtimes with little.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import WebSocket from 'ws';
import { Goalcast } from '../goalcast.js';
import { watchMachine } from '../watch.js';
import { until } from './demo.mjs';
import { ScriptedHub, SimpleEventSource, goal, hello, snapshot } from './hub.mjs';

let hub;
let live;

beforeEach(async () => { hub = await new ScriptedHub().open(); });
afterEach(async () => {
  live?.stop();
  live = undefined;
  await hub.close();
});

function make(options = {}) {
  live = new Goalcast({ url: hub.url, topics: ['match:1'], WebSocket, backoff: 5, ...options });
  return live;
}

test('an event stream that says nothing for two pings is dead; one that does is kept', async () => {
  make({ transport: 'eventsource', EventSource: SimpleEventSource }).start();
  const reasons = [];
  live.on('status', ({ reason }) => reason && reasons.push(reason));
  const first = await hub.visit(0);
  const beat = setInterval(() => first.send({ type: 'pong', time: Date.now(), cursor: 'e1-9' }), 10);
  first.send(snapshot('e1-4'));
  first.send(hello({ ping: 600 }));
  await new Promise((done) => setTimeout(done, 2000));
  clearInterval(beat);
  assert.deepEqual([hub.visits.length, reasons, live.cursor], [1, [], 'e1-9']);
  await hub.visit(1);
  assert.deepEqual(reasons, ['silent']);
  assert.equal(hub.visits[1].since, 'e1-9'); // a beat's cursor counts
});

test('for await: every event, started by itself, ended by stop', async () => {
  const kinds = [];
  const reading = (async () => {
    for await (const { event, match } of make()) {
      kinds.push(`${event.id} ${match.score.home}`);
      if (kinds.length === 3) live.stop();
    }
  })();
  const visit = await hub.visit(0);
  visit.send(hello());
  visit.send(snapshot('e1-4'));
  for (const n of [5, 6, 7]) visit.send(goal(n));
  await reading;
  assert.deepEqual(kinds, ['opta:5 1', 'opta:6 2', 'opta:7 3']);
});

test('for await: leaving the loop keeps the connection; a refusal for good is thrown', async () => {
  const reading = (async () => { for await (const { event } of make()) return event.id; })();
  const visit = await hub.visit(0);
  visit.send(hello());
  visit.send(goal(5));
  assert.equal(await reading, 'opta:5');
  assert.equal(live.status, 'live');
  live.stop();
  hub.refusal = { code: 'bad_topic', status: 400, final: true };
  await assert.rejects(async () => { for await (const told of make()) assert.fail(told); },
    { code: 'bad_topic', message: 'goalcast: refused: bad_topic' });
});

test('a refusal that nobody listens to is said on the console, once, in words', async (t) => {
  const said = t.mock.method(console, 'error', () => {});
  hub.refusal = { code: 'forbidden', status: 403, final: true };
  make().start();
  await until(() => live.status === 'closed');
  assert.deepEqual(said.mock.calls.map(({ arguments: [text] }) => text), ['goalcast: refused: forbidden']);
  live.on('problem', () => {});
  live.start();
  await until(() => live.status === 'closed');
  assert.equal(said.mock.callCount(), 1);
});

test('a refusal for now is said in words with the status', async () => {
  hub.refusal = { code: 'full', status: 503, final: false };
  const told = [];
  make({ transport: 'websocket' }).on('status', (s) => told.push(s));
  live.start();
  await until(() => live.status === 'reconnecting');
  assert.deepEqual([told.at(-1).reason, told.at(-1).error], ['full', 'refused: full']);
});

test('pause lets go, resume goes on with the cursor; nothing is connected between', async () => {
  make().start();
  const first = await hub.visit(0);
  first.send(hello());
  first.send(snapshot('e1-4'));
  await until(() => live.cursor === 'e1-4');
  live.pause();
  live.subscribe('match:2');
  live.unsubscribe('match:2');
  assert.equal(live.status, 'paused');
  await new Promise((done) => setTimeout(done, 50)); // ten backoffs
  assert.equal(hub.visits.length, 1);
  live.resume();
  assert.equal((await hub.visit(1)).since, 'e1-4');
});

test('who comes back asks at once whether the connection is still there', async () => {
  make({ pongTimeout: 50 }).start();
  live.resume(); // of what is not there yet it cannot be asked
  const first = await hub.visit(0);
  first.send(hello());
  await until(() => live.status === 'live' && first.pings === 1);
  await new Promise((done) => setTimeout(done, 20));
  hub.answerPings = false;
  live.resume();
  await hub.visit(1);
  assert.equal(first.pings, 2);
});

// A page and its document, as far as they are looked at.
class Target extends EventTarget {
  tell(name) { this.dispatchEvent(new Event(name)); }
}

// pass lets time go by in steps: in a mocked leap all timers would see its end.
function pass(t, ms) {
  for (; ms > 0; ms -= 1000) t.mock.timers.tick(1000);
}

function machine(t, hiddenAfter = 60_000) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const [page, document, connection] = [new Target(), new Target(), new Target()];
  const old = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.assign(globalThis, { window: page, document });
  Object.defineProperty(globalThis, 'navigator', { value: { connection }, configurable: true });
  const told = [];
  const tell = (name) => (detail) => told.push(typeof detail === 'string' ? `${name} ${detail}` : name);
  const end = watchMachine(Object.fromEntries(['online', 'offline', 'changed', 'pause', 'resume', 'woke'].map((name) =>
    [name, tell(name)])), hiddenAfter);
  t.after(() => {
    end();
    delete globalThis.window;
    delete globalThis.document;
    if (old) Object.defineProperty(globalThis, 'navigator', old);
    else delete globalThis.navigator;
  });
  return { page, document, connection, told, end };
}

test('a page that nobody sees for a minute lets go, and comes back when it is seen', (t) => {
  const { document, told } = machine(t);
  document.hidden = true;
  document.tell('visibilitychange');
  pass(t, 59_000);
  assert.deepEqual(told, []);
  pass(t, 1000);
  assert.deepEqual(told, ['pause hidden']);
  document.hidden = false;
  document.tell('visibilitychange');
  assert.deepEqual(told, ['pause hidden', 'resume']);
  document.hidden = true;
  document.tell('visibilitychange');
  pass(t, 30_000);
  document.hidden = false;
  document.tell('visibilitychange');
  pass(t, 60_000);
  assert.deepEqual(told, ['pause hidden', 'resume', 'resume'], 'it was seen again in time');
});

test('with hiddenAfter 0 it never does', (t) => {
  const { document, told } = machine(t, 0);
  document.hidden = true;
  document.tell('visibilitychange');
  pass(t, 600_000);
  assert.deepEqual(told, []);
});

test('frozen, left for the back-forward cache, another network', (t) => {
  const { page, document, connection, told, end } = machine(t);
  document.tell('freeze');
  document.tell('resume');
  page.tell('pagehide');
  page.tell('pageshow');
  connection.tell('change');
  page.tell('offline');
  page.tell('online');
  assert.deepEqual(told, ['pause frozen', 'resume', 'pause left', 'resume', 'changed', 'offline', 'online']);
  end();
  page.tell('offline');
  document.tell('freeze');
  assert.equal(told.length, 7);
});

test('a machine that slept comes back at once; one that is only slow does not', (t) => {
  const { told } = machine(t);
  pass(t, 60_000);
  assert.deepEqual(told, []);
  t.mock.timers.setTime(Date.now() + 40_000); // while no timer ran
  pass(t, 5000);
  assert.deepEqual(told, ['woke']);
});

test('where there are no locks tabs share nothing', async () => {
  make({ tabs: true }).start();
  const visit = await hub.visit(0);
  visit.send(hello());
  visit.send(snapshot('e1-4'));
  await until(() => live.status === 'live' && live.cursor === 'e1-4');
  assert.deepEqual([visit.topics, live.transport], [['match:1'], 'websocket']);
});

test('no part of it uses what React Native has half of', () => {
  const dir = new URL('..', import.meta.url);
  for (const name of readdirSync(dir).filter((one) => /^[a-z]+\.js$/.test(one))) {
    const code = readFileSync(new URL(name, dir), 'utf8').replace(/\/\/.*|\/\*[^]*?\*\//g, '');
    assert.doesNotMatch(code, /\bURL\(|URLSearchParams|AbortSignal\.|structuredClone|TextDecoderStream/, name);
  }
});

test('a network that comes back is another one: from an event stream up to a WebSocket at once', async (t) => {
  globalThis.window = new Target();
  t.after(() => { delete globalThis.window; });
  hub.refuseWebSockets = true;
  hub.onVisit = (visit) => visit.send(hello());
  make({ EventSource: SimpleEventSource }).start();
  await until(() => live.status === 'live' && live.transport === 'eventsource');
  hub.refuseWebSockets = false;
  window.tell('online');
  await until(() => live.transport === 'websocket');
  assert.equal(live.status, 'live');
});

test("it needs little: React Native's URL cannot be changed and it has no AbortSignal.timeout", async (t) => {
  const { URL: own } = globalThis;
  const { timeout } = AbortSignal;
  globalThis.URL = class { constructor() { throw new Error('URL is not to be used'); } };
  AbortSignal.timeout = undefined;
  t.after(() => {
    globalThis.URL = own;
    AbortSignal.timeout = timeout;
  });
  const opened = [];
  class Socket extends EventTarget {
    constructor(url, protocols) { super(); opened.push([url, protocols]); }
    send() {}
    close() {}
  }
  make({ url: 'https://live.example/app?x=1', topics: ['match:1', 'team:2'], cursor: 'e1-4', conflateMs: 500,
    WebSocket: Socket, EventSource: undefined, fetch: undefined }).start();
  assert.deepEqual(opened,
    [['wss://live.example/v1/live?topics=match:1,team:2&conflate_ms=500&since=e1-4', undefined]]);
  assert.throws(() => new Goalcast({ url: 'live.example' }), /does not begin with http/);
  assert.throws(() => new Goalcast(), /url is missing/);
  assert.throws(() => new Goalcast({ url: hub.url, transport: 'eventsource', EventSource: undefined }).start(),
    /has no eventsource/);
});
