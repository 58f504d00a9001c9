// One connection for all tabs, in Chromium, against the real hub: who leads is closed, crashes, freezes
// or is cut off in a goal's second. Needs GOALCAST_BIN.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { chromium } from 'playwright-core';
import { asProvider, chromiumOptions, startGoalcast, until, wait } from './demo.mjs';
import { ScriptedHub, hello, snapshot } from './hub.mjs';

let hub;
let browser;
let context; // a browser profile of its own for each test
let tabs;
let matches = 9_400_000;

before(async () => { [hub, browser] = await Promise.all([startGoalcast('serve'), chromium.launch(chromiumOptions)]); });
after(async () => {
  await browser?.close();
  await hub?.stop();
});
beforeEach(async () => {
  context = await browser.newContext();
  tabs = [];
});
afterEach(() => context.close());

// A match whose home side scores when it is told to.
class Match {
  id = ++matches;
  goals = 0;
  #time = Date.now();

  async post() {
    const { id } = this;
    const events = [{ id: 'kickoff', kind: 'period', period: 'first_half', at: new Date().toISOString() },
      ...Array.from({ length: this.goals }, (_, n) => ({ id: `goal-${n + 1}`, kind: 'goal', team: id * 10 + 1,
        period: 'first_half', minute: n + 1 }))];
    const res = await fetch(`${hub.url}/feeds/json?wait=60s`, { method: 'POST', headers: asProvider,
      body: JSON.stringify({ time: new Date(this.#time += 10).toISOString(), match: id,
        fixture: { competition: { id, name: 'Sunday League' }, home: { id: id * 10 + 1, name: 'Millpond Athletic' },
          away: { id: id * 10 + 2, name: 'Quarry Town' }, kickoff: new Date().toISOString() }, events }) });
    assert.equal(res.status, 200, await res.text());
  }

  async begin() {
    await this.post();
    await until(async () => (await fetch(`${hub.url}/v1/matches/${this.id}`)).ok, 'the match to come');
    return this;
  }

  goal() {
    this.goals++;
    return this.post();
  }
}

// open opens a tab that listens, and tells what it was told.
async function open(topics, options = {}, url = hub.url) {
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  page.on('crash', () => { page.gone = true; });
  await page.goto(`${url}/page/config.json`);
  await page.evaluate(async ([topics, { user, ...options }]) => {
    const { Goalcast } = await import('/goalcast.js');
    const claims = () => btoa(JSON.stringify({ sub: user, exp: Math.random() })).replaceAll('=', '');
    const token = user && (async () => `head.${claims()}.sign`);
    Object.assign(window, { goals: [], latencies: [], resets: [], problems: [], live: new Goalcast({ topics, tabs: true,
      ...(token && { token }), ...options }) });
    window.live.on('event', ({ event, latency }) => {
      if (event.kind !== 'goal') return;
      window.goals.push(`${event.match} ${event.id.replace(/.*goal-/, '')}`);
      window.latencies.push(Math.round(latency.total));
    });
    window.live.on('reset', ({ reason }) => window.resets.push(reason));
    window.live.on('problem', ({ code }) => window.problems.push(code));
    window.live.start();
  }, [topics, options]);
  tabs.push(page);
  return page;
}

const isLive = (page) =>
  page.waitForFunction(() => window.live.status === 'live' && window.live.cursor, undefined, wait);
const goalsOf = (page) => page.evaluate(() => window.goals);
const goals = (match, from = 1) =>
  Array.from({ length: match.goals - from + 1 }, (_, n) => `${match.id} ${from + n}`);
const has = (page, count) => page.waitForFunction((n) => window.goals.length >= n, count, wait);

async function metric(name) {
  const text = await (await fetch(`${hub.admin}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith(`goalcast_hub_${name}`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
const connections = (n) => until(async () => await metric('connections') === n, `${n} connections`);
const topicsFollowed = (n) => until(async () => await metric('subscriptions') === n, `${n} topics`);

// leader is the tab with a socket.
async function leader() {
  let found;
  await until(async () => {
    const held = await tabs.find((page) => !page.gone)
      .evaluate(async () => (await navigator.locks.query()).held.filter(({ name }) => name.endsWith(' leader'))
        .map(({ clientId }) => clientId));
    for (const page of tabs) {
      const id = !page.gone && await page.evaluate(() => navigator.locks.request(`who ${Math.random()}`,
        async ({ name }) => (await navigator.locks.query()).held.find((lock) => lock.name === name).clientId));
      if (held.includes(id)) found = page;
    }
    return found;
  }, 'a leader');
  return found;
}

const ends = {
  closed: (page) => page.close(),
  crashed: async (page) => {
    page.goto('chrome://crash').catch(() => {});
    await until(() => page.gone, 'the crash');
  },
};

for (const [how, end] of Object.entries(ends)) {
  test(`eight tabs, one connection; who leads is ${how} in a goal's second: all others have each goal once`,
    async (t) => {
    const match = await new Match().begin();
    const other = await new Match().begin();
    for (let n = 0; n < 8; n++) await open([`match:${match.id}`, ...(n === 3 ? [`match:${other.id}`] : [])]);
    await Promise.all(tabs.map(isLive));
    await connections(1);
    assert.equal(await tabs[0].evaluate(() => window.live.transport), 'websocket');
    await match.goal();
    await Promise.all(tabs.map((page) => has(page, 1)));

    const first = await leader();
    first.gone = how === 'closed';
    const posted = Promise.all([match.goal(), other.goal()]);
    const gone = end(first);
    await Promise.all([posted, gone]);
    await match.goal();
    const left = tabs.filter((page) => !page.gone);
    assert.ok(left.length >= 6, `${left.length} tabs are left`); // two may share a process
    for (const page of left) {
      const follows = await page.evaluate(() => window.live.topics);
      const want = [...goals(match), ...(follows.length > 1 ? goals(other) : [])].sort();
      await has(page, want.length);
      assert.deepEqual((await goalsOf(page)).sort(), want);
      assert.deepEqual(await page.evaluate(() => [window.live.status, window.resets, window.problems,
        [...window.live.matches.values()].map(({ home }) => home.name).join()]),
        ['live', [], [], follows.map(() => 'Millpond Athletic').join()]);
    }
    const latencies = await Promise.all(left.map((page) => page.evaluate(() => window.latencies)));
    t.diagnostic(`from the hub to the screen, in ms, per tab and goal: ${latencies.join(' | ')}`);
    await connections(1);
  });
}

test('each tab follows its own; the hub is asked for what any follows; a tab that dies is forgotten', async () => {
  const [one, two, three] = await Promise.all([new Match().begin(), new Match().begin(), new Match().begin()]);
  const first = await open(`match:${one.id}`);
  await isLive(first);
  const second = await open(`team:${two.id * 10 + 1}`);
  const third = await open([`match:${one.id}`, `match:${three.id}`]);
  await Promise.all([second, third].map(isLive));
  await connections(1);
  await topicsFollowed(3);
  await second.evaluate((id) => window.live.subscribe(`match:${id}`), three.id);
  await second.waitForFunction((id) => window.live.matches.has(id), three.id, wait);
  await Promise.all([one.goal(), two.goal(), three.goal()]);
  await Promise.all([has(first, 1), has(second, 2), has(third, 2)]);
  assert.deepEqual(await goalsOf(first), goals(one));
  assert.deepEqual((await goalsOf(second)).sort(), [...goals(two), ...goals(three)]);
  assert.deepEqual((await goalsOf(third)).sort(), [...goals(one), ...goals(three)]);
  await second.evaluate((id) => window.live.unsubscribe(`match:${id}`), three.id);
  await three.goal();
  await has(third, 3);
  await ends.crashed(second);
  await topicsFollowed(2); // the team's
  await third.close();
  await topicsFollowed(1);
  await one.goal();
  await has(first, 2);
  assert.deepEqual(await goalsOf(first), goals(one));
});

test('a tab that was away is told what it missed, once', async () => {
  const [shared, own] = await Promise.all([new Match().begin(), new Match().begin()]);
  const first = await open(`match:${shared.id}`);
  const second = await open([`match:${shared.id}`, `match:${own.id}`]);
  await Promise.all([first, second].map(isLive));
  await second.evaluate(() => window.live.pause());
  await topicsFollowed(1);
  await Promise.all([shared.goal(), own.goal()]);
  await has(first, 1);
  await second.evaluate(() => window.live.resume());
  await has(second, 2);
  await own.goal();
  await has(second, 3);
  assert.deepEqual((await goalsOf(second)).sort(), [...goals(shared), ...goals(own)]);
  assert.deepEqual(await second.evaluate(() => window.resets), []);
  await connections(1);
});

test('a leader that freezes hands over; one that hangs loses the lead, and follows when it is back', async () => {
  const match = await new Match().begin();
  for (let n = 0; n < 3; n++) await open(`match:${match.id}`);
  await Promise.all(tabs.map(isLive));
  const frozen = await leader();
  await frozen.evaluate(() => document.dispatchEvent(new Event('freeze')));
  await until(async () => await leader() !== frozen, 'another leader');
  await match.goal();
  const others = tabs.filter((page) => page !== frozen);
  await Promise.all(others.map((page) => has(page, 1)));
  await frozen.evaluate(() => document.dispatchEvent(new Event('resume')));
  await has(frozen, 1);

  const hung = await leader();
  hung.evaluate(() => { for (const end = Date.now() + 15_000; Date.now() < end;); }).catch(() => {});
  await match.goal();
  await Promise.all(tabs.map((page) => has(page, 2)));
  await isLive(hung);
  await match.goal();
  for (const page of tabs) {
    await has(page, 3);
    assert.deepEqual(await goalsOf(page), goals(match));
  }
  await connections(1);
});

// hurry makes tabs lose patience within half a second, and take the lead only when they may (`mayLead`).
// What they say to the others waits as long as `keeps` says so.
function hurry() {
  return context.addInitScript(() => {
    const { setTimeout: after, BroadcastChannel: { prototype: channel }, LockManager: { prototype: locks } } = window;
    window.setTimeout = (fn, ms, ...args) => after(fn, ms > 4000 && ms <= 5000 ? 500 : ms, ...args);
    const { postMessage } = channel;
    Object.assign(window, { keeps: () => false, kept: [], heard: [], mayLead: false });
    channel.postMessage = function post(message) {
      if (window.channel !== this) this.addEventListener('message', ({ data }) => window.heard.push(data));
      window.channel = this;
      if (window.keeps(message)) window.kept.push(message);
      else postMessage.call(this, message);
    };
    window.letGo = () => {
      window.keeps = () => false;
      for (const message of window.kept.splice(0)) postMessage.call(window.channel, message);
    };
    const { request } = locks;
    locks.request = function ask(name, ...rest) {
      return rest[0].steal && !window.mayLead ? new Promise(() => {}) : request.call(this, name, ...rest);
    };
  });
}
const isSilent = (page) => page.evaluate(() => { window.keeps = () => true; });
const letGo = (page) => page.evaluate(() => window.letGo());

// takesTheLead has a tab ask for a word of who leads, and take the lead since none comes.
async function takesTheLead(page) {
  await page.evaluate(() => {
    window.mayLead = true;
    window.live.resume();
  });
  await until(async () => await leader() === page, 'the tab to lead');
  await page.evaluate(() => { window.mayLead = false; });
}

test('what a tab hears of a new leader before it is welcome is told once it knows what came before', async () => {
  const [shared, own] = await Promise.all([new Match().begin(), new Match().begin()]);
  await hurry();
  const silent = await open(`match:${shared.id}`);
  await isLive(silent);
  const slow = await open([`match:${shared.id}`, `match:${own.id}`]);
  await isLive(slow);
  const next = await open(`match:${shared.id}`); // after it: it does not know what was told of its own
  await isLive(next);
  await slow.evaluate(() => { window.keeps = ({ type }) => type === 'join'; });
  await isSilent(silent);
  await takesTheLead(next);
  await shared.goal();
  await has(next, 1);
  await slow.waitForFunction(() => window.heard.some(({ frame }) => frame?.event?.kind === 'goal'), undefined, wait);
  await letGo(slow);
  await has(slow, 1);
  await letGo(silent);
  await own.goal();
  await Promise.all([has(silent, 1), has(slow, 2)]);
  assert.deepEqual((await goalsOf(slow)).sort(), [...goals(shared), ...goals(own)]);
  assert.deepEqual(await slow.evaluate(() => window.resets), []);
  await connections(1);
});

test('what a former leader says too late misleads nobody', async () => {
  const match = await new Match().begin();
  await hurry();
  const first = await open(`match:${match.id}`);
  const second = await open(`match:${match.id}`);
  const last = await open(`match:${match.id}`);
  await Promise.all(tabs.map(isLive));
  await isSilent(first);
  const fresh = await open(`match:${match.id}`); // whom the first welcomes
  await first.waitForFunction(() => window.kept.some(({ type }) => type === 'welcome'), undefined, wait);
  await isSilent(second);
  await takesTheLead(second); // and says so only when the last has taken it in turn
  await takesTheLead(last);
  await isLive(fresh);
  for (const page of [second, first]) await letGo(page);
  await match.goal();
  for (const page of tabs) {
    await has(page, 1);
    assert.deepEqual(await goalsOf(page), goals(match));
    assert.deepEqual(await page.evaluate(() => window.resets), []);
  }
  assert.equal(await fresh.evaluate(() => window.heard.filter(({ type }) => type === 'lead').length), 2);
  await connections(1);
});

test('the same user shares, with whatever token; another one does not', async (t) => {
  const scripted = await new ScriptedHub().open();
  t.after(() => scripted.close());
  scripted.onVisit = (visit) => { visit.send(hello()); visit.send(snapshot('e1-4')); };
  scripted.rest['/page/config.json'] = {}; // a page
  scripted.onFrame = (visit, { type }) => type === 'subscribe' && visit.send(snapshot('e1-4'));
  for (const user of ['anne', 'bert', 'anne', undefined]) {
    await isLive(await open('match:1', { user, pongTimeout: 200 }, scripted.url));
  }
  await tabs[0].evaluate(() => new Promise((done) => setTimeout(done, 1000))); // each has long answered itself
  const who = scripted.visits.map(({ protocols }) =>
    protocols && JSON.parse(atob(protocols.split('.')[2])).sub);
  assert.deepEqual(who, ['anne', 'bert', undefined]);
});

test("other wishes, or no locks: a connection of its own; what one is refused is not the others' trouble",
  async () => {
  const match = await new Match().begin();
  const topic = `match:${match.id}`;
  for (const options of [{}, {}, { conflateMs: 1000 }]) await open(topic, options);
  const [, second] = tabs;
  await Promise.all(tabs.map(isLive));
  await connections(2);
  await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }));
  await isLive(await open(topic));
  await connections(3);
  await match.goal();
  for (const page of tabs) {
    await has(page, 1);
    assert.deepEqual(await goalsOf(page), goals(match));
  }
  await second.evaluate(() => window.live.subscribe('mach:1'));
  await second.waitForFunction(() => window.problems.length === 1, undefined, wait);
  assert.deepEqual(await second.evaluate(() => [window.problems, window.live.topics.length]), [['bad_topic'], 1]);
  await match.goal();
  for (const page of tabs) await has(page, 2);
});
