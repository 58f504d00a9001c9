// phone.js: a phone that shows what a real one would: the pushes that the hub sends to this page's
// device, one replacing another of the same tag.
import { flash, h, setText } from './dom.js';
import { t, timeOfDay } from './words.js';

const most = 6; // notifications on the screen

export class Phone {
  #page;
  #root;
  #notes = new Map(); // tag -> {root, ...}
  #started = false;
  #names = new Set();

  constructor(page, root) {
    this.#page = page;
    this.#root = root;
    this.clock = h('time', { class: 'phone-clock' });
    this.smallClock = h('time', {});
    this.date = h('span', { class: 'phone-date' });
    this.stack = h('ol', { class: 'notes' });
    this.hint = h('p', { class: 'phone-hint' });
    this.chips = h('div', { class: 'chips' });
    this.title = h('h2', {});
    this.following = h('h3', {});
    this.problem = h('p', { class: 'problem', role: 'status' });
    this.device = h('div', { class: 'phone', role: 'region' },
      h('div', { class: 'phone-bar', 'aria-hidden': 'true' }, this.smallClock, h('i', { class: 'island' }), battery()),
      h('div', { class: 'phone-top', 'aria-hidden': 'true' }, this.date, this.clock), this.stack, this.hint,
        h('i', { class: 'phone-line', 'aria-hidden': 'true' }));
    root.append(h('div', { class: 'phone-panel' }, this.title, this.device,
      h('div', { class: 'following' }, this.following, this.chips, this.problem)));
    page.follows.onChange(() => this.#showChips());
    setInterval(() => this.#tick(), 5000);
    this.retell();
    this.#listen();
  }

  #listen() {
    const source = new EventSource(`/demo/pushes?token=${encodeURIComponent(this.#page.follows.device)}`);
    source.addEventListener('open', () => { this.#root.hidden = false; });
    source.addEventListener('message', (e) => this.#push(JSON.parse(e.data)));
    source.addEventListener('error', () => {
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      if (this.#started) setTimeout(() => this.#listen(), 3000);
      else {
        this.#root.hidden = true; // this hub has no such thing
        document.documentElement.classList.remove('with-phone');
      }
    });
    source.addEventListener('open', () => { this.#started = true; });
  }

  // known: on the first visit ever the home teams of the first matches are followed, so that there
  // is something to see.
  known(match) {
    const { follows } = this.#page;
    if (!follows.isNew || this.#names.size >= 3 || !match.home.name) return;
    this.#names.add(match.home.id);
    follows.set(`team:${match.home.id}`, match.home.name, true);
  }

  #push(push) {
    let note = this.#notes.get(push.tag);
    if (!note) {
      note = { title: h('b', {}), body: h('span', { class: 'note-body' }), when: h('time', {}), badge: h('em', {}) };
      note.root = h('li', { class: 'push' }, h('i', { class: 'app', 'aria-hidden': 'true' }),
        h('div', { class: 'note-text' },
        h('span', { class: 'note-top' }, h('span', { class: 'app-name' }, 'goalcast'), note.badge, note.when),
          note.title, note.body));
      this.#notes.set(push.tag, note);
    }
    note.at = Number(push.at) || Date.now();
    note.replaced = Boolean(push.replaced) || note.pushed;
    note.pushed = true;
    setText(note.title, push.title ?? '');
    setText(note.body, push.body ?? '');
    setText(note.badge, note.replaced ? t('updated') : '');
    note.root.classList.toggle('replaced', note.replaced);
    note.root.dataset.tag = push.tag;
    this.stack.prepend(note.root);
    flash(note.root, 'arrives');
    if (!push.silent) flash(this.device, 'buzz');
    for (const [tag, old] of [...this.#notes].sort((a, b) => b[1].at - a[1].at).slice(most)) {
      old.root.remove();
      this.#notes.delete(tag);
    }
    this.#tick();
  }

  #tick() {
    const now = Date.now();
    setText(this.clock, timeOfDay(now));
    setText(this.smallClock, timeOfDay(now));
    this.hint.hidden = this.#notes.size > 0;
    for (const note of this.#notes.values()) {
      const minutes = Math.floor((now - note.at) / 60_000);
      setText(note.when, minutes < 1 ? t('now') : t('ago')(minutes));
    }
  }

  #showChips() {
    const { follows } = this.#page;
    this.chips.replaceChildren(...follows.all.map(([topic, label]) =>
      h('button', { type: 'button', class: 'chip', title: t('unfollow'),
      onclick: () => follows.set(topic, label, false) }, label || topic, h('span', { 'aria-hidden': 'true' }, '×'))));
    if (follows.all.length === 0) this.chips.append(h('p', {}, t('nothingFollowed')));
    setText(this.problem, follows.failed ? t('followFailed') : '');
  }

  retell() {
    setText(this.title, t('phone'));
    setText(this.following, t('following'));
    setText(this.hint, t('noPushes'));
    this.device.setAttribute('aria-label', t('phone'));
    setText(this.date, new Intl.DateTimeFormat(document.documentElement.lang,
      { weekday: 'long', day: 'numeric', month: 'long' }).format(new Date()));
    for (const note of this.#notes.values()) setText(note.badge, note.replaced ? t('updated') : '');
    this.#showChips();
    this.#tick();
  }
}

function battery() {
  return h('svg', { viewBox: '0 0 46 14' }, h('path', { class: 'bars', d: 'M1 13V9h3v4zM6 13V6h3v7zM11 13V3h3v10z' }),
    h('rect', { x: 21, y: 2.5, width: 20, height: 10, rx: 3, class: 'case' }),
    h('rect', { x: 23, y: 4.5, width: 14, height: 6, rx: 1.5, class: 'bars' }),
      h('path', { class: 'bars', d: 'M43 6v3a1.6 1.6 0 0 0 0-3z' }));
}
