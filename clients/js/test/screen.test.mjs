// The live page as a screen for everything: any day, competition, team and player, in both colours, on a
// phone and on a desk, by mouse, finger and keyboard. Needs GOALCAST_BIN, and Chromium.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { asProvider, chromiumOptions, startGoalcast, wait } from './demo.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const screens = process.env.SCREENS ?? join(tmpdir(), 'goalcast-screens');

const desktop = { viewport: { width: 1440, height: 900 } };
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const competition = { id: 9_100_000_001, name: 'Canal League' };
const teams = ['Millpond Athletic', 'Quarry Town', 'Harbour Rovers', 'Lockkeepers FC'].map((name, i) =>
  ({ id: 9_100_000_011 + i, name }));
const player = { id: 9_100_000_101, name: 'Ida Fennick' };
const today = 9_100_000_001; // match ids
const tomorrow = today + 1;
const longAgo = today + 2;

const began = Date.now() - 20 * 60_000;
const days = (n) => new Date(Date.now() + n * 86_400_000);
// a zone in which it is about noon, so that no day ends while a test runs
const ahead = 12 - new Date().getUTCHours();
const timezoneId = `Etc/GMT${ahead > 0 ? `-${ahead}` : ahead < 0 ? `+${-ahead}` : ''}`;
const dateOf = (at) => new Intl.DateTimeFormat('sv', { dateStyle: 'short', timeZone: timezoneId }).format(at);

let hub;
let browser;

before(async () => {
  await mkdir(screens, { recursive: true });
  [hub, browser] = await Promise.all([startGoalcast('serve'), chromium.launch(chromiumOptions)]);
  await post(longAgo, days(-100), 0, 1);
  await post(tomorrow, days(3), 1, 2);
  await post(today, new Date(began), 0, 2, [whistle()]);
  const rows = teams.map(({ id }, i) => `<TeamRecord TeamRef="t${id}"><Standing Type="Full"><Position>${i + 1}</Position>
    <StartDayPosition>${i + 1}</StartDayPosition><Played>3</Played><Won>1</Won><Drawn>${2 - Math.min(i, 1)}</Drawn>
    <Lost>${Math.min(i, 1)}</Lost><For>4</For><Against>${3 + i}</Against><Points>${9 - i}</Points></Standing></TeamRecord>`);
  const names = teams.map(({ id, name }) => `<Team uID="t${id}"><Name>${name}</Name></Team>`);
  await postOpta('F3', `<SoccerFeed><SoccerDocument Type="STANDINGS Latest" competition_id="${competition.id}"
    competition_name="${competition.name}" season_id="2026" timestamp="2026-11-01 10-00-00"><Competition>
    <TeamStandings>${rows.join('')}</TeamStandings><Qualification><Type qualify="Champions_League"><Team
    team_id="${teams[0].id}">PO</Team></Type></Qualification></Competition>${names.join('')}</SoccerDocument></SoccerFeed>`);
  await postOpta('F40', `<SoccerFeed timestamp="20261101T100000+0000"><SoccerDocument Type="SQUADS Latest"
    competition_id="${competition.id}" competition_name="${competition.name}" season_id="2026"><Team uID="t${teams[0].id}">
    <Name>${teams[0].name}</Name><Player uID="p${player.id}"><Name>${player.name}</Name><Position>Striker</Position>
    <Stat Type="jersey_num">9</Stat></Player></Team></SoccerDocument></SoccerFeed>`);
  await until(`/v1/competitions/${competition.id}/standings`);
  await until(`/v1/players/${player.id}`);
});

after(async () => {
  await browser?.close();
  await hub?.stop();
});

