// Compression as clients really do it: npm's ws and Chromium unpack what the hub sends, each with
// its own window, beside a ws that agreed to no compression. All must have read the same. Needs
// GOALCAST_BIN and Chromium (CHROMIUM, else /usr/bin/chromium).
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { chromium } from 'playwright-core';
import { WebSocket } from 'ws';
import { startGoalcast, wait } from './demo.mjs';

let demo;
let browser;
let topics;

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'] });
});

after(() => browser?.close());

// A match day for each test: what is followed is over with the day, in less than two minutes.
beforeEach(async () => {
  demo = await startGoalcast('demo',
    ['--speed', '100', '--seed', '3', '--matches', '8', '--send-buffer', '4608']);
  let matches = [];
  for (const end = Date.now() + wait.timeout; matches.length < 8;) {
    assert.ok(Date.now() < end, `${matches.length} matches`);
    ({ matches } = await fetch(`${demo.url}/v1/matches`).then((r) => r.json()));
    await sleep(50);
  }
  topics = [...matches.slice(0, 3).flatMap((m) => [`match:${m.id}`, `odds:${m.id}`]),
    `competition:${matches[0].competition.id}`].join(',');
});

afterEach(() => demo?.stop());

const path = (since) => `/v1/live?topics=${topics}${since ? `&since=${since}` : ''}`;

/**
 * What was read: the text of each event by its cursor and revision, of each state by key and
 * version.
 */
class Reading {
  events = new Map();
  states = new Map();
  cursor;
  count = 0;

  take(text) {
    const frame = JSON.parse(text);
    this.count++;
    this.cursor = frame.cursor ?? this.cursor;
    if (frame.type === 'event') this.#add(this.events, frame.cursor, text);
    if (frame.type !== 'state') return;
    const { topic, key, version } = frame.state;
    // A gate is told again and again, each time with the time when it was.
    this.#add(this.states, `${topic} ${key} ${version} ${key === '!' ? frame.sent : ''}`, text);
  }

  #add(map, key, text) {
    if (map.has(key)) assert.equal(text, map.get(key), 'the same again, and another text');
    map.set(key, text);
  }
}

/** A ws that reads into a Reading until it is closed. */
function connect(reading, options, since) {
  const socket = new WebSocket(demo.url.replace('http', 'ws') + path(since), options);
  socket.failed = new Promise((_, fail) => socket.on('error', fail));
  socket.failed.catch(() => {});
  socket.on('message', (data) => reading.take(data.toString()));
  return socket;
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, condition, ...sockets) {
  for (const end = Date.now() + wait.timeout; !condition();) {
    assert.ok(Date.now() < end, `waited ${wait.timeout} ms for ${what}`);
    await Promise.race([sleep(20), ...sockets.map((s) => s.failed)]);
  }
}

/** Both have read the same of all that both have read, and that is much. */
function assertSame(a, b, least) {
  let common = 0;
  for (const kind of ['events', 'states']) {
    for (const [key, text] of a[kind]) {
      if (!b[kind].has(key)) continue;
      common++;
      assert.equal(b[kind].get(key), text);
    }
  }
  assert.ok(common >= least, `${common} frames in common of ${a.count} and ${b.count}`);
  const cursors = [...a.events.keys()]; // in order
  const [from, to] = [b.events.keys().next().value, [...b.events.keys()].at(-1)];
  assert.deepEqual([...b.events.keys()], cursors.slice(cursors.indexOf(from), cursors.indexOf(to) + 1),
    'not the same events in the same order');
}

test('npm ws, with the context it takes over by itself: pings, pauses, a return with the cursor', async () => {
  const [plain, packed] = [new Reading(), new Reading()];
  const control = connect(plain, { perMessageDeflate: false });
  await until('the plain one', () => plain.events.size > 0, control);
  let socket = connect(packed, {});
  await until('hello', () => packed.count > 0, socket);
  assert.equal(socket.extensions, 'permessage-deflate');
  let size = 0;
  for (let round = 1; round <= 3; round++) {
    await until('the connection', () => socket.readyState === WebSocket.OPEN, socket);
    for (let pause = 0; pause < 5; pause++) { // the hub's buffer fills, so that frames are written in pieces
      socket.pause();
      await sleep(150);
      socket.resume();
      socket.ping();
      socket.send(JSON.stringify({ type: 'ping', id: `p${pause}` }));
      await sleep(100);
    }
    await until('events', () => packed.events.size >= 12 * round, socket, control);
    if (round === 3) break;
    size += socket._socket.bytesRead;
    socket.terminate();
    await sleep(300);
    socket = connect(packed, {}, packed.cursor);
  }
  size += socket._socket.bytesRead;
  const last = [...packed.events.keys()].at(-1);
  await until('the same event in plain', () => plain.events.has(last), control);
  const all = control._socket.bytesRead;
  socket.close();
  control.close();
  assertSame(plain, packed, 36);
  assert.ok(size < all / 2, `${size} bytes, without compression ${all}`);
});

test('npm ws that asks for no context', async () => {
  const [plain, packed] = [new Reading(), new Reading()];
  const control = connect(plain, { perMessageDeflate: false });
  await until('the plain one', () => plain.events.size > 0, control);
  const socket = connect(packed, { perMessageDeflate: { serverNoContextTakeover: true } });
  await until('events', () => packed.events.size >= 20, socket, control);
  const last = [...packed.events.keys()].at(-1);
  await until('the same event in plain', () => plain.events.has(last), control);
  socket.close();
  control.close();
  assertSame(plain, packed, 20);
});

test("Chromium's own WebSocket", async () => {
  const [plain, packed] = [new Reading(), new Reading()];
  const control = connect(plain, { perMessageDeflate: false });
  await until('the plain one', () => plain.events.size > 0, control);
  const page = await browser.newPage({ bypassCSP: true }); // what is no page may not connect
  page.setDefaultTimeout(wait.timeout);
  await page.goto(`${demo.url}/favicon.ico`).catch(() => {}); // any address of this origin
  const { texts, extensions, end } = await page.evaluate(async (path) => {
    const socket = new WebSocket(location.origin.replace('http', 'ws') + path);
    const texts = [];
    let end = 'open';
    socket.onmessage = (e) => texts.push(e.data);
    socket.onclose = (e) => { end = `closed ${e.code}`; };
    const events = () => texts.filter((t) => t.startsWith('{"type":"event"')).length;
    for (const until = Date.now() + 120_000; events() < 20 && Date.now() < until
      && end === 'open';) await new Promise((done) => setTimeout(done, 50));
    const extensions = socket.extensions;
    const was = end;
    socket.close();
    return { texts, extensions, end: was };
  }, path());
  await page.close();
  assert.equal(end, 'open');
  assert.match(extensions, /permessage-deflate/);
  assert.doesNotMatch(extensions, /server_no_context_takeover/);
  for (const text of texts) packed.take(text);
  assert.ok(packed.events.size >= 20, `${packed.events.size} events`);
  const last = [...packed.events.keys()].at(-1);
  await until('the same event in plain', () => plain.events.has(last), control);
  control.close();
  assertSame(plain, packed, 20);
});
