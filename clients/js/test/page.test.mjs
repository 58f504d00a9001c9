// The live page when there is little to show, or nothing: no matches, a match of another day, no
// hub. Needs GOALCAST_BIN, and Chromium.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { asProvider, chromiumOptions, startGoalcast, wait } from './demo.mjs';
import { ScriptedHub, hello } from './hub.mjs';

const desktop = { viewport: { width: 1440, height: 900 } };
const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const ids = { match: 9_000_000_001, home: 9_000_000_011, away: 9_000_000_012, competition: 9_000_000_001 };
let hub;
let browser;

before(async () => { [hub, browser] = await Promise.all([startGoalcast('serve'), chromium.launch({ ...chromiumOptions,
  ignoreDefaultArgs: ['--disable-back-forward-cache'] })]); });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

// open opens the page and counts what moves in it by itself.
async function open(options, hash = '', prepare = () => {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  const problems = [];
  page.on('pageerror', (err) => problems.push(err.message));
  await page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifts.push(e.value);
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await prepare(page);
  await page.goto(hub.url + hash).catch(() => {});
  return { page, close: async () => {
    const shift = (await page.evaluate(() => window.shifts)).reduce((sum, value) => sum + value, 0);
    await context.close();
    assert.ok(shift < 0.1, `layout shift ${shift}`);
    assert.deepEqual(problems, []);
  } };
}

const says = (page, selector, text) =>
  page.waitForFunction(([s, t]) => document.querySelector(s)?.textContent.includes(t), [selector, text], wait);
const live = (page) => page.waitForSelector('#status[data-status=live]', wait);
const ago = (hours) => new Date(Date.now() - hours * 3600_000).toISOString();

// afterMidnight is a zone in whose first hour of the day we are, and a time of its yesterday.
const afterMidnight = (() => {
  const hour = new Date().getUTCHours();
  const midnight = new Date().setUTCMinutes(0, 0, 0);
  return { zone: hour <= 12 ? `Etc/GMT+${hour}` : `Etc/GMT-${24 - hour}`,
    yesterday: new Date(midnight - 60_000).toISOString() };
})();

async function post(match, kickoff, names) {
  const res = await fetch(`${hub.url}/feeds/json`,
    { method: 'POST', headers: asProvider,
    body: JSON.stringify({ time: ago(0), match, fixture: { competition: { id: ids.competition, name: 'Sunday League' },
    home: { id: ids.home, name: names[0] }, away: { id: ids.away, name: names[1] }, kickoff },
      events: [{ id: `whistle-${match}`, kind: 'period', period: 'first_half', at: kickoff },
    { id: `goal-${match}`, kind: 'goal', team: ids.home, player: { id: 9_000_000_101, name: 'Ida Fennick' },
      period: 'first_half', minute: 27 }] }) });
  assert.equal(res.status, 200, await res.text());
  for (const end = Date.now() + wait.timeout; !(await fetch(`${hub.url}/v1/matches/${match}`)).ok;) {
    assert.ok(Date.now() < end, 'the match does not come');
  }
}

test('without matches it is live, says so, and shows one that appears; what there is stays where it is', async () => {
  // a slow network
  const both = await Promise.all([open(desktop),
    open({ ...phone, timezoneId: afterMidnight.zone }, '', (page) => page.route('**/v1/matches*', async (route) => {
    await new Promise((done) => setTimeout(done, 400));
    await route.continue();
  }))]);
  for (const { page } of both) {
    await live(page);
    await says(page, '#empty', 'No matches today');
  }
  const old = new Date(Date.now() - 100 * 86_400_000).toISOString();
  await post(ids.match, old, ['Millpond Athletic', 'Quarry Town']);
  // what was said of our own day is believed for some seconds
  const { page: other, close: closeOther } = await open({ ...desktop, timezoneId: 'Asia/Tokyo' });
  await says(other, '#empty', 'Last matches');
  assert.equal(await other.locator('.card').count(), 0, 'a match of another day stands under today');
  await other.click('#empty a'); // the day of that match
  await other.waitForSelector(`.card[data-id="${ids.match}"]`, wait);
  await other.click('.to-today');
  await says(other, '#empty', 'No matches today');
  await closeOther();

  // began yesterday, for the phone
  await post(ids.match + 1, afterMidnight.yesterday, ['Harbour Rovers', 'Mill Athletic']);
  for (const { page, close } of both) {
    await page.waitForSelector(`.card[data-id="${ids.match + 1}"][data-state=live]`, wait);
    assert.equal(await page.textContent('#empty'), '');
    await close();
  }
});

test('a link to a match of another day shows it, whoever wants all matches gets there, '
  + 'and a clock that nobody stopped does not run for months', async () => {
  for (const options of [desktop, phone]) {
    const { page, close } = await open(options, `#m${ids.match}`);
    await says(page, '.detail .hero', 'Millpond Athletic');
    assert.equal(await page.textContent('.hero-score'), '1–0');
    assert.equal(await page.textContent('.hero .clock'), '45+′');
    if (options === phone) {
      await page.tap('.back');
      await page.waitForSelector('.list', { state: 'visible', ...wait });
    }
    await close();
  }
});

test('a link to no match says so', async () => {
  const { page, close } = await open(phone, '#m5');
  await says(page, '.detail', 'There is no such match');
  await close();
});

test('a first load that fails says so, and is tried again', async () => {
  for (const path of ['**/v1/matches?*', '**/page/config.json']) {
    let fails = true;
    const { page, close } = await open(phone, '',
      (one) => one.route(path, (route) => (fails ? route.fulfill({ status: 503, body: '' }) : route.continue())));
    await says(page, '#empty', 'cannot be loaded. Trying again');
    fails = false;
    await page.waitForSelector('.card', wait);
    assert.equal(await page.textContent('#empty'), '');
    await close();
  }
});

test('a page whose parts do not come says so, and comes back', async () => {
  let fails = true;
  const { page, close } = await open(phone, '',
    (one) => one.route('**/reducer.js', (route) => (fails ? route.abort() : route.continue())));
  await says(page, '#empty', 'cannot be loaded. Trying again');
  fails = false;
  await page.waitForSelector('.card', wait);
  await close();
});

test('a page that is hidden for its time, or left for the back-forward cache, lets its connection go, and goes on '
  + 'from there', async () => {
  const { page, close } = await open(desktop);
  await live(page);
  await page.evaluate(async () => {
    const { Goalcast } = await import('/goalcast.js');
    window.sdk = new Goalcast({ topics: ['match:9000000001'], hiddenAfter: 100 });
    window.told = [];
    window.sdk.on('status',
      ({ status, reason }) => window.told.push(status === 'paused' ? `${status} ${reason}` : status));
    window.sdk.start();
  });
  const sdk = (status) =>
    page.waitForFunction((want) => window.sdk?.status === want && window.sdk.cursor, status, wait);
  await sdk('live');
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await sdk('paused');
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await sdk('live');
  // a first visit's worker claims the page when it is installed, and a page that is claimed is not kept
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null, undefined, wait);
  await page.goto(`${hub.url}/v1/matches`);
  await page.goBack({ waitUntil: 'commit' });
  await live(page);
  assert.deepEqual(await page.evaluate(() => [typeof window.told,
    performance.getEntriesByType('navigation')[0].notRestoredReasons]), ['object', null], 'the same page, with all it had');
  await page.waitForFunction(() => window.told.at(-1) === 'live' && window.told.length > 6, undefined, wait);
  assert.deepEqual(await page.evaluate(() => window.told),
    ['connecting', 'live', 'paused hidden', 'connecting', 'live', 'paused left', 'connecting', 'live']);
  await live(page);
  await close();
});

