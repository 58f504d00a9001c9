// The page as an app: opened without a network, exchanged for a newer one, with pushes to its browser. Needs
// GOALCAST_BIN, and Chromium. No push service answers here: its half of the browser is a stand-in.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createECDH, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { asProvider, chromiumOptions, startGoalcast, wait, Wire } from './demo.mjs';

const match = 9_000_000_041;
const home = { id: 9_000_000_042, name: 'Millpond Athletic' };
let hub;
let wire;
let browser;

before(async () => {
  const key = execFileSync(process.env.GOALCAST_BIN, ['webpush-key'], { encoding: 'utf8' }).trim();
  [hub, browser] = await Promise.all([startGoalcast('serve', ['--webpush-key', key,
    '--webpush-subject', 'https://goals.example.org/about', '--webpush-page', 'https://goals.example.org/#m{match}']),
  chromium.launch(chromiumOptions)]);
  wire = await new Wire().open(hub.port);
  await goals(1);
});
after(async () => {
  await browser?.close();
  await wire?.close();
  await hub?.stop();
});

const kickoff = new Date(Date.now() - 20 * 60_000).toISOString();

// goals tells that there were so many.
async function goals(n) {
  const res = await fetch(`${hub.url}/feeds/json`, { method: 'POST', headers: asProvider,
    body: JSON.stringify({ time: new Date().toISOString(), match, fixture: { kickoff, home,
      competition: { id: match, name: 'Sunday League' }, away: { id: 9_000_000_043, name: 'Quarry Town' } },
    events: [{ id: 'whistle', kind: 'period', period: 'first_half', at: kickoff },
      ...Array.from({ length: n }, (_, i) => ({ id: `goal-${i}`, kind: 'goal', team: home.id, period: 'first_half',
        minute: i + 1, player: { id: 9_000_000_101, name: 'Ida Fennick' } }))] }) });
  assert.equal(res.status, 200, await res.text());
}

async function open(options) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  const problems = [];
  page.on('pageerror', (err) => problems.push(err.message));
  return { page, context, close: async () => { await context.close(); assert.deepEqual(problems, []); } };
}

const says = (page, selector, text) =>
  page.waitForFunction(([s, t]) => document.querySelector(s)?.textContent.includes(t), [selector, text], wait);

test('opened without a network it shows what it showed last, as of then, and comes alive by itself', async () => {
  const { page, close } = await open({ viewport: { width: 1440, height: 900 } });
  await page.goto(wire.url);
  await page.waitForSelector('#status[data-status=live]', wait);
  await says(page, '.hero-score', '1–0');
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null, undefined, wait);
  await page.goto('about:blank');
  wire.cut();
  await page.goto(wire.url);
  await says(page, '#status-text', 'As of ');
  await says(page, '.hero-score', '1–0');
  await page.waitForSelector(`.card[data-id="${match}"]`, wait);
  assert.equal(await page.textContent('#empty'), '');
  const [clock, kept] = await page.evaluate(() => [document.querySelector('.hero .clock').textContent,
    JSON.parse(localStorage.getItem('goalcast.last'))]);
  assert.equal(clock, `${Math.floor((kept.at - Date.parse(kickoff)) / 60_000) + 1}′`, 'the minute of then');
  assert.deepEqual(Object.keys(kept).sort(), ['address', 'at', 'match', 'matches'], 'nothing of the viewer');
  const cached = await page.evaluate(async () => {
    const names = await caches.keys();
    return Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => url)));
  });
  assert.equal(cached.length, 1);
  assert.ok(!cached[0].some((url) => url.includes('/v1')), 'nothing that the hub says is kept by the worker');

  await goals(2);
  wire.mend();
  await page.waitForSelector('#status[data-status=live]', wait);
  await says(page, '.hero-score', '2–0');
  await says(page, '#status-text', 'Live');
  await close();
});

test('a page of another release than the hub loads itself again, and not on and on', async () => {
  const { page, context, close } = await open({ serviceWorkers: 'block' });
  let loads = 0;
  await context.route('**/page/config.json', async (route) => {
    loads++;
    const res = await route.fetch();
    await route.fulfill({ response: res, json: { ...await res.json(), version: 'of-tomorrow_' } });
  });
  await page.goto(hub.url);
  await page.waitForFunction(() => sessionStorage.getItem('goalcast.loaded'), undefined, wait);
  await page.waitForSelector('#status[data-status=live]', wait);
  await page.waitForSelector(`.card[data-id="${match}"]`, wait);
  assert.equal(loads, 2);
  await close();
});

test('pushes to this browser are asked for by a click, and ended by one', async () => {
  const keys = createECDH('prime256v1').generateKeys('base64url');
  const { page, close } = await open({ permissions: ['notifications'] });
  await page.addInitScript((subscription) => {
    const made = { toJSON: () => subscription, unsubscribe: async () => { sessionStorage.removeItem('made'); } };
    PushManager.prototype.getSubscription = async () => (sessionStorage.getItem('made') ? made : null);
    PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
      sessionStorage.setItem('made', `${userVisibleOnly} ${applicationServerKey}`);
      return made;
    };
  }, { endpoint: 'https://fcm.googleapis.com/fcm/send/page', expirationTime: null,
    keys: { p256dh: keys, auth: randomBytes(16).toString('base64url') } });
  const known = () => page.evaluate(async () => {
    const authorization = `Bearer ${localStorage.getItem('goalcast.identity')}`;
    return (await (await fetch('/v1/me/subscriptions', { headers: { authorization } })).json()).ids.length;
  });
  await page.goto(hub.url);
  await page.waitForSelector('#push[data-state=off]', wait);
  assert.equal(await known(), 0);
  await page.click('#push');
  await page.waitForSelector('#push[data-state=on][aria-pressed=true]', wait);
  await says(page, '.push-says', 'On. Tap a star');
  assert.match(await page.evaluate(() => sessionStorage.getItem('made')), /^true [\w-]{87}$/);
  assert.equal(await known(), 1);

  await page.click('.card .star'); // followed, for the pushes
  await page.reload();
  await page.waitForSelector('#push[data-state=on]', wait);
  await page.click('#push');
  await page.waitForSelector('#push[data-state=off]', wait);
  await says(page, '.push-says', 'Off');
  await page.waitForFunction(() => !localStorage.getItem('goalcast.subscription'), undefined, wait);
  assert.equal(await known(), 0);
  await close();
});

test('a browser that blocks pushes, or has none, says so', async () => {
  for (const [state, text, prepare] of [['blocked', 'blocks', () => {}],
    ['unsupported', 'cannot', () => { delete window.PushManager; }]]) {
    const { page, close } = await open({ permissions: ['geolocation'] }); // and no other
    await page.addInitScript(prepare);
    await page.goto(hub.url);
    await page.waitForSelector(`#push[data-state=${state}]`, wait);
    await page.click('#push');
    await says(page, '.push-says', text);
    await close();
  }
});
