// How long a goal takes from the provider's POST to the page: real Chromium, a real hub, one machine. Beside
// it, of the same goals, a WebSocket in Node that does nothing but note them: what is between the two is
// the browser, the SDK and the page. `GOALCAST_BIN=... npm run bench` prints medians and the slow end.
import { chromium } from 'playwright-core';
import WebSocket from 'ws';
import { chromiumOptions, startGoalcast, wait } from './demo.mjs';
import { Match } from './football.mjs';

const goals = Number(process.env.GOALS ?? 100);

const hub = await startGoalcast('serve');
const browser = await chromium.launch(chromiumOptions);
try {
  const match = await new Match(hub.url).tell();
  const page = await browser.newPage();
  await page.goto(`${hub.url}/#m${match.id}`);
  await page.waitForFunction(() => document.querySelector('#status').dataset.status === 'live'
    && document.querySelector('.hero-score')?.textContent.startsWith('0–'), undefined, wait);
  await page.evaluate(() => {
    window.shown = [];
    const score = document.querySelector('.hero-score');
    new MutationObserver(() => { window.shown[Number(score.textContent.split('–')[0])] ??= Date.now(); })
      .observe(score, { childList: true, characterData: true, subtree: true });
  });
  const heard = [];
  const bare = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/live?topics=match:${match.id}`);
  bare.on('message', (data) => {
    const { event } = JSON.parse(data);
    if (event?.kind === 'goal') heard[event.score.home] ??= Date.now();
  });
  await new Promise((done) => { bare.once('message', done); });

  const [toPage, toSocket] = [[], []];
  for (let n = 1; n <= goals; n++) {
    const posted = Date.now();
    await match.goal();
    await page.waitForFunction((score) => window.shown[score], n, wait);
    toPage.push(await page.evaluate((score) => window.shown[score], n) - posted);
    toSocket.push(heard[n] - posted);
    await new Promise((done) => { setTimeout(done, 100); });
  }
  for (const [what, times] of [['to the page', toPage], ['to a bare WebSocket', toSocket]]) {
    const sorted = times.sort((a, b) => a - b);
    const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
    console.log(`POST ${what}: median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${sorted.at(-1)} ms, of ${goals} goals`);
  }
} finally {
  await browser.close();
  await hub.stop();
}
