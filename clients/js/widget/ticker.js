// ticker.js: <goalcast-ticker team="..."> or competition="...": its matches side by side, the ones in play first.

import { flash, h, setChildren, setText } from '../page/dom.js';
import { clockOf } from '../page/tell.js';
import { t } from '../page/words.js';
import { Widget } from './element.js';
import { scoreOf, sentence, tell } from './telling.js';

export class TickerWidget extends Widget {
  static rows = 0;

  #cells = new Map(); // match id -> {root, clock, text, news}
  #listed; // what the hub has of it, at the time it was asked

  get kind() { return this.hasAttribute('competition') ? 'competition' : 'team'; }

  build() {
    this.list = h('ul', { part: 'matches', tabindex: 0, 'aria-label': 'goalcast' });
    return [this.list];
  }

  path() { return `/v1/${this.kind}s/${this.of}`; }

  loaded({ name, matches }) {
    this.list.setAttribute('aria-label', name);
    this.called(matches.flatMap(({ home, away }) => [home, away]));
    this.#listed = this.hasAttribute('delay') ? [] : matches; // a list is of now
  }

  told(name, { event, match, previous }) {
    this.redraw();
    const cell = this.#cells.get(match?.id);
    const text = name === 'event' && cell && sentence(this, event, match, previous);
    if (!text) return;
    this.announce(event, text);
    cell.news = tell(event)?.[1];
    flash(cell.root, 'new');
    this.redraw();
  }

  draw() {
    const { live, kind, of: id } = this;
    const all = new Map(this.#listed?.map((match) => [match.id, match]));
    for (const match of live?.matches.values() ?? []) {
      if (kind === 'team' ? [match.home.id, match.away.id].includes(id) : match.competition.id === id) {
        all.set(match.id, match);
      }
    }
    const far = ({ state, kickoff }) => (state === 'live' ? 0 : Math.abs(Date.parse(kickoff ?? 0) - this.now()));
    const shown = [...all.values()].sort((a, b) => far(a) - far(b)).slice(0, 20);
    const cells = new Map();
    for (const match of shown) {
      const cell = this.#cells.get(match.id) ?? { root: h('li', { part: 'match' }), clock: h('span', { part: 'clock' }) };
      const text = `${this.nameOf(match.home)}|${scoreOf(match)}|${this.nameOf(match.away)}|${cell.news ?? ''}`;
      if (cell.text !== text) {
        const [home, score, away, news] = text.split('|');
        cell.root.replaceChildren(h('b', {}, home), h('span', { part: 'score' }, score), h('b', {}, away),
          h('small', {}, cell.clock, ' ', news));
      }
      Object.assign(cell, { text, match });
      cells.set(match.id, cell);
    }
    this.#cells = cells;
    setChildren(this.list, [...cells.values()].map(({ root }) => root));
    if (this.#listed) this.problem ||= t('noMatches');
    this.tick();
    return cells.size > 0;
  }

  tick() {
    for (const { clock, match } of this.#cells.values()) {
      setText(clock, match.state === 'scheduled' && match.kickoff ? new Date(match.kickoff).toLocaleString(this.language,
        { weekday: 'short', hour: '2-digit', minute: '2-digit' }) : clockOf(match, this.now()));
    }
  }
}
