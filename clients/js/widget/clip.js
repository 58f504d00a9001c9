// clip.js: a clip that is played when somebody asks for it. Before that nothing is fetched from whoever has it.

import { h } from '../page/dom.js';

/**
 * The button of a clip, in a list; undefined if it cannot be played here, or must not be: what is for some
 * countries is shown where the page says in which it is seen. A page with a player of its own listens to
 * 'goalcast-clip' and calls preventDefault.
 */
export function clipButton(widget, { clip }) {
  const country = widget.getAttribute('country')?.toUpperCase();
  const { include_countries: only, exclude_countries: not, account = '', video = '', url = '', title = 'Clip',
    seconds } = clip ?? {};
  if ((only?.length && !only.includes(country)) || (not?.length && (!country || not.includes(country)))) return undefined;
  const frame = video && widget.getAttribute('player')?.replace('{account}', encodeURIComponent(account))
    .replace('{video}', encodeURIComponent(video));
  const src = frame || url;
  if (!/^https?:\/\//.test(src)) return undefined;
  const { host } = new URL(src);
  const play = ({ currentTarget: button }) => {
    if (!widget.dispatchEvent(new CustomEvent('goalcast-clip', { detail: clip, bubbles: true, composed: true,
      cancelable: true }))) return;
    const player = frame ? h('iframe', { src, title, allow: 'autoplay;fullscreen' })
      : h('video', { src, controls: true, autoplay: true, playsinline: true, onerror: () => player.remove() });
    const link = h('a', { href: src, target: '_blank', rel: 'noopener' }, `${host} ↗`); // for who cannot play it
    button.replaceWith(player, link);
    link.focus();
  };
  const length = seconds ? ` ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}` : '';
  return h('button', { type: 'button', part: 'clip', onclick: play }, `▶ ${title}${length} (${host})`);
}
