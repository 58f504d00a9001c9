// One match on the live page, before the real program: its timeline, both teams on a pitch, what is counted,
// clips after consent, tabs by keyboard, and nothing that axe finds. Needs GOALCAST_BIN, and Chromium.
// Screenshots go to $GOALCAST_SCREENSHOTS, if that is set.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { linesOf, playing } from '../page/pitch.js';
import { Wire, asProvider, chromiumOptions, startGoalcast, wait } from './demo.mjs';

const axe = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const screens = process.env.GOALCAST_SCREENSHOTS;
const desktop = { viewport: { width: 1280, height: 860 } };
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const id = 9_000_000_041;
const [home, away] = [{ id: 9_000_000_042, name: 'Millpond Athletic' }, { id: 9_000_000_043, name: 'Quarry Town' }];
let hub;
let wire;
let browser;

before(async () => {
  if (screens) await mkdir(screens, { recursive: true });
  const flags = ['--wsc-show-rendition', '--page-clips', 'https://clips.example.org'];
  [hub, browser] = await Promise.all([startGoalcast('serve', flags), chromium.launch(chromiumOptions)]);
  wire = await new Wire().open(hub.port);
});
after(async () => {
  await browser?.close();
  await wire?.close();
  await hub?.stop();
});

// player is the n-th of a team.
const player = (team, n) => ({ id: team.id * 100 + n, name: `${team === home ? 'Ida' : 'Ulf'} ${names[n - 1]}` });
const names = ['Abel', 'Brook', 'Carr', 'Dunn', 'Ember', 'Frost', 'Gale', 'Hale', 'Ives', 'Jute', 'Keel', 'Lark',
  'Moss'];
const positions = { 1: 'goalkeeper', 2: 'defender', 3: 'defender', 5: 'defender', 6: 'defender', 9: 'striker',
  10: 'striker' };

const lineup = (team, formation) => ({ team: team.id, formation,
  coach: { id: team.id + 7, name: `Coach of ${team.name}` },
  players: names.map((_, i) => ({ ...player(team, i + 1), shirt: i + 1, captain: i === 3,
    ...(i < 11 ? { start: true, place: formation ? i + 1 : 0, position: positions[i + 1] ?? 'midfielder' } : {}) })) });

const story = { start: undefined, kickoff: undefined };
const at = (minutes) => new Date(story.start + minutes * 60_000).toISOString();

// tell posts all of the match, as it is at its 30th minute.
async function tell(events, lineups) {
  story.start ??= Date.now() - 30 * 60_000;
  const res = await fetch(`${hub.url}/feeds/json?wait=30s`, { method: 'POST', headers: asProvider,
    body: JSON.stringify({ time: new Date().toISOString(), match: id, lineups,
      events: [{ id: 'whistle', kind: 'period', period: 'first_half', at: at(0) }, ...events],
      fixture: { competition: { id: 9_000_000_041, name: 'Sunday League' }, home, away, kickoff: at(0),
        officials: [{ name: 'Rea Whistler', role: 'referee' }] } }) });
  assert.equal(res.status, 200, await res.text());
}

const goal = (status = 'confirmed') => ({ id: 'goal', kind: 'goal', status, team: home.id, player: player(home, 9),
  period: 'first_half', minute: 12, goal: { type: 'goal', assist: player(home, 7) } });
const card = { id: 'card', kind: 'card', team: away.id, player: player(away, 5), period: 'first_half', minute: 18,
  card: { type: 'red', reason: 'Foul' } };
const change = (status = 'confirmed') => ({ id: 'change', kind: 'substitution', status, team: home.id,
  period: 'first_half', minute: 25, substitution: { off: player(home, 8), on: player(home, 12) } });
const added = { id: 'added', kind: 'added_time', period: 'first_half', minute: 29, added_time: 4 };
const both = () => [lineup(home, '433'), lineup(away, '442')];

