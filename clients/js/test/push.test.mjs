// The service worker in a real browser: what it shows of a push, and what a click opens; and the way of
// a goal from the feed to there. Needs GOALCAST_BIN, and Chromium. Pushes come from its debugger, not from
// a push service.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { asProvider, chromiumOptions, startGoalcast, wait } from './demo.mjs';

let server;
let origin;
let browser;

before(async () => {
  const worker = await readFile(new URL('../goalcast-sw.js', import.meta.url));
  server = createServer((req, res) => {
    const isWorker = req.url.split('?')[0] === '/goalcast-sw.js';
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

/**
 * Asks until the answer is true, and returns it. (Playwright's waitForFunction takes the promise of an async
 * function for its answer.)
 */
async function until(ask, else_ = () => 'it does not come about') {
  for (const end = Date.now() + wait.timeout; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
    const answer = await ask();
    if (answer) return answer;
  }
  return assert.fail(else_());
}

// open gives a page that may notify; deliver stands for the browser's push service.
async function open() {
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
  const deliver = async (data) => debug.send('ServiceWorker.deliverPushMessage',
    { origin, registrationId: await registered, data });
  return { context, page, registered, deliver };
}

// goal is what notify/webpush sends.
const goal = { title: 'GOAL! 67\' Noordzand United 1-0 Val-Rouge', navigate: '/match/900', body: 'Joris Van den Wuyts',
  lang: 'en', tag: 'opta:2750311967', renotify: true, silent: false, data: { match: '900', score: '1-0' } };

test('a goal is shown, its being taken back takes its place, and what is not ours is not shown', async () => {
  const { context, page, registered, deliver: push } = await open();
  await page.goto(`${origin}/`);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/goalcast-sw.js');
    await navigator.serviceWorker.ready;
  });
  await registered;
  const shows = (title) => until(() => page.evaluate(async (title) => {
    const all = await (await navigator.serviceWorker.ready).getNotifications();
    return all.length === 1 && all[0].title === title &&
      { tag: all[0].tag, body: all[0].body, lang: all[0].lang, data: all[0].data };
  }, title));

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
  await until(() => page.evaluate(async () =>
    (await (await navigator.serviceWorker.ready).getNotifications()).length === 0));
  await context.close();
});

// Browser is the half of a subscription that a browser keeps: RFC 8291.
class Browser {
  #keys = createECDH('prime256v1');
  #auth = randomBytes(16);
  #own = this.#keys.generateKeys();

  subscription(endpoint) {
    return { endpoint, expirationTime: null,
      keys: { p256dh: this.#own.toString('base64url'), auth: this.#auth.toString('base64url') } };
  }

  // open decrypts a body: salt, size of a record, the server's key, and one record.
  open(body) {
    const salt = body.subarray(0, 16);
    const theirs = body.subarray(21, 21 + body[20]);
    const record = body.subarray(21 + body[20]);
    const derive = (secret, salt, info, length) => Buffer.from(hkdfSync('sha256', secret, salt, info, length));
    const secret = derive(this.#keys.computeSecret(theirs), this.#auth,
      Buffer.concat([Buffer.from('WebPush: info\0'), this.#own, theirs]), 32);
    const key = derive(secret, salt, 'Content-Encoding: aes128gcm\0', 16);
    const cipher = createDecipheriv('aes-128-gcm', key, derive(secret, salt, 'Content-Encoding: nonce\0', 12));
    cipher.setAuthTag(record.subarray(-16));
    const padded = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()]);
    return padded.subarray(0, padded.lastIndexOf(2)).toString();
  }
}

test('a goal of the feed, and its being taken back, reach a page that did as the documentation says', async (t) => {
  const pushed = [];
  const service = createServer(async (req, res) => {
    pushed.push({ path: req.url, headers: req.headers, body: Buffer.concat(await req.toArray()) });
    res.writeHead(201).end();
  });
  await new Promise((done) => { service.listen(0, '127.0.0.1', done); });
  t.after(() => service.close());
  const key = execFileSync(process.env.GOALCAST_BIN, ['webpush-key'], { encoding: 'utf8' }).trim();
  const hub = await startGoalcast('serve', ['--me-origins', origin, '--push-receipts', '1', '--webpush-key', key,
    '--webpush-subject', 'https://goals.example.org/about', '--webpush-page', 'https://goals.example.org/match/{match}',
    '--webpush-endpoint', `http://127.0.0.1:${service.address().port}`]);
  t.after(() => hub.stop());

  const { context, page, deliver } = await open();
  t.after(() => context.close());
  const mine = new Browser();
  const token = randomBytes(24).toString('hex');
  await page.addInitScript((subscription) => { // no push service answers here
    PushManager.prototype.subscribe = async (options) => {
      window.options = options;
      return { toJSON: () => subscription };
    };
  }, mine.subscription('https://fcm.googleapis.com/fcm/send/page'));
  await page.goto(`${origin}/`);
  const docs = await readFile(new URL('../../../docs/webpush.md', import.meta.url), 'utf8');
  const [, snippet] = /^```js\n(.*?)^```/ms.exec(docs);
  const id = await page.evaluate(`(async (hub, token) => {${snippet}; return id; })('${hub.url}', '${token}')`);
  assert.ok(id);
  const options = await page.evaluate(() => window.options);
  assert.equal(options.userVisibleOnly, true);
  const vapid = Buffer.from(options.applicationServerKey, 'base64url');
  assert.deepEqual([vapid.length, vapid[0]], [65, 4], 'a point of P-256');

  const match = 9_000_000_031;
  const home = { id: 9_000_000_032, name: 'Millpond Athletic' };
  const me = { authorization: `Bearer ${token}` };
  const follow = await fetch(`${hub.url}/v1/me/follows/match:${match}`, { method: 'PUT', headers: me });
  assert.equal(follow.status, 204, await follow.text());
  const at = new Date().toISOString();
  const tell = async (status) => {
    const res = await fetch(`${hub.url}/feeds/json`, { method: 'POST', headers: asProvider,
      body: JSON.stringify({ time: new Date().toISOString(), match, fixture: { kickoff: at, home,
        competition: { id: 9_000_000_031, name: 'Sunday League' }, away: { id: 9_000_000_033, name: 'Quarry Town' } },
      events: [{ id: 'whistle', kind: 'period', period: 'first_half', at },
        { id: 'goal', kind: 'goal', status, team: home.id, period: 'first_half', minute: 1,
          player: { id: 9_000_000_101, name: 'Ida Fennick' } }] }) });
    assert.equal(res.status, 200, await res.text());
  };
  // arrives waits for a push of a tag, and hands it to the browser as its push service would.
  const arrives = async (tag, title) => {
    for (const end = Date.now() + wait.timeout; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
      for (const { path, headers, body } of pushed.splice(0)) {
        assert.equal(path, '/fcm/send/page');
        assert.equal(headers['content-encoding'], 'aes128gcm');
        assert.match(headers.authorization, new RegExp(`^vapid t=.+k=${options.applicationServerKey}`));
        const text = mine.open(body);
        const { notification } = JSON.parse(text);
        assert.match(notification.data.receipt, /^[\w-]{35}$/);
        if (!title.test(notification.title)) continue;
        assert.ok(tag === undefined || notification.tag === tag, `${notification.tag} instead of ${tag}`);
        await deliver(text);
        assert.equal(await until(() => page.evaluate(async (title) => {
          const all = await (await navigator.serviceWorker.ready).getNotifications();
          return all.length === 1 && all[0].title === title && all[0].data.navigate;
        }, notification.title)), `https://goals.example.org/match/${match}`);
        return notification.tag;
      }
    }
    assert.fail(`no push of ${title}\n${hub.output()}`);
  };
  await tell('confirmed');
  const tag = await arrives(undefined, /^GOAL/);
  await tell('cancelled');
  await arrives(tag, /cancelled/i);

  // Each is said to have been shown, by the page's service worker, which has no token.
  let metrics;
  await until(async () => {
    metrics = await (await fetch(`${hub.admin}/metrics`)).text();
    return /^goalcast_notify_receipts_total\{result="shown"\} 2$/m.test(metrics);
  }, () => metrics.match(/^goalcast_(notify_(receipts|shown)|rest_refused).*$/gm)?.join('\n'));

  const gone = await page.evaluate(async ([hub, token, id]) => (await fetch(`${hub}/v1/me/subscriptions/${id}`,
    { method: 'DELETE', headers: { Authorization: `Bearer ${token}` } })).status, [hub.url, token, id]);
  assert.equal(gone, 204);
});
