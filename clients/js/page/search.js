// search.js: finds teams, competitions and players by the beginnings of their names, while one types.
import { crest, h, setText } from './dom.js';
import { t } from './words.js';

const patience = 180; // ms after the last key
const most = 12;
const fewest = 2; // letters that the hub asks for
const letters = { team: 't', competition: 'c', player: 'p' };

export class Search {
  #page;
  #list = h('ul', { id: 'found', role: 'listbox', class: 'found', hidden: true });
  #input = h('input', { type: 'search', role: 'combobox', 'aria-autocomplete': 'list', 'aria-expanded': 'false',
    'aria-controls': 'found', autocomplete: 'off', spellcheck: 'false', maxlength: 50, enterkeyhint: 'search' });
  #said = h('span', { class: 'hidden', role: 'status' });
  #found = [];
  #at = -1;
  #timer;
  #asked = 0;

  constructor(page, root) {
    this.#page = page;
    root.append(h('svg', { viewBox: '0 0 24 24', class: 'glass', 'aria-hidden': 'true' }, h('circle', { cx: 10.500,
      cy: 10.500, r: 6 }), h('path', { d: 'M15 15l5 5' })), this.#input, this.#list, this.#said);
    this.#input.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ask(), patience);
    });
    this.#input.addEventListener('keydown', (e) => this.#key(e));
    this.#input.addEventListener('focus', () => this.#found.length > 0 && this.#show());
    root.addEventListener('focusout', () => this.#close());
    this.#list.addEventListener('pointerdown', (e) => e.preventDefault()); // the focus stays, so the list does
    this.#list.addEventListener('click', ({ target }) => {
      const at = [...this.#list.children].indexOf(target.closest('[role=option]'));
      if (at >= 0 && this.#found[at]) this.#choose(this.#found[at]);
    });
    this.retell();
  }

  retell() {
    this.#input.placeholder = t('search');
    this.#input.setAttribute('aria-label', t('searchFor'));
    this.#list.setAttribute('aria-label', t('searchFor'));
  }

  async #ask() {
    const text = this.#input.value.trim();
    const asked = ++this.#asked;
    if (text.length < fewest) {
      this.#found = [];
      this.#close();
      return;
    }
    let found;
    try {
      const res = await fetch(`/v1/search?q=${encodeURIComponent(text)}&limit=${most}`,
        { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(10_000) });
      if (res.ok) ({ found } = await res.json());
      else if (res.status === 400) found = []; // nothing but signs
    } catch { /* told below */ }
    if (asked !== this.#asked || document.activeElement !== this.#input) return;
    this.#found = found ?? [];
    const none = found ? t('nothingFound') : t('searchFailed');
    this.#list.replaceChildren(...this.#found.map((one, i) => h('li', { id: `found-${i}`, role: 'option',
      'aria-selected': 'false' }, one.kind === 'team' ? crest(one) : h('span', { class: 'no-crest' }),
    h('span', { class: 'found-name' }, one.name), h('small', {}, t(one.kind)))),
    ...(this.#found.length ? [] : [h('li',
      { class: 'none', role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false' },
      none)]));
    setText(this.#said, this.#found.length ? '' : none);
    this.#show();
  }

  #show() {
    this.#list.hidden = false;
    this.#input.setAttribute('aria-expanded', 'true');
    this.#mark(-1);
  }

  #close() {
    this.#list.hidden = true;
    this.#input.setAttribute('aria-expanded', 'false');
    this.#mark(-1);
  }

  #mark(at) {
    this.#at = at;
    for (const [i, option] of [...this.#list.children].entries()) {
      option.setAttribute('aria-selected', String(i === at));
    }
    if (at < 0) this.#input.removeAttribute('aria-activedescendant');
    else {
      this.#input.setAttribute('aria-activedescendant', `found-${at}`);
      this.#list.children[at].scrollIntoView({ block: 'nearest' });
    }
  }

  #key(e) {
    const many = this.#found.length;
    if (e.key === 'Escape' && !this.#list.hidden) this.#close();
    else if (e.key === 'Enter' && many > 0 && !this.#list.hidden) this.#choose(this.#found[Math.max(0, this.#at)]);
    else if ((e.key === 'ArrowDown' || e.key === 'ArrowUp') && many > 0) {
      if (this.#list.hidden) this.#show();
      this.#mark(e.key === 'ArrowDown' ? (this.#at + 1) % many : (this.#at + many + (this.#at < 0 ? 0 : -1)) % many);
    } else return;
    e.preventDefault();
  }

  #choose({ kind, id }) {
    this.#input.value = '';
    this.#found = [];
    this.#close();
    const address = `#${letters[kind]}${id}`;
    if (location.hash === address) this.#page.place.focus();
    else addEventListener('hashchange', () => this.#page.place.focus(), { once: true }); // once it is there
    location.hash = address;
  }
}
