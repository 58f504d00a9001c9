// dom.js: elements without templates. Texts become text nodes, never markup: names come from
// outside.

const svgTags = new Set(['svg', 'path', 'circle', 'rect', 'line', 'text', 'g', 'defs', 'linearGradient', 'stop',
  'clipPath']);

/**
 * Makes an element: h('button', {class: 'star', onclick: fn, 'aria-label': 'x'}, 'text', child).
 */
export function h(tag, attrs, ...children) {
  const el = svgTags.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return el;
}

/**
 * Sets an element's text if it is another one, so that nothing is announced or painted for nothing.
 */
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

/**
 * Brings a parent's children into this order. One that stays in its place is not touched: a moved
 * element starts its animation again.
 */
export function setChildren(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  let at = parent.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
}

/**
 * Plays a CSS animation that a class starts, from its beginning. The class goes when it ends, else
 * it would play again whenever the element is moved.
 */
export function flash(el, name) {
  el.classList.remove(name);
  void el.offsetWidth; // the browser must see it gone
  el.classList.add(name);
  const done = (e) => {
    if (e.target !== el) return; // a child's animation
    el.classList.remove(name);
    el.removeEventListener('animationend', done);
  };
  el.addEventListener('animationend', done);
}

/** Two colours of a club, made of its id: always the same, and told apart from its neighbours. */
export function colours(id) {
  const hue = (id * 137.508) % 360;
  return [`hsl(${hue.toFixed(0)} 62% 46%)`, `hsl(${((hue + 150 + (id % 3) * 30) % 360).toFixed(0)} 55% 30%)`];
}

/**
 * The letters of a club's crest: "KVC Oosterveke" is OO, "Royal Aubrémont" AU: what follows the
 * abbreviation.
 */
export function initials(name = '') {
  const words = name.split(/[\s-]+/).filter(Boolean);
  const telling = words.filter((w) => w !== w.toUpperCase() && !/^(royal|racing|union|étoile|real)$/i.test(w));
  return ((telling[0] ?? words[0] ?? '?').slice(0, 2)).toUpperCase();
}

let crests = 0;

/** A club's crest: a shield in its colours. */
export function crest(team) {
  const [main, second] = colours(team.id ?? 0);
  const id = `crest-${++crests}`;
  const shield = 'M4 3h32v20c0 10-8 16-16 20C12 39 4 33 4 23z';
  const half = [h('rect', { x: 20, y: 0, width: 20, height: 46, fill: second }),
    h('path', { d: 'M0 30L40 8v10L0 40z', fill: second }),
    h('rect', { x: 0, y: 16, width: 40, height: 12, fill: second }),
      h('rect', { x: 14, y: 0, width: 12, height: 46, fill: second })][(team.id ?? 0) % 4];
  return h('svg', { class: 'crest', viewBox: '0 0 40 46', 'aria-hidden': 'true' },
    h('clipPath', { id }, h('path', { d: shield })),
    h('g', { 'clip-path': `url(#${id})` }, h('rect', { width: 40, height: 46, fill: main }), half),
    h('path', { d: shield, fill: 'none', stroke: 'rgba(255,255,255,.35)', 'stroke-width': 1.5 }),
    h('text', { x: 20, y: 26, 'text-anchor': 'middle', class: 'crest-text' }, initials(team.name)));
}