async function open(options = desktop, { url = hub.url, hash = `#m${id}`, prepare = () => {} } = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  const problems = [];
  page.on('pageerror', (err) => problems.push(err.message));
  page.on('console', (m) => /Content Security Policy|Uncaught/i.test(m.text()) && problems.push(m.text()));
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await prepare(page);
  await page.goto(url + hash);
  await page.waitForSelector('.hero-score', wait);
  await page.waitForSelector('#status[data-status=live]', wait);
  return { page, close: async () => {
    await context.close();
    assert.deepEqual(problems, []);
  } };
}

const gone = (page, selector) => page.waitForSelector(selector, { state: 'detached', ...wait });
const text = async (page, selector) => (await page.locator(selector).first().textContent()).trim();
const onPitch = (page, side) => page.$$eval(`.half.${side} .player`, (all) => all.map((el) => el.dataset.player));

test('a formation fills its lines by the numbers of its places, or else by positions', () => {
  const shirts = (l) => linesOf(l)?.map((line) => line.map((p) => p.shirt).join(' '));
  assert.deepEqual(shirts(lineup(home, '433')), ['1', '2 5 6 3', '7 4 8', '10 9 11']);
  assert.deepEqual(shirts(lineup(home, '4231')), ['1', '2 5 6 3', '8 4', '7 10 11', '9'],
    'a striker behind another one stays in his place');
  const inOrder = lineup(home, '442'); // 2 to 5 defend: not the usual numbers
  for (const p of inOrder.players.slice(0, 11)) p.position = ['goalkeeper', 'defender', 'defender', 'defender',
    'defender', 'midfielder', 'midfielder', 'midfielder', 'midfielder', 'striker', 'striker'][p.shirt - 1];
  assert.deepEqual(shirts(inOrder), ['1', '2 3 4 5', '6 7 8 9', '10 11']);
  for (const formation of ['', '44', '4444', undefined]) assert.equal(shirts(lineup(home, formation)), undefined);
});

test('who comes on takes the place of who goes off, unless that is taken back', () => {
  const of = (...events) => {
    const { on, bench } = playing(lineup(home, '433'),
      events.map((e) => ({ status: 'confirmed', team: home.id, ...e })));
    return [[...on.values()].map((p) => p?.shirt ?? '-').join(' '), bench.map((p) => p.shirt).join(' ')];
  };
  const swap = (off, on, extra) => ({ kind: 'substitution', ...extra, substitution: { off: player(home, off),
    ...(on && { on: player(home, on) }) } });
  assert.deepEqual(of(swap(8, 12)), ['1 2 3 4 5 6 7 12 9 10 11', '13 8']);
  assert.deepEqual(of(swap(8, 12), swap(12, 13)), ['1 2 3 4 5 6 7 13 9 10 11', '8 12']);
  assert.deepEqual(of(swap(8, undefined)), ['1 2 3 4 5 6 7 - 9 10 11', '12 13 8']);
  for (const extra of [{ status: 'cancelled' }, { team: away.id }]) assert.deepEqual(of(swap(8, 12, extra)),
    ['1 2 3 4 5 6 7 8 9 10 11', '12 13']);
});

test('without a formation a team is a list; with both, a pitch comes, and a substitution moves on it', async () => {
  await tell([goal()], [lineup(home, undefined), lineup(away, '442')]);
  const { page, close } = await open();
  await page.click('#tab-lineups');
  await page.waitForSelector('.bench.home li', wait);
  assert.equal(await page.locator('.pitch').count(), 0);
  assert.equal(await page.locator('.bench.home li').count(), 13);

  await tell([goal(), card], both());
  await page.waitForSelector('.pitch', wait);
  const [starts, others] = [await onPitch(page, 'home'), await onPitch(page, 'away')];
  assert.deepEqual([starts.length, others.length], [11, 11]);
  assert.match(await text(page, `.half.home [data-player="${player(home, 9).id}"]`), /9, Ida Ives, Goal 12′/);
  assert.match(await text(page, `.half.away [data-player="${player(away, 5).id}"]`),
    /5, Ulf Ember, Red card · Foul 18′/);
  assert.match(await text(page, `.half.home [data-player="${player(home, 4).id}"]`), /4, Ida Dunn, captain/);
  assert.match(await text(page, '.bench.away .coach'), /Coach of Quarry Town/);
  assert.match(await text(page, '.referee'), /Rea Whistler/);

  const spot = (n) => page.locator(`.half.home [data-player="${player(home, n).id}"]`).boundingBox();
  const before = await spot(8);
  await tell([goal(), card, change()], both());
  await page.waitForSelector(`.half.home [data-player="${player(home, 12).id}"]`, wait);
  await page.waitForFunction(() => document.getAnimations().every((a) => a.playState === 'finished'
    || a.effect.getTiming().iterations === Infinity), undefined, wait);
  const now = await spot(12);
  assert.deepEqual([Math.round(now.x), Math.round(now.y)], [Math.round(before.x), Math.round(before.y)]);
  assert.equal((await onPitch(page, 'home')).includes(String(player(home, 8).id)), false);
  assert.match(await text(page, `.bench.home [data-player="${player(home, 8).id}"]`), /Ida Hale, went off 25′/);

  await tell([goal(), card, change('cancelled')], both());
  await page.waitForSelector(`.half.home [data-player="${player(home, 8).id}"]`, wait);
  assert.deepEqual(await onPitch(page, 'home'), starts);
  await close();
});

