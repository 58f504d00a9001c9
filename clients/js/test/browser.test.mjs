// The live page in a real browser before the real demo: what a customer would see. Needs
// GOALCAST_BIN, and Chromium (CHROMIUM, else /usr/bin/chromium). Screenshots go to
// $GOALCAST_SCREENSHOTS, else to goalcast-screens in the machine's folder for temporary files.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { WebSocket } from 'ws';
import { Wire, asProvider, chromiumOptions, startGoalcast, wait } from './demo.mjs';

const screens = process.env.GOALCAST_SCREENSHOTS ?? join(tmpdir(), 'goalcast-screens');
const speed = 60;
let demo;
let wire;
let browser;
let page; // a desktop, from the first second of the day
let problems = []; // what browsers complained about: scripts that failed, the content security policy

// What the demo itself takes back may be over before a slow browser looks, so that one match is ours: the
// last one to kick off. tell posts the whole story of it.
const ours = { id: 9_000_000_021 };

async function tell(goal) {
  ours.start ??= Date.now();
  const [at, kickoff] = [ours.start, ours.start + 90_000].map((time) => new Date(time).toISOString());
  const teams = { home: { id: 9_000_000_022, name: 'Millpond Athletic' },
    away: { id: 9_000_000_023, name: 'Quarry Town' } };
  const events = [{ id: 'whistle', kind: 'period', period: 'first_half', at }];
  if (goal) events.push({ id: 'goal', kind: 'goal', status: goal, team: teams.home.id,
    player: { id: 9_000_000_101, name: 'Ida Fennick' }, period: 'first_half', minute: 1 });
  const res = await fetch(`${demo.url}/feeds/json`, { method: 'POST', headers: asProvider,
    body: JSON.stringify({ time: new Date().toISOString(), match: ours.id, events,
      fixture: { competition: { id: 9_000_000_021, name: 'Sunday League' }, ...teams, kickoff } }) });
  assert.equal(res.status, 200, await res.text());
}

before(async () => {
  await mkdir(screens, { recursive: true });
  [demo, browser] = await Promise.all([
    startGoalcast('demo', ['--speed', String(speed), '--seed', '7', '--matches', '8']),
    chromium.launch(chromiumOptions),
  ]);
  await tell();
  const listed = async () => (await fetch(`${demo.url}/v1/matches`).then((r) => r.json())).matches.length;
  for (const end = Date.now() + wait.timeout; await listed() < 9;) assert.ok(Date.now() < end, 'no ninth match');
  wire = await new Wire().open(demo.port);
  page = await open({ viewport: { width: 1440, height: 900 } }, wire.url);
});

after(async () => {
  await browser?.close();
  await wire?.close();
  await demo?.stop();
});

async function open(options, url) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const one = await context.newPage();
  one.setDefaultTimeout(wait.timeout);
  one.on('pageerror', (err) => problems.push(err.message));
  one.on('console', (m) => /Content Security Policy|Uncaught/i.test(m.text()) && problems.push(m.text()));
  await one.addInitScript(() => { // what was seen on the way: scores by match, shouts, how much moved
    window.seen = { scores: {}, shouts: [], shift: 0, shifts: [], burst: { first: 0, last: 0, sum: 0 } };
    new PerformanceObserver((list) => { for (const e of list.getEntries()) {
      // Lists into which things come at the top move on purpose.
      if (e.sources.every((s) =>
        (s.node?.nodeType === 1 ? s.node : s.node?.parentElement)?.closest('.notes, .feed, .timeline'))) continue;
      // As it is defined: the worst of the bursts of shifts, not their sum, which grows with the
      // time that a test takes.
      const { burst } = window.seen;
      if (e.startTime - burst.last > 1000 || e.startTime - burst.first > 5000) Object.assign(burst,
        { first: e.startTime, sum: 0 });
      burst.last = e.startTime;
      burst.sum += e.value;
      window.seen.shift = Math.max(window.seen.shift, burst.sum);
      window.seen.shifts.push(`${e.value.toFixed(4)} at ${Math.round(e.startTime)} ms: ${e.sources.map((s) =>
        s.node?.className || s.node?.nodeName)}`);
    } }).observe({ type: 'layout-shift', buffered: true });
    new MutationObserver((changes) => {
      for (const { target } of changes) if (target.dataset.shout) window.seen.shouts.push(
        `${target.dataset.shout} ${target.dataset.id}`);
    }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-shout'] });
    const look = () => {
      for (const card of document.querySelectorAll('.card')) {
        const score = [...card.querySelectorAll('.score')].map((s) => s.textContent).join('-');
        const list = window.seen.scores[card.dataset.id] ??= [];
        if (list.at(-1) !== score) list.push(score);
      }
      requestAnimationFrame(look);
    };
    look();
  });
  await one.goto(url);
  return one;
}

