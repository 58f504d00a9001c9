// The operator's page in a real browser: at desktop and phone width, light and dark, with and without
// JavaScript. Needs GOALCAST_BIN, and Chromium.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { asProvider, chromiumOptions, startGoalcast, wait } from './demo.mjs';

const tokens = { operator: 'operator-token-of-the-browser', editor: 'editor-token-of-the-browser',
  admin: 'admin-token-of-the-browser-tests' };
const widths = { desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' } };
const pages = ['', 'matches', 'feeds', 'feeds?state=failed', 'documents/2', 'pushes', 'odds', 'odds?decision=', 'message',
  'message?topic=match:9000000001', 'alarms', 'queues', 'partners', 'audit'];
const script = '<script>document.title = "run"</script>';
const ids = { match: 9_000_000_001, home: 9_000_000_011, away: 9_000_000_012, competition: 9_000_000_001 };
const kickoff = new Date(Date.now() - 30 * 60_000).toISOString();
const secret = `whsec_${Buffer.from('a secret of twenty-seven bytes').toString('base64')}`;
let hub;
let browser;
let folder;

const post = (body) => fetch(`${hub.url}/feeds/json`, { method: 'POST', headers: asProvider, body });
const match = (events) => post(JSON.stringify({ time: new Date().toISOString(), match: ids.match,
  fixture: { competition: { id: ids.competition, name: 'Sunday League' }, home: { id: ids.home, name: script },
    away: { id: ids.away, name: 'Quarry Town' }, kickoff }, events }));
const whistle = { id: 'whistle', kind: 'period', period: 'first_half', at: kickoff };
const goal = (n) => ({ id: `goal-${n}`, kind: 'goal', team: ids.home, period: 'first_half', minute: n });

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'goalcast-partners-'));
  const partners = join(folder, 'partners.yaml');
  await writeFile(partners, ['gazette', 'ticker'].map((name) =>
    `- {name: ${name}, url: 'https://${name}.example.org/', topics: [all], secrets: [${secret}]}\n`).join(''), { mode: 0o600 });
  [hub, browser] = await Promise.all([startGoalcast('serve', ['--partners-file', partners,
    '--partners-endpoint', 'http://127.0.0.1:9', // nobody is there
    '--admin-tokens', Object.entries(tokens).map(([role, token]) => `${role}=${token}`).join()]),
    chromium.launch(chromiumOptions)]);
  const first = await match([whistle, goal(3)]);
  assert.equal(first.status, 200, await first.text());
  await post(`{"match": ${script}`); // which nobody understands
  await post(`{"type":"fixture"}${'x'.repeat(3000)}`);
});
after(async () => {
  await browser?.close();
  await hub?.stop();
  await rm(folder, { recursive: true, force: true });
});

// visit is a browser that complains of whatever should not happen.
async function visit(role, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  const problems = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) problems.push(`${page.url()}: ${m.text()}`); });
  page.on('pageerror', (err) => problems.push(err.message));
  page.on('request', (r) => { if (new URL(r.url()).origin !== hub.admin) problems.push(`asks ${r.url()}`); });
  await page.goto(`${hub.admin}/`);
  await page.fill('input[name=token]', tokens[role]);
  await page.click('main button');
  await page.waitForSelector('nav', wait);
  return { page, close: async () => {
    await context.close();
    assert.deepEqual(problems, []);
  } };
}

for (const [name, options] of Object.entries(widths)) {
  for (const javaScriptEnabled of [true, false]) {
    test(`every page can be read, ${name}${javaScriptEnabled ? '' : ' without JavaScript'}`, async () => {
      const { page, close } = await visit('admin', { ...options, javaScriptEnabled });
      for (const path of pages) {
        const answer = await page.goto(`${hub.admin}/console/${path}`);
        assert.equal(answer.status(), 200, path);
        const layout = await page.evaluate(() => {
          const wide = [...document.querySelectorAll('main *')].filter((e) => !e.closest('.hide, thead, pre') &&
            e.getBoundingClientRect().right > document.documentElement.clientWidth + 1);
          return { over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
            wide: wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)) };
        });
        assert.deepEqual(layout, { over: 0, wide: [] }, path);
        assert.ok(await page.locator('h1').isVisible(), path);
        assert.ok(!(await page.title()).includes('run'), path);
      }
      await page.goto(`${hub.admin}/console/`);
      await page.locator('nav a', { hasText: 'Matches' }).click();
      await page.getByRole('link', { name: 'Quarry Town' }).first().click();
      await page.waitForSelector('#documents', wait);
      assert.match(page.url(), /feeds\?match=9000000001/);
      await close();
    });
  }
}

