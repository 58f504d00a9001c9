// clip.js: where a clip plays, and how. The widgets have it in fewer bytes: widget/clip.js.
import { h } from './dom.js';

/**
 * Where a clip plays, and how long: {src, host, frame, length}; undefined if that cannot be told, or if not
 * everybody may see it: in which country the viewer is nobody knows. player is the address of a video
 * player's page, with {account} and {video} in it: with frame src is such a page, else a video. length is
 * "0:42", or empty.
 */
export function sourceOf({ include_countries: only, exclude_countries: not, account = '', video = '', url = '',
  seconds }, player) {
  if (only?.length || not?.length) return undefined;
  const frame = video && player?.replace('{account}', encodeURIComponent(account))
    .replace('{video}', encodeURIComponent(video));
  const src = frame || url;
  return /^https?:\/\//.test(src) ? { src, frame, host: new URL(src).host, length: seconds
    ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}` : '' } : undefined;
}

/** What plays a clip, for somebody who asked for it: it starts by itself. And a link for who cannot play it. */
export function playerOf({ src, host, frame }, title) {
  const player = frame ? h('iframe', { src, title, allow: 'autoplay;fullscreen' })
    : h('video', { src, controls: true, autoplay: true, playsinline: true, onerror: () => player.remove() });
  return [player, h('a', { href: src, target: '_blank', rel: 'noopener' }, `${host} ↗`)];
}