const status = (one) => one.getAttribute('#status', 'data-status');

// waitFor waits until a function in the page gives something.
const waitFor = async (one, fn, arg) => (await one.waitForFunction(fn, arg, wait)).jsonValue();

test('the matches of the day appear, in order, and are live', async () => {
  await page.waitForSelector('.card', wait);
  await waitFor(page, () => document.querySelectorAll('.card').length === 9);
  await page.waitForSelector('#status[data-status=live]', wait);
  const { matches } = await fetch(`${demo.url}/v1/matches`).then((r) => r.json());
  assert.deepEqual(await page.$$eval('.card', (cards) => cards.map((c) => Number(c.dataset.id))),
    matches.map((m) => m.id));
  assert.deepEqual(await page.$$eval('.card .name', (names) => names.map((n) => n.textContent)),
    matches.flatMap((m) => [m.home.name, m.away.name]));
  await page.waitForSelector('#side:not([hidden]) .phone', wait);
});

test('a score changes by itself; a goal taken back is shown so, and the score falls', async () => {
  const { id } = ours;
  const shouted = (kind) => waitFor(page, ([id, kind]) => window.seen.shouts.includes(`${kind} ${id}`), [id, kind]);
  await tell('confirmed');
  await shouted('goal');
  await page.screenshot({ path: join(screens, 'goal-1440x900.png') });
  await tell('cancelled');
  await shouted('void');
  await page.screenshot({ path: join(screens, 'taken-back-1440x900.png') });
  await page.click(`.card[data-id="${id}"] .open`);
  const row = await page.waitForSelector('.detail .event.is-goal.cancelled', wait);
  assert.match(await row.textContent(), /VAR · Cancelled/);
  assert.ok(await row.$('s'), 'the scorer is not struck through');
  assert.deepEqual(await page.evaluate((id) => window.seen.scores[id], id), ['0-0', '1-0', '0-0']);
  assert.match(await page.textContent('#announcer'), /[–]/);
});

test('the phone shows the push of a goal and its withdrawal in the same place', async () => {
  const tag = await waitFor(page, () => document.querySelector('.push.replaced')?.dataset.tag);
  assert.equal(await page.locator(`.push[data-tag="${tag}"]`).count(), 1);
  const cancelled = await waitFor(page,
    () => [...document.querySelectorAll('.push.replaced b')].map((b) => b.textContent).find((text) =>
    /cancel/i.test(text)));
  assert.ok(cancelled);
});

test('a star follows a match, the hub knows it, and the star lets go', async () => {
  const free = page.locator('.card .star[aria-pressed=false]').first();
  const id = await free.evaluate((el) => el.closest('.card').dataset.id);
  const button = page.locator(`.card[data-id="${id}"] .star`);
  const follows = async () => {
    const identity = await page.evaluate(() => localStorage.getItem('goalcast.identity'));
    return (await fetch(`${demo.url}/v1/me/follows`,
      { headers: { authorization: `Bearer ${identity}` } }).then((r) => r.json())).topics;
  };
  const until = async (has) => {
    for (const end = Date.now() + wait.timeout; (await follows()).includes(`match:${id}`) !== has;) {
      assert.ok(Date.now() < end, `the hub's follows: ${await follows()}`);
    }
  };
  await button.click();
  assert.equal(await button.getAttribute('aria-pressed'), 'true');
  await until(true);
  await button.click();
  await until(false);
  assert.equal(await button.getAttribute('aria-pressed'), 'false');
});

test("the browser's own EventSource and the SDK's WebSocket get the same events with the same ids", async () => {
  const got = await page.evaluate(async () => {
    const { Goalcast } = await import('/goalcast.js');
    const topic = `competition:${(await (await fetch('/v1/matches')).json()).matches[0].competition.id}`;
    const sdk = [];
    const own = [];
    const live = new Goalcast({ topics: [topic] });
    live.on('event', ({ event, cursor }) => sdk.push(`${cursor} ${event.id}#${event.revision}`));
    const source = new EventSource(`/v1/live?topics=${topic}`);
    source.addEventListener('event', (e) => {
      const frame = JSON.parse(e.data);
      own.push(`${e.lastEventId} ${frame.event.id}#${frame.event.revision}`);
    });
    live.start();
    for (const end = Date.now() + 120_000; (sdk.length < 8 || own.length < 8)
      && Date.now() < end;) await new Promise((done) => setTimeout(done, 100));
    live.stop();
    source.close();
    return { sdk, own };
  });
  const offset = (line) => Number(/-(\d+) /.exec(line)[1]);
  const from = Math.max(offset(got.sdk[0]), offset(got.own[0]));
  const to = Math.min(offset(got.sdk.at(-1)), offset(got.own.at(-1)));
  const both = (list) => list.filter((line) => offset(line) >= from && offset(line) <= to);
  assert.ok(both(got.own).length >= 5, `${both(got.own).length} events to compare`);
  assert.deepEqual(both(got.own), both(got.sdk));
});

