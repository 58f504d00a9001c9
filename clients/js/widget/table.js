// table.js: <goalcast-table competition="...">: the tables of a competition, as they stand while matches are
// played if the hub tells so, else read again when that may have changed.

import { h, setText } from '../page/dom.js';
import { t } from '../page/words.js';
import { Widget } from './element.js';

const columns = ['played', 'won', 'drawn', 'lost', 'difference', 'points'];

export class TableWidget extends Widget {
  static rows = 16;

  kind = 'competition';
  #answer;
  #shown; // what is drawn: another one is drawn anew

  build() {
    this.heading = h('span');
    this.status = h('span', { part: 'status' });
    this.frame = h('div', { part: 'scroll', tabindex: 0, role: 'region' });
    return [h('p', { part: 'header' }, this.heading, this.status), this.frame];
  }

  path() { return `/v1/competitions/${this.of}/standings`; }

  loaded(answer) {
    this.#answer = answer;
    this.called([answer.competition, ...answer.groups.flatMap(({ rows }) => rows.map(({ team }) => team))]);
  }

  told(name, { event, topic }) {
    // all that watch read again, but not in the same second
    if (name === 'event' && /goal|period/.test(event.kind) && !this.#live()) this.later(() => this.load(), 20_000);
  }

  #live() { return this.live?.states.get(`competition:${this.of} table`)?.value; }

  draw() {
    const standings = this.#live() ?? this.#answer;
    if (!standings || !this.live) return false;
    const name = this.nameOf(standings.competition);
    setText(this.heading, standings.live ? `${name} · ${t('asItStands')}` : name);
    this.frame.setAttribute('aria-label', name);
    this.tellStatus(this.status);
    const group = this.getAttribute('group');
    const groups = standings.groups.filter((one) => !group || [one.id, one.name].includes(group));
    const shown = JSON.stringify([this.language, [...this.names], groups]);
    if (shown !== this.#shown) this.frame.replaceChildren(...groups.map((one) => this.#table(one)));
    this.#shown = shown;
    if (groups.length === 0) this.problem ||= t('noTable');
    return groups.length > 0;
  }

  #table({ name, rows }) {
    const head = h('tr', {}, h('th', {}, '#'), h('th', {}, t('team')),
      ...columns.map((key) => (key === 'difference' ? h('th', {}, '+/−') : h('th', { title: t(key) }, t(`c_${key}`)))));
    return h('table', { part: 'table' }, name && h('caption', {}, name), h('thead', {}, head),
      h('tbody', {}, ...rows.map((row) => this.#row(row))));
  }

  #row({ team, position, position_before: before, total }) {
    const up = before ? before - position : 0;
    const moved = up && h('small', { class: up > 0 ? 'up' : 'down', role: 'img', 'aria-label': t(up > 0 ? 'o_up' : 'o_down') },
      up > 0 ? '▲' : '▼');
    const difference = total.for - total.against;
    return h('tr', { part: 'row' }, h('td', {}, position, ' ', moved || ''),
      h('th', { scope: 'row' }, this.nameOf(team)), ...columns.map((key) => h('td', {},
        key === 'difference' ? (difference > 0 ? `+${difference}` : difference) : total[key])));
  }
}
