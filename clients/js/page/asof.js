// asof.js: what the page showed last, for a page that opens while the hub cannot be reached. It is the list and
// the match, as everybody may see them: nothing of the viewer. It is shown as of then, with its clocks stopped.
import { t, timeOfDay } from './words.js';

const key = 'goalcast.last';
const every = 10_000; // ms between two times that it is kept, while the page is live
const mostMatches = 60;
const mostText = 400_000; // UTF-16 units; what is longer is not kept

export class AsOf {
  #page;
  #kept = read();

  /** When what is shown was so, in ms; undefined while it is of now. */
  at;

  constructor(page) {
    this.#page = page;
    const keep = () => this.#keep();
    setInterval(keep, every);
    addEventListener('pagehide', keep);
    document.addEventListener('visibilitychange', () => document.hidden && keep());
  }

  get #address() { return this.#page.view.address; }

  #keep() {
    const { live, list, detail } = this.#page;
    if (live.status !== 'live' || this.at || !this.#page.found || this.#page.found.failed) return;
    const matches = list.shown.slice(0, mostMatches).map(({ lineups, timeline, ...match }) =>
      ({ ...match, timeline: timeline?.filter((e) => e.kind === 'goal' || e.kind === 'card') }));
    try {
      const text = JSON.stringify({ at: live.now(), address: this.#address, matches, match: detail.match });
      if (text.length <= mostText) localStorage.setItem(key, text);
    } catch { /* a browser that keeps nothing, or no more */ }
  }

  /**
   * Shows what was shown last, if it is what the address asks for. changed is told of each match.
   */
  show(changed) {
    const { address, matches, match, at } = this.#kept ?? {};
    const page = this.#page;
    const listed = matches?.length > 0 && address === this.#address;
    if (this.at || !(listed || match?.id === page.selected)) return;
    this.at = at;
    if (listed) {
      page.found = { matches };
      page.listed = new Set(matches.map((m) => m.id));
      for (const m of matches) if (m.id !== match?.id) changed(m);
    }
    if (match && (page.listed.has(match.id) || match.id === page.selected)) changed(match);
  }

  /** What is shown is of now. */
  end() { this.at = undefined; }

  /** "As of 21:43", with the day if it was another one. */
  get text() {
    if (!this.at) return undefined;
    const at = new Date(this.at);
    const today = at.toDateString() === new Date().toDateString();
    return t('asOf')(today ? timeOfDay(at) : `${new Intl.DateTimeFormat(document.documentElement.lang,
      { day: 'numeric', month: 'short' }).format(at)} ${timeOfDay(at)}`);
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return undefined;
  }
}
