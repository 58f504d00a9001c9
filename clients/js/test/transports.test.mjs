// The SDK's four ways to the real hub, each behind a network that lets nothing better through, and up
// again when it does. Needs GOALCAST_BIN.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import net from 'node:net';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import WebSocket from 'ws';
import { Goalcast } from '../goalcast.js';
import { asProvider, startGoalcast, wait } from './demo.mjs';
import { SimpleEventSource } from './hub.mjs';

let hub;
let network;
let live;
let matches = 9_200_000;

// A network between viewers and the hub, with a say in what goes through: 'websocket',
// 'eventsource', 'poll' (all that is asked of /v1/live), 'rest'.
class Network {
  through = new Set(['websocket', 'eventsource', 'poll', 'rest']);
  buffers = false; // it holds event streams back, as some proxies do
  asked = []; // what was let through
  #open = new Map(); // what is open -> its kind

  async open(port) {
    this.server = createServer((req, res) => {
      const kind = !req.url.startsWith('/v1/live') || req.url.includes('/ticket') ? 'rest'
        : req.headers.accept === 'text/event-stream' ? 'eventsource' : 'poll';
      if (!this.through.has(kind) || kind === 'eventsource' && !this.through.has('poll')) {
        req.destroy();
        return;
      }
      this.asked.push(`${kind} ${req.url}`);
      this.#open.set(req.socket, kind);
      const onward = request({ port, host: '127.0.0.1', path: req.url, method: req.method, headers: req.headers },
        (answer) => {
          if (this.buffers && kind === 'eventsource') {
            answer.resume();
            return;
          }
          res.writeHead(answer.statusCode, answer.headers);
          answer.pipe(res);
        });
      onward.on('error', () => res.destroy());
      res.on('close', () => onward.destroy());
      req.pipe(onward);
    });
    this.server.on('upgrade', (req, near) => {
      near.on('error', () => {});
      if (!this.through.has('websocket')) {
        near.destroy();
        return;
      }
      this.#open.set(near, 'websocket');
      const far = net.connect(port, '127.0.0.1', () => {
        const headers = Object.entries(req.headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
        far.write(`GET ${req.url} HTTP/1.1\r\n${headers}\r\n`);
        far.pipe(near).pipe(far);
      });
      far.on('error', () => near.destroy());
      near.on('close', () => far.destroy());
    });
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  only(...kinds) {
    this.through = new Set(kinds);
    for (const [socket, kind] of this.#open) if (!this.through.has(kind)) socket.destroy();
  }

  async close() {
    for (const socket of this.#open.keys()) socket.destroy();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

before(async () => { hub = await startGoalcast('serve'); });
after(() => hub?.stop());
beforeEach(async () => { network = await new Network().open(hub.port); });
afterEach(async () => {
  live?.stop();
  await network.close();
});

// A match of its own for each test, whose home side scores whenever it is told to.
class Match {
  id = ++matches;
  home;
  #events = [{ id: 'kickoff', kind: 'period', period: 'first_half', at: new Date().toISOString() }];
  #time = Date.now();

  constructor(home = this.id * 10 + 1) { this.home = home; }

  async #post() {
    const { id } = this;
    const res = await fetch(`${hub.url}/feeds/json?wait=5s`, { method: 'POST', headers: asProvider,
      body: JSON.stringify({ time: new Date(this.#time += 10).toISOString(), match: id,
        fixture: { competition: { id, name: 'Sunday League' }, home: { id: this.home, name: 'Millpond Athletic' },
          away: { id: id * 10 + 2, name: 'Quarry Town' }, kickoff: new Date().toISOString() },
        events: this.#events }) });
    assert.equal(res.status, 200, await res.text());
  }

  async begin() {
    await this.#post();
    await until(async () => (await fetch(`${hub.url}/v1/matches/${id(this)}`)).ok);
    return this;
  }

  goal(count = 1) {
    for (let n = this.#events.length; count > 0; n++, count--) {
      this.#events.push({ id: `goal-${n}`, kind: 'goal', team: this.home, period: 'first_half', minute: n });
    }
    return this.#post();
  }
}
const id = (match) => match.id;

async function until(condition, what = condition.toString()) {
  for (const end = Date.now() + wait.timeout; !await condition();) {
    if (Date.now() > end) throw new Error(`waited 10 s for ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

function listen(topics, options = {}) {
  live = new Goalcast({ url: network.url, topics, WebSocket, EventSource: SimpleEventSource, backoff: 10,
    maxBackoff: 100, helloTimeout: 2000, deltasEvery: 20, ...options });
  const heard = { goals: [], problems: [], status: [] };
  live.on('event', ({ event }) => event.kind === 'goal' && heard.goals.push(event.id.replace(/.*goal-/, '')));
  live.on('problem', (p) => heard.problems.push(p.code));
  live.on('status', (s) => heard.status.push(s));
  live.start();
  return heard;
}

const home = (match) => live.matches.get(match.id)?.score.home;
const count = (n) => Array.from({ length: n }, (_, i) => String(i + 1));

const networks = [
  ['websocket', ['websocket', 'eventsource', 'poll', 'rest']],
  ['eventsource', ['eventsource', 'poll', 'rest']],
  ['poll', ['poll', 'rest']],
  ['deltas', ['rest']],
];

for (const [transport, through] of networks) {
  for (const kind of transport === 'deltas' ? ['match', 'team', 'competition'] : ['match']) {
    test(`by ${transport}, topic ${kind}: every goal once, in order, also those of a cut`,
      async () => {
      network.only(...through);
      const match = await new Match().begin();
      const topic = `${kind}:${kind === 'team' ? match.home : match.id}`;
      const heard = listen([topic], { upgradeAfter: 60_000 });
      await until(() => live.status === 'live' && home(match) === 0);
      assert.equal(live.transport, transport);
      assert.equal(live.matches.get(match.id).home.name, 'Millpond Athletic');
      await match.goal();
      await match.goal();
      await until(() => home(match) === 2);

      network.only(); // a tunnel
      await until(() => live.status === 'reconnecting');
      await match.goal();
      network.only(...through);
      await until(() => live.status === 'live' && home(match) === 3);
      await match.goal();
      await until(() => home(match) === 4);
      assert.deepEqual([heard.goals, heard.problems], [count(4), []]);
      live.stop();
    });
  }
}

for (const [transport, through] of networks) {
  test(`by ${transport}: an event of a match that was in no snapshot brings its match along`, async () => {
    network.only(...through);
    const first = await new Match().begin();
    const heard = listen([`team:${first.home}`]);
    const told = [];
    live.on('event', ({ match }) => told.push(match?.home.name));
    await until(() => live.status === 'live' && home(first) === 0);
    const second = await new Match(first.home).begin();
    await second.goal();
    await until(() => home(second) === 1);
    await second.goal();
    await until(() => home(second) === 2);
    assert.deepEqual([heard.goals.at(-1), live.matches.get(second.id).home.name], ['2', 'Millpond Athletic']);
    assert.deepEqual([...new Set(told)], ['Millpond Athletic']);
  });
}

for (const [transport, through] of networks.slice(1)) {
  test(`from ${transport} up to a WebSocket while goals fall: none is lost, none is told twice, no pause`, async () => {
    network.only(...through);
    const match = await new Match().begin();
    // a CDN is not looked at again: what happened since, the better way has to tell
    const heard = listen([`match:${match.id}`], { upgradeAfter: 300, maxBackoff: 200, deltasEvery: 60_000 });
    await until(() => live.status === 'live' && live.transport === transport && home(match) === 0);
    network.only(...networks[0][1]);
    heard.status.length = 0;
    let goals = 0;
    while (live.transport !== 'websocket') {
      await match.goal();
      assert.ok(++goals < 1000, 'it stays where it is');
    }
    await match.goal();
    await until(() => home(match) === goals + 1);
    assert.deepEqual(heard.goals, count(goals + 1));
    assert.deepEqual(heard.status.filter(({ status }) => status !== 'live'), []);
  });
}

test('a proxy that holds event streams back is left for the long poll', async () => {
  network.only('eventsource', 'poll', 'rest');
  network.buffers = true;
  const match = await new Match().begin();
  listen([`match:${match.id}`], { helloTimeout: 2000 });
  await until(() => live.status === 'live' && home(match) === 0);
  assert.equal(live.transport, 'poll');
});

test('who is far behind reads the match again instead of a hundred revisions', async () => {
  network.only('rest');
  const match = await new Match().begin();
  listen([`match:${match.id}`]);
  await until(() => live.status === 'live' && home(match) === 0);
  live.pause();
  assert.equal(live.status, 'paused');
  const { seq } = live.matches.get(match.id);
  await match.goal(60);
  network.asked.length = 0;
  live.resume();
  await until(() => home(match) === 60);
  assert.ok(live.matches.get(match.id).seq >= seq + 60);
  assert.ok(network.asked.length < 60, `${network.asked.length} requests`);
});

test('what a CDN has is asked for once: by its number, and nothing else of the match', async () => {
  network.only('rest');
  const match = await new Match().begin();
  listen([`match:${match.id}`]);
  await until(() => live.status === 'live' && home(match) === 0);
  const { seq } = live.matches.get(match.id);
  network.asked.length = 0;
  await match.goal();
  await until(() => home(match) === 1);
  await match.goal();
  await until(() => home(match) === 2);
  const asked = new Set(network.asked);
  assert.deepEqual([...asked].filter((url) => !url.includes('/deltas/')), []);
  assert.ok(asked.has(`rest /v1/matches/${match.id}/deltas/${seq + 1}`));
});

for (const kind of ['match', 'team']) {
  test(`by deltas with a delay, topic ${kind}: no goal before its time`, async () => {
    network.only('rest');
    const match = await new Match().begin();
    const heard = listen([`${kind}:${kind === 'team' ? match.home : match.id}`], { delay: 2 });
    await until(() => live.status === 'live' && home(match) === 0);
    network.asked.length = 0;
    for (let goals = 1; goals <= 2; goals++) {
      const told = Date.now();
      await match.goal();
      await until(() => home(match) === goals);
      assert.ok(Date.now() - told >= 1900, `after ${Date.now() - told} ms`);
    }
    assert.deepEqual(heard.goals, count(2));
    const prompt = network.asked.filter((url) => url.includes('/v1/matches/') && !url.includes('delay=2'));
    assert.deepEqual(prompt, []);
  });
}
