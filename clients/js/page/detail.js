// detail.js: one match: its head, and below it tabs: what happened, who plays, what is counted, what is said,
// what can be seen again.
import { Clips } from './clips.js';
import { Commentary } from './commentary.js';
import { h, setChildren, setText } from './dom.js';
import { Hero } from './hero.js';
import { Lineups } from './pitch.js';
import { Stats } from './stats.js';
import { Timeline } from './timeline.js';
import { t } from './words.js';

export class Detail {
  #page;
  #root;
  #match;
  #text; // why no match is shown
  #hero;
  #panels;
  #tabs; // name -> {button, panel, part}
  #tab = 'timeline'; // what was chosen; a match without it shows its timeline

  constructor(page, root) {
    this.#page = page;
    this.#root = root;
    this.#hero = new Hero(page);
    this.#panels = { timeline: new Timeline(page), lineups: new Lineups(), stats: new Stats(page),
      commentary: new Commentary(page), clips: new Clips(page) };
    this.#tabs = new Map(Object.entries(this.#panels).map(([name, part]) => [name, {
      part,
      button: h('button', { type: 'button', role: 'tab', id: `tab-${name}`, 'data-tab': name,
        'aria-controls': `panel-${name}`, onclick: () => this.#choose(name), onkeydown: (e) => this.#steer(e, name) }),
      panel: h('div', { class: 'panel', role: 'tabpanel', id: `panel-${name}`, 'aria-labelledby': `tab-${name}`,
        tabindex: 0 }, part.root),
    }]));
    this.bar = h('div', { class: 'tabs', role: 'tablist' });
    this.back = h('button', { type: 'button', class: 'back', onclick: () => this.#page.home() });
    page.follows?.onChange(() => this.#match && this.#hero.showStars());
    this.open();
  }

  /** The match that is shown. */
  get match() { return this.#match; }

  /** Shows another match, or while it is not known a text: why not. */
  open(match, text) {
    for (const part of Object.values(this.#panels)) part.forget();
    this.#match = undefined;
    this.#text = text;
    setText(this.back, `‹ ${t('back')}`);
    delete this.#root.dataset.state;
    this.#root.removeAttribute('data-held');
    setChildren(this.#root, [this.back, h('p', { class: 'empty' }, text ?? t('choose'))]);
    if (match) this.show(match);
  }

  show(match) {
    const isFirst = !this.#match;
    this.#match = { ...match, timeline: match.timeline ?? [] };
    if (isFirst) this.#build();
    this.#root.dataset.state = match.state;
    this.#root.toggleAttribute('data-held', Boolean(match.delay));
    this.#hero.show(this.#match, isFirst);
    for (const part of Object.values(this.#panels)) part.show(this.#match);
    this.showTabs();
    this.tick();
  }

  tick() { if (this.#match) this.#hero.tick(); }

  told(event, before) { this.#panels.timeline.told(event, before); }

  retell() {
    for (const part of Object.values(this.#panels)) part.retell();
    setText(this.back, `‹ ${t('back')}`);
    if (this.#match) this.show(this.#match);
    else this.open(undefined, this.#text);
  }

  /** Shows the clip of an event. */
  showClip(event) {
    this.#choose('clips');
    this.#panels.clips.reveal(event);
  }

  #build() {
    setChildren(this.#root, [this.back, this.#hero.root, this.bar, ...[...this.#tabs.values()].map((tab) => tab.panel),
      ...(this.#page.odds ? [this.#page.odds.root] : [])]);
  }

  /** Shows those tabs that there are, and the panel of the chosen one. */
  showTabs() {
    if (!this.#match) return;
    const names = this.#names();
    const chosen = names.includes(this.#tab) ? this.#tab : 'timeline';
    for (const [name, { button, panel }] of this.#tabs) {
      setText(button, t(name));
      button.setAttribute('aria-selected', String(name === chosen));
      button.tabIndex = name === chosen ? 0 : -1;
      panel.hidden = name !== chosen;
    }
    this.bar.setAttribute('aria-label', t('matchParts'));
    setChildren(this.bar, names.map((name) => this.#tabs.get(name).button));
    if (chosen === 'commentary') this.#panels.commentary.open();
  }

  // names lists the tabs: what few matches have comes last, so that it moves no other when it comes.
  #names() { return [...this.#tabs].filter(([, { part }]) => !part.isEmpty).map(([name]) => name); }

  #choose(name) {
    this.#tab = name;
    this.showTabs();
    const { button } = this.#tabs.get(name);
    button.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  // steer goes from tab to tab by keyboard.
  #steer(e, name) {
    const names = this.#names();
    const at = names.indexOf(name);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[e.key];
    if (to === undefined || e.ctrlKey || e.altKey || e.metaKey) return;
    e.preventDefault();
    const next = names.at(to % names.length);
    this.#choose(next);
    this.#tabs.get(next).button.focus();
  }
}
