// commentary.js: a match in words, the newest line first. The hub tells each new line; those before it are
// read when somebody looks.
import { h, setChildren } from './dom.js';
import { currentLanguage, t } from './words.js';

const most = 50; // lines that are read

export class Commentary {
  root = h('ol', { class: 'commentary' });
  #page;
  #match; // its id
  #lines = []; // newest first
  #read; // of which match and language they are

  constructor(page) {
    this.#page = page;
    page.live.on('state', ({ topic, key, value }) => {
      if (topic !== `match:${this.#match}` || !key.startsWith('commentary/')) return;
      if (key === `commentary/${this.#language()}` && value) this.#add(value);
      page.detail.showTabs();
    });
  }

  forget() {
    this.#match = undefined;
    this.#read = undefined;
    this.#lines = [];
  }

  show(match) { this.#match = match.id; }

  retell() { this.#draw(); }

  /** Whether there is any. */
  get isEmpty() { return this.#languages().length === 0; }

  #languages() {
    const key = `match:${this.#match} commentary/`;
    return [...this.#page.live.states.keys()].filter((k) => k.startsWith(key)).map((k) => k.slice(key.length));
  }

  // language is that of the page, else English, else any.
  #language() {
    const all = this.#languages();
    return [currentLanguage(), 'en'].find((code) => all.includes(code)) ?? all[0];
  }

  /** Somebody looks: reads what was said before. */
  async open() {
    const language = this.#language();
    const which = `${this.#match} ${language}`;
    if (!language || this.#read === which) return;
    this.#read = which;
    this.#lines = [];
    const newest = this.#page.live.states.get(`match:${this.#match} commentary/${language}`)?.value;
    if (newest) this.#add(newest);
    const path = `/v1/matches/${this.#match}/commentary?lang=${encodeURIComponent(language)}&limit=${most}`;
    const answer = await fetch(path).then((res) => (res.ok ? res.json() : undefined), () => undefined);
    if (this.#read !== which) return;
    if (!answer) {
      this.#read = undefined; // it is tried again when somebody looks again
      return;
    }
    const known = new Set(this.#lines.map((line) => line.id));
    this.#lines = [...this.#lines, ...answer.lines.filter((line) => !known.has(line.id))];
    this.#draw();
  }

  // add takes the newest line, or one that was edited.
  #add(line) {
    const at = this.#lines.findIndex((l) => l.id === line.id);
    if (at < 0) this.#lines.unshift(line);
    else this.#lines[at] = line;
    this.#draw();
  }

  #draw() {
    this.root.lang = this.#language() ?? '';
    setChildren(this.root, this.#lines.length === 0 ? [h('li', { class: 'nothing' }, t('loading'))]
      : this.#lines.map((line) => h('li', { 'data-type': line.type },
        h('span', { class: 'minute' }, line.clock ? `${line.clock}′` : ''), h('p', {}, line.text))));
  }
}
