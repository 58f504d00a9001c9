// main.js: the live page. It asks REST which matches there are on a day, or of a team or a competition,
// follows them over one connection, and hands every change to the cards, the detail and the phone.
import { Goalcast } from '../goalcast.js';
import { AsOf } from './asof.js';
import { List } from './cards.js';
import { dateOf, dayAddress, dayAfter, Day } from './day.js';
import { Detail } from './detail.js';
import { h, setText } from './dom.js';
import { Feed } from './feed.js';
import { Follows } from './follows.js';
import { follow as followRelease, install } from './install.js';
import { Odds } from './odds.js';
import { Phone } from './phone.js';
import { Place } from './place.js';
import { Push } from './push.js';
import { Search } from './search.js';
import { Theme } from './theme.js';
import { matchOf, viewOf } from './view.js';
import { currentLanguage, dayText, languages, setLanguage, t } from './words.js';

const byId = (id) => document.getElementById(id);
const latencies = []; // ms, of the newest events
const mostTopics = 90; // of the 100 that a connection may follow by default
const back = 7; // days that the lists of teams and competitions go back ...
const ahead = 14; // ... and ahead
let eventCount = 0;

async function main() {
  setLanguage(localStorage.getItem('goalcast.language') ?? navigator.language.slice(0, 2));
  history.scrollRestoration = 'manual'; // lists come later than the browser would scroll
  const live = new Goalcast({ clockPings: 6, tabs: true });
  // view is the list that is shown, as viewOf gives it; topics are what it follows; selected is the match
  const page = { live, speed: 1, selected: undefined, listed: new Set(), found: undefined, topics: [], ask,
    view: { kind: 'day', address: '' } };
  page.now = () => page.asOf?.at ?? page.stopped ?? live.now();
  page.home = () => { location.hash = page.view.address; };
  page.select = (id) => { location.hash = `m${id}`; };
  page.shows = (match) => isInView(page, match);
  const languageButtons = languages.map((code) =>
    h('button', { type: 'button', lang: code, onclick: () => speak(page, code) }, code.toUpperCase()));
  byId('languages').append(...languageButtons);
  page.languageButtons = languageButtons;
  page.theme = new Theme(byId('theme'));
  page.day = new Day(byId('day'));
  page.finder = new Search(page, byId('search'));
  readAddress(page);
  showDay(page);
  showEmpty(page);

  const config = await ask('/page/config.json', () => { page.found = { failed: true }; showEmpty(page); });
  page.found = undefined;
  page.speed = config?.speed ?? 1;
  page.clips = config?.clips;
  page.follows = config?.pushes || config?.webpush ? new Follows(config.pushes) : undefined;
  page.list = new List(page, byId('groups'));
  page.feed = new Feed(page, byId('feed'));
  page.odds = config?.odds ? new Odds(page) : undefined;
  page.detail = new Detail(page, byId('detail'));
  page.place = new Place(page, byId('place'), byId('board'));
  page.push = config?.webpush ? new Push(page.follows, byId('push')) : undefined;
  page.asOf = new AsOf(page);
  page.phone = config?.pushes ? new Phone(page, byId('side')) : undefined;

  live.on('status', (s) => showStatus(page, s));
  live.on('event', (e) => told(page, e));
  live.on('match', ({ match }) => changed(page, match));
  live.on('state', ({ key }) => key === 'table' && page.place.changed());
  for (const end of ['online', 'offline']) addEventListener(end, () => showStatus(page, { status: live.status }));
  addEventListener('hashchange', (e) => move(page, e));
  page.place.open(page.view);
  speak(page, currentLanguage());

  choose(page);
  live.start(); // also without a match: it has to show when there is one, and that the hub is there
  const tick = () => { page.list.tick(); page.detail.tick(); page.odds?.show(); };
  setInterval(tick, Math.max(100, Math.min(1000, 15000 / page.speed)));
  followRelease(live, config?.version);
  await findMatches(page);
  install();
}