test('a script learns in words why a handshake failed, which a browser hides from it', async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(wait.timeout);
  await page.goto(hub.url);
  const told = await page.evaluate(async (topics) => {
    const { Goalcast } = await import('/goalcast.js');
    const all = [];
    for (const transport of ['websocket', 'eventsource', 'poll']) for (const topic of topics) {
      all.push(await new Promise((done) => {
        const sdk = new Goalcast({ topics: topic, transport });
        sdk.on('problem', ({ code, error, final }) => done([code, Boolean(error), final, sdk.status]));
        sdk.start();
      }));
    }
    return all;
  }, ['mach:1', Array.from({ length: 101 }, (_, i) => `match:${i + 1}`).join()]);
  assert.deepEqual(told, Array.from({ length: 3 }, () => [['bad_topic', true, true, 'closed'],
    ['too_many_topics', true, true, 'closed']]).flat());
  await page.close();
});

test("the browser's own EventSource comes back after each refusal that may be over, and after no other", async () => {
  const forms = JSON.parse(readFileSync(new URL('../../../testdata/refusals.json', import.meta.url)));
  const page = await browser.newPage();
  page.setDefaultTimeout(wait.timeout);
  await Promise.all(forms.map(async (refusal) => {
    const scripted = await new ScriptedHub().open();
    try {
      scripted.refusal = refusal;
      scripted.onVisit = (visit) => visit.send(hello());
      const ends = page.evaluate((url) => new Promise((done) => {
        const source = new EventSource(url);
        const end = (how) => done(how, source.close());
        source.addEventListener('hello', () => end('came back'));
        source.addEventListener('error', () => source.readyState === EventSource.CLOSED && end('gave up'));
      }), `${scripted.url}/v1/live?topics=match:1`);
      while (scripted.refused.length === 0) await new Promise((done) => setTimeout(done, 5));
      scripted.refusal = undefined;
      assert.equal(await ends, refusal.final ? 'gave up' : 'came back', refusal.code);
    } finally {
      await scripted.close();
    }
  }));
  await page.close();
});
