// detail.js: one match with its timeline and its line-ups on a pitch.
import { star } from './cards.js';
import { crest, flash, h, setChildren, setText } from './dom.js';
import { clockOf, isCancelled, noteOf, sign, tell, tellable, tellings } from './tell.js';
import { t } from './words.js';

export class Detail {
  #page;
  #root;
  #rows = new Map(); // event id -> {root, text}
  #tab = 'timeline';
  #match;
  #text;

  constructor(page, root) {
    this.#page = page;
    this.#root = root;
    page.follows?.onChange(() => this.#match && this.#showStars());
    this.open();
  }

  /** The match that is shown. */
  get match() { return this.#match; }

  /** Shows another match, or while it is not known a text: why not. */
  open(match, text) {
    this.#rows.clear();
    this.#match = undefined;
    this.#text = text;
    this.back = h('button', { type: 'button', class: 'back', onclick: () => this.#page.home() }, `‹ ${t('back')}`);
    setChildren(this.#root, [this.back, h('p', { class: 'empty' }, text ?? t('choose'))]);
    if (match) this.show(match);
  }

  #build() {
    this.sides = ['home', 'away'].map((side) => {
      const s = { side, crest: h('span', { class: 'crest-place' }), name: h('h2', {}),
        scorers: h('ul', { class: 'scorers' }) };
      s.star = this.#page.follows
        && h('button', { type: 'button', class: 'star',
        onclick: () => this.#page.follows.toggleTeam(this.#match[side]) }, star());
      s.root = h('div', { class: `hero-side ${side}` }, h('div', { class: 'hero-crest' }, s.crest, s.star), s.name,
        s.scorers);
      return s;
    });
    this.clock = h('span', { class: 'clock' });
    this.score = h('p', { class: 'hero-score' });
    this.extra = h('p', { class: 'hero-extra' });
    this.place = h('p', { class: 'hero-place' });
    this.timeline = h('ol', { class: 'timeline' });
    this.lineups = h('div', { class: 'lineups' });
    this.tabs = ['timeline', 'lineups'].map((name) =>
      h('button', { type: 'button', role: 'tab', 'data-tab': name, onclick: () => this.#show(name) }));
    setChildren(this.#root, [this.back,
      h('div', { class: 'hero' }, this.sides[0].root,
        h('div', { class: 'hero-middle' }, this.clock, this.score, this.extra), this.sides[1].root, this.place),
      h('div', { class: 'tabs', role: 'tablist' }, ...this.tabs), this.timeline, this.lineups,
      ...(this.#page.odds ? [this.#page.odds.root] : [])]);
    this.#show(this.#tab);
  }

  show(match) {
    if (!this.#match) this.#build();
    this.#match = { ...match, timeline: match.timeline ?? [] };
    this.#root.dataset.state = match.state;
    for (const s of this.sides) this.#showSide(s);
    const score = match.state === 'scheduled' || match.state === 'postponed' ? '–'
      : `${match.score.home}–${match.score.away}`;
    if (this.score.textContent !== score) {
      const first = this.score.textContent === '' || this.score.textContent === '–';
      setText(this.score, score);
      if (!first) flash(this.score, 'bump');
    }
    this.#root.toggleAttribute('data-held', Boolean(match.delay));
    setText(this.extra, noteOf(match)
      || (match.shootout ? `${t('shootout')} ${match.shootout.home}–${match.shootout.away}` : match.half_time
      ? `${t('half_time')} ${match.half_time.home}–${match.half_time.away}` : ''));
    setText(this.place, [match.competition?.name, match.venue, match.city].filter(Boolean).join(' · '));
    this.#showStars();
    this.#showTimeline();
    this.#showLineups();
    this.tick();
  }

  tick() {
    if (this.#match) setText(this.clock, clockOf(this.#match, this.#page.now(), this.#page.speed));
  }

  told(event, before) {
    const row = this.#rows.get(event.id);
    if (!row) return;
    const voided = isCancelled(event) && before && !isCancelled(before);
    flash(row.root, voided ? 'voided' : before ? 'changed' : 'new');
  }

  retell() {
    if (!this.#match) {
      this.open(undefined, this.#text);
      return;
    }
    for (const tab of this.tabs) setText(tab, t(tab.dataset.tab));
    setText(this.back, `‹ ${t('back')}`);
    this.#rows.clear();
    this.show(this.#match);
  }

  #show(tab) {
    this.#tab = tab;
    for (const button of this.tabs) {
      button.setAttribute('aria-selected', String(button.dataset.tab === tab));
      setText(button, t(button.dataset.tab));
    }
    this.timeline.hidden = tab !== 'timeline';
    this.lineups.hidden = tab !== 'lineups';
  }

  #showSide(s) {
    const team = this.#match[s.side];
    setText(s.name, team.name ?? '…');
    if (s.crest.dataset.team !== `${team.id} ${team.name}`) {
      s.crest.dataset.team = `${team.id} ${team.name}`;
      s.crest.replaceChildren(crest(team));
    }
    const goals = this.#match.timeline.filter((e) => e.kind === 'goal' && e.team === team.id && !isCancelled(e));
    s.scorers.replaceChildren(...goals.map((e) =>
      h('li', {}, `${e.player?.name ?? t('goal')} ${e.clock ?? ''}′${{ own: ' (OG)', penalty: ' (P)' }[e.goal?.type]
      ?? ''}`)));
  }

  #showStars() {
    for (const s of this.sides) {
      if (!s.star) continue;
      const team = this.#match[s.side];
      const on = this.#page.follows.has(`team:${team.id}`);
      s.star.setAttribute('aria-pressed', String(on));
      s.star.setAttribute('aria-label', `${t(on ? 'unfollow' : 'follow')}: ${team.name ?? ''}`);
    }
  }

  // Newest first: what just happened is what one looks for.
  #showTimeline() {
    const events = this.#match.timeline.filter(tellable).reverse();
    const rows = events.map((event) => {
      const text = JSON.stringify([event.revision, event.clock, event.team]);
      let row = this.#rows.get(event.id);
      if (!row) this.#rows.set(event.id, row = { root: h('li', {}) });
      if (row.text !== text) {
        row.text = text;
        this.#fillRow(row.root, event);
      }
      return row.root;
    });
    if (rows.length === 0) rows.push(h('li', { class: 'nothing' }, t('noTimeline')));
    setChildren(this.timeline, rows);
  }

  #fillRow(root, event) {
    root.dataset.event = event.id;
    root.dataset.status = event.status;
    if (tellings[event.kind]?.across) {
      const { title, text } = tell(event);
      root.className = `whistle${event.kind === 'added_time' ? ' small' : ''}${event.kind === 'delay'
        ? ` is-delay ${event.status}` : ''}`;
      const words = [event.kind === 'delay' && event.clock && `${event.clock}′`, title,
        text].filter(Boolean).join(event.kind === 'delay' ? ' · ' : ' ');
      root.replaceChildren(isCancelled(event) ? h('s', {}, words) : h('span', {}, words));
      return;
    }
    const { title, text } = tell(event);
    const side = event.team === this.#match.away.id ? 'away' : event.team === this.#match.home.id ? 'home' : 'both';
    root.className = `event is-${event.kind} ${side} ${event.status}`;
    const badge = isCancelled(event) ? (event.kind === 'goal' ? `${t('var')} · ${t('cancelled')}` : t('cancelled'))
      : event.status === 'provisional' ? t('possible') : event.kind === 'goal' && event.revision > 1 ? t('corrected')
        : '';
    const name = isCancelled(event) ? h('s', {}, title) : h('b', {}, title);
    root.replaceChildren(h('span', { class: 'minute' }, event.clock ? `${event.clock}′` : ''), sign(event),
      h('span', { class: 'what' }, name,
        text && h('span', { class: 'more' }, event.kind === 'substitution' ? `↓ ${text}` : text),
        badge && h('em', { class: 'badge' }, badge)));
  }

  #showLineups() {
    const { lineups = [], home } = this.#match;
    if (lineups.length === 0) {
      this.lineups.replaceChildren(h('p', { class: 'nothing' }, t('noLineups')));
      return;
    }
    const text = JSON.stringify([lineups.map((l) => [l.event, l.revision]), document.documentElement.lang,
      this.#match.seq]);
    if (this.lineups.dataset.of === text) return;
    this.lineups.dataset.of = text;
    const halves = lineups.map((l) => h('div', { class: `half ${l.team === home.id ? 'home' : 'away'}` },
      h('p', { class: 'formation' },
        `${this.#teamName(l.team)}${l.formation ? ` · ${l.formation.split('').join('-')}` : ''}`),
        ...lines(l).map((line) => h('div', { class: 'line' }, ...line.map((p) => this.#dot(p))))));
    const benches = lineups.map((l) => h('div', {}, h('h3', {}, `${t('bench')} · ${this.#teamName(l.team)}`),
      h('ul', {}, ...l.players.filter((p) => !p.start).map((p) =>
        h('li', {}, h('span', { class: 'shirt' }, p.shirt ?? ''), p.name || '…', ...this.#signs(p))))));
    this.lineups.replaceChildren(h('div', { class: 'pitch' }, ...halves), h('div', { class: 'benches' }, ...benches));
  }

  #teamName(id) { return (id === this.#match.home.id ? this.#match.home : this.#match.away).name ?? ''; }

  #dot(p) {
    const last = (p.name ?? '').split(' ');
    return h('div', { class: p.captain ? 'player captain' : 'player', title: p.name ?? '' },
      h('span', { class: 'shirt' }, p.shirt ?? ''),
      h('span', { class: 'player-name' }, last.length > 1 ? last.slice(1).join(' ') : last[0]),
      h('span', { class: 'player-signs' }, ...this.#signs(p)));
  }

  #signs(p) {
    return this.#match.timeline.filter((e) => !isCancelled(e)
      && ((['goal', 'card'].includes(e.kind) && e.player?.id === p.id)
      || (e.kind === 'substitution' && [e.substitution?.off?.id, e.substitution?.on?.id].includes(p.id)))).map(sign);
  }
}

// lines puts those who start into lines: goalkeeper first.
function lines(lineup) {
  const order = ['goalkeeper', 'defender', 'midfielder', 'striker'];
  const start = lineup.players.filter((p) => p.start);
  return order.map((position) => start.filter((p) => (p.position || 'midfielder') === position)).filter((line) =>
    line.length > 0);
}