test('the overview follows what happens, and leaves alone what somebody is at', async () => {
  const { page, close } = await visit('operator', widths.desktop);
  await page.waitForSelector('td.score', wait);
  await page.evaluate(() => { window.kept = document.querySelector('td.score'); });
  const link = page.getByRole('link', { name: 'Quarry Town' });
  await link.focus();
  assert.match(await page.textContent('td.score'), /1-0/);
  await match([whistle, goal(3), goal(9)]);
  await page.waitForFunction(() => document.querySelector('td.score').textContent === '2-0', null, wait);
  assert.ok(await page.evaluate(() => window.kept === document.querySelector('td.score') &&
    document.activeElement.textContent.includes('Quarry Town')), 'the page was loaded anew, or the focus is lost');
  await page.click('#pause');
  assert.equal(await page.getAttribute('#pause', 'aria-pressed'), 'true');
  await close();
});

test('a partner that does not answer is seen, and its cursor set in two steps', async () => {
  const { page, close } = await visit('operator', widths.phone);
  const row = page.locator('tr[data-key="partner-gazette"]');
  for (;;) { // the page looks again by itself only every few seconds
    await page.goto(`${hub.admin}/console/partners`);
    if (await row.locator('.tag', { hasText: 'failing' }).count()) break;
    await page.waitForTimeout(200);
  }
  assert.match(await row.textContent(), /connect/);
  assert.ok(!await row.locator('button').first().isVisible(), 'one click is enough');
  await row.locator('summary', { hasText: 'From' }).click();
  await row.locator('input[name=cursor]').fill('0');
  await row.locator('button').first().click();
  await page.waitForSelector('.done', wait);
  assert.match(await page.textContent('.done'), /Its cursor is set/);
  await close();
});

test('a document is replayed in two steps, a gate shut and opened, a message sent', async () => {
  const { page, close } = await visit('operator', widths.phone);
  await page.goto(`${hub.admin}/console/feeds?state=failed`);
  await page.locator('#documents ~ table tbody th a').first().click();
  await page.waitForSelector('pre', wait);
  assert.ok(!await page.locator('details.confirm button').isVisible(), 'one click is enough');
  await page.click('details.confirm summary');
  await page.click('details.confirm button');
  await page.waitForSelector('.done', wait);

  await page.goto(`${hub.admin}/console/odds`);
  await page.locator('tr', { hasText: 'Quarry Town' }).locator('button.danger').click();
  await page.waitForSelector('.tag.bad', wait);
  await page.locator('tr', { hasText: 'Quarry Town' }).locator('summary').click();
  await page.locator('tr', { hasText: 'Quarry Town' }).locator('button.strong').click();
  await page.waitForSelector('button.danger', wait);

  await page.goto(`${hub.admin}/console/message?topic=match:${ids.match}`);
  await page.fill('textarea', `Rain. ${script}`);
  await page.click('form.write summary');
  await page.fill('input[name=title_en]', `Rain ${script}`);
  await page.fill('input[name=body_en]', 'Kick-off at nine.');
  await page.click('form.write button');
  await page.waitForSelector('.bubble', wait);
  assert.equal(await page.textContent('.bubble p'), `Rain. ${script}`);
  assert.equal(await page.textContent('.bubble strong'), `Rain ${script}`);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
    0, 'with the texts of a push the page is wider than the screen');
  await page.dblclick('form.send button');
  await page.waitForSelector('.done', wait);
  assert.match(page.url(), /sent=message/);

  await page.click('header form button');
  await page.waitForSelector('input[name=token]', wait);
  await page.goto(`${hub.admin}/console/feeds`);
  assert.match(page.url(), /login/);
  await close();
});

test('an editor has the message and nothing else', async () => {
  const { page, close } = await visit('editor', widths.phone);
  assert.deepEqual(await page.locator('nav a').allTextContents(), ['Message']);
  await close();
});
