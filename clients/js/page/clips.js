// clips.js: the clips of a match. Of another host nothing is fetched, no picture and no video, before the
// viewer agreed; nothing plays before it is asked for. What the page's policy does not let in is a link.
import { playerOf, sourceOf } from './clip.js';
import { h, setChildren, setText } from './dom.js';
import { isCancelled } from './tell.js';
import { t } from './words.js';

const kept = 'goalcast.clips'; // the hosts that the viewer agreed to, in localStorage

export class Clips {
  root = h('div', { class: 'clips' });
  #page;
  #match;
  #agreed = new Set(JSON.parse(localStorage.getItem(kept) ?? '[]'));
  #list = h('ul', { class: 'clip-list' });
  #items = new Map(); // event id -> {root, text}
  #ask = h('p');
  #yes = h('button', { type: 'button', class: 'agree', onclick: () => this.#agree(true) });
  #no = h('button', { type: 'button', class: 'withdraw', onclick: () => this.#agree(false) });
  #consent = h('section', { class: 'consent' }, this.#ask, this.#yes);

  constructor(page) {
    this.#page = page;
    this.retell();
  }

  get #config() { return this.#page.clips ?? {}; }

  /** Whether there is none that may be seen here. */
  get isEmpty() { return !this.#match || this.#clips().length === 0; }

  forget() {
    this.#match = undefined;
    this.#items.clear();
  }

  retell() {
    this.#items.clear();
    setText(this.#yes, t('clipsAgree'));
    setText(this.#no, t('clipsWithdraw'));
    if (this.#match) this.show(this.#match);
  }

  /** Brings the clip of an event to where it is seen. */
  reveal(event) {
    const clip = this.#clips().find((c) => c.of === event);
    const item = clip && this.#items.get(clip.id)?.root;
    item?.scrollIntoView({ block: 'nearest' });
    item?.querySelector('button, a')?.focus();
  }

  show(match) {
    this.#match = match;
    const clips = this.#clips();
    const foreign = [...new Set(clips.flatMap(({ hosts }) => hosts))];
    const unasked = foreign.filter((host) => !this.#agreed.has(host));
    setText(this.#ask, t('clipsAsk')(unasked.join(', ')));
    const items = clips.map((clip) => {
      const text = JSON.stringify([clip, clip.hosts.every((host) => this.#agreed.has(host)), this.#titleOf(clip)]);
      let item = this.#items.get(clip.id);
      if (item?.text !== text) this.#items.set(clip.id, item = { text, root: this.#item(clip) });
      return item.root;
    });
    setChildren(this.#list, items);
    setChildren(this.root, [...(unasked.length ? [this.#consent] : []), this.#list,
      ...(foreign.length > unasked.length ? [this.#no] : [])]);
  }

  // clips lists those that may be seen by everybody, the newest first, each with the hosts to agree to. Where
  // the viewer is nobody knows.
  #clips() {
    return this.#match.timeline.filter((e) => e.kind === 'clip' && !isCancelled(e) && e.clip)
      .flatMap((e) => {
        const source = sourceOf(e.clip, this.#config.player);
        if (!source) return [];
        const allowed = !isForeign(source.src) || this.#allows(source.src);
        const picture = [e.clip.poster, e.clip.thumbnail].find((url) => url && (!isForeign(url) || this.#allows(url)));
        const hosts = [source.src, picture].filter((url) => url && isForeign(url)).map((url) => new URL(url).host);
        return [{ ...e.clip, id: e.id, clock: e.clock, source, picture, link: !allowed,
          hosts: allowed ? [...new Set(hosts)] : [] }];
      }).reverse();
  }

  #allows(url) { return Boolean(this.#config.origins?.includes(new URL(url).origin)); }

  #titleOf({ title, of, summary }) {
    const event = this.#match.timeline.find((e) => e.id === of);
    return title || (summary ? t('clipSummary') : event?.player?.name) || t('clip');
  }

  #item(clip) {
    const title = this.#titleOf(clip);
    const facts = [clip.clock && `${clip.clock}′`, clip.source.length].filter(Boolean);
    const about = h('span', { class: 'clip-about' }, h('b', {}, title),
      h('span', { class: 'more' }, facts.join(' · ')));
    if (clip.link) {
      return h('li', {}, h('a', { href: clip.source.src, target: '_blank', rel: 'noopener' },
        h('span', { class: 'picture' }, play()), about, h('span', { class: 'clip-host' }, `${clip.source.host} ↗`)));
    }
    const agreed = clip.hosts.every((host) => this.#agreed.has(host));
    const picture = h('span', { class: 'picture' }, agreed && clip.picture && h('img', { src: clip.picture, alt: '',
      loading: 'lazy', referrerpolicy: 'no-referrer',
      onerror: ({ currentTarget }) => currentTarget.remove() }), play());
    if (!agreed) return h('li', { class: 'waits' }, h('span', { class: 'clip' }, picture, about));
    return h('li', {}, h('button', { type: 'button', class: 'clip', onclick: ({ currentTarget }) => {
      const [player, link] = playerOf(clip.source, title);
      currentTarget.replaceWith(h('div', { class: 'plays-clip' }, player), about, link);
      link.focus();
    }, 'aria-label': `${t('clipPlay')}: ${[title, ...facts].join(', ')}` }, picture, about));
  }

  #agree(yes) {
    const hosts = this.#clips().flatMap((clip) => clip.hosts);
    for (const host of hosts) {
      if (yes) this.#agreed.add(host);
      else this.#agreed.delete(host);
    }
    localStorage.setItem(kept, JSON.stringify([...this.#agreed]));
    this.#items.clear();
    this.show(this.#match);
    (yes ? this.#list.querySelector('button') : this.#yes)?.focus();
  }
}

const isForeign = (url) => new URL(url, location.href).host !== location.host;

const play = () => h('svg', { class: 'play', viewBox: '0 0 24 24', 'aria-hidden': 'true' },
  h('circle', { cx: 12, cy: 12, r: 11 }), h('path', { d: 'M9.500 7.500v9l7-4.500z' }));
