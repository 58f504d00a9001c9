// theme.js: the button that chooses the colours: those of the machine, light, or dark. boot.js
// applies what was chosen before the first paint.
import { h } from './dom.js';
import { t } from './words.js';

const order = ['auto', 'light', 'dark'];

const signs = {
  auto: () => [h('circle', { cx: 12, cy: 12, r: 8.5 }),
    h('path', { class: 'full', d: 'M12 3.500a8.500 8.500 0 0 1 0 17z' })],
  light: () => [h('circle', { cx: 12, cy: 12, r: 4 }),
    h('path', { d: 'M12 2.500v2.500M12 19v2.500M2.500 12h2.500M19 12h2.500'
      + 'M5.300 5.300l1.700 1.700M17 17l1.700 1.700M18.700 5.300L17 7M7 17l-1.700 1.700' })],
  dark: () => [h('path', { d: 'M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z' })],
};

export class Theme {
  #button;

  constructor(button) {
    this.#button = button;
    button.addEventListener('click', () => this.#choose(order[(order.indexOf(this.#chosen) + 1) % order.length]));
    this.retell();
  }

  get #chosen() { return document.documentElement.dataset.theme ?? 'auto'; }

  #choose(theme) {
    if (theme === 'auto') {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem('goalcast.theme');
    } else {
      document.documentElement.dataset.theme = theme;
      localStorage.setItem('goalcast.theme', theme);
    }
    this.retell();
  }

  retell() {
    const label = `${t('colours')}: ${t(`theme_${this.#chosen}`)}`;
    this.#button.setAttribute('aria-label', label);
    this.#button.title = label;
    this.#button.replaceChildren(h('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, ...signs[this.#chosen]()));
    // what the browser paints around the page
    const ground = getComputedStyle(document.body).backgroundColor;
    for (const meta of document.querySelectorAll('meta[name=theme-color]')) {
      meta.dataset.own ??= meta.content;
      meta.content = this.#chosen === 'auto' ? meta.dataset.own : ground;
    }
  }
}
