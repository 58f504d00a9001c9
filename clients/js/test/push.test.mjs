// The service worker in a real browser: what it shows of a push, and what a click opens. Needs
// Chromium. Pushes come from its debugger, not from a push service.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumOptions, wait } from './demo.mjs';

let server;
let origin;
let browser;

before(async () => {
  const worker = await readFile(new URL('../goalcast-sw.js', import.meta.url));
  server = createServer((req, res) => {
    const isWorker = req.url === '/goalcast-sw.js';
    res.setHeader('Content-Type', isWorker ? 'text/javascript' : 'text/html');
    res.end(isWorker ? worker : '<!doctype html><title>page</title>');
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await chromium.launch(chromiumOptions);
});

after(async () => {
  await browser?.close();
  server?.close();
});

// goal is what notify/webpush sends.
const goal = { title: 'GOAL! 67\' Noordzand United 1-0 Val-Rouge', navigate: '/match/900', body: 'Joris Van den Wuyts',
  lang: 'en', tag: 'opta:2750311967', renotify: true, silent: false, data: { match: '900', score: '1-0' } };

test('a goal is shown, its being taken back takes its place, and what is not ours is not shown', async () => {
  const context = await browser.newContext({ permissions: ['notifications'] });
  const page = await context.newPage();
  page.setDefaultTimeout(wait.timeout);
  const debug = await context.newCDPSession(page);
  const registered = new Promise((done) => {
    debug.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const ours = registrations.find((r) => r.scopeURL.startsWith(origin));
      if (ours) done(ours.registrationId);
    });
  });
  await debug.send('ServiceWorker.enable');
  await page.goto(`${origin}/`);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/goalcast-sw.js');
    await navigator.serviceWorker.ready;
  });
  const registrationId = await registered;
  const push = (data) => debug.send('ServiceWorker.deliverPushMessage', { origin, registrationId, data });
  const shows = (title) => page.waitForFunction(async (title) => {
    const all = await (await navigator.serviceWorker.ready).getNotifications();
    return all.length === 1 && all[0].title === title &&
      { tag: all[0].tag, body: all[0].body, lang: all[0].lang, data: all[0].data };
  }, title, wait).then((shown) => shown.jsonValue());

  await push('not ours');
  await push(JSON.stringify({ web_push: 1, notification: { title: 'not ours' } }));
  await push(JSON.stringify({ web_push: 8030, notification: goal }));
  assert.deepEqual(await shows(goal.title), { tag: goal.tag, body: goal.body, lang: 'en',
    data: { match: '900', score: '1-0', navigate: '/match/900' } });
  const off = { ...goal, title: 'Goal cancelled: Noordzand United 0-0 Val-Rouge' };
  await push(JSON.stringify({ web_push: 8030, notification: off }));
  await shows(off.title);

  const [worker] = context.serviceWorkers();
  assert.equal(await worker.evaluate(async () => {
    const [notification] = await self.registration.getNotifications();
    let opened;
    self.clients.openWindow = async (url) => { opened = url; }; // a real one wants a person's click
    self.dispatchEvent(new NotificationEvent('notificationclick', { notification }));
    return opened;
  }), '/match/900');
  await page.waitForFunction(async () =>
    (await (await navigator.serviceWorker.ready).getNotifications()).length === 0, undefined, wait);
  await context.close();
});