async function until(path) {
  for (const end = Date.now() + wait.timeout; !(await fetch(hub.url + path)).ok;) {
    assert.ok(Date.now() < end, `${path} does not come`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const whistle = () => ({ id: 'whistle', kind: 'period', period: 'first_half', at: new Date(began).toISOString() });
const goal = (n, team) => ({ id: `goal-${n}`, kind: 'goal', team: team.id, player, period: 'first_half', minute: 3 + n });

async function post(match, kickoff, home, away, events = []) {
  const res = await fetch(`${hub.url}/feeds/json`, { method: 'POST', headers: asProvider,
    body: JSON.stringify({ time: new Date().toISOString(), match, events: events.map((e) => ({ ...e, id: `${match}-${e.id}` })),
      fixture: { competition, home: teams[home], away: teams[away], kickoff: kickoff.toISOString() } }) });
  assert.equal(res.status, 200, await res.text());
  await until(`/v1/matches/${match}`);
}

async function postOpta(feed, body) {
  const res = await fetch(`${hub.url}/feeds/opta`, { method: 'POST', body: `<?xml version="1.0"?>\n${body}`,
    headers: { ...asProvider, 'content-type': 'text/xml', 'x-meta-feed-type': feed } });
  assert.equal(res.status, 200, await res.text());
}

// open opens the page; close says what was wrong meanwhile, and how much moved by itself.
async function open(options, hash = '', prepare = () => {}) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  const problems = [];
  page.on('pageerror', (err) => problems.push(err.message));
  page.on('console', (m) => /Content Security Policy|Uncaught/i.test(m.text()) && problems.push(m.text()));
  await page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifts.push([e.value,
        ...e.sources.map(({ node }) => node?.className || node?.nodeName)]);
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await prepare(page);
  await page.goto(`${hub.url}/${hash}`);
  return { page, close: async (mostShift = 0.05) => {
    const shifts = await page.evaluate(() => window.shifts);
    await context.close();
    const sum = shifts.reduce((all, [value]) => all + value, 0);
    assert.ok(sum < mostShift, `layout shift of ${sum}: ${JSON.stringify(shifts)}`);
    assert.deepEqual(problems, []);
  } };
}

const says = (page, selector, text) =>
  page.waitForFunction(([s, t]) => document.querySelector(s)?.textContent.includes(t), [selector, text], wait);
const card = (page, id, more = '') => page.waitForSelector(`.card[data-id="${id}"]${more}`, wait);
const live = (page) => page.waitForSelector('#status[data-status=live]', wait);
const at = (page, hash) => page.waitForFunction((want) => location.hash === want, hash, wait);
const tableIs = (page, want) => page.waitForFunction((text) => [...document.querySelectorAll('.standings tbody tr')]
  .map((row) => `${row.children[0].textContent} ${row.children[1].textContent} ${row.lastChild.textContent}`)
  .join('; ') === text, want, wait);

test('any day: the one before and after, one of the calendar, the nearest with matches, and back', async () => {
  const { page, close } = await open(desktop);
  await card(page, today);
  await page.click('.step >> nth=1');
  await at(page, `#d${dateOf(days(1))}`);
  await says(page, '#empty', 'No matches on this day');
  await page.click('#empty a:has-text("Next matches")');
  await card(page, tomorrow);
  assert.equal(await page.locator('.card').count(), 1);
  await page.goBack();
  await says(page, '#empty', 'No matches on this day');
  await page.goForward();
  await card(page, tomorrow);
  await page.click('.step >> nth=0');
  await at(page, `#d${dateOf(days(2))}`);
  await page.fill('#day input', dateOf(days(-100)), { force: true }); // as the calendar does
  await card(page, longAgo);
  await page.click('.to-today');
  await card(page, today);
  assert.equal(new URL(page.url()).hash, '');
  await close();
});

test("one's own data shows at once, and where nothing is played today the page says when something is", async () => {
  const { page, close } = await open(phone, `#d${dateOf(days(40))}`);
  await says(page, '#empty', 'Last matches');
  await live(page);
  await post(today + 9, days(40), 1, 3);
  await card(page, today + 9);
  await close();
});

test('a competition: its table as it stands, with each goal, and its matches; from there to a team, a match, and back',
  async () => {
    const { page, close } = await open(desktop);
    await page.click('.group h2 a'); // of the day's list
    await at(page, `#c${competition.id}`);
    await tableIs(page, '1 Millpond Athletic 10; 2 Quarry Town 8; 3 Harbour Rovers 8; 4 Lockkeepers FC 6');
    await card(page, today, '[data-state=live]');
    await card(page, tomorrow);
    assert.equal(await page.locator('.card').count(), 2);
    assert.equal(await page.textContent('.place-name'), competition.name);
    await post(today, new Date(began), 0, 2, [whistle(), goal(1, teams[2])]);
    await says(page, '.as-it-stands', 'As it stands');
    await tableIs(page, '1▲ Harbour Rovers 10; 2▼ Millpond Athletic 9; 3▼ Quarry Town 8; 4 Lockkeepers FC 6');
    await page.click(`.card[data-id="${today}"] .open`);
    await says(page, '.detail .hero', 'Harbour Rovers');
    assert.equal(await page.isVisible('.board'), false);
    await card(page, tomorrow); // the competition's list stays beside it
    await page.goBack();
    await page.waitForSelector('.standings', { state: 'visible', ...wait });
    await page.click('.standings a:has-text("Millpond Athletic")');
    await at(page, `#t${teams[0].id}`);
    await says(page, '.place-line', '2. / 4');
    await page.click('.players a');
    await at(page, `#p${player.id}`);
    await says(page, '.place-name', player.name);
    await says(page, '.seasons', competition.name);
    for (const hash of [`#t${teams[0].id}`, `#c${competition.id}`, '']) {
      await page.goBack();
      await at(page, hash);
    }
    await card(page, today);
    await close();
  });

test('a link to a team shows its matches, its place, its squad, and lets one follow it', async () => {
  const { page, close } = await open(phone, `#t${teams[0].id}`, async (one) => {
    await one.addInitScript(() => localStorage.setItem('goalcast.follows', localStorage['goalcast.follows'] ?? '[]'));
    await one.route('**/page/config.json', (route) => route.fulfill({ json: { speed: 1, pushes: true } }));
  });
  await card(page, today, '[data-state=live]');
  await says(page, '.place-line', '/ 4');
  await says(page, '.squad', player.name);
  assert.equal(await page.getAttribute('.standings tr[aria-current] a', 'href'), `#t${teams[0].id}`);
  await page.click('.follow');
  await page.waitForSelector('.follow[aria-pressed=true]', wait);
  const follows = async () => (await fetch(`${hub.url}/v1/me/follows`, { headers: { authorization:
    `Bearer ${await page.evaluate(() => localStorage.getItem('goalcast.identity'))}` } }).then((r) => r.json())).topics;
  for (const end = Date.now() + wait.timeout; !(await follows())?.includes(`team:${teams[0].id}`);) {
    assert.ok(Date.now() < end, 'the hub does not know of it');
  }
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is too wide');
  await close();
});

test('what is not known is said to be so', async () => {
  const { page, close } = await open(phone, '#c77');
  await says(page, '#empty', 'Not known, or not yet');
  await page.evaluate(() => { location.hash = 'p78'; });
  await says(page, '#empty', 'Not known, or not yet');
  await close();
});

test('a search finds teams, competitions and players, by keyboard alone', async () => {
  const { page, close } = await open(desktop);
  await card(page, today);
  const input = page.getByRole('combobox');
  await input.focus();
  await page.keyboard.type('roverz');
  await says(page, '#found', 'Nothing found');
  await page.keyboard.press('Backspace');
  await page.keyboard.type('s');
  const option = page.getByRole('option', { name: 'Harbour Rovers' });
  await option.waitFor(wait);
  assert.equal(await input.getAttribute('aria-expanded'), 'true');
  await page.keyboard.press('Escape');
  assert.equal(await option.isVisible(), false);
  await page.keyboard.press('ArrowDown');
  assert.equal(await input.getAttribute('aria-activedescendant'), await option.getAttribute('id'));
  await page.keyboard.press('Enter');
  await at(page, `#t${teams[2].id}`);
  await says(page, '.place-name', 'Harbour Rovers');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'place-name');
  for (const [text, hash] of [['canal', `#c${competition.id}`], ['fennick', `#p${player.id}`]]) {
    await input.fill(text);
    await page.getByRole('option').first().click();
    await at(page, hash);
  }
  await close();
});

test('light or dark: as the device, or as one chose, from the first paint on', async () => {
  const { page, close } = await open({ ...phone, colorScheme: 'dark' }, '', (one) => one.addInitScript(() => {
    requestAnimationFrame(() => { window.first = getComputedStyle(document.documentElement).colorScheme; });
  }));
  await card(page, today);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await ground();
  assert.notEqual(light, dark);
  const button = page.getByRole('button', { name: /^Colours/ });
  await button.click(); // light
  await button.click(); // dark
  assert.equal(await ground(), dark);
  await page.reload();
  await card(page, today);
  assert.equal(await page.evaluate(() => window.first), 'dark');
  assert.equal(await ground(), dark);
  await button.click(); // as the device
  assert.equal(await ground(), light);
  await close();
});

test('on a phone a goal moves nothing', async () => {
  const { page, close } = await open(phone);
  await live(page);
  await card(page, today);
  await post(today, new Date(began), 0, 2, [whistle(), goal(1, teams[2]), goal(2, teams[0])]);
  await page.waitForSelector(`.card[data-id="${today}"][data-shout=goal]`, wait);
  await says(page, `.card[data-id="${today}"] .home .score`, '1');
  await close();
});

for (const [name, options] of Object.entries({ desktop, phone })) for (const colorScheme of ['light', 'dark']) {
  test(`nothing is in the way of anybody, ${name}, ${colorScheme}`, async () => {
    const { page, close } = await open({ ...options, colorScheme, reducedMotion: 'reduce' });
    await page.evaluate(axe); // by the debugger, which no policy binds
    const found = [];
    for (const [hash, ready] of [['', `.card[data-id="${today}"]`], [`#d${dateOf(days(1))}`, '#empty a'],
      [`#c${competition.id}`, '.standings tr'], [`#t${teams[0].id}`, '.players a'], [`#p${player.id}`, '.seasons a'],
      [`#m${today}`, '.detail .hero-score'], ['#', `.card[data-id="${today}"]`]]) {
      await page.evaluate((to) => { location.hash = to; }, hash);
      await page.waitForSelector(ready, { state: 'visible', ...wait });
      if (hash === '#') {
        await page.getByRole('combobox').fill('mill');
        await page.getByRole('option').first().waitFor(wait);
      }
      const { violations } = await page.evaluate(() => window.axe.run());
      found.push(...violations.map(({ id, nodes }) => `${hash} ${id}: ${nodes.map(({ html, failureSummary }) =>
        `${html} ${failureSummary}`).join('\n')}`));
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${hash} is too wide`);
      await page.screenshot({ path: join(screens, `screen-${name}-${colorScheme}-${hash[1] ?? 'today'}.png`) });
    }
    await close(Infinity); // addresses that nobody clicked
    assert.deepEqual(found, []);
  });
}
