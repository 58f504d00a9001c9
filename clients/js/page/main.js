// main.js: the live page. It asks REST which matches there are on a day, follows their competitions
// over one connection, and hands every change to the cards, the detail and the phone.
import { Goalcast } from '../goalcast.js';
import { List } from './cards.js';
import { Detail } from './detail.js';
import { h, setText } from './dom.js';
import { Feed } from './feed.js';
import { Follows } from './follows.js';
import { Odds } from './odds.js';
import { Phone } from './phone.js';
import { currentLanguage, dayText, languages, setLanguage, t } from './words.js';

const byId = (id) => document.getElementById(id);
const latencies = []; // ms, of the newest events
const mostTopics = 90; // of the 100 that a connection may follow by default
let eventCount = 0;

async function main() {
  setLanguage(localStorage.getItem('goalcast.language') ?? navigator.language.slice(0, 2));
  const live = new Goalcast({ clockPings: 6, tabs: true });
  const page = { live, speed: 1, selected: undefined, listed: new Set(), found: undefined };
  page.now = () => page.stopped ?? live.now();
  page.home = () => { location.hash = page.day ? `d${page.day}` : ''; };
  page.select = (id) => { location.hash = `m${id}`; };
  page.shows = (match) => isOfDay(page, match);
  const languageButtons = languages.map((code) =>
    h('button', { type: 'button', lang: code, onclick: () => speak(page, code) }, code.toUpperCase()));
  byId('languages').append(...languageButtons);
  page.languageButtons = languageButtons;
  readAddress(page);
  showEmpty(page);

  const config = await ask('/page/config.json', () => { page.found = { failed: true }; showEmpty(page); });
  page.found = undefined;
  page.speed = config?.speed ?? 1;
  page.clips = config?.clips;
  page.follows = config?.pushes ? new Follows() : undefined;
  page.list = new List(page, byId('groups'));
  page.feed = new Feed(page, byId('feed'));
  page.odds = config?.odds ? new Odds(page) : undefined;
  page.detail = new Detail(page, byId('detail'));
  page.phone = config?.pushes ? new Phone(page, byId('side')) : undefined;

  live.on('status', (s) => showStatus(page, s));
  live.on('event', (e) => told(page, e));
  live.on('match', ({ match }) => changed(page, match));
  for (const end of ['online', 'offline']) addEventListener(end, () => showStatus(page, { status: live.status }));
  addEventListener('hashchange', () => move(page));
  speak(page, currentLanguage());

  choose(page);
  live.start(); // also without a match: it has to show when there is one, and that the hub is there
  const tick = () => { page.list.tick(); page.detail.tick(); page.odds?.show(); };
  setInterval(tick, Math.max(100, Math.min(1000, 15000 / page.speed)));
  await findMatches(page);
}

// ask fetches JSON, again and again until it comes. Each failure is told to failed.
async function ask(path, failed) {
  for (let wait = 1000; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const res = await fetch(path,
        { headers: { accept: 'application/json' }, cache: 'no-cache', signal: AbortSignal.timeout(10_000) });
      if (res.ok || res.status === 404) return res.ok ? await res.json() : undefined;
      throw new Error(`${path}: ${res.status}`);
    } catch (err) {
      console.warn(err);
      failed();
    }
    await new Promise((done) => setTimeout(done, wait * (0.5 + Math.random())));
  }
}

const dateOf = (time) => { // of this machine's day, "2026-05-17"
  const at = new Date(time);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
};

// readAddress: #d2026-05-17 is another day than today, #m7 a match.
function readAddress(page) {
  const day = /^#d(\d{4}-\d\d-\d\d)$/.exec(location.hash)?.[1];
  // behind a match stays the list from which it was opened
  if (day || !location.hash) page.day = day === dateOf(Date.now()) ? undefined : day;
}