test('a goal that is taken back is struck through, counts for nothing, and stands under no team', async () => {
  await tell([goal()], both());
  const { page, close } = await open();
  const row = '.timeline .event.is-goal';
  await page.waitForSelector(`${row}.confirmed`, wait);
  assert.equal(await text(page, `${row} .at-score`), '1–0');
  assert.equal(await text(page, '.hero-score'), '1–0');
  assert.match(await text(page, '.hero-side.home .scorers'), /Ida Ives 12′/);
  await tell([goal('cancelled'), added], both());
  await page.waitForSelector(`${row}.cancelled s`, wait);
  assert.match(await text(page, row), /VAR · Cancelled/);
  assert.equal(await page.locator(`${row} .at-score`).count(), 0);
  assert.equal(await text(page, '.hero-score'), '0–0');
  assert.equal(await text(page, '.hero-side.home .scorers'), '');
  await page.waitForFunction(() => document.querySelector('.hero-period').textContent === 'First half · +4 min added',
    undefined, wait);
  await page.click('#tab-lineups');
  assert.equal(await page.locator('.pitch .sign.ball').count(), 0);
  await close();
});

test('the clock stands still without a connection', async () => {
  await tell([goal()], both());
  const { page, close } = await open(desktop, { url: wire.url, prepare: (one) => one.clock.install() });
  const clock = () => text(page, '.hero .clock');
  assert.match(await clock(), /^\d+(\+\d+)?′$/);
  const marked = () => page.$eval('.hero .clock', (el) => getComputedStyle(el).outlineStyle);
  assert.equal(await marked(), 'none');
  wire.cut();
  await page.waitForSelector('#status[data-status=reconnecting]', wait);
  const stopped = await clock();
  await page.clock.fastForward(200_000); // of which only the page's clock knows
  await page.waitForTimeout(50);
  assert.equal(await clock(), stopped);
  assert.equal(await marked(), 'dashed');
  wire.mend();
  await page.evaluate(() => dispatchEvent(new Event('online'))); // so that it need not wait for its next try
  await page.waitForSelector('#status[data-status=live]', wait);
  await close();
});

test('tabs go by keyboard, one of them is in the order of tabbing, and the next match keeps the choice', async () => {
  await tell([goal()], both());
  const { page, close } = await open();
  await page.focus('#tab-timeline');
  const chosen = () => page.$eval('[role=tab][aria-selected=true]', (el) => [el.id, el === document.activeElement,
    document.querySelector(`#${el.getAttribute('aria-controls')}`).hidden, el.tabIndex]);
  assert.deepEqual(await chosen(), ['tab-timeline', true, false, 0]);
  for (const [key, tab] of [['ArrowRight', 'lineups'], ['ArrowRight', 'stats'], ['ArrowRight', 'timeline'],
    ['ArrowLeft', 'stats'], ['Home', 'timeline'], ['End', 'stats']]) {
    await page.keyboard.press(key);
    assert.deepEqual(await chosen(), [`tab-${tab}`, true, false, 0], key);
  }
  assert.equal(await page.locator('[role=tab][tabindex="0"]').count(), 1);
  assert.equal(await page.locator('[role=tabpanel]:not([hidden])').count(), 1);
  assert.match(await text(page, '#panel-stats'), /Nothing has been counted yet/);
  await close();
});

