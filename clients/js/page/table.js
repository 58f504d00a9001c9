// table.js: the tables of a competition, as they stand while matches are played.
import { h, setText } from './dom.js';
import { t } from './words.js';

const columns = ['played', 'won', 'drawn', 'lost', 'difference', 'points'];
const again = 20_000; // ms within which a table that the hub does not keep live is read again after a goal

export class Standings {
  #page;
  #answer; // what the hub answered; undefined before, and where there is no table
  #shown; // what is drawn: another one is drawn anew
  #timer;
  #name = h('span');
  #state = h('span', { class: 'as-it-stands' });
  #tables = h('div', { class: 'tables', role: 'region', tabindex: 0 });
  #title = h('h2', {}, this.#name, this.#state);
  root = h('section', { class: 'standings', hidden: true }, this.#title, this.#tables);

  constructor(page) { this.#page = page; }

  /** Shows the tables of a competition, {id, name}, and marks a team; without one, none. */
  async open(competition, team) {
    clearTimeout(this.#timer);
    if (competition?.id !== this.competition?.id) {
      this.#answer = undefined;
      this.root.hidden = true;
    }
    this.competition = competition;
    this.team = team;
    if (competition) await this.#read();
  }

  async #read() {
    const { competition } = this;
    const answer = await this.#page.ask(`/v1/competitions/${competition.id}/standings?live=true`);
    if (competition !== this.competition) return; // another was chosen meanwhile
    this.#answer = answer;
    this.draw();
  }

  /** Something happened in a match: where the hub keeps no table as it stands, its own may be another one soon. */
  told(event, match) {
    if (match?.competition?.id !== this.competition?.id || this.#live || !/goal|period/.test(event.kind)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(), again * (0.2 + 0.8 * Math.random()));
  }

  get #live() { return this.#page.live.states.get(`competition:${this.competition?.id} table`)?.value; }

  /** The line of a team, with the number of its group's lines; undefined while it is not known. */
  rowOf(team) {
    for (const { rows } of (this.#live ?? this.#answer)?.groups ?? []) {
      const row = rows.find((one) => one.team.id === team);
      if (row) return { ...row, of: rows.length };
    }
    return undefined;
  }

  draw() {
    const standings = this.#live ?? this.#answer;
    this.root.hidden = !standings?.groups.some(({ rows }) => rows.length > 0);
    if (this.root.hidden) return;
    setText(this.#name, this.team ? standings.competition.name || t('standings') : t('standings'));
    setText(this.#state, standings.live ? t('asItStands') : '');
    this.#tables.setAttribute('aria-label', `${t('standings')} ${standings.competition.name ?? ''}`);
    const { groups, zones = [] } = standings;
    const mine = this.team && groups.length > 1
      ? groups.filter(({ rows }) => rows.some((row) => row.team.id === this.team))
      : groups;
    const shown = JSON.stringify([document.documentElement.lang, this.team, mine, zones]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#tables.replaceChildren(...mine.map((group) => this.#table(group, zones)),
      ...(zones.length ? [h('ul', { class: 'zones' }, ...zones.map((zone, i) =>
        h('li', { 'data-zone': colourOf(zone, i) }, zone.name.replaceAll('_', ' '))))] : []));
  }

  #table({ name, rows }, zones) {
    const head = h('tr', {}, h('th', { scope: 'col' }, '#'), h('th', { scope: 'col' }, t('team')),
      ...columns.map((key) =>
      h('th', { scope: 'col', class: key, title: key === 'difference' ? undefined : t(key) },
        key === 'difference' ? '+/−' : t(`c_${key}`))));
    return h('table', {}, name && h('caption', {}, name), h('thead', {}, head),
      h('tbody', {}, ...rows.map((row) => this.#row(row, zones))));
  }

  #row({ team, position, position_before: before, total }, zones) {
    const zone = zones.findIndex(({ teams }) => teams.includes(team.id));
    const up = before ? before - position : 0;
    const moved = up !== 0 && h('small', { class: up > 0 ? 'up' : 'down', role: 'img',
      'aria-label': t(up > 0 ? 'o_up' : 'o_down') }, up > 0 ? '▲' : '▼');
    const difference = total.for - total.against;
    return h('tr', { 'aria-current': team.id === this.team ? 'true' : undefined,
      'data-zone': zone >= 0 ? colourOf(zones[zone], zone) : undefined },
    h('td', {}, String(position), moved),
    h('th', { scope: 'row' }, h('a', { href: `#t${team.id}` }, team.name ?? '…')),
    ...columns.map((key) => h('td', { class: key }, String(key === 'difference'
      ? difference > 0 ? `+${difference}` : difference : total[key]).replace('-', '−'))));
  }
}

// colourOf gives the colour of a zone: the last ones are for those who go down.
const colourOf = ({ name }, i) => (/releg|down/i.test(name) ? 'down' : Math.min(i, 4));
