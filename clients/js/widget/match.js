// match.js: <goalcast-match match="...">: one match with its score, clock and timeline.

import { flash, h, setChildren, setText } from '../page/dom.js';
import { clockOf, isCancelled } from '../page/tell.js';
import { t } from '../page/words.js';
import { clipButton } from './clip.js';
import { Widget } from './element.js';
import { scoreOf, sentence, shield, tell } from './telling.js';

export class MatchWidget extends Widget {
  static rows = 5;

  kind = 'match';

  #rows = new Map(); // event id -> {root, text}

  build() {
    const part = (name) => h('span', { part: name });
    this.sides = [part('team'), part('team')];
    this.competition = part('competition');
    this.status = part('status');
    this.score = part('score');
    this.clock = part('clock');
    this.extra = part('extra');
    this.list = h('ol', { part: 'timeline', tabindex: 0 });
    return [h('header', { part: 'header' }, h('p', {}, this.competition, this.status), this.sides[0],
      h('div', {}, this.score, this.clock, this.extra), this.sides[1]), this.list];
  }

  path() { return `/v1/matches/${this.of}`; }

  loaded({ home, away, competition }) {
    this.called([home, away, competition]);
  }

  told(name, { event, match, previous }) {
    if (name !== 'event' || match?.id !== this.of) return;
    this.redraw();
    const text = sentence(this, event, match, previous);
    this.announce(event, text);
    if (text && event.kind === 'goal') flash(this.score, 'bump');
    flash(this.#rows.get(event.id)?.root ?? this.clock, 'new');
  }

  draw() {
    const match = this.live?.matches.get(this.of);
    if (!match) return false;
    const { home, away, competition, shootout } = match;
    [home, away].forEach((team, i) => {
      const name = this.nameOf(team);
      if (this.sides[i].textContent !== name) this.sides[i].replaceChildren(shield(team), h('b', {}, name));
    });
    const name = `${this.nameOf(home)} – ${this.nameOf(away)}`;
    for (const el of [this.card, this.list]) el.setAttribute('aria-label', name);
    setText(this.competition, this.nameOf(competition));
    setText(this.score, scoreOf(match));
    setText(this.extra, shootout ? `${t('shootout')} ${shootout.home}–${shootout.away}` : '');
    this.#drawTimeline(match);
    this.tick();
    return true;
  }

  #drawTimeline({ timeline, away }) {
    const rows = new Map();
    for (const event of [...timeline].reverse()) {
      if (this.kinds && !this.kinds.includes(event.kind)) continue;
      const text = `${event.revision} ${event.clock} ${this.language} ${away.id}`;
      const row = this.#rows.get(event.id) ?? { root: h('li', { part: 'event' }) };
      if (row.text !== text) row.shown = this.#fill(row.root, event, away.id);
      row.text = text;
      if (row.shown) rows.set(event.id, row);
    }
    this.#rows = rows;
    setChildren(this.list, [...rows.values()].map(({ root }) => root));
  }

  #fill(row, event, away) {
    const { kind, team, card, clock } = event;
    const gone = isCancelled(event);
    if (kind === 'clip' || kind === 'period') {
      row.className = 'across';
      if (gone) return false;
    }
    if (kind === 'clip') {
      const button = this.hasAttribute('clips') && clipButton(this, event);
      row.replaceChildren(button || '');
      return button;
    }
    const told = tell(event);
    if (!told) return false;
    const [sign, name, detail] = told;
    row.className = !team ? 'across' : team === away ? 'away' : '';
    row.replaceChildren(h('small', {}, clock ? `${clock}′` : ''),
      h('i', { class: card && (card.type === 'yellow' ? 'yellow' : 'red'), 'aria-hidden': 'true' }, sign), h(gone ? 's' : 'b', {}, name ?? ''),
      h('small', {}, [detail, gone && t('cancelled')].filter(Boolean).join(' · ')));
    return true;
  }

  tick() {
    const match = this.live?.matches.get(this.of);
    if (match) setText(this.clock, clockOf(match, this.now()));
    this.tellStatus(this.status, match);
  }
}
