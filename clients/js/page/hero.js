// hero.js: the head of a match: who plays, how it stands, who scored.
import { star } from './cards.js';
import { dateOf } from './day.js';
import { crest, flash, h, setText } from './dom.js';
import { clockOf, isCancelled, noteOf } from './tell.js';
import { dayText, t } from './words.js';

export class Hero {
  #page;
  #match;
  #sides;
  #clock = h('span', { class: 'clock' });
  #period = h('p', { class: 'hero-period' });
  #score = h('p', { class: 'hero-score' });
  #extra = h('p', { class: 'hero-extra' });
  #kicks = h('div', { class: 'kicks' });
  #place = h('p', { class: 'hero-place' });
  #follow;

  constructor(page) {
    this.#page = page;
    this.#sides = ['home', 'away'].map((side) => {
      const s = { side, crest: h('span', { class: 'crest-place' }), name: h('h2', {}),
        scorers: h('ul', { class: 'scorers' }) };
      s.star = page.follows && h('button', { type: 'button', class: 'star',
        onclick: () => page.follows.toggleTeam(this.#match[side]) }, star());
      s.root = h('div', { class: `hero-side ${side}` }, h('div', { class: 'hero-crest' }, s.crest, s.star), s.name,
        s.scorers);
      return s;
    });
    this.#follow = page.follows && h('button', { type: 'button', class: 'follow-match', onclick: () => this.#toggle() },
      star(), h('span'));
    const [home, away] = this.#sides;
    this.root = h('div', { class: 'hero' }, home.root,
      h('div', { class: 'hero-middle' }, this.#clock, this.#score, this.#period, this.#extra), away.root, this.#kicks,
      this.#place, this.#follow);
  }

  /** Shows a match; anew says that it is another one than before. */
  show(match, anew) {
    this.#match = match;
    for (const s of this.#sides) this.#showSide(s);
    const begun = match.state !== 'scheduled' && match.state !== 'postponed';
    const score = begun ? `${match.score.home}–${match.score.away}` : '–';
    if (this.#score.textContent !== score) {
      const first = anew || this.#score.textContent === '–';
      setText(this.#score, score);
      if (!first) flash(this.#score, 'bump');
    }
    setText(this.#period, begun ? periodOf(match) : match.kickoff ? dayText(dateOf(match.kickoff), false) : '');
    setText(this.#extra, noteOf(match)
      || (match.shootout ? `${t('shootout')} ${match.shootout.home}–${match.shootout.away}`
        : match.half_time && match.period !== 'half_time'
          ? `${t('half_time')} ${match.half_time.home}–${match.half_time.away}` : ''));
    setText(this.#place, [match.competition?.name, match.venue, match.city].filter(Boolean).join(' · '));
    this.#showKicks();
    this.showStars();
  }

  tick() { setText(this.#clock, clockOf(this.#match, this.#page.now(), this.#page.speed)); }

  showStars() {
    const { follows } = this.#page;
    if (!follows) return;
    for (const s of this.#sides) {
      const team = this.#match[s.side];
      const on = follows.has(`team:${team.id}`);
      s.star.setAttribute('aria-pressed', String(on));
      s.star.setAttribute('aria-label', `${t(on ? 'unfollow' : 'follow')}: ${team.name ?? ''}`);
    }
    const on = follows.has(`match:${this.#match.id}`);
    this.#follow.setAttribute('aria-pressed', String(on));
    setText(this.#follow.querySelector('span'), t(on ? 'unfollowMatch' : 'followMatch'));
  }

  #toggle() {
    const { id, home, away } = this.#match;
    const topic = `match:${id}`;
    this.#page.follows.set(topic, `${home.name ?? ''} – ${away.name ?? ''}`, !this.#page.follows.has(topic));
  }

  #showSide(s) {
    const { timeline, [s.side]: team } = this.#match;
    setText(s.name, team.name ?? '…');
    if (s.crest.dataset.team !== `${team.id} ${team.name}`) {
      s.crest.dataset.team = `${team.id} ${team.name}`;
      s.crest.replaceChildren(crest(team));
    }
    const goals = timeline.filter((e) => e.kind === 'goal' && e.team === team.id && !isCancelled(e));
    const texts = scorers(goals);
    if (s.scorers.dataset.of === texts.join('|')) return;
    s.scorers.dataset.of = texts.join('|');
    s.scorers.replaceChildren(...texts.map((text) => h('li', {}, text)));
  }

  // showKicks shows the kicks of a shoot-out, a row for each side.
  #showKicks() {
    const { timeline, home, away } = this.#match;
    const kicks = timeline.filter((e) => e.kind === 'shootout_kick' && !isCancelled(e));
    this.#kicks.hidden = kicks.length === 0;
    this.#kicks.replaceChildren(...[home, away].map((team) => h('ol', { 'aria-label': team.name },
      ...kicks.filter((e) => e.team === team.id).map(({ kick, player }) =>
        h('li', { class: kick?.scored ? 'in' : 'wide' }, h('span', { class: 'hidden' },
          [player?.name, t(kick?.scored ? 'kickIn' : 'kickOut')].filter(Boolean).join(': ')))))));
  }
}

// scorers tells the goals of a side, one line for each who scored.
function scorers(goals) {
  const lines = new Map();
  for (const { id, player, clock, goal } of goals) {
    const key = player?.id || player?.name || id;
    if (!lines.has(key)) lines.set(key, { name: player?.name ?? t('goal'), times: [] });
    const how = { own: ` (${t('ownShort')})`, penalty: ` (${t('penaltyShort')})` }[goal?.type] ?? '';
    lines.get(key).times.push(`${clock ?? ''}′${how}`);
  }
  return [...lines.values()].map(({ name, times }) => `${name} ${times.join(', ')}`);
}

// periodOf says in which part a match is, and how much is added to it.
function periodOf({ period, state, timeline }) {
  if (state === 'abandoned') return '';
  const added = timeline.filter((e) => e.kind === 'added_time' && e.period === period && !isCancelled(e)).at(-1);
  const name = t(`h_${period}`);
  return [name.startsWith('h_') ? t(`p_${period}`) : name,
    added && `+${added.added_time} ${t('added')}`].filter(Boolean).join(' · ');
}
