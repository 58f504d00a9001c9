// pitch.js: who plays. Two teams whose formations are known stand on a pitch, as they stand now: who comes
// on takes the place of who goes off. Benches and coaches are lists, and so is a team without a formation.
import { h } from './dom.js';
import { isCancelled, sign, tell } from './tell.js';
import { t } from './words.js';

// The places 1 to 11 of the formations as feeds number them, from the goalkeeper forward, each line from its
// right to its left.
const places = {
  442: [[1], [2, 5, 6, 3], [7, 4, 8, 11], [10, 9]],
  41212: [[1], [2, 5, 6, 3], [4], [7, 11], [8], [10, 9]],
  433: [[1], [2, 5, 6, 3], [7, 4, 8], [10, 9, 11]],
  451: [[1], [2, 5, 6, 3], [7, 4, 10, 8, 11], [9]],
  4411: [[1], [2, 5, 6, 3], [7, 4, 8, 11], [10], [9]],
  4141: [[1], [2, 5, 6, 3], [4], [7, 8, 10, 11], [9]],
  4231: [[1], [2, 5, 6, 3], [8, 4], [7, 10, 11], [9]],
  4321: [[1], [2, 5, 6, 3], [8, 4, 7], [10, 11], [9]],
  4222: [[1], [2, 5, 6, 3], [4, 8], [7, 11], [10, 9]],
  532: [[1], [2, 6, 5, 4, 3], [7, 8, 11], [10, 9]],
  541: [[1], [2, 6, 5, 4, 3], [7, 8, 10, 11], [9]],
  352: [[1], [6, 5, 4], [2, 7, 11, 8, 3], [10, 9]],
  343: [[1], [6, 5, 4], [2, 7, 8, 3], [10, 9, 11]],
  3421: [[1], [6, 5, 4], [2, 7, 8, 3], [10, 11], [9]],
  3412: [[1], [6, 5, 4], [2, 7, 8, 3], [9], [10, 11]],
  3511: [[1], [5, 6, 4], [2, 7, 11, 8, 3], [10], [9]],
};

const ranks = ['goalkeeper', 'defender', 'midfielder', 'striker'];
const keyOf = (player) => player.id || player.name;

/**
 * The lines of a formation, the goalkeeper first; undefined for a line-up that does not fill one. Of a
 * formation that is not known, or whose numbers do not fit the players' positions, the lines are filled in
 * the order of positions and places.
 */
export function linesOf({ formation = '', players }) {
  const start = players.filter((p) => p.start);
  const counts = [1, ...formation].map(Number);
  if (start.length !== 11 || counts.length < 3 || counts.reduce((sum, n) => sum + n) !== 11) return undefined;
  const byPlace = new Map(start.map((p) => [p.place, p]));
  const known = byPlace.size === 11 && places[formation]?.map((line) => line.map((place) => byPlace.get(place)));
  if (known && known.flat().every(Boolean) && isForward(known)) return known;
  const rank = (p) => Math.max(0, p.place === 1 ? 0 : ranks.indexOf(p.position ?? 'midfielder'));
  const order = [...start].sort((a, b) => rank(a) - rank(b) || (a.place || 99) - (b.place || 99));
  return counts.map((n) => order.splice(0, n));
}

// isForward says whether no line has a player whose position is behind that of one in a line before.
function isForward(lines) {
  let last = 0;
  return lines.every((line) => {
    const known = line.map((p) => ranks.indexOf(p.position)).filter((rank) => rank >= 0);
    if (known.length === 0) return true;
    const fits = Math.min(...known) >= last;
    last = Math.max(last, ...known);
    return fits;
  });
}

/**
 * Who plays now: {on, bench}. on gives for each who started the player that has his place, nobody if he left
 * and no one came; bench who does not play: who never came on first.
 */
