// Prices on the live page: they move, lock at a goal, and open again; and prices at viewers whose
// network is gone or who are frozen. Needs GOALCAST_BIN, and Chromium. Screenshots go where browser.test.mjs has its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Wire, asProvider, chromiumOptions, startGoalcast, wait } from './demo.mjs';

const screens = process.env.GOALCAST_SCREENSHOTS ?? join(tmpdir(), 'goalcast-screens');
const match = 9_000_000_101;
const [home, away] = [9_000_000_111, 9_000_000_112];
const kickoff = new Date(Date.now() - 12 * 60_000).toISOString();
let hub;
let wire;
let browser;
let book;

before(async () => {
  await mkdir(screens, { recursive: true });
  [hub, browser] = await Promise.all([startGoalcast('serve'), chromium.launch(chromiumOptions)]);
  wire = await new Wire().open(hub.port);
  await post([{ id: 'whistle', kind: 'period', period: 'first_half', at: kickoff }]);
  await until('the match', // without it the book would wait to be mapped
    async () => (await fetch(`${hub.url}/v1/matches/${match}`)).ok);
  await until('the hub to take prices', // until it has the lease of their sources it answers 503
    async () => /^goalcast_odds_holds_sources 1$/m.test(await (await fetch(`${hub.admin}/metrics`)).text()));
  book = new Book(hub.url);
});

