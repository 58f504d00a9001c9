// feed.js: the newest of all matches, one line each.
import { h, setChildren, setText } from './dom.js';
import { isCancelled, sign, tell } from './tell.js';
import { t } from './words.js';

const most = 4; // lines; there is room for no more
const kinds = new Set(['goal', 'card', 'penalty', 'missed_penalty', 'shootout_kick', 'var', 'delay']);

export class Feed {
  #page;
  #title = h('h2');
  #list = h('ol');
  #lines = []; // newest first: {key, event, match, root}

  constructor(page, root) {
    this.#page = page;
    root.append(this.#title, this.#list);
  }

  told(event, match, before) {
    if (!kinds.has(event.kind) || (isCancelled(event) && !before)) return;
    // what came of it stands in its goal's own line
    if (event.kind === 'var' && event.var?.outcome !== 'under_review') {
      this.#lines = this.#lines.filter((l) => l.key !== event.id);
      setChildren(this.#list, this.#lines.map((l) => l.root));
      return;
    }
    const line = { key: event.id, event, match, root: h('li', { class: 'arrives' }) };
    this.#fill(line);
    this.#lines = [line, ...this.#lines.filter((l) => l.key !== line.key)].slice(0, most);
    setChildren(this.#list, this.#lines.map((l) => l.root));
  }

  #fill({ root, event, match }) {
    const { title, text } = tell(event);
    const voided = isCancelled(event);
    const what = event.kind === 'goal' && voided ? `${t('noGoal')}: ${title}` : event.kind === 'goal'
      ? `${t('goal')}! ${title}` : [title, text].filter(Boolean).join(' · ');
    root.replaceChildren(h('button',
      { type: 'button', class: voided ? 'void' : '', onclick: () => this.#page.select(match.id) },
      h('span', { class: 'at' }, event.clock ? `${event.clock}′` : ''), sign(event), h('b', {}, what),
      h('span', { class: 'where' },
        `${match.home.name ?? ''} ${match.score.home}–${match.score.away} ${match.away.name ?? ''}`)));
  }

  retell() {
    setText(this.#title, t('latest'));
    for (const line of this.#lines) this.#fill(line);
    if (this.#lines.length === 0) setChildren(this.#list,
      [h('li', {}, h('button', { type: 'button', disabled: true }, h('span'), h('span'),
      h('span', { class: 'where' }, t('quiet'))))]);
  }
}
