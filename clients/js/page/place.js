// place.js: a team, a competition or a player: the heading above the matches, and beside them the table
// and the squad.
import { star } from './cards.js';
import { crest, h, setText } from './dom.js';
import { Standings } from './table.js';
import { birthText, t } from './words.js';

const positions = ['goalkeeper', 'defender', 'midfielder', 'striker'];

export class Place {
  #page;
  #view;
  #known; // {id, name, ...}: what the hub said of it
  #squad;
  #sign = h('span', { class: 'place-sign' });
  #name = h('h2', { class: 'place-name', tabindex: -1 });
  #line = h('p', { class: 'place-line' });
  #follow;
  #squads = h('section', { class: 'squad', hidden: true });

  constructor(page, root, board) {
    this.#page = page;
    this.standings = new Standings(page);
    this.#follow = page.follows && h('button', { type: 'button', class: 'follow',
      onclick: () => page.follows.set(this.#topic, this.#known.name ?? '', !page.follows.has(this.#topic)) });
    page.follows?.onChange(() => this.#showFollow());
    root.append(...[this.#sign,
      h('div', { class: 'place-text' }, this.#name, this.#line), this.#follow].filter(Boolean));
    board.append(this.standings.root, this.#squads);
  }

  get #topic() { return `${this.#view.kind}:${this.#view.id}`; }

  /** Shows another list's heading; that of a day is none. */
  open(view) {
    this.#view = view;
    this.#known = this.#squad = undefined;
    this.#squads.hidden = true;
    this.standings.open();
    this.draw();
  }

  /** What the hub knows of a team or competition: its page, with the matches around now. */
  async known(answer) {
    const { kind, id } = this.#view;
    const first = !this.#known;
    this.#known = answer;
    this.draw();
    if (kind === 'competition') await this.standings.open(answer);
    if (kind !== 'team') return;
    const counts = new Map(); // the competition in which it plays most has the table
    for (const { competition } of answer.matches) if (competition?.id) {
      counts.set(competition.id, [(counts.get(competition.id)?.[0] ?? 0) + 1, competition]);
    }
    const [, competition] = [...counts.values()].sort((a, b) => b[0] - a[0])[0] ?? [];
    const [squad] = await Promise.all([first ? this.#page.ask(`/v1/teams/${id}/squad`) : this.#squad,
      this.standings.open(competition, id)]);
    if (this.#view.kind !== kind || this.#view.id !== id) return;
    this.#squad = squad;
    this.draw();
  }

  /** A player, who has no matches of his own. */
  player(answer) {
    this.#known = answer;
    this.draw();
  }

  /** A table changed. */
  changed() {
    this.standings.draw();
    this.#showLine();
  }

  retell() {
    if (this.#view) this.draw();
  }

  get name() { return this.#known?.name; }

  draw() {
    const { kind, id } = this.#view;
    if (kind === 'day') return;
    const known = this.#known;
    setText(this.#name, known?.name ?? (known && t(kind)) ?? '…');
    const of = `${kind} ${id} ${known?.name}`;
    if (this.#sign.dataset.of !== of) {
      this.#sign.dataset.of = of;
      this.#sign.dataset.kind = kind;
      this.#sign.replaceChildren(kind === 'team' ? crest({ id, name: known?.name }) : sign(kind));
    }
    this.#showFollow();
    this.#showSquad();
    this.changed();
  }

  #showFollow() {
    if (!this.#follow || !this.#view) return;
    this.#follow.hidden = !this.#known || !['team', 'competition'].includes(this.#view.kind);
    const on = this.#page.follows.has(this.#topic);
    this.#follow.setAttribute('aria-pressed', String(on));
    const label = t(on ? 'unfollow' : 'follow');
    this.#follow.setAttribute('aria-label', label);
    this.#follow.replaceChildren(star(), h('span', {}, label));
  }

  #showLine() {
    const { kind, id } = this.#view;
    const known = this.#known;
    if (kind === 'player') {
      const as = known?.squads[0]?.as;
      setText(this.#line, [as?.born && birthText(as.born), as?.country].filter(Boolean).join(' · '));
      return;
    }
    const row = kind === 'team' ? this.standings.rowOf(id) : undefined;
    const { competition } = kind === 'team' && row ? this.standings : {};
    this.#line.replaceChildren(...(row ? [h('b', {}, `${row.position}.`), ` / ${row.of} · `,
      h('a', { href: `#c${competition.id}` }, competition.name || t('competition')),
      ` · ${row.total.points} ${t('c_points')}`]
      : [kind === 'competition' && known ? t('competition') : '']));
  }

  #showSquad() {
    const { kind } = this.#view;
    const { players = [], stadium } = this.#squad ?? {};
    const squads = kind === 'player' ? this.#known?.squads ?? [] : [];
    this.#squads.hidden = players.length === 0 && squads.length === 0;
    if (squads.length > 0) {
      this.#squads.replaceChildren(h('h2', {}, t('squads')),
        h('ul', { class: 'seasons' }, ...squads.map((one) => h('li', {},
        h('span', { class: 'shirt-number' }, one.as?.shirt ?? ''),
        h('a', { href: `#t${one.team.id}` }, one.team.name ?? '…'),
        h('a', { class: 'soft', href: `#c${one.competition.id}` }, one.competition.name ?? ''),
        h('span', { class: 'soft' }, one.season)))));
      return;
    }
    const groups = positions.map((position) => [position, players.filter((p) => p.position === position)])
      .concat([['', players.filter((p) => !positions.includes(p.position))]]);
    this.#squads.replaceChildren(h('h2', {}, t('squad'), stadium?.name && h('small', {}, stadium.name)),
      ...groups.filter(([, list]) => list.length > 0).flatMap(([position, list]) => [
        position && h('h3', {}, t(position)),
        h('ul', { class: 'players' }, ...list.map((p) => h('li', {},
          h('span', { class: 'shirt-number' }, p.shirt ?? ''),
          h('a', { href: `#p${p.id}` }, p.name ?? '…'))))]).filter(Boolean));
  }

  /** Brings the focus to the heading, for who came by a link in what is gone now. */
  focus() { this.#name.focus({ preventScroll: true }); }
}

const sign = (kind) => h('svg', { viewBox: '0 0 24 24', class: 'place-icon', 'aria-hidden': 'true' },
  ...(kind === 'competition' ? [h('path', {
    d: 'M7 4h10v5a5 5 0 0 1-10 0zM7 5.500H4v1.500a3 3 0 0 0 3 3M17 5.500h3v1.500a3 3 0 0 1-3 3M12 14v4M8.500 20h7' })]
    : [h('circle', { cx: 12, cy: 8, r: 3.5 }), h('path', { d: 'M5 20c.5-4 3-6 7-6s6.500 2 7 6' })]));
