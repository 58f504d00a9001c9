// The reference page at /docs in a real browser, at desktop and phone width. Needs GOALCAST_BIN, and
// Chromium.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumOptions, startGoalcast, wait } from './demo.mjs';

const widths = { desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } };
let hub;
let browser;

before(async () => { [hub, browser] = await Promise.all([startGoalcast('serve'), chromium.launch(chromiumOptions)]); });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

// visit opens the page and complains of whatever should not happen. A data: URL is asked of nobody.
async function visit(options) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  const problems = [];
  const asked = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) problems.push(m.text()); });
  page.on('pageerror', (err) => problems.push(err.message));
  page.on('request', (r) => {
    const url = new URL(r.url());
    if (url.protocol === 'data:') return;
    asked.push(url.pathname);
    if (url.origin !== hub.url) problems.push(`asks ${r.url()}`);
  });
  await page.goto(`${hub.url}/docs`);
  await page.waitForSelector('[data-path="/v1/matches/{id}"]', wait);
  return { page, asked, close: async () => {
    await context.close();
    assert.deepEqual(problems, []);
  } };
}

const over = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
const operation = (page, id) => page.locator(`.opblock[id$="-${id}"]`);

async function unfold(page, id) {
  await operation(page, id).locator('.opblock-summary-control').click();
  await operation(page, id).locator('.responses-wrapper').waitFor(wait);
}

for (const [name, options] of Object.entries(widths)) {
  test(`the reference shows every operation, opens and tries one, and asks nobody else, ${name}`, async () => {
    const { page, asked, close } = await visit(options);
    const text = await (await fetch(`${hub.url}/v1/openapi.yaml`)).text();
    assert.equal(await page.locator('.opblock').count(), text.match(/operationId:/g).length);
    assert.equal(await over(page), 0, 'all operations closed');

    await unfold(page, 'listMatches');
    await operation(page, 'listMatches').locator('.try-out__btn').click();
    await operation(page, 'listMatches').locator('.execute').click();
    const answer = operation(page, 'listMatches').locator('.live-responses-table .response-col_status').last();
    await answer.filter({ hasText: '200' }).waitFor(wait);
    assert.ok(asked.includes('/v1/matches'), asked.join());
    assert.equal(await over(page), 0, 'an operation open, with its answer');
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/reference-${name}.png` });

    await unfold(page, 'listAlarms');
    assert.equal(await operation(page, 'listAlarms').locator('.try-out').count(), 0, 'one of the admin address');
    await unfold(page, 'merge');
    assert.equal(await operation(page, 'merge').locator('.try-out').count(), 0, 'one that writes');
    assert.equal(await over(page), 0, 'more of them open');
    await close();
  });
}

test('its files come compressed, and are not sent again', async () => {
  const file = `${hub.url}/docs/swagger-ui-bundle.js`;
  const first = await fetch(file, { headers: { 'accept-encoding': 'br' } });
  assert.equal(first.headers.get('content-encoding'), 'br');
  assert.ok(Number(first.headers.get('content-length')) < 600_000, first.headers.get('content-length'));
  await first.arrayBuffer();
  const again = await fetch(file, { headers: { 'accept-encoding': 'br', 'if-none-match': first.headers.get('etag') } });
  assert.equal(again.status, 304);
});

test('a license is there, and what is not there is a 404', async () => {
  assert.equal((await fetch(`${hub.url}/docs/passwd`)).status, 404);
  assert.equal((await fetch(`${hub.url}/docs/LICENSE`)).status, 200);
});
