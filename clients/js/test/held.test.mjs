// What holds a match up, and penalties, on the live page in a real browser: an F24 is posted to the
// real demo. What no feed of the demo tells (a result that was awarded) is asked of the page's own
// functions. Needs GOALCAST_BIN and Chromium, like browser.test.mjs, and leaves screenshots in the
// same folder.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { clockOf, noteOf, tell } from '../page/tell.js';
import { asProvider, startGoalcast, wait } from './demo.mjs';

const screens = process.env.GOALCAST_SCREENSHOTS ?? join(tmpdir(), 'goalcast-screens');
const match = 9_100_001;
let demo;
let browser;
let page;

before(async () => {
  await mkdir(screens, { recursive: true });
  [demo, browser] = await Promise.all([
    startGoalcast('demo', ['--speed', '1', '--matches', '1']),
    chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'] }),
  ]);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

const london = (at) => new Intl.DateTimeFormat('sv-SE',
  { timeZone: 'Europe/London', dateStyle: 'short', timeStyle: 'medium' }).format(at).replace(' ', 'T');
const kickoff = new Date(Date.now() - 40 * 60_000);
let clock = 0; // each document is a second newer than the one before

// post posts an F24 of the match with these events.
async function post(...events) {
  const made = new Date(Date.now() + 1000 * clock++);
  const body = `<?xml version="1.0" encoding="UTF-8"?>
<Games timestamp="${london(made)}">
 <Game id="${match}" competition_id="910" competition_name="Harbour League" season_id="2026" matchday="3"
  game_date="${london(kickoff)}"
  home_team_id="9101" home_team_name="Noordzand" away_team_id="9102" away_team_name="Val-Rouge">
${events.join('\n')}
 </Game>
</Games>`;
  const answer = await fetch(`${demo.url}/feeds/opta`, { method: 'POST', body,
    headers: { ...asProvider, 'x-meta-feed-type': 'F24', 'x-meta-game-id': String(match),
      'x-meta-production-server-timestamp': made.toISOString() } });
  assert.equal(answer.status, 200, await answer.text());
}

// event is one of the home team.
const event = (id, type, minute, qualifiers = [], attributes = '') =>
  `<Event id="${id}" event_id="${id % 1000}" type_id="${type}" period_id="1" min="${minute}" sec="10" team_id="9101"
  outcome="1" x="0.0" y="0.0" timestamp="${london(new Date(kickoff.getTime() + minute * 60_000))}"
  ${attributes}>${qualifiers.map((q, i) => `<Q id="${i}" qualifier_id="${q}" />`).join('')}</Event>`;

const start = event(91001, 32, 0);
const penalty = event(91002, 4, 12, [9]);
const suspended = event(91003, 27, 30, [226, 202]);
const resumed = event(91004, 28, 31);

const text = (selector) => page.locator(selector).first().textContent();
const says = (selector, words) =>
  page.waitForFunction(([s, w]) => [...document.querySelectorAll(s)].some((one) => one.textContent.includes(w)),
  [selector, words], wait);

test('a penalty and a suspension stand in the timeline, and what holds the match up where the clock was', async () => {
  await post(start, penalty, suspended);
  page = await browser.newPage({ viewport: { width: 1280, height: 860 }, locale: 'en-GB' });
  page.setDefaultTimeout(wait.timeout);
  await page.goto(`${demo.url}/#m${match}`);
  await says('.timeline .is-penalty', 'Penalty');
  await says('.timeline .is-delay', 'Play suspended · weather');
  await says(`.card[data-id="${match}"] .clock`, 'Susp.');
  await says('.hero-middle .clock', 'Susp.');
  assert.equal(await text('.hero-extra'), 'weather');
  await page.screenshot({ path: join(screens, 'suspended-1280x860.png') });
  await page.click('button[lang=nl]');
  await says('.timeline .is-delay', 'Wedstrijd onderbroken · weer');
  await page.click('button[lang=en]');
});

test('when play resumes the clock runs again; a penalty that is taken back is struck through', async () => {
  await post(start, event(91002, 43, 12, [9]), suspended, resumed);
  await says('.timeline .is-delay', 'Play resumes');
  await page.waitForSelector('.timeline .is-penalty.cancelled s', wait);
  await page.waitForFunction(() => /^\d/.test(document.querySelector('.hero-middle .clock').textContent), undefined,
    wait);
  await says('.feed', 'Play resumes');
  await page.screenshot({ path: join(screens, 'resumed-1280x860.png') });
});

test('an abandonment and an awarded result are told', async () => {
  await post(start, suspended, event(91005, 30, 33, [325]));
  await says('.hero-middle .clock', 'Aband.');
  const awarded = { state: 'finished', period: 'first_half', awarded: { home: 3, away: 0 },
    score: { home: 3, away: 0 }, delay: { type: 'suspended' } };
  assert.equal(clockOf(awarded, Date.now(), 1), 'Awarded');
  assert.equal(noteOf(awarded), 'Result decided off the pitch');
  assert.equal(clockOf({ state: 'scheduled', period: 'pre_match', kickoff: kickoff.toISOString(),
    delay: { type: 'late_start' } }, Date.now(), 1), 'Delayed');
  assert.equal(noteOf({ state: 'postponed', halted: 'postponed', reason: 'Frozen pitch' }), 'Frozen pitch');
  assert.equal(noteOf({ state: 'live' }), '');
  for (const type of ['late_start', 'stopped', 'suspended', 'resumed', 'early_end', 'abandonment']) {
    const { title } = tell({ kind: 'delay', delay: { type } });
    assert.ok(title && !title.startsWith('d_'), title);
  }
});
