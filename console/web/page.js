// Looks again every few seconds and puts in what has changed, where it stands: focus, selection,
// what is unfolded and what is being written stay. Without it the pages are read all the same.
'use strict';

const main = document.getElementById('main');
const told = document.getElementById('told');
const pause = document.getElementById('pause');
const every = Number(main.dataset.refresh) * 1000;
let paused = false;
let timer = 0;

// busy says whether somebody is at something that must not change under the hand.
function busy() {
  const at = document.activeElement;
  return main.contains(at) && at.matches('input, select, textarea') || main.querySelector('details[open] form') !== null ||
    !getSelection().isCollapsed;
}

// merge makes one element like another, and keeps those parts of it that are the same.
function merge(old, now) {
  for (const { name } of [...old.attributes]) {
    if (!now.hasAttribute(name) && !(name === 'open' && old.matches('details'))) old.removeAttribute(name);
  }
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const known = new Map();
  for (const child of old.children) if (child.dataset.key) known.set(child.dataset.key, child);
  let place = old.firstChild;
  for (const child of [...now.childNodes]) {
    const same = child.dataset?.key ? known.get(child.dataset.key) : null;
    if (same && same !== place) old.insertBefore(same, place);
    const here = same ?? place;
    const alike = here && here.nodeType === child.nodeType && here.nodeName === child.nodeName &&
      (here.dataset?.key ?? '') === (child.dataset?.key ?? '');
    if (!alike) {
      old.insertBefore(document.importNode(child, true), place);
      continue;
    }
    if (here.nodeType === Node.ELEMENT_NODE) merge(here, child);
    else if (here.data !== child.data) change(here, child.data);
    place = here.nextSibling;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

// change puts in a new text; figures show for a moment that they have changed.
function change(text, data) {
  text.data = data;
  const cell = text.parentElement;
  if (!cell.matches('td.score, td.n, dd')) return;
  cell.classList.remove('changed');
  void cell.offsetWidth;
  cell.classList.add('changed');
}

async function look() {
  if (paused || document.hidden || busy()) return;
  try {
    const answer = await fetch(location.href, { credentials: 'same-origin', signal: AbortSignal.timeout(10_000) });
    if (answer.redirected) { // the session has ended
      location.reload();
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (paused || busy()) return;
    const alarms = (doc) => doc.getElementById('alarm-count')?.textContent ?? '0';
    const before = alarms(document);
    for (const part of ['nav', '#main', '#fresh']) {
      const [old, now] = [document.querySelector(part), page.querySelector(part)];
      if (old && now) merge(old, now);
    }
    document.title = page.title;
    const after = alarms(document);
    told.textContent = before === after ? '' : `${after} alarms are open`;
  } catch {
    told.textContent = 'goalcast does not answer; trying again';
  }
}

function next() {
  clearTimeout(timer);
  timer = setTimeout(async () => { await look(); next(); }, every);
}

if (every && pause) {
  pause.hidden = false;
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', paused);
    pause.textContent = paused ? 'Paused' : 'Pause';
    if (!paused) look();
  });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
  next();
}

// What a form just did is told once: not again by the next look, nor by a reload.
const here = new URL(location.href);
if (here.searchParams.has('done')) {
  here.searchParams.delete('done');
  history.replaceState(null, '', here);
}

// A form is sent once; after a moment it may be tried again.
document.addEventListener('submit', (e) => {
  if (e.target.dataset.sent) e.preventDefault();
  e.target.dataset.sent = '1';
  setTimeout(() => { delete e.target.dataset.sent; }, 5000);
});