// chosen is the match in the address, 0 without.
const chosen = () => Number(/^#m(\d+)$/.exec(location.hash)?.[1] ?? 0);

// isOfDay says whether a match stands in the list: of today also what began yesterday and is on, or
// has just ended.
function isOfDay(page, match) {
  if (page.listed.has(match.id)) return true;
  const kickoff = Date.parse(match.kickoff);
  if (page.day) return dateOf(kickoff) === page.day;
  const hours = (Date.now() - kickoff) / 3600_000;
  return dateOf(kickoff) === dateOf(Date.now()) || (hours > 0 && hours < (match.state === 'live' ? 36 : 6))
    || (match.state === 'live' && !match.kickoff);
}

// move follows the address.
function move(page) {
  const before = page.day;
  readAddress(page);
  if (page.day !== before) {
    page.listed.clear();
    page.found = undefined;
    page.list.arrange();
    showDay(page);
    showEmpty(page);
    findMatches(page);
  }
  choose(page);
}

// findMatches asks for the day's matches and follows their competitions: soon again while there are
// none, else now and then, since a competition may join the day. Today's list begins with what is in
// play since yesterday.
async function findMatches(page) {
  clearTimeout(page.search);
  const { day } = page;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const failed = () => {
    // else what is known is shown, and the status says the rest
    if (page.day === day && !page.found?.date) page.found = { failed: true };
    showEmpty(page);
  };
  const [list, inPlay] = await Promise.all([
    ask(`/v1/matches?tz=${encodeURIComponent(zone)}${day ? `&date=${day}` : ''}`, failed),
    day ? undefined : ask('/v1/matches?state=live', failed),
  ]);
  if (page.day !== day) return; // another day was chosen meanwhile
  page.found = list ?? { matches: [] };
  page.listed = new Set(page.found.matches.map((m) => m.id));
  const since = inPlay?.matches.filter((m) => page.shows(m) && !page.listed.has(m.id)) ?? [];
  const matches = [...since, ...page.found.matches];
  const topics = new Set(matches.map((m) => (m.competition?.id ? `competition:${m.competition.id}` : `match:${m.id}`)));
  for (const m of matches) if (!page.live.matches.has(m.id)) changed(page, m);
  page.live.subscribe(...[...topics].slice(0, mostTopics));
  page.list.arrange();
  if (!chosen() && page.selected === undefined) choose(page);
  showDay(page); // it may be another one by now
  showEmpty(page);
  page.search = setTimeout(() => findMatches(page), matches.length ? 60_000 : 2000);
}

// showEmpty says why no match is shown, and on which days there are some.
function showEmpty(page) {
  const { found } = page;
  const texts = [];
  if (!found || found.failed) texts.push(h('span', {}, t(found ? 'loadFailed' : 'loading')));
  else if (page.list.isEmpty) {
    const link = (name, date) => date && h('a', { href: `#d${date}` }, `${t(name)}: ${dayText(date)}`);
    texts.push(h('span', {}, t(page.day ? 'noMatchesThen' : 'noMatches')), link('nextDay', found.next),
      link('lastDay', found.previous));
  }
  const text = texts.filter(Boolean).map((el) => el.outerHTML).join();
  if (byId('empty').dataset.of === text) return; // nothing is announced for nothing
  byId('empty').dataset.of = text;
  byId('empty').replaceChildren(...texts.filter(Boolean));
}

// showDay shows which day the list is of; another one than today leads back.
function showDay(page) {
  const text = dayText(page.day ?? dateOf(Date.now()));
  byId('day').replaceChildren(...(page.day ? [h('a', { href: '#' }, `‹ ${t('today')}`), ` ${text}`] : [text]));
}

// changed: a match is another one than before.
function changed(page, match) {
  page.list.show(match);
  showEmpty(page);
  // nobody chose: go where the ball rolls
  if (!chosen() && page.shows(match)
    && (page.selected === undefined || page.list.match(page.selected)?.state === 'finished')) choose(page);
  if (page.selected === match.id) page.detail.show(match);
  if (page.shows(match)) page.phone?.known(match);
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

// choose shows the match in the address; without one, on a wide screen, the first that has
// something to show.
function choose(page) {
  const wanted = chosen();
  const id = wanted || page.list.favourite();
  document.documentElement.classList.toggle('reading', Boolean(wanted));
  if (id === page.selected) return;
  if (page.selected) page.live.unsubscribe(`match:${page.selected}`);
  page.selected = id;
  page.odds?.open(id);
  page.list.mark(id);
  page.detail.open(id && (page.live.matches.get(id) ?? page.list.match(id)), id && t('loading'));
  if (!id) return;
  page.live.subscribe(`match:${id}`); // its line-ups, which the competition's snapshot leaves out
  if (!page.detail.match) findMatch(page, id);
  if (wanted) scrollTo(0, 0);
}

// findMatch asks for a match that no list has: of another day, or of none.
async function findMatch(page, id) {
  const awaited = () => page.selected === id && !page.detail.match; // and the hub has not sent it meanwhile
  const match = await ask(`/v1/matches/${id}`, () => awaited() && page.detail.open(undefined, t('matchFailed')));
  if (!awaited()) return;
  if (match) {
    changed(page, match);
    return;
  }
  page.detail.open(undefined, t('noMatch'));
  setTimeout(() => awaited() && findMatch(page, id), 5000);
}

// showStatus shows how the hub is connected. While it is not, or hears nothing itself, nobody knows
// what goes on: clocks stop, and are marked.
function showStatus(page, { status }) {
  const now = status === 'paused' ? 'reconnecting' : status; // it is seen again when the page is
  const shown = navigator.onLine === false && now !== 'live' ? 'offline' : now;
  byId('status').dataset.status = shown;
  setText(byId('status-text'), t(shown));
  const away = !['live', 'connecting'].includes(shown);
  page.stopped = away ? page.stopped ?? page.live.now() : undefined;
  document.documentElement.toggleAttribute('data-away', away);
  page.odds?.show();
  byId('status').title = away ? t('clockStopped') : '';
}

function showNumbers() {
  const sorted = [...latencies].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const parts = [h('span', {}, h('b', {}, String(eventCount)), ` ${t('events')}`)];
  if (median !== undefined) parts.unshift(h('span', { id: 'latency' },
    h('b', {}, `${Math.max(1, Math.round(median))} ms`), ` ${t('latency')}`));
  byId('numbers').replaceChildren(...parts);
}

function speak(page, code) {
  setLanguage(code);
  localStorage.setItem('goalcast.language', code);
  for (const button of page.languageButtons) button.setAttribute('aria-pressed', String(button.lang === code));
  setText(byId('list-title'), t('matches'));
  showDay(page);
  showEmpty(page);
  document.title = `goalcast · ${t('title')}`;
  showStatus(page, { status: page.live.status === 'closed' ? 'connecting' : page.live.status });
  showNumbers();
  page.list?.retell();
  page.feed?.retell();
  page.odds?.retell();
  page.detail?.retell();
  page.phone?.retell();
  page.follows?.speak(code);
}

main();
