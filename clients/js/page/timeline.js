// timeline.js: what happened in a match, the newest first: that is what one looks for.
import { flash, h, setChildren } from './dom.js';
import { isCancelled, sign, tell, tellable, tellings } from './tell.js';
import { t } from './words.js';

export class Timeline {
  root = h('ol', { class: 'timeline' });
  #page;
  #match;
  #rows = new Map(); // event id -> {root, text}

  constructor(page) { this.#page = page; }

  /** Forgets the match before. */
  forget() { this.#rows.clear(); }

  show(match) {
    this.#match = match;
    const scores = scoresAt(match);
    const clips = new Set(match.timeline.filter((e) => e.kind === 'clip' && !isCancelled(e)).map((e) => e.clip?.of));
    const rows = match.timeline.filter((e) => tellable(e) && e.kind !== 'clip').reverse().map((event) => {
      const score = scores.get(event.id) ?? '';
      const hasClip = clips.has(event.id);
      const text = JSON.stringify([event.revision, event.clock, event.team, score, hasClip]);
      let row = this.#rows.get(event.id);
      if (!row) this.#rows.set(event.id, row = { root: h('li', {}) });
      if (row.text !== text) {
        row.text = text;
        this.#fill(row.root, event, score, hasClip);
      }
      return row.root;
    });
    if (rows.length === 0) rows.push(h('li', { class: 'nothing' }, t('noTimeline')));
    setChildren(this.root, rows);
  }

  /** Something happened just now, or what had happened is another thing. */
  told(event, before) {
    const row = this.#rows.get(event.id);
    if (!row) return;
    const voided = isCancelled(event) && before && !isCancelled(before);
    flash(row.root, voided ? 'voided' : before ? 'changed' : 'new');
  }

  retell() { this.forget(); }

  #fill(root, event, score, hasClip) {
    root.dataset.event = event.id;
    root.dataset.status = event.status;
    const { title, text } = tell(event);
    if (tellings[event.kind]?.across) {
      root.className = `whistle${event.kind === 'added_time' ? ' small' : ''}${event.kind === 'delay'
        ? ` is-delay ${event.status}` : ''}`;
      const words = [event.kind === 'delay' && event.clock && `${event.clock}′`, title,
        text].filter(Boolean).join(event.kind === 'delay' ? ' · ' : ' ');
      root.replaceChildren(isCancelled(event) ? h('s', {}, words) : h('span', {}, words));
      return;
    }
    const { home, away } = this.#match;
    const side = event.team === away.id ? 'away' : event.team === home.id ? 'home' : 'both';
    root.className = `event is-${event.kind} ${side} ${event.status}`;
    const badge = isCancelled(event) ? (event.kind === 'goal' ? `${t('var')} · ${t('cancelled')}` : t('cancelled'))
      : event.status === 'provisional' ? t('possible') : event.kind === 'goal' && event.revision > 1 ? t('corrected')
        : '';
    const kind = { goal: t('goal'), substitution: t('substitution') }[event.kind]; // which only a sign shows
    root.replaceChildren(h('span', { class: 'minute' }, event.clock ? `${event.clock}′` : ''), sign(event),
      h('span', { class: 'what' },
        h('span', { class: 'headline' }, kind && h('span', { class: 'hidden' }, `${kind}: `),
          h(isCancelled(event) ? 's' : 'b', {}, title), score && h('span', { class: 'at-score' }, score)),
        text && h('span', { class: 'more' }, event.kind === 'substitution' ? `↓ ${text}` : text),
        badge && h('em', { class: 'badge' }, badge),
        hasClip && h('button', { type: 'button', class: 'to-clip',
          onclick: () => this.#page.detail.showClip(event.id) }, `▶ ${t('clip')}`)));
  }
}

// scoresAt says what each goal that counts made of the score.
function scoresAt({ timeline, home, away }) {
  const scores = new Map();
  const score = { home: 0, away: 0 };
  for (const event of timeline) {
    if (event.kind !== 'goal' || isCancelled(event)) continue;
    if (event.team === home.id) score.home++;
    else if (event.team === away.id) score.away++;
    else continue;
    scores.set(event.id, `${score.home}–${score.away}`);
  }
  return scores;
}
