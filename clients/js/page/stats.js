// stats.js: what is counted of a match, side by side.
import { h, setChildren, setText } from './dom.js';
import { t } from './words.js';

// The rows in their order. Of a rare one nothing is shown while neither side has any.
const rows = [
  { key: 'possession', percent: true }, { key: 'shots' }, { key: 'shots_on_target' },
  { key: 'shots_off_target', rare: true }, { key: 'shots_blocked', rare: true }, { key: 'corners' }, { key: 'fouls' },
  { key: 'offsides', rare: true }, { key: 'saves', rare: true }, { key: 'passes' },
  { key: 'pass_accuracy', percent: true, of: (s) => (s.passes > 0 ? 100 * s.passes_accurate / s.passes : undefined) },
  { key: 'crosses', rare: true }, { key: 'tackles', rare: true }, { key: 'interceptions', rare: true },
  { key: 'clearances', rare: true },
];

export class Stats {
  root = h('div', { class: 'stats-panel' });
  #page;
  #match;
  #list = h('ul', { class: 'stats' });
  #teams = h('p', { class: 'stats-teams', 'aria-hidden': 'true' });
  #nothing = h('p', { class: 'nothing' });
  #rows = new Map(rows.map((row) => [row.key, new Row(row)]));

  constructor(page) {
    this.#page = page;
    page.live.on('state', ({ topic, key }) => key === 'stats' && topic === `match:${this.#match?.id}` && this.#draw());
    this.retell();
  }

  forget() { this.#match = undefined; }

  show(match) {
    this.#match = match;
    this.#draw();
  }

  retell() {
    setText(this.#nothing, t('noStats'));
    for (const row of this.#rows.values()) row.retell();
  }

  #draw() {
    const { home = {}, away = {} } = this.#page.live.states.get(`match:${this.#match.id} stats`)?.value ?? {};
    const shown = rows.filter((row) => {
      const [a, b] = [home, away].map((side) => valueOf(row, side));
      if (a === undefined || b === undefined || (row.rare && a + b === 0)) return false;
      this.#rows.get(row.key).show(a, b, this.#match);
      return true;
    });
    this.#teams.replaceChildren(h('span', {}, this.#match.home.name ?? ''), h('span', {}, this.#match.away.name ?? ''));
    setChildren(this.#list, shown.map((row) => this.#rows.get(row.key).root));
    setChildren(this.root, shown.length ? [this.#teams, this.#list] : [this.#nothing]);
  }
}

function valueOf(row, side) {
  const value = row.of ? row.of(side) : side[row.key];
  return Number.isFinite(value) ? value : undefined;
}

// Row is one of the counts: both numbers, and how they share a bar. The higher one is bold.
class Row {
  #about;
  #home = { number: h('span', { class: 'number' }), bar: h('i') };
  #away = { number: h('span', { class: 'number' }), bar: h('i') };
  #label = h('span', { class: 'label' });
  #said = h('span', { class: 'hidden' });
  #shown = '';

  constructor(about) {
    this.#about = about;
    this.root = h('li', { 'data-stat': about.key }, this.#said,
      h('span', { class: 'numbers-of', 'aria-hidden': 'true' }, this.#home.number, this.#label, this.#away.number),
      h('span', { class: 'bars', 'aria-hidden': 'true' }, h('span', { class: 'home' }, this.#home.bar),
        h('span', { class: 'away' }, this.#away.bar)));
  }

  show(home, away, match) {
    const most = this.#about.percent ? 100 : home + away;
    if (this.#about.percent) {
      const shared = Math.abs(home + away - 100) < 1; // both halves round up
      home = Math.round(home);
      away = shared ? 100 - home : Math.round(away);
    }
    const text = (n) => (this.#about.percent ? `${n}%` : String(n));
    for (const [side, n, other] of [[this.#home, home, away], [this.#away, away, home]]) {
      setText(side.number, text(n));
      side.number.classList.toggle('more-of', n > other);
      side.bar.style.setProperty('--part', most > 0 ? (n / most).toFixed(4) : 0);
    }
    this.#shown = `${match.home.name ?? ''} ${text(home)}, ${match.away.name ?? ''} ${text(away)}`;
    this.#say();
  }

  retell() {
    setText(this.#label, t(`st_${this.#about.key}`));
    this.#say();
  }

  #say() { setText(this.#said, `${t(`st_${this.#about.key}`)}: ${this.#shown}`); }
}
