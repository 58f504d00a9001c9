// telling.js: matches and events in a few words; used by all elements.

import { colours, h } from '../page/dom.js';
import { isCancelled } from '../page/tell.js';
import { t } from '../page/words.js';

/** The score of a match: no 0–0 where nothing is played. */
export const scoreOf = ({ state, score }) =>
  (/scheduled|postponed/.test(state) ? '–' : `${score.home}–${score.away}`);

/** What an event is: [its sign, whom or what it is of, what else there is to say]; undefined for what is not told. */
export function tell({ kind, goal, card, player, period, substitution, kick, delay }) {
  const name = player?.name;
  const detail = { own: t('own'), penalty: t('penalty') }[goal?.type];
  return {
    goal: ['●', name ?? t('goal'), detail],
    card: ['', name ?? '', t(card?.type)],
    substitution: ['⇄', substitution?.on?.name, substitution?.off?.name && `(${substitution.off.name})`],
    missed_penalty: ['✕', name, t('missed')],
    shootout_kick: kick?.scored ? ['●', name, t('kickIn')] : ['✕', name, t('kickOut')],
    period: t(`p_${period}`) !== `p_${period}` && ['', t(`p_${period}`)],
    delay: delay && delay.type in { late_start: 1, stopped: 1, suspended: 1 } && ['', t(`now_${delay.type}`)],
  }[kind] || undefined;
}

/** An event in one sentence, if it is one to be read aloud, with the score that came of it. */
export function sentence(widget, event, match, previous) {
  const gone = isCancelled(event);
  const before = previous?.timeline.find(({ id }) => id === event.id);
  if (gone ? !before || isCancelled(before) : before) return ''; // corrected, or never heard of
  const { kind, card, clock, player = kind !== 'goal' } = event;
  if (!['goal', 'period'].includes(kind) && (kind !== 'card' || card?.type === 'yellow')) return '';
  const [, name, detail] = tell(event) ?? [];
  return name === undefined ? '' : `${[kind === 'goal' && t(gone ? 'noGoal' : 'goal'), player && name, detail, clock && `${clock}′`]
    .filter(Boolean).join(', ')}. ${widget.nameOf(match.home)} ${scoreOf(match)} ${widget.nameOf(match.away)}`;
}

/** A club's shield in its colours. */
export function shield({ id }) {
  const [main, second] = colours(id);
  return h('svg', { class: 'shield', viewBox: '0 0 40 46', 'aria-hidden': 'true' },
    h('path', { d: 'M4 3h32v20c0 10-8 16-16 20C12 39 4 33 4 23z', fill: main, stroke: second, 'stroke-width': 6 }));
}