test('the hub agrees to send prices as seldom as the SDK asks, over either transport', async () => {
  const agreed = await page.evaluate(async () => {
    const { Goalcast } = await import('/goalcast.js');
    const all = [];
    for (const transport of ['websocket', 'eventsource']) {
      for (const conflateMs of [0, 1, 1500]) { // 1 is less than the hub's own interval of 100
        const problems = [];
        const live = new Goalcast({ topics: ['match:1', 'odds:1'], transport, conflateMs });
        live.on('problem', (p) => problems.push(p.error));
        const greeted = () => new Promise((done) => { const off = live.on('status',
          ({ status }) => status === 'live' && done(off())); });
        const first = greeted();
        live.start();
        await first;
        all.push([transport, live.conflateMs, ...problems]);
        live.stop();
      }
    }
    return all;
  });
  assert.deepEqual(agreed, ['websocket', 'eventsource'].flatMap((name) => [[name, 0], [name, 100], [name, 1500]]));
});

test('cut off in mid-match, an EventSource, a WebSocket and curl go on with their cursor and miss nothing',
  async () => {
  const topic = `competition:${(await fetch(`${demo.url}/v1/matches`).then((r) =>
    r.json())).matches[0].competition.id}`;
  const line = ({ cursor, event }) => `${cursor} ${event.id}#${event.revision}`;
  const got = { all: [], websocket: [], curl: [], eventsource: [] };
  let ended = false;
  // follow connects, again and again, with the cursor of what it has.
  const follow = async (base, list) => {
    for (let since = ''; !ended;) {
      await new Promise((done) => {
        const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/live?topics=${topic}&since=${since}`);
        const timer = setInterval(() => ended && socket.terminate(), 20);
        socket.on('message', (text) => {
          const frame = JSON.parse(text);
          since = frame.cursor ?? since;
          if (frame.type === 'event') list.push(line(frame));
        });
        socket.on('error', () => {});
        socket.on('close', () => { clearInterval(timer); setTimeout(done, 50); });
      });
    }
  };
  const poll = async () => {
    for (let since = ''; !ended;) {
      const text = await new Promise((done) =>
        execFile('curl', ['-s', '-f', `${wire.url}/v1/live?topics=${topic}&since=${since}&wait=2s`],
        { maxBuffer: 16 << 20 }, (err, out) => done(err ? '' : out)));
      if (!text) { await new Promise((done) => setTimeout(done, 50)); continue; }
      const answer = JSON.parse(text);
      since = answer.cursor;
      got.curl.push(...answer.frames.filter((frame) => frame.type === 'event').map(line));
    }
  };
  const plain = await open({}, wire.url);
  await plain.evaluate((name) => {
    window.own = [];
    window.source = new EventSource(`/v1/live?topics=${name}`);
    window.source.addEventListener('event', (e) => {
      const { event } = JSON.parse(e.data);
      window.own.push(`${e.lastEventId} ${event.id}#${event.revision}`);
    });
    return new Promise((done) => { window.source.onopen = done; });
  }, topic);
  const running = [follow(demo.url, got.all), follow(wire.url, got.websocket), poll()];
  const more = async (n) => {
    const want = got.all.length + n;
    for (const end = Date.now() + wait.timeout; got.all.length < want; await new Promise((done) =>
      setTimeout(done, 50))) assert.ok(Date.now() < end, 'no events');
  };
  await more(4);
  wire.cut();
  await more(4); // what those who are cut off miss
  wire.mend();
  await more(6);
  const last = got.all.at(-1);
  const caughtUp = async (list) => { for (const end = Date.now() + wait.timeout; !list().includes(last)
    && Date.now() < end;) await new Promise((done) => setTimeout(done, 50)); };
  await Promise.all([caughtUp(() => got.websocket), caughtUp(() => got.curl),
    plain.waitForFunction((text) => window.own.includes(text), last, wait)]);
  got.eventsource = await plain.evaluate(() => { window.source.close(); return window.own; });
  ended = true;
  await Promise.all(running);
  await plain.context().close();
  const begin = Math.max(...Object.values(got).map((list) =>
    got.all.indexOf(list.find((text) => got.all.includes(text)))));
  const want = got.all.slice(begin, got.all.indexOf(last) + 1);
  assert.ok(want.length >= 10, `${want.length} events to compare`);
  for (const [name, list] of Object.entries(got)) assert.deepEqual(list.slice(list.indexOf(want[0]),
    list.indexOf(last) + 1), want, name);
});