// opta posts a document of a match that only Opta tells of.
const counted = 9_000_000_051;
async function opta(feed, body) {
  const res = await fetch(`${hub.url}/feeds/opta`, { method: 'POST', body, headers: { ...asProvider,
    'x-meta-feed-type': feed, 'x-meta-game-id': String(counted) } });
  assert.equal(res.status, 200, await res.text());
}

const clockText = (ago) => new Date(Date.now() - ago).toISOString().replace(/[-:]|\.\d+Z/g, '');
const f9 = (ago, possession, shots) => `<SoccerFeed TimeStamp="${clockText(ago)}+0000">
  <SoccerDocument Type="Latest" uID="f${counted}"><Competition uID="c51"><Name>Cup</Name></Competition><MatchData>
  <MatchInfo Period="FirstHalf"><Date>${clockText(600_000)}+0000</Date></MatchInfo>
  ${['Home', 'Away'].map((side, i) => `<TeamData Side="${side}" TeamRef="t${510 + i}" Score="0">
    <Stat Type="possession_percentage">${i ? 100 - possession : possession}</Stat>
    <Stat Type="total_scoring_att">${i ? 2 : shots}</Stat></TeamData>`).join('')}
  </MatchData><Team uID="t510"><Name>Counted FC</Name></Team><Team uID="t511"><Name>Told Rovers</Name></Team>
  </SoccerDocument></SoccerFeed>`;
const f13 = (...lines) => `<Commentary game_id="${counted}" lang_id="en">${lines.map((line, i) =>
  `<message id="${lines.length - i}" type="comment" comment="${line}" period="FirstHalf" minute="${lines.length - i}"
    second="10" last_modified_utc="${new Date(Date.now() - 40_000 + 2000 * (lines.length - i)).toISOString()
    .slice(0, 19)}" />`).join('')}</Commentary>`;

test('statistics and commentary come, and go on while one looks', async () => {
  await opta('F9', f9(60_000, 61.5, 3));
  const { page, close } = await open(desktop, { hash: `#m${counted}` });
  await page.click('#tab-stats');
  const said = (stat, want) => page.waitForFunction(([key, all]) =>
    document.querySelector(`[data-stat=${key}] > .hidden`)?.textContent === all, [stat, want], wait);
  await said('possession', 'Possession: Counted FC 62%, Told Rovers 38%');
  await said('shots', 'Shots: Counted FC 3, Told Rovers 2');
  assert.equal(await page.locator('[data-stat=offsides]').count(), 0, 'what neither side has is shown');
  await opta('F9', f9(30_000, 58, 4));
  await said('shots', 'Shots: Counted FC 4, Told Rovers 2');
  assert.equal(await page.locator('#tab-commentary').isVisible(), false);
  await opta('F13', f13('They have begun.'));
  await page.click('#tab-commentary');
  await opta('F13', f13('A long throw.', 'They have begun.'));
  await page.waitForFunction(() => [...document.querySelectorAll('.commentary p')].map((p) => p.textContent).join()
    === 'A long throw.,They have begun.', undefined, wait);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run('.detail', { resultTypes: ['violations'] }));
  assert.deepEqual(violations.map((v) => [v.id, ...v.nodes.map((n) => n.html)]), []);
  await close();
});

