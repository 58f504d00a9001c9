// The widgets on a page of somebody else, in a real browser: another origin, the strictest policy, the
// real hub. Needs GOALCAST_BIN, and Chromium. Screenshots go to $GOALCAST_SCREENSHOTS, else to
// goalcast-screens in the machine's folder for temporary files.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { asProvider, chromiumOptions, startGoalcast, wait } from './demo.mjs';
import { ScriptedHub, goal, hello, snapshot } from './hub.mjs';

const screens = process.env.GOALCAST_SCREENSHOTS ?? join(tmpdir(), 'goalcast-screens');
const axe = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const match = 9_000_000_041;
const home = { id: 9_000_000_042, name: 'Millpond Athletic' };
const away = { id: 9_000_000_043, name: 'Quarry Town Wanderers' };
const competition = { id: 9_000_000_041, name: 'Sunday League' };
const began = Date.now() - 30 * 60_000;
let dir;
let hub;
let site; // of somebody else
let browser;

const start = (...flags) => startGoalcast('serve', ['--database-url', `sqlite:${join(dir, 'widget.db')}`, ...flags]);

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'goalcast-widget-'));
  await mkdir(screens, { recursive: true });
  [hub, browser] = await Promise.all([start(), chromium.launch(chromiumOptions)]);
  site = new Site();
  await site.open();
  await post([goalOf('first', 3, away)]);
});

after(async () => {
  await browser?.close();
  await site?.close();
  await hub?.stop();
  await rm(dir, { recursive: true, force: true });
});

// Site serves one page, whose body and policy each test chooses.
class Site {
  #pages = new Map();

  async open() {
    this.server = createServer((req, res) => {
      const page = this.#pages.get(req.url);
      res.writeHead(page ? 200 : 404, { 'content-type': 'text/html; charset=utf-8',
        ...(page?.policy && { 'content-security-policy': page.policy }) }).end(page?.html ?? '');
    });
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `http://localhost:${this.server.address().port}`;
  }

  page(body, { origin = hub.url, connect = origin, extra = '', lang = 'en' } = {}) {
    const path = `/${this.#pages.size}`;
    this.#pages.set(path, {
      policy: `default-src 'none'; script-src ${origin}; connect-src ${connect}; img-src ${origin}${extra}`,
      html: `<!doctype html><html lang="${lang}"><head><title>A page</title>
        <meta name="viewport" content="width=device-width"><script src="${origin}/widget/v1.js" crossorigin></script></head>
        <body><main><h1>News</h1>${body}<p>What follows.</p></main></body></html>` });
    return `${this.url}${path}`;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}

const goalOf = (id, minute, team, status = 'confirmed') => ({ id, kind: 'goal', status, team: team.id,
  player: { id: 9_000_000_100 + minute, name: `Ida Fennick ${minute}` }, period: 'first_half', minute });

// post tells the match's story so far; a whole document, as the provider of it tells.
const told = [{ id: 'whistle', kind: 'period', period: 'first_half', at: new Date(began).toISOString() }];
async function post(events) {
  told.push(...events);
  const res = await fetch(`${hub.url}/feeds/json`, { method: 'POST', headers: asProvider,
    body: JSON.stringify({ time: new Date().toISOString(), match, events: told,
      fixture: { competition, home, away, kickoff: new Date(began).toISOString() } }) });
  assert.equal(res.status, 200, await res.text());
}