// agrees waits until the page shows the score that REST tells, for every match.
async function agrees(one) {
  let shown;
  let told;
  for (const end = Date.now() + wait.timeout; Date.now() < end;) {
    const { matches } = await fetch(`${demo.url}/v1/matches`).then((r) => r.json());
    told = Object.fromEntries(matches.filter((m) => m.state !== 'scheduled').map((m) =>
      [m.id, `${m.score.home}-${m.score.away}`]));
    shown = await one.evaluate((ids) =>
      Object.fromEntries(ids.map((id) =>
      [id, [...document.querySelectorAll(`.card[data-id="${id}"] .score`)].map((s) => s.textContent).join('-')])),
      Object.keys(told));
    if (JSON.stringify(shown) === JSON.stringify(told)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.deepEqual(shown, told);
}

test('a cut connection is shown; after it the page is right again', async () => {
  wire.cut();
  await page.waitForSelector('#status[data-status=reconnecting]', wait);
  await page.screenshot({ path: join(screens, 'reconnecting-1440x900.png') });
  const clocks = () => page.$$eval('.card[data-state=live] .clock',
    (all) => all.map((c) => `${c.textContent} ${getComputedStyle(c).outlineStyle}`));
  const stopped = await clocks();
  await new Promise((done) => setTimeout(done, 3000)); // three minutes of eight matches pass unseen
  assert.deepEqual(await clocks(), stopped, 'clocks run on without the hub');
  assert.ok(stopped.length > 0 && stopped.every((text) => text.endsWith(' dashed')),
    `stopped clocks are not marked: ${stopped}`);
  wire.mend();
  await page.waitForSelector('#status[data-status=live]', wait);
  await waitFor(page, () =>
    getComputedStyle(document.querySelector('.card[data-state=live] .clock')).outlineStyle === 'none');
  await agrees(page);
});

test('no network is shown; when it returns the page is back at once', async () => {
  await page.context().setOffline(true);
  await page.waitForSelector('#status[data-status=offline]', wait);
  await page.context().setOffline(false);
  await page.waitForSelector('#status[data-status=live]', { timeout: 15_000 });
  await agrees(page);
});

test('on a phone: one column, nothing wider than the screen, a match and back', async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true,
    hasTouch: true, locale: 'nl-BE' }, wire.url);
  await phone.waitForSelector('.card[data-state=live]', wait);
  await phone.waitForSelector('#status[data-status=live]', wait);
  const fits = () => phone.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth);
  assert.ok(await fits(), 'the list is wider than the screen');
  await phone.screenshot({ path: join(screens, 'list-390x844.png') });
  // what happened just now, and in which match
  const { text, shown, whole } = await waitFor(phone, () => { // at once: lines come and go
    const el = document.querySelector('.feed li.arrives .where');
    return el?.clientWidth > 0 && { text: el.textContent, shown: el.clientWidth, whole: el.scrollWidth };
  });
  assert.match(text, /\S \d+–\d+ \S/);
  assert.ok(shown > 150 && whole <= shown, `of the match "${text}" ${shown} of ${whole} px are shown`);
  await phone.tap('.card .open');
  await phone.waitForSelector('.detail .hero', { state: 'visible' });
  assert.ok(await fits(), 'a match is wider than the screen');
  assert.equal(await phone.isVisible('.list'), false);
  await phone.screenshot({ path: join(screens, 'match-390x844.png') });
  await phone.tap('[data-tab=lineups]');
  await phone.waitForSelector('.pitch .player', wait);
  assert.equal(await phone.locator('.pitch .player').count(), 22);
  assert.ok(await fits(), 'the line-ups are wider than the screen');
  await phone.screenshot({ path: join(screens, 'lineups-390x844.png') });
  await phone.tap('.back');
  await phone.waitForSelector('.list', { state: 'visible' });
  assert.equal(await phone.isVisible('.detail'), false);
  assert.equal(await phone.textContent('#status-text'), 'Live');
  await phone.tap('#languages [lang=fr]');
  assert.equal(await phone.textContent('#status-text'), 'En direct');
  await phone.context().close();
});

test('who wants no motion gets none, and sees the same', async () => {
  const calm = await open({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' }, wire.url);
  await calm.waitForSelector('.card[data-state=live]', wait);
  assert.equal(await calm.evaluate(() =>
    getComputedStyle(document.querySelector('.status i')).animationIterationCount), '1');
  await calm.context().close();
});

test('nothing jumped, nothing was refused', async () => {
  await page.screenshot({ path: join(screens, 'page-1440x900.png') });
  const { shift, shifts } = await page.evaluate(() => window.seen);
  assert.ok(shift < 0.03, `layout shift ${shift}:\n${shifts.join('\n')}`);
  assert.deepEqual(problems, []);
  assert.equal(await status(page), 'live');
});
