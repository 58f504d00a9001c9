// tell.js: events in words and signs; used by the cards and the detail.
import { clockText, minuteAt, placeOf } from '../reducer.js';
import { h } from './dom.js';
import { t, timeOfDay } from './words.js';

const mostAdded = 45; // minutes; longer no half was ever played on

/** What stands where the clock is: "63′", "HT", "20:45", or what holds the match up. */
export function clockOf(match, now, speed) {
  if (match.awarded) return t('awardedResult');
  if (match.state === 'postponed' || match.state === 'abandoned') return t(match.state);
  if (match.delay) return t(`now_${match.delay.type}`);
  if (match.period === 'pre_match' || !match.period) return timeOfDay(match.kickoff);
  const minute = minuteAt(match, now, speed);
  const [from, added] = clockText(match.period, minute).split('+');
  if (added > mostAdded) return `${from}+′`; // its end was never told
  return minute > 0 ? `${clockText(match.period, minute)}′` : t(match.period);
}

/** How far a match is, 0 to 1, in play and in its pauses. */
export function progress(match, now, speed) {
  const whole = /extra|shootout/.test(match.period) ? 120 : 90;
  if (match.state === 'finished') return 1;
  const pauses = { half_time: 45, full_time_90: 90, extra_half_time: 105, extra_full_time: 120, shootout: 120 };
  const minute = pauses[match.period] ?? minuteAt(match, now, speed);
  const [from, to] = { first_half: [0, 45], second_half: [45, 90], extra_first_half: [90, 105],
    extra_second_half: [105, 120] }[match.period] ?? [0, 120];
  return Math.min(Math.max(minute, from), to) / whole;
}

/** Where on the bar an event stands, 0 to 1. */
export function place(event, match) {
  const whole = match.timeline.some((e) => /extra|shootout/.test(e.period ?? '')) ? 120 : 90;
  const end = { first_half: 45, second_half: 90, extra_first_half: 105, extra_second_half: 120 }[event.period] ?? whole;
  return Math.min(event.minute ?? 0, end) / whole;
}

export const isCancelled = (event) => event.status === 'cancelled';

/** Events that a viewer sees in the timeline. */
export function tellable(event) {
  return placeOf(event) === 'timeline' && !(event.kind === 'period' && isCancelled(event));
}

const icon = (kind, ...children) =>
  h('svg', { class: `sign ${kind}`, viewBox: '0 0 24 24', 'aria-hidden': 'true' }, ...children);
const disc = () => h('circle', { cx: 12, cy: 12, r: 9 });
const dot = () => icon('other', h('circle', { cx: 12, cy: 12, r: 4 }));
const miss = () => icon('miss', disc(), h('path', { d: 'M8.5 8.500l7 7M15.5 8.500l-7 7' }));
const joined = (...parts) => parts.filter(Boolean).join(' · ');

/**
 * How each kind of event is told: `tell` gives {title, text}, `sign` its sign. `across` marks what
 * is of neither side and is told in a line across the timeline. A new kind gets its row here;
 * without one it has its own name and a dot.
 */