for (const [name, options] of [['desktop', desktop], ['phone', phone]]) for (const colorScheme of ['dark', 'light']) {
  test(`axe finds nothing, and nothing moves by itself: ${name}, ${colorScheme}`, async () => {
    await tell([goal(), card, change(), added], both());
    const { page, close } = await open({ ...options, colorScheme });
    for (const tab of ['timeline', 'lineups', 'stats']) {
      await page.locator(`#tab-${tab}`).click();
      if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(axe);
      if (screens) await page.screenshot({ path: join(screens, `match-${tab}-${name}-${colorScheme}.png`) });
      const { violations } = await page.evaluate(() => window.axe.run('.detail', { resultTypes: ['violations'] }));
      assert.deepEqual(violations.map((v) => [v.id, ...v.nodes.map((n) => n.html)]), [], tab);
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} px wider than the screen`);
    assert.ok(await page.evaluate(() => window.shift) < 0.05, 'layout shift');
    await close();
  });
}

test('of a clip nothing is fetched before the viewer agreed, and it plays when it is asked for', async () => {
  await tell([goal()], both());
  const goalID = (await (await fetch(`${hub.url}/v1/matches/${id}`)).json()).timeline.find((e) => e.kind === 'goal').id;
  for (const [content, host, title] of [['a'.repeat(24), 'clips.example.org', 'Ives from far out'],
    ['b'.repeat(24), 'elsewhere.example.org', 'From somewhere else']]) {
    const now = new Date().toISOString();
    const res = await fetch(`${hub.url}/feeds/wsc`, { method: 'POST', headers: asProvider,
      body: JSON.stringify({ Action: 'CREATE', ActionTime: now, ContentId: content, ContentType: 'Moment',
        Content: { id: content, type: 'Moment', title, version: 1, status: 'Active', duration: 42, createTime: now,
          updateTime: now, executionTimeType: 'InGame', extraInfo: { eventMinute: '12' },
          labels: [{ title: 'Goals', identifier: 'goals' }],
          videoRenditions: [{ url: `https://${host}/video.mp4`, fileType: 'Mp4', aspectRatio: 'Horizontal' }],
          thumbnails: [{ url: `https://${host}/picture.jpg`, aspectRatio: 'Horizontal' }],
          metadata: { game: { provider: 'Opta', providerId: String(id) }, team: { provider: 'Opta',
            providerId: String(home.id) } } } }) });
    assert.equal(res.status, 200, await res.text());
  }
  const asked = [];
  const { page, close } = await open(desktop, { prepare: (one) => one.route(/example\.org/, (route) => {
    asked.push(route.request().url());
    return route.fulfill({ contentType: 'image/svg+xml',
      body: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9"><path d="M0 0h16v9H0z" fill="#356"/></svg>' });
  }) });
  await page.waitForSelector(`[data-event="${goalID}"] .to-clip`, wait);
  await page.click(`[data-event="${goalID}"] .to-clip`);
  assert.equal(await page.getAttribute('#tab-clips', 'aria-selected'), 'true');
  await page.waitForFunction(() => document.querySelectorAll('.clip-list li').length === 2, undefined, wait);
  assert.match(await text(page, '.consent'), /clips\.example\.org\. Showing/);
  assert.equal(await page.locator('.clip-list button').count(), 0, 'a clip can be played without consent');
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run('.detail', { resultTypes: ['violations'] }));
  assert.deepEqual(violations.map((v) => [v.id, ...v.nodes.map((n) => n.html)]), []);
  assert.equal(await page.locator('.clip-list a[href^="https://elsewhere.example.org/"]').count(), 1);
  if (screens) await page.screenshot({ path: join(screens, 'match-clips-asked.png') });
  assert.deepEqual(asked, []);
  await page.click('.agree');
  await page.waitForFunction(() => document.querySelector('.clip-list img')?.naturalWidth > 0, undefined, wait);
  assert.deepEqual(asked, ['https://clips.example.org/picture.jpg'], 'a video is fetched that nobody asked for');
  if (screens) await page.screenshot({ path: join(screens, 'match-clips-agreed.png') });
  const played = page.waitForRequest('https://clips.example.org/video.mp4', wait);
  await page.getByRole('button', { name: 'Play: Ives from far out, 12′, 0:42' }).click();
  await played;
  await page.waitForSelector('.clip-list a[href="https://clips.example.org/video.mp4"]', wait);
  await page.reload();
  await page.waitForSelector('.clip-list img', { state: 'attached', ...wait }); // he is not asked again
  await page.click('#tab-clips');
  await page.click('.withdraw');
  await gone(page, '.clip-list img');
  assert.equal(await page.evaluate(() => localStorage.getItem('goalcast.clips')), '[]');
  await close();
});
