// odds.js: the prices of the match that is shown. Only what the SDK vouches for is on the screen:
// while the gate is not open there is no price, and the reason stands there. For a second an arrow says
// which way a price went, whoever sees its colour or not.
import { h, setText } from './dom.js';
import { t } from './words.js';

const markets = [
  { key: '1x2', selections: [['home', '1'], ['draw', 'X'], ['away', '2']] },
  { key: 'ou:2.5', selections: [['over', '+2.5'], ['under', '−2.5']] },
];

const shown = 1000; // ms for which it says whether a price rose or fell

const hundredths = (price) => Math.floor(price / 10); // as the hub does, it never promises more

/** 2350 is "2.35". */
export function decimal(price) {
  const whole = hundredths(price);
  return `${Math.floor(whole / 100)}.${String(whole % 100).padStart(2, '0')}`;
}

export class Odds {
  #page;
  #match; // id of the match that is shown
  #cells;
  #began = false; // prices of this match were heard of: the panel stays

  constructor(page) {
    this.#page = page;
    this.#cells = markets.flatMap(({ key, selections }) =>
      selections.map(([selection, label]) => new Cell(key, selection, label)));
    this.title = h('h3');
    this.state = h('p', { class: 'odds-state', role: 'status' });
    this.root = h('section', { class: 'odds', hidden: true }, h('header', {}, this.title, this.state),
      h('ul', {}, ...this.#cells.map((cell) => cell.root)));
    page.live.on('state', ({ topic }) => topic === `odds:${this.#match}` && this.show());
    this.retell();
  }

  /** Follows the prices of another match. */
  open(match) {
    if (this.#match) this.#page.live.unsubscribe(`odds:${this.#match}`);
    this.#match = match;
    this.#began = false;
    for (const cell of this.#cells) cell.forget();
    this.show();
    if (match) this.#page.live.subscribe(`odds:${match}`);
  }

  /** Shows what may be shown now. */
  show() {
    const { live } = this.#page;
    const gate = this.#match ? live.gate(this.#match) : { gate: 'suspended', reason: 'start' };
    this.#began ||= this.#match !== undefined && (gate.gate === 'open' || gate.reason !== 'start');
    this.root.hidden = !this.#began;
    if (!this.#began) return;
    this.root.dataset.gate = gate.gate;
    setText(this.state, gate.gate === 'open' ? t('o_open')
      : [t(`o_${gate.gate}`), reasonText(gate.reason)].filter(Boolean).join(': '));
    for (const cell of this.#cells) cell.show(live.price(this.#match, cell.market, cell.selection));
  }

  retell() {
    setText(this.title, t('odds'));
    for (const cell of this.#cells) cell.retell();
    this.show();
  }
}

// reasonText is empty for a reason that a later hub has and this page does not know.
function reasonText(reason) {
  const text = t(`g_${reason}`);
  return text.startsWith('g_') ? '' : text;
}

// Cell is one selection: its price, and whether that rose or fell just now.
class Cell {
  #last; // the price that was shown last, also before it was locked
  #way = '';
  #over; // the timer that ends it

  constructor(market, selection, label) {
    Object.assign(this, { market, selection });
    this.name = h('span', { class: 'hidden' });
    this.price = h('b');
    this.way = h('span', { class: 'hidden' });
    this.root = h('li', { 'data-market': market, 'data-selection': selection, 'data-way': '' },
      h('span', { class: 'odds-label' }, h('span', { 'aria-hidden': 'true' }, label), this.name, arrows()),
      h('span', { class: 'odds-price' }, this.price, lock()), this.way);
  }

  forget() {
    this.#last = undefined;
    this.#go('');
  }

  // go shows which way the price goes, for a while.
  #go(way) {
    this.#way = way;
    clearTimeout(this.#over);
    if (way) this.#over = setTimeout(() => this.#go(''), shown);
    this.root.dataset.way = way;
    this.#tellWay();
  }

  show(price) {
    const locked = price === undefined;
    if (!locked) {
      const change = hundredths(price) - hundredths(this.#last ?? price);
      setText(this.price, decimal(price));
      if (change) this.#go(change > 0 ? 'up' : 'down');
      this.#last = price;
    } else {
      setText(this.price, '');
      this.#go('');
    }
    this.root.toggleAttribute('data-locked', locked);
    this.#tellWay();
  }

  retell() {
    setText(this.name, `${t(`o_${this.selection}`)}: `);
    this.#tellWay();
  }

  #tellWay() {
    const way = this.#way && `, ${t(`o_${this.#way}`)}`;
    setText(this.way, this.root.hasAttribute('data-locked') ? t('o_locked') : way);
  }
}

const arrows = () => h('svg', { class: 'way', viewBox: '0 0 12 12', 'aria-hidden': 'true' },
  h('path', { class: 'up', d: 'M6 2l5 8H1z' }), h('path', { class: 'down', d: 'M6 10L1 2h10z' }));

const lock = () => h('svg', { class: 'lock', viewBox: '0 0 24 24', 'aria-hidden': 'true' },
  h('rect', { x: 5, y: 11, width: 14, height: 9, rx: 2 }), h('path', { d: 'M8 11V8a4 4 0 0 1 8 0v3' }));