// ask fetches JSON, again and again until it comes; undefined is what the hub does not have. Each failure
// is told to failed.
async function ask(path, failed = () => {}) {
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

// readAddress: behind a match stays the list from which it was opened, and so it does behind nonsense.
function readAddress(page) {
  const view = viewOf(location.hash, dateOf(Date.now()));
  if (view && view.address !== page.view.address) page.view = view;
}

// chosen is the match in the address, 0 without.
const chosen = () => matchOf(location.hash);

// isInView says whether a match stands in the list: of today also what began yesterday and is on, or
// has just ended.
function isInView(page, match) {
  if (page.listed.has(match.id)) return true;
  const { kind, id, date } = page.view;
  const kickoff = Date.parse(match.kickoff);
  const hours = (Date.now() - kickoff) / 3600_000;
  if (kind !== 'day') {
    const belongs = kind === 'team' ? [match.home.id, match.away.id].includes(id)
      : kind === 'competition' && match.competition?.id === id;
    return belongs && (match.state === 'live' || (hours < back * 24 && hours > -ahead * 24));
  }
  if (date) return dateOf(kickoff) === date;
  return dateOf(kickoff) === dateOf(Date.now()) || (hours > 0 && hours < (match.state === 'live' ? 36 : 6))
    || (match.state === 'live' && !match.kickoff);
}

// move follows the address.
function move(page, { oldURL }) {
  const before = page.view.address;
  if (!matchOf(new URL(oldURL).hash)) page.scrolled = scrollY;
  readAddress(page);
  if (page.view.address !== before) {
    page.listed.clear();
    page.found = undefined;
    page.scrolled = 0;
    page.place.open(page.view);
    page.list.arrange();
    showDay(page);
    findMatches(page);
  }
  choose(page);
  showTitle(page);
  showEmpty(page);
  scrollTo(0, chosen() ? 0 : page.scrolled);
}

// findMatches asks for the matches of the list and follows where they are played: soon again while there
// are none, else now and then, since others may join them.
async function findMatches(page) {
  clearTimeout(page.search);
  const { view } = page;
  const failed = () => {
    if (page.view === view && !page.found?.matches) page.found = { failed: true };
    if (page.found?.failed) showLast(page);
    showEmpty(page);
  };
  const found = await (view.kind === 'day' ? askDay : askPlace)(view, failed);
  if (page.view !== view) return; // another one was chosen meanwhile
  page.asOf.end();
  showStatus(page, { status: page.live.status });
  page.found = found ?? { matches: [], unknown: view.kind !== 'day' };
  page.listed = new Set(page.found.listed ?? page.found.matches.map((m) => m.id));
  const matches = page.found.matches.filter(page.shows);
  for (const m of matches) if (!(page.live.matches.get(m.id)?.seq >= (m.seq ?? 0))) changed(page, m);
  page.topics = topicsOf(view, matches).slice(0, mostTopics);
  follow(page);
  page.list.arrange();
  if (found && view.kind === 'player') page.place.player(found);
  else if (found && view.kind !== 'day') page.place.known(found).then(() => showTitle(page));
  if (!chosen() && page.selected === undefined) choose(page);
  showDay(page); // it may be another one by now
  showTitle(page);
  showEmpty(page);
  page.search = setTimeout(() => findMatches(page), matches.length || found?.squads ? 60_000 : 2000);
}

// zone is where this machine's days begin.
const zone = () => encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone);

// askDay gives a day's matches; today's list begins with what is in play since yesterday.
async function askDay({ date }, failed) {
  const [list, inPlay] = await Promise.all([
    ask(`/v1/matches?tz=${zone()}${date ? `&date=${date}` : ''}`, failed),
    date ? undefined : ask('/v1/matches?state=live', failed),
  ]);
  const listed = list?.matches.map((m) => m.id) ?? [];
  const since = inPlay?.matches.filter((m) => !listed.includes(m.id)) ?? [];
  return { ...list, listed, matches: [...since, ...list?.matches ?? []] };
}

// askPlace gives what the hub knows of a team, a competition or a player; undefined if it does not.
async function askPlace({ kind, id }, failed) {
  const span = kind === 'competition' ? `?tz=${zone()}&date=${dayAfter(dateOf(Date.now()), -back)}&days=${back + ahead}`
    : '';
  const found = await ask(`/v1/${kind}s/${id}${span}`, failed);
  return found && { ...found, matches: found.matches ?? [] };
}

// topicsOf says what a list follows.
function topicsOf({ kind, id }, matches) {
  if (kind === 'team' || kind === 'competition') return [`${kind}:${id}`];
  return [...new Set(matches.map((m) => (m.competition?.id ? `competition:${m.competition.id}` : `match:${m.id}`)))];
}