export function playing(lineup, timeline) {
  const on = new Map(lineup.players.filter((p) => p.start).map((p) => [keyOf(p), p]));
  const known = new Map(lineup.players.map((p) => [keyOf(p), p]));
  const left = [];
  for (const { kind, status, team, substitution: change } of timeline) {
    if (kind !== 'substitution' || status === 'cancelled' || team !== lineup.team || !change) continue;
    const place = change.off && [...on].find(([, p]) => p && keyOf(p) === keyOf(change.off));
    if (!place) continue;
    left.push(place[1]);
    on.set(place[0], change.on && (known.get(keyOf(change.on)) ?? change.on));
  }
  const now = new Set([...on.values()].filter(Boolean).map(keyOf));
  const off = new Set(left.map(keyOf));
  const bench = lineup.players.filter((p) => !now.has(keyOf(p)) && !off.has(keyOf(p)));
  return { on, bench: [...bench, ...left.filter((p) => !now.has(keyOf(p)))] };
}

export class Lineups {
  root = h('div', { class: 'lineups' });
  #match;
  #text;
  #were; // who was on the pitch when this match was drawn last

  forget() {
    this.#text = undefined;
    this.#were = undefined;
  }

  retell() { this.#text = undefined; }

  show(match) {
    const { lineups = [], home, away } = match;
    const text = JSON.stringify([match.seq, home.name, away.name, lineups.map((l) => [l.event, l.revision])]);
    if (this.#text === text) return;
    this.#text = text;
    this.#match = match;
    if (lineups.length === 0) {
      this.root.replaceChildren(h('p', { class: 'nothing' }, t('noLineups')));
      return;
    }
    const teams = lineups.map((lineup) => ({ lineup, side: lineup.team === home.id ? 'home' : 'away',
      name: (lineup.team === home.id ? home : away).name ?? '…', lines: linesOf(lineup),
      ...playing(lineup, match.timeline) }));
    const onPitch = teams.length === 2 && teams.every((team) => team.lines);
    const lists = teams.map((team) => this.#list(team, onPitch));
    const referee = match.officials?.find((o) => o.role === 'referee');
    this.root.replaceChildren(...(onPitch ? [this.#pitch(teams)] : []), h('div', { class: 'benches' }, ...lists),
      referee ? h('p', { class: 'referee' }, `${t('referee')}: ${referee.name}`) : '');
    this.#were = new Set(teams.flatMap(({ on }) => [...on.values()].filter(Boolean).map(keyOf)));
  }

  #pitch(teams) {
    const [home, away] = teams;
    const head = ({ side, name, lineup }) => h('h3', { class: 'formation', id: `formation-${side}` }, name, ' ',
      h('span', {}, [...lineup.formation].join('-')));
    return h('div', { class: 'on-pitch' }, head(home),
      h('div', { class: 'pitch' }, grass(), this.#half(home), this.#half(away)), head(away));
  }

  // half places a team's players: home plays down the screen, away up, so that each line's right is the
  // other one's left.
  #half({ side, lines, on }) {
    const spots = lines.flatMap((line, row) => line.map((starter, i) => ({ player: on.get(keyOf(starter)),
      x: (i + 0.5) / line.length, y: (row + 0.5) / lines.length, width: 1 / Math.max(3, line.length) })));
    return h('ul', { class: `half ${side}`, 'aria-labelledby': `formation-${side}` },
      ...spots.filter(({ player }) => player).map(({ player, x, y, width }) => {
        const el = this.#player(player);
        const place = { x: side === 'home' ? x : 1 - x, y: side === 'home' ? y : 1 - y, width };
        for (const [name, part] of Object.entries(place)) el.style.setProperty(`--${name}`, part.toFixed(4));
        return el;
      }));
  }

  #player(p) {
    const marks = this.#marks(p);
    const out = marks.some(({ event }) => event.kind === 'card' && event.card?.type !== 'yellow');
    const classes = ['player', p.captain && 'captain', out && 'out',
      this.#were && !this.#were.has(keyOf(p)) && 'comes-on'].filter(Boolean).join(' ');
    return h('li', { class: classes, 'data-player': p.id },
      h('span', { class: 'shirt' }, p.shirt ?? ''),
      h('span', { class: 'player-name', title: p.name }, h('span', { 'aria-hidden': 'true' }, shortName(p.name)),
        h('span', { class: 'hidden' }, saidOf(p, marks))),
      h('span', { class: 'player-signs', 'aria-hidden': 'true' }, ...marks.map(({ event }) => sign(event))));
  }

  // list is a team off the pitch, or all of it if there is no pitch.
  #list({ lineup, name, side, on, bench }, onPitch) {
    const row = (p) => {
      const marks = this.#marks(p);
      return h('li', { 'data-player': p.id }, h('span', { class: 'shirt', 'aria-hidden': 'true' }, p.shirt ?? ''),
        h('span', { class: 'bench-name' }, h('span', { 'aria-hidden': 'true' }, p.name || '…',
          p.captain && h('b', { class: 'armband' }, ' (C)')), h('span', { class: 'hidden' }, saidOf(p, marks))),
        h('span', { class: 'bench-signs', 'aria-hidden': 'true' }, ...marks.map(({ event }) =>
          h('span', {}, sign(event), event.clock ? `${event.clock}′` : ''))));
    };
    const starters = [...on.values()].filter(Boolean);
    return h('section', { class: `bench ${side}` }, h('h3', {}, onPitch ? `${t('bench')} · ${name}` : name),
      !onPitch && h('ul', {}, ...starters.map(row)),
      !onPitch && bench.length > 0 && h('h4', {}, t('bench')),
      h('ul', {}, ...bench.map(row)),
      lineup.coach && h('p', { class: 'coach' }, h('span', {}, `${t('coach')}: `), lineup.coach.name));
  }

  // marks are what a player did, and what was done to him: [{event, text}].
  #marks(p) {
    const is = (who) => who && keyOf(who) === keyOf(p);
    return this.#match.timeline.filter((e) => !isCancelled(e)).flatMap((event) => {
      const { kind, player, substitution: change, goal } = event;
      if (kind === 'goal' && is(player)) return { event, text: goal?.type === 'own' ? t('own') : t('goal') };
      if (kind === 'card' && is(player)) return { event, text: tell(event).text };
      if (kind === 'substitution' && is(change?.on)) return { event: oneWay(event, 'on'), text: t('cameOn') };
      if (kind === 'substitution' && is(change?.off)) return { event: oneWay(event, 'off'), text: t('wentOff') };
      return [];
    });
  }
}

// oneWay is a substitution as one of its two players sees it.
const oneWay = (event, way) => ({ ...event, substitution: { [way]: event.substitution[way] } });

// saidOf is all of a player in words.
function saidOf(p, marks) {
  return [p.shirt, p.name || '…', p.captain && t('captain'),
    ...marks.map(({ event, text }) => `${text}${event.clock ? ` ${event.clock}′` : ''}`)].filter(Boolean).join(', ');
}

// What a family name may begin with.
const particles = /^(van|von|de|den|der|di|da|do|dos|du|el|al|la|le|ter|ten|saint|mc)$/i;

// shortName leaves out the first of several names, unless that is a part of the last one.
function shortName(name = '…') {
  const [first, ...more] = name.split(' ');
  return more.length > 0 && !particles.test(first) ? more.join(' ') : name;
}

// grass is the pitch, in metres.
const grass = () => h('svg', { class: 'grass', viewBox: '0 0 68 105', 'aria-hidden': 'true' },
  h('path', { d: 'M2 2h64v101h-64zM2 52.5h64' }), h('circle', { cx: 34, cy: 52.5, r: 9.15 }),
  h('path', { d: 'M15 2v15h38v-15M26 2v5h16v-5M27.5 17a9.15 9.15 0 0 0 13 0' }),
  h('path', { d: 'M15 103v-15h38v15M26 103v-5h16v5M27.5 88a9.15 9.15 0 0 1 13 0' }));
