// The scripts of this folder, played by the stand-in against a real hub: what they promise is kept, and
// what a bad network does to viewers they notice.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { asProvider, startGoalcast } from '../../clients/js/test/demo.mjs';

const token = 'token-of-the-load-tests';
let goalcast;

before(async () => {
  goalcast = await startGoalcast('serve', ['--admin-tokens', `editor=${token}`]);
  const now = new Date().toISOString();
  for (const match of [9_000_000_071, 9_000_000_072]) {
    const answer = await fetch(`${goalcast.url}/feeds/json?wait=10s`, { method: 'POST', headers: asProvider,
      body: JSON.stringify({ time: now, match, fixture: { competition: { id: 9_000_000_001, name: 'Sunday League' },
        home: { id: match + 100, name: 'Millpond Athletic' }, away: { id: match + 200, name: 'Quarry Town' }, kickoff: now } }) });
    assert.equal(answer.status, 200, await answer.text());
  }
});
after(() => goalcast?.stop());

// k6 plays a script by the stand-in.
async function k6(script, settings = {}) {
  const child = spawn(process.execPath, ['standin/run.mjs', script], { cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, GOALCAST_URL: goalcast.url, GOALCAST_ADMIN_URL: goalcast.admin, GOALCAST_EDITOR_TOKEN: token,
      VIEWERS: '8', SECONDS: '6', RUSH: '40', GOALCAST_STANDIN_VUS: '4', ...settings } });
  let [out, said] = ['', ''];
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { said += data; });
  const status = await new Promise((done) => child.once('close', done));
  return { status, said, ...(out && JSON.parse(out)) };
}

// Times are the machine's: what must hold here is what does not depend on it.
const kept = ({ thresholds }) => Object.entries(thresholds).filter(([name]) => !/seconds|duration/.test(name));

// They mostly wait.
describe('scripts', { concurrency: 3 }, () => {
  for (const script of ['kickoff', 'goal', 'whistle', 'saturday', 'soak']) {
    test(`${script}: all goals reach all viewers, once`, async () => {
      const run = await k6(`${script}.js`);
      assert.ok(run.thresholds, run.said);
      for (const [name, { ok, is }] of kept(run)) assert.ok(ok, `${name}: ${is}`);
      assert.ok(run.counts.goals_told > 0 && run.counts.goals_heard > 0, JSON.stringify(run.counts));
      assert.ok(run.counts.join_seconds > 0);
    });
  }

  for (const [fault, metric] of [['drop', 'goals_lost'], ['double', 'goals_doubled'], ['cut', 'viewers_lost']]) {
    test(`a network that does "${fault}" crosses ${metric}`, async () => {
      const run = await k6('kickoff.js', { GOALCAST_STANDIN_FAULT: fault, SECONDS: '10' });
      assert.equal(run.status, 99, run.said);
      assert.ok(run.counts[metric] > 0, JSON.stringify(run.counts));
    });
  }

  test('a hub without a match, or nobody there, ends the run', async () => {
    const run = await k6('goal.js', { GOALCAST_URL: 'http://127.0.0.1:9' });
    assert.equal(run.status, 108);
    assert.match(run.said, /127\.0\.0\.1:9\/v1\/matches: status 0/);
  });
});