// follow asks the hub for what is shown, and for nothing else.
function follow(page) {
  const wanted = [...page.topics, ...(page.selected ? [`match:${page.selected}`] : [])]; // with its line-ups
  page.live.unsubscribe(...page.live.topics.filter((topic) => /^(match|team|competition):/.test(topic)
    && !wanted.includes(topic)));
  page.live.subscribe(...wanted);
}

// showLast shows what was shown when the hub could be reached last.
function showLast(page) {
  page.asOf.show((match) => changed(page, match));
  showStatus(page, { status: page.live.status });
}

// showEmpty says why no match is shown, and on which days there are some.
function showEmpty(page) {
  const { found, view } = page;
  const texts = [];
  const nothing = page.list?.isEmpty ?? true; // else what is known is shown, and the status says the rest
  if (!found || found.failed) texts.push(nothing && h('span', {}, t(found ? 'loadFailed' : 'loading')));
  else if (found.unknown) texts.push(h('span', {}, t('notKnown')));
  else if (nothing && view.kind !== 'player') {
    const link = (name, date) => date && h('a', { href: dayAddress(date) }, `${t(name)}: ${dayText(date)}`);
    const none = view.kind === 'day' ? view.date ? 'noMatchesThen' : 'noMatches' : 'noMatchesNear';
    texts.push(h('span', {}, t(none)), link('nextDay', found.next), link('lastDay', found.previous));
  }
  const text = texts.filter(Boolean).map((el) => el.outerHTML).join();
  if (byId('empty').dataset.of === text) return; // nothing is announced for nothing
  byId('empty').dataset.of = text;
  byId('empty').replaceChildren(...texts.filter(Boolean));
}

// showDay shows which day the list is of.
function showDay(page) {
  document.documentElement.dataset.view = page.view.kind;
  page.day.show(page.view.date);
}

// showTitle says what the page shows, in its tab and to who hears it.
function showTitle(page) {
  const list = page.view.kind === 'day' ? undefined : page.place?.name;
  const match = chosen() ? page.detail?.match : undefined;
  const name = match ? `${match.home.name ?? ''} – ${match.away.name ?? ''}` : list;
  byId('list').setAttribute('aria-label', list ?? t('matches'));
  setText(byId('title'), name ?? t('matches'));
  document.title = name ? `${name} · goalcast` : `goalcast · ${t('title')}`;
}

// changed: a match is another one than before.
function changed(page, match) {
  page.list.show(match);
  showEmpty(page);
  // nobody chose: go where the ball rolls
  if (!chosen() && page.shows(match)
    && (page.selected === undefined || page.list.match(page.selected)?.state === 'finished')) choose(page);
  if (page.selected === match.id) {
    page.detail.show(match);
    showTitle(page);
  }
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
  page.place.standings.told(event, match);
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

// choose shows the match in the address; without one, on a wide screen, the first that has something to
// show, or beside the matches of a team or competition its table.
function choose(page) {
  const wanted = chosen();
  const { kind } = page.view;
  const id = wanted || (kind === 'day' ? page.list.favourite() : undefined);
  document.documentElement.classList.toggle('reading', Boolean(wanted));
  byId('board').hidden = Boolean(wanted) || kind === 'day';
  byId('detail').hidden = !byId('board').hidden;
  if (id === page.selected) return;
  page.selected = id;
  page.odds?.open(id);
  page.list.mark(id);
  page.detail.open(id && (page.live.matches.get(id) ?? page.list.match(id)), id && t('loading'));
  follow(page);
  if (id && !page.detail.match) findMatch(page, id);
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
  setText(byId('status-text'), page.asOf?.text ?? t(shown));
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
  showDay(page);
  showTitle(page);
  showEmpty(page);
  showStatus(page, { status: page.live.status === 'closed' ? 'connecting' : page.live.status });
  showNumbers();
  page.list?.retell();
  page.feed?.retell();
  page.odds?.retell();
  page.detail?.retell();
  page.phone?.retell();
  page.follows?.speak(code);
  page.push?.retell();
  page.place?.retell();
  page.finder.retell();
  page.theme.retell();
}

main();
