// cards.js: the list of matches, one card each, in the order of kick-off: a card never moves while one
// looks at it. A day's are grouped by competition, those of a team or a competition by day.
import { dateOf, dayAddress } from './day.js';
import { crest, flash, h, setChildren, setText } from './dom.js';
import { clockOf, isCancelled, place, progress, sign, tell } from './tell.js';
import { dayText, t } from './words.js';

const shoutTime = 4200; // ms a card shouts
const newest = 8; // finished matches of a competition beyond its newest ones are folded away

export class List {
  #page;
  #root;
  #cards = new Map();
  #groups = new Map(); // key -> {root, cards, folded, title}

  constructor(page, root) {
    this.#page = page;
    this.#root = root;
  }

  match(id) { return this.#cards.get(id)?.match; }

  show(match) {
    let card = this.#cards.get(match.id);
    if (!card) {
      card = new Card(this.#page, match);
      this.#cards.set(match.id, card);
      this.#page.follows?.onChange(() => card.showStar());
    }
    const moved = !card.shown || card.match.kickoff !== match.kickoff || card.match.state !== match.state
      || card.match.competition?.id !== match.competition?.id;
    card.show(match);
    if (moved) this.arrange();
  }

  /** The matches that are shown, in order. */
  get shown() { return this.#sorted(); }

  get isEmpty() { return this.#sorted().length === 0; }

  told(event, match, before) { this.#cards.get(match.id)?.told(event, before); }
  tick() { for (const card of this.#cards.values()) card.tick(); }
  retell() { for (const card of this.#cards.values()) card.show(card.match); this.arrange(); }
  mark(id) { for (const card of this.#cards.values()) card.root.toggleAttribute('data-selected',
    card.match.id === id); }

  /**
   * The match to show when nobody chose one: the first that is on, else the next, else the last.
   */
  favourite() {
    const all = this.#sorted();
    return (all.find((m) => m.state === 'live') ?? all.find((m) => m.state === 'scheduled') ?? all.at(-1))?.id;
  }

  #sorted() {
    return [...this.#cards.values()].map((c) => c.match).filter(this.#page.shows).sort((a, b) =>
      (Date.parse(a.kickoff) || 0) - (Date.parse(b.kickoff) || 0) || a.id - b.id);
  }

  /** Brings the cards of what the page shows into their groups. */
  arrange() {
    const sections = this.#page.view.kind === 'day' ? [[undefined, this.#byCompetition()]] : this.#bySection();
    const order = [];
    for (const [title, groups] of sections) {
      if (title) order.push(this.#label(title));
      for (const [key, [name, address, matches]] of groups) order.push(this.#group(key, name, address, matches));
    }
    setChildren(this.#root, order);
  }

  #byCompetition() {
    const groups = new Map();
    for (const match of this.#sorted()) {
      const { id = 0, name } = match.competition ?? {};
      const group = groups.get(id) ?? ['', id ? `#c${id}` : undefined, []];
      group[0] = name || t('matches');
      group[2].push(match);
      groups.set(id, group);
    }
    return groups;
  }

  // What is on, then what comes, then what was: the newest first.
  #bySection() {
    const sections = { live: new Map(), coming: new Map(), results: new Map() };
    for (const match of this.#sorted()) {
      const section = match.state === 'live' ? 'live' : match.state === 'scheduled' || match.state === 'postponed'
        ? 'coming' : 'results';
      const date = match.kickoff && section !== 'live' ? dateOf(match.kickoff) : '';
      const group = sections[section].get(`${section} ${date}`)
        ?? [date ? dayText(date) : '', date ? dayAddress(date) : undefined, []];
      group[2].push(match);
      sections[section].set(`${section} ${date}`, group);
    }
    return Object.entries(sections).filter(([, groups]) => groups.size > 0)
      .map(([name, groups]) => [name, name === 'results' ? new Map([...groups].reverse()) : groups]);
  }

  #label(name) {
    if (!this.#groups.has(name)) this.#groups.set(name, { root: h('h2', { class: 'section' }) });
    const { root } = this.#groups.get(name);
    setText(root, t(name));
    return root;
  }

  #group(key, name, address, matches) {
    if (!this.#groups.has(key)) this.#groups.set(key, newGroup(typeof key === 'number' ? 'h2' : 'h3', address));
    const group = this.#groups.get(key);
    const old = matches.filter((m, i) => m.state === 'finished' && i < matches.length - newest);
    const cardOf = (m) => this.#cards.get(m.id).root;
    setText(group.name, name);
    setText(group.count, String(matches.length - old.length));
    group.title.hidden = !name;
    setChildren(group.cards, matches.filter((m) => !old.includes(m)).map(cardOf));
    setChildren(group.old, old.map(cardOf).reverse());
    setText(group.summary, `${t('earlier')} (${old.length})`);
    group.fold.hidden = old.length === 0;
    for (const m of matches) this.#cards.get(m.id).shown = true;
    return group.root;
  }
}

function newGroup(heading, address) {
  const g = { name: h(address ? 'a' : 'span', { href: address }), count: h('span', { class: 'count' }),
    cards: h('div', { class: 'cards' }), old: h('div', { class: 'cards' }), summary: h('summary') };
  g.title = h(heading, {}, g.name, g.count);
  g.fold = h('details', { class: 'earlier' }, g.summary, g.old);
  g.root = h('section', { class: 'group' }, g.title, g.cards, g.fold);
  return g;
}

class Card {
  shown = false;
  #page;
  #sides;
  #timer;

  constructor(page, match) {
    this.#page = page;
    this.match = match;
    this.clock = h('span', { class: 'clock' });
    this.note = h('span', { class: 'note' });
    this.#sides = ['home', 'away'].map((side) => {
      const s = { side, crest: h('span', { class: 'crest-box' }), name: h('span', { class: 'name' }),
        reds: h('span', { class: 'reds' }), score: h('span', { class: 'score' }) };
      s.root = h('span', { class: `row ${side}` }, s.crest, s.name, s.reds, s.score);
      return s;
    });
    this.fill = h('i', { class: 'fill' });
    this.marks = h('span', { class: 'marks' });
    this.shout = h('span', { class: 'shout', 'aria-hidden': 'true' });
    this.star = page.follows && h('button',
      { class: 'star', type: 'button', onclick: () => page.follows.toggleMatch(this.match) }, star());
    this.root = h('article', { class: 'card' },
      h('button', { class: 'open', type: 'button', onclick: () => page.select(this.match.id) },
        h('span', { class: 'head' }, this.clock, this.note), ...this.#sides.map((s) => s.root),
        h('span', { class: 'bar', 'aria-hidden': 'true' }, this.fill, this.marks)),
      this.star, this.shout);
  }

  show(match) {
    const before = this.match;
    this.match = { ...match, timeline: match.timeline ?? before.timeline ?? [] };
    this.root.dataset.state = match.state;
    this.root.toggleAttribute('data-held', Boolean(match.delay));
    this.root.dataset.id = match.id;
    for (const s of this.#sides) this.#showSide(s);
    this.#showMarks();
    this.#showNote();
    this.showStar();
    this.tick();
  }

  #showSide(s) {
    const { match } = this;
    const team = match[s.side];
    setText(s.name, team.name ?? '…');
    if (s.crest.dataset.team !== `${team.id} ${team.name}`) {
      s.crest.dataset.team = `${team.id} ${team.name}`;
      s.crest.replaceChildren(crest(team));
    }
    const score = match.state === 'scheduled' || match.state === 'postponed' ? '–'
      : String(match.score[s.side]) + (match.shootout ? ` (${match.shootout[s.side]})` : '');
    if (s.score.textContent !== score) {
      const first = s.score.textContent === '' || s.score.textContent === '–';
      setText(s.score, score);
      if (!first) flash(s.score, 'bump');
    }
    const other = match[s.side === 'home' ? 'away' : 'home'];
    s.root.classList.toggle('behind',
      match.state === 'finished' && match.score[s.side] < match.score[s.side === 'home' ? 'away' : 'home']
      && other.id !== team.id);
    const reds = match.timeline.filter((e) => e.kind === 'card' && e.team === team.id && e.card?.type !== 'yellow'
      && !isCancelled(e)).length;
    if (s.reds.childElementCount !== reds) s.reds.replaceChildren(...Array.from({ length: reds }, () => h('i')));
  }

  #showMarks() {
    const marks = this.match.timeline.filter((e) => e.kind === 'goal'
      || (e.kind === 'card' && e.card?.type !== 'yellow')).map((e) => {
      const mark = h('i', { class: `mark is-${e.kind} ${e.team === this.match.home.id ? 'home'
        : 'away'} ${isCancelled(e) ? 'void' : ''}` });
      mark.style.setProperty('--at', place(e, this.match).toFixed(3));
      return mark;
    });
    this.marks.replaceChildren(...marks);
  }

  // The note is the last thing worth a line: a goal, one taken back, a red card; before the match
  // where it is.
  #showNote() {
    const { match } = this;
    const last = match.timeline.filter((e) => e.kind === 'goal'
      || (e.kind === 'card' && e.card?.type !== 'yellow')).at(-1);
    const text = last ? `${last.clock ?? ''}′ ${last.player?.name ?? tell(last).title}` : '';
    this.note.classList.toggle('void', Boolean(last && isCancelled(last)));
    if (last) this.note.replaceChildren(sign(last), h('span', {}, text));
    else this.note.replaceChildren(h('span', {}, match.venue ?? ''));
  }

  showStar() {
    if (!this.star) return;
    const on = this.#page.follows.hasMatch(this.match);
    this.star.setAttribute('aria-pressed', String(on));
    this.star.setAttribute('aria-label',
      `${t(on ? 'unfollow' : 'follow')}: ${this.match.home.name ?? ''} – ${this.match.away.name ?? ''}`);
  }

  tick() {
    const now = this.#page.now();
    setText(this.clock, clockOf(this.match, now, this.#page.speed));
    this.fill.style.setProperty('--part', progress(this.match, now, this.#page.speed).toFixed(3));
  }

  told(event, before) {
    if (event.kind === 'goal' && isCancelled(event) && before && !isCancelled(before)) this.#shout('void', 'VAR',
      t('noGoal'));
    else if (event.kind === 'goal' && !isCancelled(event) && !before) this.#shout('goal', t('goal'),
      event.player?.name ?? '');
    else if (event.kind === 'card' && event.card?.type !== 'yellow' && !before
      && !isCancelled(event)) this.#shout('red', t('red'), event.player?.name ?? '');
  }

  #shout(kind, big, small) {
    clearTimeout(this.#timer);
    this.shout.replaceChildren(h('b', {}, big), h('span', {}, small));
    this.root.dataset.shout = kind;
    flash(this.shout, 'plays');
    this.#timer = setTimeout(() => {
      delete this.root.dataset.shout;
    }, shoutTime);
  }
}

export function star() {
  return h('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' },
    h('path', { d: 'M12 3.200l2.7 5.6 6.1.9-4.4 4.3 1 6.1-5.4-2.9-5.4 2.9 1-6.100L3.2 9.700l6.1-.9z' }));
}