async function until(what, so) {
  for (const end = Date.now() + wait.timeout; !await so();) {
    assert.ok(Date.now() < end, `waited for ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

after(async () => {
  await book?.close();
  await browser?.close();
  await wire?.close();
  await hub?.stop();
});

async function post(events) {
  const res = await fetch(`${hub.url}/feeds/json`, { method: 'POST', headers: asProvider, body: JSON.stringify({
    time: new Date().toISOString(), match, fixture: { competition: { id: 9_000_000_100, name: 'Sunday League' },
      home: { id: home, name: 'Harbour Rovers' }, away: { id: away, name: 'Mill Athletic' }, kickoff }, events }) });
  assert.equal(res.status, 200, await res.text());
}

// Book is a provider with one request that stays open.
class Book {
  constructor(url) {
    const lines = new TransformStream();
    this.writer = lines.writable.getWriter();
    this.done = fetch(`${url}/feeds/odds`, { method: 'POST', headers: asProvider, duplex: 'half',
      body: lines.readable.pipeThrough(new TextEncoderStream()) }).then(async (res) => [res.status, await res.text()]);
    this.alive = setInterval(() => this.say({ type: 'alive', at: Date.now() }), 300);
    this.say({ type: 'fixture', event: 'book-1', competition: 'Sunday League', kickoff, home: 'Harbour Rovers',
      away: 'Mill Athletic' });
  }

  say(line) { this.writer.write(`${JSON.stringify(line)}\n`).catch(() => {}); }

  image(wins, goals, type = 'image') {
    this.say({ type, event: 'book-1', at: Date.now(), markets: [
      { market: '1x2', status: 'open', prices: { home: wins[0], draw: wins[1], away: wins[2] } },
      goals ? { market: 'ou:2.5', status: 'open', prices: { over: goals[0], under: goals[1] } }
        : { market: 'ou:2.5', status: 'suspended' }] });
  }

  async close() {
    clearInterval(this.alive);
    this.writer.close().catch(() => {});
    const [status, text] = await this.done;
    assert.equal(status, 200, text);
  }
}

async function open(options, url = hub.url) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  page.problems = [];
  page.on('pageerror', (err) => page.problems.push(err.message));
  page.on('console', (m) => /Content Security Policy|Uncaught/i.test(m.text()) && page.problems.push(m.text()));
  await page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => { for (const e of list.getEntries()) {
      const moved = e.sources.map((s) => (s.node?.nodeType === 1 ? s.node : s.node?.parentElement));
      // Prices stand in the middle of their cells, and have more digits than others.
      const odds = moved.filter((node) => node?.closest('.odds') && !node.closest('b'));
      if (odds.length && !e.hadRecentInput) window.shifts.push([e.value, ...odds.map((node) => node.className)]);
    } }).observe({ type: 'layout-shift', buffered: true });
    window.ways = []; // which prices were said to rise or fall: "home 2.20, down", and with which arrow
    new MutationObserver((changes) => { for (const { target } of changes) {
      const { way, selection } = target.dataset;
      const arrows = [...target.querySelectorAll('.way path')].filter((el) => getComputedStyle(el).display !== 'none');
      if (way) window.ways.push([selection, target.querySelector('b').textContent + target.lastChild.textContent,
        ...arrows.map((el) => el.getAttribute('class'))].join());
    } }).observe(document, { subtree: true, attributeFilter: ['data-way'] });
    window.behind = []; // prices that stood there while the gate was shut
    const look = () => {
      const odds = document.querySelector('.odds:not([data-gate=open])');
      for (const b of odds?.querySelectorAll('b') ?? []) if (b.textContent) window.behind.push(b.textContent);
      requestAnimationFrame(look);
    };
    look();
  });
  await page.goto(`${url}/#m${match}`);
  return page;
}

// shows waits until the prices are these; '' is one that is locked.
const shows = (page, ...prices) => page.waitForFunction((want) =>
  [...document.querySelectorAll('.odds li b')].map((b) => b.textContent).join() === want, prices.join(), wait);
const says = (page, text) =>
  page.waitForFunction((want) => document.querySelector('.odds-state')?.textContent === want, text, wait);
const words = (page, selection) => page.textContent(`.odds [data-selection=${selection}]`);
const places = (page) => page.$$eval('.odds, .odds li', (all) => all.map((el) => {
  const { x, y, width, height } = el.getBoundingClientRect();
  return [x, y, width, height].join();
}));

test('no prices, no panel; then a price moves, locks at a goal and opens again, and nothing jumps', async () => {
  const desktop = await open({ viewport: { width: 1440, height: 900 } }, wire.url);
  const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true,
    hasTouch: true });
  const both = [desktop, phone];
  for (const page of both) {
    await page.waitForSelector('.detail .hero', wait);
    await page.waitForSelector('#status[data-status=live]', wait);
    assert.equal(await page.isVisible('.odds'), false, 'there are no prices, and a panel');
  }
  book.image(['2.359', '3.40', '3.1'], ['1.9', '1.95']);
  const stand = new Map();
  for (const page of both) {
    await shows(page, '2.35', '3.40', '3.10', '1.90', '1.95');
    await says(page, 'Open');
    stand.set(page, await places(page));
  }
  book.image(['2.20', '3.40', '3.25'], undefined, 'change');
  for (const page of both) {
    await shows(page, '2.20', '3.40', '3.25', '', '');
    await page.waitForFunction(() => !document.querySelector('.odds li:not([data-way=""])'), undefined, wait);
    assert.deepEqual(await page.evaluate(() => window.ways), ['home,2.20, down,down', 'away,3.25, up,up']);
    assert.match(await words(page, 'home'), /Home win: 2\.20$/); // a second later
    assert.match(await words(page, 'draw'), /Draw: 3\.40$/);
    assert.match(await words(page, 'over'), /Over 2\.5 goals: locked$/);
    assert.deepEqual(await places(page), stand.get(page));
  }
  await desktop.screenshot({ path: join(screens, 'odds-open-1440x900.png') });
  await phone.screenshot({ path: join(screens, 'odds-open-390x844.png') });

  await post([{ id: 'whistle', kind: 'period', period: 'first_half', at: kickoff },
    { id: 'goal-1', kind: 'goal', team: home, player: { id: 9_000_000_121, name: 'Ida Fennick' },
      period: 'first_half', minute: 11 }]);
  for (const page of both) {
    await says(page, 'Suspended: goal');
    await shows(page, '', '', '', '', '');
    assert.match(await words(page, 'home'), /Home win: locked$/);
    assert.equal(await page.isVisible('.odds [data-selection=home] .lock'), true);
    assert.deepEqual(await places(page), stand.get(page));
  }
  await desktop.screenshot({ path: join(screens, 'odds-locked-1440x900.png') });
  await phone.screenshot({ path: join(screens, 'odds-locked-390x844.png') });

  // The provider has stopped its prices for the goal too, and sells again.
  for (const end = Date.now() + wait.timeout; await desktop.textContent('.odds-state') !== 'Open';) {
    assert.ok(Date.now() < end, 'the gate does not open');
    book.say({ type: 'suspend', event: 'book-1', at: Date.now() });
    book.image(['1.45', '4.20', '7.50'], ['1.62', '2.25']);
    await desktop.waitForSelector('.odds[data-gate=open]', { timeout: 2000 }).catch(() => {});
  }
  for (const page of both) {
    await shows(page, '1.45', '4.20', '7.50', '1.62', '2.25');
    await says(page, 'Open');
    assert.deepEqual(await places(page), stand.get(page));
  }
  assert.equal(await phone.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth), true, 'too wide');

  wire.cut();
  await says(desktop, 'Suspended: no connection');
  await shows(desktop, '', '', '', '', '');
  wire.mend();
  await shows(desktop, '1.45', '4.20', '7.50', '1.62', '2.25');
  await desktop.click('#languages [lang=nl]');
  await says(desktop, 'Open');
  assert.match(await words(desktop, 'under'), /Minder dan 2,5 goals: 2\.25/);

  for (const page of both) {
    assert.deepEqual(await page.evaluate(() => window.behind), [], 'a price behind a shut gate');
    assert.deepEqual(await page.evaluate(() => window.shifts), [], 'prices moved what is on the screen');
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
});

