// boot.js goes before everything else. It chooses the colours and what the page has room for before the
// first paint; and it says that the page's own parts cannot be loaded, and loads it again when they can.
// It stands alone, since it is there for when the rest is missing.
document.documentElement.dataset.view = { t: 'team', c: 'competition', p: 'player' }[location.hash[1]] ?? 'day';
document.documentElement.classList.toggle('reading', /^#m\d/.test(location.hash)); // a match
try {
  const theme = localStorage.getItem('goalcast.theme'); // "light" or "dark"; without it the browser's wish
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* a browser that keeps nothing: its own wish counts */ }

const texts = { en: 'The page cannot be loaded. Trying again…',
  nl: 'De pagina kan niet geladen worden. Nieuwe poging…', fr: 'La page ne peut pas être chargée. Nouvel essai…',
  de: 'Die Seite lässt sich nicht laden. Neuer Versuch…' };

addEventListener('error', ({ target }) => {
  if (target?.tagName !== 'SCRIPT') return;
  const say = () => { document.getElementById('empty').textContent = texts[navigator.language.slice(0, 2)]
    ?? texts.en; };
  const again = () => setTimeout(() =>
    fetch(target.src, { cache: 'no-store' }).then((res) => (res.ok ? location.reload() : again()), again),
    1000 + Math.random() * 2000);
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', say);
  else say();
  again();
}, true);
