// main.js: the live page. It asks REST which matches there are today, follows their competitions over one connection, and hands every change to the
// cards, the detail and the phone.
import { Goalcast } from '../goalcast.js';
import { List } from './cards.js';
import { Detail } from './detail.js';
import { h, setText } from './dom.js';
import { Feed } from './feed.js';
import { Follows } from './follows.js';
import { Phone } from './phone.js';
import { currentLanguage, languages, setLanguage, t } from './words.js';

const byId = (id) => document.getElementById(id);
const latencies = []; // ms, of the newest events
let eventCount = 0;

async function main() {
  setLanguage(localStorage.getItem('goalcast.language') ?? navigator.language.slice(0, 2));
  const config = await fetch('/page/config.json').then((r) => r.json());
  const live = new Goalcast({ clockPings: 6 });
  const page = { live, speed: config.speed, now: () => live.now(), selected: undefined };
  page.follows = config.pushes ? new Follows() : undefined;
  page.select = (id) => { location.hash = `m${id}`; };
  page.list = new List(page, byId('groups'));
  page.feed = new Feed(page, byId('feed'));
  page.detail = new Detail(page, byId('detail'));
  page.phone = config.pushes ? new Phone(page, byId('side')) : undefined;

  live.on('status', (s) => showStatus(s));
  live.on('event', (e) => told(page, e));
  live.on('match', ({ match }) => changed(page, match));
  for (const end of ['online', 'offline']) addEventListener(end, () => showStatus({ status: live.status }));
  addEventListener('hashchange', () => choose(page));
  const languageButtons = languages.map((code) => h('button', { type: 'button', lang: code, onclick: () => speak(page, code) }, code.toUpperCase()));
  byId('languages').append(...languageButtons);
  page.languageButtons = languageButtons;
  speak(page, currentLanguage());

  choose(page);
  setInterval(() => { page.list.tick(); page.detail.tick(); }, Math.max(100, Math.min(1000, 15000 / page.speed)));
  await findMatches(page);
}

// findMatches asks for today's matches and follows their competitions: soon again while there are none, else now and then, since a
// competition may join the day.
async function findMatches(page) {
  let found = 0;
  try {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const res = await fetch(`/v1/matches?tz=${encodeURIComponent(zone)}`, { headers: { accept: 'application/json' } });
    if (!res.ok) throw new Error(`matches: ${res.status}`);
    const { matches } = await res.json();
    found = matches.length;
    const topics = new Set(matches.map((m) => (m.competition?.id ? `competition:${m.competition.id}` : `match:${m.id}`)));
    for (const m of matches) if (!page.live.matches.has(m.id)) changed(page, m);
    page.live.subscribe(...topics);
    if (topics.size > 0) page.live.start();
    setText(byId('empty'), found ? '' : t('noMatches'));
  } catch (err) {
    console.warn(err); // asked again below
  }
  setTimeout(() => findMatches(page), found ? 60_000 : 1500);
}

// changed: a match is another one than before.
function changed(page, match) {
  setText(byId('empty'), '');
  page.list.show(match);
  if (!location.hash && (page.selected === undefined || page.list.match(page.selected)?.state === 'finished')) choose(page); // nobody chose: go where the ball rolls
  if (page.selected === match.id) page.detail.show(match);
  page.phone?.known(match);
}

// told: something happened just now.
function told(page, { event, match, previous, latency }) {
  eventCount++;
  if (latency.total !== undefined) {
    latencies.push(latency.total);
    if (latencies.length > 50) latencies.shift();
  }
  showNumbers();
  if (!match) return;
  const before = previous?.timeline?.find((e) => e.id === event.id);
  page.list.told(event, match, before);
  page.feed.told(event, match, before);
  if (page.selected === match.id) page.detail.told(event, before);
  const words = announcement(event, match, before);
  if (words) setText(byId('announcer'), words);
}

// announcement is what a screen reader says: goals, and goals that are none.
function announcement(event, match, before) {
  if (event.kind !== 'goal') return '';
  const score = `${match.home.name ?? ''} ${match.score.home}–${match.score.away} ${match.away.name ?? ''}`;
  if (event.status === 'cancelled') return before && before.status !== 'cancelled' ? `${t('noGoal')}: ${score}` : '';
  return before ? '' : `${t('goal')}! ${score}. ${event.player?.name ?? ''} ${event.clock ?? ''}`;
}

// choose shows the match in the address; without one, on a wide screen, the first that has something to show.
function choose(page) {
  const wanted = Number(/^#m(\d+)$/.exec(location.hash)?.[1]);
  const id = wanted || page.list.favourite();
  document.documentElement.classList.toggle('reading', Boolean(wanted));
  if (id === page.selected) return;
  if (page.selected) page.live.unsubscribe(`match:${page.selected}`);
  page.selected = id;
  page.list.mark(id);
  if (!id) return;
  page.live.subscribe(`match:${id}`); // its line-ups, which the competition's snapshot leaves out
  page.detail.open(page.live.matches.get(id) ?? page.list.match(id));
  if (wanted) scrollTo(0, 0);
}

function showStatus({ status }) {
  const shown = navigator.onLine === false && status !== 'live' ? 'offline' : status;
  byId('status').dataset.status = shown;
  setText(byId('status-text'), t(shown));
}

function showNumbers() {
  const sorted = [...latencies].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const parts = [h('span', {}, h('b', {}, String(eventCount)), ` ${t('events')}`)];
  if (median !== undefined) parts.unshift(h('span', { id: 'latency' }, h('b', {}, `${Math.max(1, Math.round(median))} ms`), ` ${t('latency')}`));
  byId('numbers').replaceChildren(...parts);
}

function speak(page, code) {
  setLanguage(code);
  localStorage.setItem('goalcast.language', code);
  for (const button of page.languageButtons) button.setAttribute('aria-pressed', String(button.lang === code));
  setText(byId('list-title'), t('matches'));
  setText(byId('day'), new Intl.DateTimeFormat(code, { weekday: 'long', day: 'numeric', month: 'long' }).format(new Date()));
  if (byId('empty').textContent) setText(byId('empty'), t('noMatches'));
  document.title = `goalcast · ${t('title')}`;
  showStatus({ status: page.live.status === 'closed' ? 'connecting' : page.live.status });
  showNumbers();
  page.list.retell();
  page.feed.retell();
  page.detail.retell();
  page.phone?.retell();
  page.follows?.speak(code);
}

main();