export const tellings = {
  goal: {
    tell({ goal, player }) {
      const assist = goal?.assist?.name && `${t('assist')}: ${goal.assist.name}`;
      return { title: player?.name || t('goal'),
        text: joined({ own: t('own'), penalty: t('penalty') }[goal?.type], assist) };
    },
    sign: ({ goal }) => icon(goal?.type === 'own' ? 'ball own' : 'ball', disc(),
      h('path', { d: 'M12 8l3.8 2.8-1.450 4.400h-4.700L8.2 10.800z' }),
      h('path', { class: 'seam',
        d: 'M12 8V3.500M15.8 10.800l4.3-1.500M14.350 15.200l2.7 3.700M9.650 15.200l-2.7 3.700M8.2 10.800L3.9 9.3' })),
  },
  card: {
    tell: ({ card, player }) => ({ title: player?.name || t(card?.type), text: joined(t(card?.type), card?.reason) }),
    sign({ card }) {
      const two = card?.type === 'second_yellow';
      return icon('card-sign', two && h('rect', { x: 4, y: 4, width: 10, height: 14, rx: 2, class: 'yellow' }),
        h('rect', { x: two ? 9 : 7, y: two ? 7 : 5, width: 10, height: 14, rx: 2,
          class: card?.type === 'yellow' ? 'yellow' : 'red' }),
        // what is red has a cross, for who sees no colours
        card?.type !== 'yellow' && h('path', { class: 'cross', transform: two ? 'translate(2 2)' : undefined,
          d: 'M9.500 9.500l5 5M14.500 9.500l-5 5' }));
    },
  },
  substitution: {
    tell: ({ substitution }) =>
      ({ title: substitution?.on?.name ?? t('substitution'), text: substitution?.off?.name ?? '' }),
    sign({ substitution: { on, off } = {} }) { // of one of the two players: his arrow only
      const alone = !on !== !off;
      return icon('swap', (on || !alone) && h('path', { class: 'on', transform: alone ? 'translate(4 0)' : undefined,
        d: 'M8 19V6M4 10l4-4.5 4 4.5' }),
      (off || !alone) && h('path', { class: 'off', transform: alone ? 'translate(-4 0)' : undefined,
        d: 'M16 5v13M12 14l4 4.5 4-4.5' }));
    },
  },
  period: { across: true, tell: ({ period }) => ({ title: t(`p_${period}`), text: '' }), sign: dot },
  missed_penalty: { tell: ({ player }) => ({ title: player?.name || t('missed'), text: t('missed') }), sign: miss },
  shootout_kick: {
    tell: ({ kick, player }) => ({ title: player?.name ?? '', text: t(kick?.scored ? 'kickIn' : 'kickOut') }),
    sign: ({ kick }) => (kick?.scored ? icon('ball', disc(), h('path', { d: 'M8 12l3 3 5-6', class: 'tick' }))
      : miss()),
  },
  var: {
    tell: (event) => ({ title: t('review'),
      text: `${t(`s_${event.var?.subject}`)}: ${t(event.var?.outcome).toLowerCase()}` }),
    sign: () => icon('var', h('rect', { x: 2.5, y: 5, width: 19, height: 14, rx: 2.5 }),
      h('text', { x: 12, y: 15, 'text-anchor': 'middle' }, 'VAR')),
  },
  added_time: {
    across: true,
    tell: (event) => ({ title: `+${event.added_time ?? 0}`, text: t('added') }),
    sign: () => icon('watch', disc(), h('path', { d: 'M12 7v5l3.5 2' })),
  },
  penalty: {
    tell: ({ player }) => ({ title: t('penaltyFor'), text: player?.name ?? '' }),
    sign: () => icon('spot', h('path', { d: 'M3.500 19V6.500h17V19' }), h('circle', { cx: 12, cy: 15.5, r: 2.200 })),
  },
  delay: {
    across: true,
    tell: ({ delay }) => ({ title: t(`d_${delay?.type}`),
      text: delay?.reason && delay.type !== 'resumed' ? t(`r_${delay.reason}`) : '' }),
    sign: ({ delay }) => (delay?.type === 'resumed' ? icon('goes', h('path', { d: 'M8.500 5.500v13l10-6.500z' }))
      : icon('held', h('path', { d: 'M8.500 5.500v13M15.5 5.500v13' }))),
  },
  clip: { tell: ({ clip }) => ({ title: clip?.title ?? t('clip'), text: t('clip') }), sign: dot },
};

/** {title, text} of an event. */
export function tell(event) {
  return tellings[event.kind]?.tell(event) ?? { title: event.kind, text: '' };
}

/** The sign of an event. */
export function sign(event) {
  return tellings[event.kind]?.sign(event) ?? dot();
}

/**
 * A line under the score: what was decided off the pitch, or why the match does not go its way;
 * empty for a match that does.
 */
export function noteOf(match) {
  if (match.awarded) return t('awardedNote');
  if (match.delay?.reason) return t(`r_${match.delay.reason}`);
  return match.halted ? match.reason ?? '' : '';
}
