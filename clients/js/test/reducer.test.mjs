// The reducer says what the hub's says, by the files that a test of the hub wrote, and by those of version 1.0,
// which do not change; and version 1.0's reducer says it too.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { tell, tellable, tellings } from '../page/tell.js';
import { apply, clockText, emptySnapshot, minuteAt, placeOf } from '../reducer.js';
import { kinds } from '../tables.js';

const dir = new URL('../../../testdata/reducer/', import.meta.url);
const dirThen = new URL('../../../testdata/v1.0/reducer/', import.meta.url);
const filesOf = (dir) => readdirSync(dir).filter((name) => name.endsWith('.json'));
const files = filesOf(dir);
const then = await import(new URL('../../../testdata/v1.0/goalcast.mjs', import.meta.url));

// No timeline is null in Go's JSON and an empty list here.
const comparable = (s) => JSON.parse(JSON.stringify({ ...s, timeline: s.timeline ?? [] }));

test('there are files', () => assert.ok(files.length >= 16, `${files.length} files`));

const pairs = [['reducer', { apply, emptySnapshot }, dir], ['files of 1.0', { apply, emptySnapshot }, dirThen],
  ['reducer of 1.0', then, dir]];
for (const [what, { apply, emptySnapshot }, dir] of pairs) for (const name of filesOf(dir)) {
  test(`${what}: ${name}`, () => {
    const { events, snapshots } = JSON.parse(readFileSync(new URL(name, dir)));
    assert.equal(events.length, snapshots.length);
    let s = emptySnapshot();
    events.forEach((event, i) => {
      const before = JSON.stringify(s);
      const next = apply(s, event);
      assert.equal(JSON.stringify(s), before, 'the snapshot that was passed in was changed');
      assert.deepEqual(comparable(next), comparable(snapshots[i]), `after event ${i}, ${event.id}#${event.revision}`);
      s = next;
    });
    // From the hub's JSON, in any order: the same in the end. Other matches' events settle which
    // match it is, so they stay out.
    const ours = events.filter((e) => e.kind !== 'message' && e.match === s.id);
    for (let round = 0; round < 30; round++) {
      let mixed = emptySnapshot();
      for (const event of shuffled(ours, round)) mixed = apply(mixed, event);
      assert.deepEqual(comparable(mixed), comparable(snapshots.at(-1)), `shuffled, round ${round}`);
    }
  });
}

function shuffled(list, seed) {
  const out = [...list, list[seed % list.length]];
  let x = seed * 2654435761 + 1;
  for (let i = out.length - 1; i > 0; i--) {
    x = (x * 1103515245 + 12345) % 2147483648;
    const j = x % (i + 1);
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

test('the clock', () => {
  assert.equal(clockText('second_half', 93), '90+3');
  assert.equal(clockText('extra_first_half', 93), '93');
  assert.equal(clockText('half_time', 46), '');
  assert.equal(clockText('first_half', 0), '');
  const s = { period: 'second_half', period_started: '2026-08-15T18:30:00Z' };
  const at = (seconds) => Date.parse(s.period_started) + seconds * 1000;
  assert.equal(minuteAt(s, at(59)), 46);
  assert.equal(minuteAt(s, at(60)), 47);
  assert.equal(minuteAt(s, at(10), 60), 56);
  assert.equal(minuteAt(s, at(-1)), 0);
  assert.equal(minuteAt({ period: 'half_time', period_started: s.period_started }, at(60)), 0);
  assert.equal(minuteAt({ period: 'first_half' }, at(60)), 0);
});

test('every kind of event that has a place in the timeline is told', () => {
  const told = Object.keys(kinds).filter((kind) => kinds[kind].place === 'timeline');
  assert.deepEqual(Object.keys(tellings).sort(), told.sort());
  assert.equal(placeOf({ kind: 'streaker' }), 'timeline', 'a kind that is not known yet');
  const events = files.flatMap((name) => JSON.parse(readFileSync(new URL(name, dir))).events);
  for (const kind of told) assert.ok(events.some((event) => event.kind === kind), `no file has a ${kind}`);
  for (const event of events.filter((e) => kinds[e.kind] && tellable(e))) {
    const { title, text } = tell(event);
    for (const word of [title, text].join(' ').split(/[ :·]+/)) assert.ok(!/_/.test(word),
      `${event.kind}: ${word} is no word`);
  }
});
