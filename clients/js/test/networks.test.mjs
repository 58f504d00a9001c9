// The live page on networks that are not as they should be: real Chromium, a real hub, a real nginx. It
// is right by itself each time, and shows each goal once. Needs GOALCAST_BIN, Chromium and nginx.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumOptions, freePort, startGoalcast, wait } from './demo.mjs';
import { Match } from './football.mjs';

let folder;
let hub;
let browser;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'goalcast-networks-'));
  [hub, browser] = await Promise.all([startGoalcast('serve'), chromium.launch(chromiumOptions)]);
});
after(async () => {
  await browser?.close();
  await hub?.stop();
  await rm(folder, { recursive: true, force: true });
});

// open opens a match on the page, and notes each score that it shows.
async function open(url, match, prepare = () => {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  await prepare(page);
  await page.goto(`${url}/#m${match.id}`);
  await shows(page, 'live', 0);
  await page.evaluate(() => {
    const score = document.querySelector('.hero-score');
    window.shown = [score.textContent];
    new MutationObserver(() => score.textContent === window.shown.at(-1) || window.shown.push(score.textContent))
      .observe(score, { childList: true, characterData: true, subtree: true });
  });
  return { page, shown: async () => (await page.evaluate(() => window.shown)).map((text) => Number(text.split('–')[0])),
    close: () => context.close() };
}

const shows = (page, status, goals) => page.waitForFunction(([want, score]) =>
  document.querySelector('#status')?.dataset.status === want
    && document.querySelector('.hero-score')?.textContent.startsWith(`${score}–`), [status, goals], wait);

// nginx starts a bad one: it lets no WebSocket through, and keeps event streams until they are full.
async function nginx(base) {
  const port = await freePort();
  const config = join(folder, 'nginx.conf');
  await writeFile(config, `pid ${folder}/pid; error_log ${folder}/error; daemon off; events { worker_connections 64; }
http { access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  server { listen 127.0.0.1:${port}; location / { proxy_pass ${base};
    proxy_buffering on; proxy_buffers 8 64k; proxy_ignore_headers X-Accel-Buffering; } } }
`);
  const bin = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path)) ?? 'nginx';
  const child = spawn(bin, ['-p', folder, '-c', config], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + wait.timeout; !await fetch(`${url}/v1/matches`).then((r) => r.ok, () => false);) {
    assert.ok(Date.now() < end && child.exitCode === null, 'nginx does not start');
    await new Promise((done) => setTimeout(done, 50));
  }
  return { url, stop: () => child.kill() };
}

test('an nginx that kills WebSockets and buffers event streams: each goal once, by the long poll', async () => {
  const front = await nginx(hub.url);
  try {
    const match = await new Match(hub.url).tell();
    const asked = new Set();
    const { page, shown, close } = await open(front.url, match, (one) => one.on('request',
      (request) => request.url().includes('/v1/live?') && asked.add(request.resourceType())));
    await match.goal();
    await shows(page, 'live', 1);
    await match.goal();
    await shows(page, 'live', 2);
    assert.deepEqual(await shown(), [0, 1, 2]);
    assert.deepEqual([...asked].sort(), ['eventsource', 'fetch']);
    await close();
  } finally {
    front.stop();
  }
});

test('a hub that is killed and comes back: the goals of meanwhile are there, none twice', async () => {
  const [port, admin, database] = [await freePort(), await freePort(), `sqlite:${join(folder, 'killed.db')}`];
  const start = () => startGoalcast('serve', ['--database-url', database], 3, { port, admin });
  const first = await start();
  const match = await new Match(first.url).tell();
  const { page, shown, close } = await open(first.url, match);
  await match.goal();
  await shows(page, 'live', 1);
  await first.kill();
  await page.waitForSelector('#status:not([data-status=live])', wait);
  const second = await start(); // at the same address
  await match.goal();
  await shows(page, 'live', 2);
  await match.goal();
  await shows(page, 'live', 3);
  assert.deepEqual(await shown(), [0, 1, 2, 3]);
  await close();
  await second.stop();
});

for (const hours of [-3, 26]) {
  test(`a device whose clock is ${hours} h off shows the minute that it is`, async () => {
    const match = await new Match(hub.url).tell();
    const { page, close } = await open(hub.url, match, (one) => one.addInitScript((off) => {
      const Real = Date;
      window.Date = class extends Real {
        constructor(...args) { super(...(args.length ? args : [Real.now() + off])); }

        static now() { return Real.now() + off; }
      };
    }, hours * 3600_000));
    await match.goal();
    await shows(page, 'live', 1);
    // 30 minutes and what the test takes; within the added time it would say 45+
    await page.waitForFunction(() => /^3\d/.test(document.querySelector('.detail .clock')?.textContent ?? ''), undefined,
      wait);
    await close();
  });
}