// Ticker moves a price ten times a second, and knows when it told which.
class Ticker {
  told = new Map(); // the price in hundredths -> when
  last = 200;

  constructor() { this.timer = setInterval(() => this.tick(), 100); }

  tick() {
    this.told.set(++this.last, Date.now());
    book.image([(this.last / 100).toFixed(2), '3.40', '3.1'], ['1.9', '1.95'], 'change');
  }

  // sees waits until somebody was shown a price that is told from now on.
  async sees(who, seen) {
    const from = this.last;
    for (const end = Date.now() + wait.timeout; !((seen.at(-1)?.[1] ?? 0) > from);) {
      assert.ok(Date.now() < end, `${who}: no price above ${from}, the last is ${seen.at(-1)}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  // oldest is the greatest age at which somebody was shown a price.
  oldest(seen) { return Math.max(...seen.map(([at, price]) => at - this.told.get(price))); }
}

// watch starts a process with the SDK in it.
function watch(transport) {
  const child = spawn(process.execPath, [new URL('watcher.mjs', import.meta.url).pathname, hub.url, match, transport],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  const seen = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [at, price] = line.split(' ').map(Number);
    seen.push([at, Math.floor(price / 10)]);
  });
  const ended = new Promise((done) => child.once('exit', done));
  return { seen, signal: (name) => child.kill(name), stop: () => { child.kill('SIGKILL'); return ended; } };
}

// The last two of the six links from a provider to a viewer; the other four are cut in e2e.
test('the network swallows everything, or the viewer is frozen: no price outlives two beats', async (t) => {
  const limit = 2 * 5_000; // hello.odds_beat
  const slack = 4_000; // a busy machine: from the ticker to the hub, and until the screen is drawn
  const ticker = new Ticker();
  t.after(() => clearInterval(ticker.timer));
  const page = await open({}, wire.url); // behind the network that swallows
  const processes = { websocket: watch('websocket'), eventsource: watch('eventsource') }; // that are frozen
  t.after(() => Promise.all(Object.values(processes).map((p) => p.stop())));
  await page.waitForSelector('.odds[data-gate=open]', wait);
  const onPage = [];
  await page.exposeFunction('show', (at, text) => { if (text) onPage.push([at, Math.round(text * 100)]); });
  await page.evaluate(() => {
    let last;
    setInterval(() => {
      const now = Date.now();
      const text = document.querySelector('.odds [data-selection=home] b').textContent;
      if (text !== last || now % 500 < 50) window.show(now, text);
      last = text;
    }, 20);
  });
  const seen = { page: onPage, ...Object.fromEntries(Object.entries(processes).map(([name, p]) => [name, p.seen])) };
  const all = () => Promise.all(Object.entries(seen).map(([name, list]) => ticker.sees(name, list)));
  await all();

  wire.swallow();
  for (const p of Object.values(processes)) p.signal('SIGSTOP');
  const cut = Date.now();
  await page.waitForSelector('.odds:not([data-gate=open])', wait);
  await shows(page, '', '', '', '', '');
  while (Date.now() < cut + limit + slack + 3_000) await new Promise((done) => setTimeout(done, 100));
  await shows(page, '', '', '', '', '');

  wire.mend();
  for (const p of Object.values(processes)) p.signal('SIGCONT');
  await all();
  for (const [name, list] of Object.entries(seen)) {
    const oldest = ticker.oldest(list);
    t.diagnostic(`${name}: the oldest of ${list.length} prices was ${oldest} ms old`);
    assert.ok(oldest <= limit + slack, `${name}: a price was shown that was ${oldest} ms old`);
  }
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
