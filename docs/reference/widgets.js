// Shows every kind of widget with the line that makes it. Which match: of the address, else one that the hub has.

const kinds = [
  ['A match', 'match', {}],
  ['In Dutch, always dark', 'match', { lang: 'nl', theme: 'dark' }],
  ['In French, always light, three rows', 'match', { lang: 'fr', theme: 'light', rows: '3' }],
  ['In German, goals and cards only, 30 seconds late', 'match', { lang: 'de', kinds: 'goal,card', delay: '30' }],
  ['Score only', 'match', { rows: '0' }],
  ['With clips, which are fetched when somebody asks', 'match', { clips: '', country: 'BE' }],
  ['In colours of your own', 'match', { class: 'themed' }],
  ['In a narrow column', 'match', { class: 'narrow' }],
  ['The matches of a team', 'team', {}],
  ['The matches of a competition', 'competition', {}, 'ticker'],
  ['A table', 'competition', { rows: '16' }, 'table'],
  ['What is wrong is said', 'match', { match: 'first' }],
];
const byId = (id) => document.getElementById(id);
const make = (name, attributes, text) => {
  const el = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
  if (text !== undefined) el.textContent = text;
  return el;
};

function show(of) {
  byId('variations').replaceChildren(...kinds.flatMap(([title, kind, more, name]) => {
    const tag = `goalcast-${name ?? (kind === 'team' ? 'ticker' : 'match')}`;
    const attributes = { [kind]: of[kind] ?? '', ...more };
    const text = Object.entries(attributes).map(([key, value]) => (value === '' ? ` ${key}` : ` ${key}="${value}"`));
    return [make('h2', {}, title), make(tag, attributes),
      make('pre', { tabindex: '0' }, `<${tag}${text.join('')}></${tag}>`)];
  }));
}

async function begin() {
  const asked = Object.fromEntries(new URLSearchParams(location.search));
  const [{ src, integrity }, { matches }] = await Promise.all(['/widget/v1.json', '/v1/matches']
    .map(async (path) => (await fetch(path)).json()));
  const script = (path, more = '') => `<script async src="${location.origin}${path}" crossorigin="anonymous"${more}></script>`;
  byId('script').textContent = script('/widget/v1.js');
  byId('pinned').textContent = script(src, ` integrity="${integrity}"`);
  const one = matches.find(({ state }) => state === 'live') ?? matches[0];
  const of = { match: one?.id, team: one?.home.id, competition: one?.competition.id, ...asked };
  for (const input of byId('choice').querySelectorAll('input')) input.value = of[input.name] ?? '';
  show(of);
}

byId('choice').addEventListener('submit', (e) => { // the page's policy lets no form go
  e.preventDefault();
  location.search = new URLSearchParams(new FormData(byId('choice')));
});
begin();
