// Every frame that the hub's golden files show is understood: today's, which a test of the hub writes, and those
// of version 1.0, which do not change; by this SDK and by the one of version 1.0, as it was built.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Goalcast } from '../goalcast.js';
import { frameTypes } from '../tables.js';

const testdata = new URL('../../../testdata/', import.meta.url);
const there = existsSync(new URL('v1.0/goalcast.mjs', testdata));
const filesOf = (dir) => (there ? readdirSync(dir).filter((name) => name.endsWith('.json')).sort() : []);
const dir = new URL('wire/', testdata);
const dirThen = new URL('v1.0/wire/', testdata);
const files = filesOf(dir);
const { Goalcast: GoalcastThen } = there ? await import(new URL('v1.0/goalcast.mjs', testdata)) : {};
const fromClient = new Set(frameTypes.client);

// A socket that a test opens by hand; it hands the SDK frames as they stand in the files.
class HandSocket extends EventTarget {
  static last;
  readyState = 1;
  sent = [];
  constructor(url) { super(); this.url = url; HandSocket.last = this; }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  receive(text) { this.dispatchEvent(new MessageEvent('message', { data: text })); }
}

test('the files show a frame of each type that a hub sends',
  { skip: !there && !process.env.CI && 'no testdata/wire here' }, () => {
  const types = new Set(files.map((name) => JSON.parse(readFileSync(new URL(name, dir))).type));
  for (const type of frameTypes.hub) assert.ok(types.has(type), `none of type ${type} among ${files}`);
});

for (const name of files) {
  test(`wire: ${name}`, async () => {
    const text = readFileSync(new URL(name, dir), 'utf8').trim();
    const frame = JSON.parse(text);
    const live = new Goalcast({ url: 'http://hub.test', topics: ['match:1'], WebSocket: HandSocket,
      random: () => 0.5 });
    const heard = [];
    for (const what of ['status', 'event', 'match', 'state', 'reset', 'problem']) live.on(what,
      (detail) => heard.push([what, detail]));
    live.start();
    await import('../later.js');
    await new Promise(setImmediate); // it is loaded behind the first frame
    const socket = HandSocket.last;
    if (frame.type !== 'hello') socket.receive('{"type":"hello","version":1,"ping":25000}');
    heard.length = 0;
    socket.receive(text);
    live.stop();
    const told = (what) => heard.filter(([w]) => w === what).map(([, detail]) => detail);
    switch (frame.type) {
      case 'hello': assert.equal(told('status')[0].status, 'live'); break;
      case 'snapshot':
        assert.deepEqual(told('match').map((m) => m.match.id), (frame.matches ?? []).map((m) => m.id));
        assert.equal(told('state').length, (frame.states ?? []).length);
        if (frame.cursor) assert.equal(live.cursor, frame.cursor);
        break;
      case 'event':
        assert.equal(told('event')[0].event.id, frame.event.id);
        assert.equal(live.cursor, frame.cursor);
        if (frame.event.seq) assert.equal(told('match')[0].match.id, frame.event.match);
        break;
      case 'state': assert.deepEqual(told('state')[0].value, frame.state.value); break;
      case 'reset': assert.equal(told('reset')[0].reason, frame.reason); break;
      case 'stale': assert.equal(live.status === 'closed' && told('status')[0]?.status,
        frame.stale ? 'stale' : 'closed'); break;
      case 'error': assert.equal(told('problem')[0].code, frame.code); break;
      case 'bye': assert.equal(told('status')[0].retry, frame.retry ?? 250); break;
      case 'pong': assert.ok(Number.isFinite(live.clockOffset ?? 0)); break;
      case 'expiring': case 'renewed': // between the SDK and the hub: token.test.mjs has what it does
        assert.deepEqual(heard.map(([what, { status }]) => [what, status]), [['status', 'closed']]);
        break;
      // what came to be since 1.0 its SDK leaves alone
      default: assert.ok(fromClient.has(frame.type) || Goalcast === GoalcastThen && heard.at(-1)[0] === 'status',
        `type ${frame.type} is unknown here`);
    }
  });
}
