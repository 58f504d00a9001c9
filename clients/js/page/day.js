// day.js: which day the list is of, the days beside it, and a calendar to choose another one.
import { h, setText } from './dom.js';
import { dayText, t } from './words.js';

/** The day of this machine on which a time is, "2026-05-17". */
export function dateOf(time) {
  const at = new Date(time);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
}

/** So many days after one. */
export function dayAfter(date, days) {
  const at = new Date(`${date}T12:00:00`);
  at.setDate(at.getDate() + days);
  return dateOf(at);
}

/** The address of a day's list; today has none of its own. */
export const dayAddress = (date) => (date === dateOf(Date.now()) ? '#' : `#d${date}`);

const arrow = (d) => h('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, h('path', { d }));

export class Day {
  #before = h('a', { class: 'step' }, arrow('M14.500 5.500L8 12l6.500 6.500'));
  #after = h('a', { class: 'step' }, arrow('M9.500 5.500L16 12l-6.500 6.500'));
  #text = h('span', { class: 'day-text' });
  #today = h('a', { class: 'to-today', href: '#' });
  #input = h('input', { type: 'date', tabindex: -1, 'aria-hidden': 'true', min: '1900-01-01', max: '2200-12-31' });
  #button = h('button', { type: 'button', class: 'pick', onclick: () => this.#pick() }, this.#text,
    arrow('M6 9.500l6 6 6-6'));

  constructor(root) {
    this.#input.addEventListener('change', () => {
      if (this.#input.validity.valid && this.#input.value) location.hash = dayAddress(this.#input.value);
    });
    root.append(this.#before, h('span', { class: 'picker' }, this.#button, this.#input), this.#after, this.#today);
  }

  show(date) {
    const today = dateOf(Date.now());
    const shown = date ?? today;
    this.#before.href = dayAddress(dayAfter(shown, -1));
    this.#before.setAttribute('aria-label', t('dayBefore'));
    this.#after.href = dayAddress(dayAfter(shown, 1));
    this.#after.setAttribute('aria-label', t('dayAfter'));
    this.#input.value = shown;
    const text = shown === today ? `${t('today')} · ${dayText(shown, false)}` : dayText(shown);
    setText(this.#text, text);
    this.#button.setAttribute('aria-label', `${t('chooseDay')}: ${text}`);
    setText(this.#today, t('today'));
    this.#today.hidden = shown === today;
  }

  #pick() {
    try {
      this.#input.showPicker();
    } catch { // an old browser: it opens with the focus
      this.#input.focus();
    }
  }
}