// visit opens a page and notes what a browser complains of, what it asks, and how much moves.
async function visit(url, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 900, height: 700 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  const problems = [];
  page.on('pageerror', (err) => problems.push(err.message));
  page.on('console', (m) => /Content Security Policy|Uncaught/i.test(m.text()) && problems.push(m.text()));
  await page.addInitScript(() => {
    window.seen = { shift: 0, violations: [], goals: [], said: [] };
    addEventListener('securitypolicyviolation', (e) => window.seen.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) window.seen.shift += e.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(url);
  return { page, problems, close: async () => {
    const { violations, shift } = await page.evaluate(() => window.seen);
    await context.close();
    assert.deepEqual([...problems, ...violations], []);
    assert.ok(shift < 0.05, `layout shift of ${shift}`);
  } };
}

// Waits for a part of an element to have a text.
const part = (page, name, text, element = 'goalcast-match') =>
  page.locator(`${element} [part~=${name}]`).filter({ hasText: text }).first().waitFor(wait);

const note = (page, text, element) => part(page, 'note', text, element);

async function accessible(page) {
  await page.evaluate(axe); // by the debugger, which no policy binds
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
}

test('on a foreign page under the strictest policy: a goal arrives, is shown and said once, is taken back', async () => {
  const { page, close } = await visit(site.page(`<goalcast-match match="${match}"></goalcast-match>
    <goalcast-match match="${match}" lang="fr" theme="dark"></goalcast-match>`));
  await part(page, 'score', '0–1');
  await part(page, 'status', 'Live');
  await page.evaluate(() => {
    for (const el of document.querySelectorAll('goalcast-match')) {
      new MutationObserver(() => window.seen.said.push(el.shadowRoot.querySelector('[aria-live]').textContent))
        .observe(el.shadowRoot.querySelector('[aria-live]'), { childList: true, characterData: true, subtree: true });
    }
  });
  await post([goalOf('second', 12, home)]);
  await part(page, 'score', '1–1');
  assert.equal(await page.locator('goalcast-match:first-of-type li', { hasText: 'Fennick 12' }).count(), 1);
  await accessible(page);
  told.pop();
  await post([goalOf('second', 12, home, 'cancelled')]);
  await part(page, 'score', '0–1');
  await page.locator('goalcast-match[lang=fr] li', { hasText: 'Annulé' }).waitFor(wait);
  const said = await page.evaluate(() => window.seen.said);
  assert.deepEqual(said, ['Goal, Ida Fennick 12, 12′. Millpond Athletic 1–1 Quarry Town Wanderers',
    'No goal, Ida Fennick 12, 12′. Millpond Athletic 0–1 Quarry Town Wanderers']);
  await close();
});

test('the hub killed and back: it says so, the clock stands, and nothing is lost or shown twice', async () => {
  const { page, problems, close } = await visit(site.page(`<goalcast-match match="${match}"></goalcast-match>`));
  await part(page, 'score', '0–1');
  await hub.stop();
  await part(page, 'status', 'Reconnecting…');
  const clock = await page.locator('[part=clock]').textContent();
  assert.match(clock, /^\d+′$/);
  const { port, url } = hub;
  hub = { ...await start('--listen', `127.0.0.1:${port}`), port, url };
  await post([goalOf('third', 20, home)]);
  await part(page, 'score', '1–1');
  await part(page, 'status', 'Live');
  assert.equal(await page.locator('li', { hasText: 'Fennick 20' }).count(), 1);
  problems.length = 0; // of connections that were refused
  await close();
});

test('what is wrong is said in words, in the place of the match', async () => {
  const { page, close } = await visit(site.page('<goalcast-match match="abc"></goalcast-match>'));
  await note(page, 'Wrong attribute: match="abc"');
  const set = (name, value) => page.evaluate(([attribute, text]) =>
    document.querySelector('goalcast-match').setAttribute(attribute, text), [name, value]);
  await set('match', '77');
  await note(page, 'Not known, or not yet: match="77"');
  await set('delay', '301');
  await note(page, 'Wrong attribute: delay="301"');
  await set('delay', '0');
  await set('lang', 'de');
  await note(page, 'Nicht bekannt, oder noch nicht: match="77"');
  await set('match', String(match));
  await part(page, 'score', '–');
  await page.evaluate(() => document.querySelector('goalcast-match').remove());
  await close();
});

test('each says what is wrong in its own language, beside others', async () => {
  const languages = { en: 'Not known, or not yet', nl: 'Niet bekend, of nog niet', fr: 'Inconnu, ou pas encore connu',
    de: 'Nicht bekannt, oder noch nicht' };
  const { page, close } = await visit(site.page(Object.keys(languages).map((lang) =>
    `<goalcast-ticker team="78" lang="${lang}"></goalcast-ticker>`).join('')));
  for (const [lang, text] of Object.entries(languages)) {
    await note(page, `${text}: team="78"`, `goalcast-ticker[lang=${lang}]`);
  }
  await close();
});

test('a hub that is not there, and one that refuses', async (t) => {
  const scripted = await new ScriptedHub().open();
  t.after(() => scripted.close());
  scripted.onVisit = (one) => one.send(hello());
  scripted.refusal = { code: 'bad_parameter', status: 400, final: true };
  const away = 'http://127.0.0.1:9'; // where nobody listens
  const { page, close } = await visit(site.page(`<goalcast-match match="1" hub="${scripted.url}" lang="nl"></goalcast-match>
    <goalcast-match match="1" hub="${away}" lang="fr"></goalcast-match>`, { connect: `${scripted.url} ${away}` }));
  await note(page, 'De hub weigert dit: refused: bad_parameter');
  await note(page, 'Chargement impossible. Nouvel essai…');
  await close();
});

test('a clip is asked of nobody before a click, and then says where it can be seen', async (t) => {
  const asked = [];
  const videos = createServer((req, res) => { asked.push(req.url); res.writeHead(404).end(); });
  await new Promise((done) => videos.listen(0, '127.0.0.1', done));
  t.after(() => videos.close());
  const address = `http://127.0.0.1:${videos.address().port}`;
  const scripted = await new ScriptedHub().open();
  t.after(() => scripted.close());
  const clip = (id, extra) => ({ id, kind: 'clip', revision: 1, status: 'confirmed', match: 1, period: 'first_half',
    clip: { title: id, url: `${address}/${id}.mp4`, thumbnail: `${address}/${id}.jpg`, seconds: 42, ...extra } });
  scripted.onVisit = (one) => {
    one.send(hello());
    one.send(snapshot('e1-4', 'match:1', { state: 'live', period: 'first_half', timeline: [clip('free'),
      clip('local', { include_countries: ['BE'] }), clip('elsewhere', { exclude_countries: ['BE'] }),
      clip('own', { url: undefined, account: '7', video: 'v 1' })] }));
  };
  const { page, close } = await visit(site.page(`<goalcast-match match="1" hub="${scripted.url}" clips country="be"
    player="${address}/player/{account}?video={video}"></goalcast-match>
    <goalcast-match match="1" hub="${scripted.url}"></goalcast-match>`,
    { connect: scripted.url, extra: `; media-src ${address}; frame-src ${address}` }));
  const buttons = page.getByRole('button');
  await buttons.first().waitFor(wait);
  assert.deepEqual(await buttons.evaluateAll((all) => all.map((one) => one.textContent.replace(/ \(.*/, ''))),
    ['▶ own 0:42', '▶ local 0:42', '▶ free 0:42']);
  assert.deepEqual(asked, []);
  await page.evaluate(() => addEventListener('goalcast-clip', (e) => {
    window.wanted = e.detail.title;
    if (e.detail.title === 'local') e.preventDefault();
  }));
  await buttons.nth(1).click();
  await page.waitForFunction(() => window.wanted === 'local', undefined, wait);
  assert.deepEqual(asked, []);
  await buttons.nth(2).click();
  await page.getByRole('link', { name: `127.0.0.1:${videos.address().port} ↗` }).waitFor(wait);
  while (!asked.includes('/free.mp4')) await new Promise((done) => setTimeout(done, 10));
  await buttons.nth(0).click();
  while (!asked.includes('/player/7?video=v%201')) await new Promise((done) => setTimeout(done, 10));
  await close();
});

test('a ticker has the matches of a team, the one in play first, and tells its goals', async () => {
  const { page, close } = await visit(site.page(`<goalcast-ticker team="${away.id}"></goalcast-ticker>
    <goalcast-ticker competition="${competition.id}" lang="de"></goalcast-ticker>
    <goalcast-ticker></goalcast-ticker>`));
  await part(page, 'match', 'Millpond Athletic', 'goalcast-ticker');
  await part(page, 'match', 'Millpond Athletic', 'goalcast-ticker[lang=de]');
  await part(page, 'note', 'Wrong attribute: team=""', 'goalcast-ticker');
  await post([goalOf('fourth', 25, away)]);
  await part(page, 'match', 'Ida Fennick 25', 'goalcast-ticker');
  await accessible(page);
  await close();
});

const record = (played, points, scored) =>
  ({ played, won: 1, drawn: 0, lost: 0, for: scored, against: 1, points });
const standings = (rows) => ({ competition: { id: 9, name: 'First Division' }, season: '2026', updated: '2026-11-29T20:00:00Z',
  groups: [{ name: 'Group A', rows: rows.map(([id, before, points], i) => ({ team: { id, name: `Club ${id}` },
    position: i + 1, position_before: before, total: record(1, points, id) })) }] });

test('a table is the official one, then as it stands with each goal, and read again where the hub tells none',
  async (t) => {
    const scripted = await new ScriptedHub().open();
    t.after(() => scripted.close());
    const path = '/v1/competitions/9/standings?lang=en';
    scripted.rest[path] = standings([[1, 1, 3], [2, 2, 3]]);
    let send;
    scripted.onVisit = (one) => {
      one.send(hello());
      one.send(snapshot('e1-4', 'competition:9'));
      send = (frame) => one.send(frame);
    };
    const { page, close } = await visit(site.page(
      `<goalcast-table competition="9" rows="4" hub="${scripted.url}"></goalcast-table>`, { connect: scripted.url }));
    const rows = (want) => page.waitForFunction((text) => [...document.querySelector('goalcast-table').shadowRoot
      .querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent.trim()).join(' '))
      .join('; ') === text, want, wait);
    await rows('1 Club 1 1 1 0 0 0 3; 2 Club 2 1 1 0 0 +1 3');
    await page.waitForFunction(() => document.querySelector('goalcast-table').live.status === 'live', undefined, wait);
    scripted.rest[path] = standings([[1, 1, 4], [2, 2, 3]]);
    send({ ...goal(5), event: { ...goal(5).event, topics: ['competition:9'] } });
    await rows('1 Club 1 1 1 0 0 0 4; 2 Club 2 1 1 0 0 +1 3');
    const state = { topic: 'competition:9', key: 'table', version: 1, value: { ...standings([[2, 2, 6], [1, 1, 4]]), live: true } };
    send({ type: 'state', state, sent: Date.now() });
    await rows('1 ▲ Club 2 1 1 0 0 +1 6; 2 ▼ Club 1 1 1 0 0 0 4');
    await page.getByText('First Division · As it stands').waitFor(wait);
    await accessible(page);
    await close();
  });

test('what delays and leaves out is asked of the hub, with what score and clock need', async (t) => {
  const scripted = await new ScriptedHub().open();
  t.after(() => scripted.close());
  scripted.onVisit = (one) => {
    one.send(hello());
    one.send(snapshot('e1-4'));
  };
  const { page, close } = await visit(site.page(`<goalcast-match match="1" hub="${scripted.url}" delay="30"
    kinds="card, goal"></goalcast-match>`, { connect: scripted.url }));
  await part(page, 'team', 'KVC Oosterveke');
  const { query } = await scripted.visit(0);
  assert.equal(query.get('delay'), '30');
  assert.deepEqual(query.get('kinds').split(',').sort(), ['card', 'delay', 'goal', 'period', 'shootout_kick']);
  await close();
});

for (const [name, options] of Object.entries({
  'desktop-light-en': { colorScheme: 'light' },
  'desktop-dark-de': { colorScheme: 'dark' },
  'phone-light-nl': { colorScheme: 'light', viewport: { width: 360, height: 640 }, isMobile: true },
  'phone-dark-fr': { colorScheme: 'dark', viewport: { width: 360, height: 640 }, isMobile: true },
})) test(`it looks as it should, ${name}`, async () => {
  const { page, close } = await visit(site.page(`<goalcast-match match="${match}"></goalcast-match>
    <goalcast-ticker team="${home.id}"></goalcast-ticker>`, { lang: name.slice(-2) }), options);
  await part(page, 'score', '–');
  await page.locator('goalcast-match li').first().waitFor(wait);
  await accessible(page);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is too wide');
  await page.screenshot({ path: join(screens, `widget-${name}.png`) });
  await close();
});
