// element.js: what the elements have in common: attributes, connection, names, words, what is read aloud.

import { h, setText } from '../page/dom.js';
import { languages, speak, t } from '../page/words.js';
import { connect } from './connections.js';
import { css } from './style.js';

// The hub that the script came from; where it was built into another one, the page's own origin.
const home = globalThis.document?.currentScript?.src || globalThis.location?.href;

const most = { delay: 300, rows: 40 };

const needed = ['goal', 'period', 'delay', 'shootout_kick']; // for score and clock, whatever kinds are asked for

const announced = new Set(); // what one element of the page has said; the others do not repeat it

let sheet; // of all elements, made with the first: a page's policy may forbid any other way

/**
 * An element that shows something of a hub. Each kind of it has
 *
 * - kind: 'match', 'team' or 'competition': its attribute, and its topic
 * - static rows: how many rows have their place, unless the attribute says
 * - path(): what it reads of the hub, besides the connection; loaded(answer)
 * - build(): what is in it, once; draw(): again, with what is known; tick(): each second
 * - told(name, detail): what the connection tells
 */
export class Widget extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ['match', 'team', 'competition', 'hub', 'lang', 'delay', 'kinds', 'rows', 'clips',
    'player', 'country', 'group'];

  live; // the connection; undefined while there is none
  of; // the id in its attribute
  names = new Map(); // what teams are called in this language, by id
  problem = ''; // why there is nothing to show, in words

  card = h('article', { part: 'card' });
  #note = h('p', { part: 'note', role: 'status' });
  #voice = h('p', { class: 'voice', 'aria-live': 'polite' });
  #leave = () => {};
  #timers = [];
  #changing = false;
  #refusal;

  constructor() {
    super();
    if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(css);
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet];
    this.card.append(...this.build(), this.#note);
    root.append(this.card, this.#voice);
  }

  connectedCallback() { this.#begin(); }

  disconnectedCallback() { this.#end(); }

  attributeChangedCallback() {
    if (this.#changing || !this.isConnected) return;
    this.#changing = true;
    queueMicrotask(() => { // once for all that a script changes
      this.#changing = false;
      this.#end();
      if (this.isConnected) this.#begin();
    });
  }

  // number reads an attribute; what is not one is told with its text.
  #number(name, otherwise = '') {
    const text = this.getAttribute(name) ?? otherwise;
    if (!/^\d{1,15}$/.test(text) || Number(text) > (most[name] ?? Infinity)) throw new TypeError(`${name}="${text}"`);
    return Number(text);
  }

  #begin() {
    const { kind, constructor: { rows } } = this;
    this.speak();
    this.problem = this.#refusal = '';
    this.names.clear();
    try {
      this.card.style.setProperty('--rows', this.#number('rows', String(rows)));
      this.of = this.#number(kind);
      const hub = this.getAttribute('hub') ?? home;
      if (!/^https?:\/\/./.test(hub)) throw new TypeError(`hub="${hub}"`);
      this.hub = new URL(hub).origin;
      const delay = this.#number('delay', '0');
      this.kinds = this.getAttribute('kinds')?.match(/\w+/g);
      const { live, leave } = connect({ url: this.hub, ...(delay && { delay }),
        ...(this.kinds && { kinds: [...new Set([...this.kinds, ...needed])] }) }, `${kind}:${this.of}`,
      (name, detail) => this.#told(name, detail));
      this.live = live;
      this.#leave = leave;
      this.#timers = [setInterval(() => { this.speak(); this.tick?.(); }, 1000)];
      this.load();
    } catch (err) {
      this.problem = `${t('badAttribute')}: ${err.message}`;
    }
    this.redraw();
  }

  #end() {
    this.#leave();
    this.#leave = () => {};
    for (const timer of this.#timers) clearTimeout(timer);
    this.live = undefined;
  }

  /** Chooses this element's language for what is said next. */
  speak() {
    const wish = this.closest('[lang]')?.lang || navigator.language;
    this.language = languages.find((code) => wish.toLowerCase().startsWith(code)) ?? 'en';
    this.card.lang = this.#voice.lang = this.language;
    speak(this.language);
  }

  #told(name, detail) {
    this.speak();
    if (name === 'problem' && (detail.final || detail.topics?.includes(`${this.kind}:${this.of}`))) {
      this.#refusal = `${t('refused')}: ${detail.error ?? detail.code}`;
    }
    this.told(name, detail);
    this.redraw();
  }

  /** Calls back once, within ms at random: not all pages at the same time. Each call takes the place of the one before. */
  later(fn, ms) {
    clearTimeout(this.#timers[1]);
    if (this.live) this.#timers[1] = setTimeout(fn, ms * (0.2 + 0.8 * Math.random()));
  }

  /** Reads what the connection does not tell, until it is there. */
  async load() {
    const { live } = this;
    let answer;
    let failed = '';
    let which = '';
    try {
      const res = await fetch(`${this.hub}${this.path()}?lang=${this.language}`);
      if (res.ok) answer = await res.json();
      else if (res.status === 404) [failed, which] = ['notKnown', `: ${this.kind}="${this.of}"`];
      else throw new Error();
    } catch {
      failed = 'failed';
      this.later(() => this.load(), 6000);
    }
    if (live !== this.live || !live) return; // asked for by attributes of before
    this.speak();
    this.problem = failed && t(failed) + which; // in its own language, now that it speaks
    if (answer) this.loaded(answer);
    this.redraw();
  }

  redraw() {
    const shown = this.draw();
    setText(this.#note, shown ? '' : this.#refusal || this.problem || t('connecting'));
    this.card.toggleAttribute('data-empty', !shown);
  }

  /** Learns what teams and competitions are called in this language. */
  called(all) {
    for (const one of all) if (one?.name) this.names.set(one.id, one.name);
  }

  /** What a team or competition is called. */
  nameOf(one) { return this.names.get(one.id) ?? one.name ?? one.short_name ?? '…'; }

  /** The time by which clocks are drawn: it stands still without a connection. */
  now() {
    if (this.live?.status === 'live') this.stopped = this.live.now();
    return this.stopped ?? this.live?.now() ?? Date.now();
  }

  /** Says what is wrong with the connection, or that a match is played now. */
  tellStatus(el, match) {
    const status = this.live?.status;
    const trouble = status && !/live|paused/.test(status);
    setText(el, trouble ? t(status) : match?.state === 'live' ? t('live') : '');
    el.className = trouble ? 'trouble' : '';
  }

  /** Reads an event aloud where that is wanted: each revision once on a page. */
  announce(event, text) {
    const key = `${event.match} ${event.id} ${event.revision}`;
    if (!text || announced.has(key)) return;
    announced.add(key);
    setText(this.#voice, text);
  }
}
