// install.js: the page as an app. It registers the worker that opens it without a network, and sees to it that
// no old page goes on against a new hub.

const own = /\/~([\w-]{12})\//.exec(import.meta.url)?.[1]; // the release that this page is of

/** The worker's registration; undefined where there is none, as in a page that did not come by HTTPS. */
let registered;

/** Registers the worker, when the page has what it shows. */
export function install() {
  return registered ??= (async () => {
    if (!navigator.serviceWorker) return undefined;
    if (document.readyState !== 'complete') await new Promise((done) => { addEventListener('load', done); });
    // with the hub's origin, to which it reports what it showed
    return navigator.serviceWorker.register(`/sw.js?hub=${encodeURIComponent(location.origin)}`,
      { updateViaCache: 'none' });
  })().catch((err) => { console.warn(err); });
}

/**
 * Loads the page again if the hub has another release than the page: at the start, when what is kept was shown
 * since the hub was slow, and whenever the connection is back.
 */
export function follow(live, version) {
  let away = false;
  compare(version);
  live.on('status', ({ status }) => {
    if (status === 'live' && away) fetch('/page/config.json', { cache: 'no-cache' }).then((res) => res.json())
      .then((config) => compare(config.version)).catch(() => {}); // the next time, then
    away = status === 'reconnecting' || (away && status !== 'live');
  });
}

// compare: while servers are exchanged one by one it would be this one and that one in turn, so not each time.
function compare(version) {
  if (!own || !version || version === own) return;
  if (Date.now() - sessionStorage.getItem('goalcast.loaded') < 60_000) return;
  sessionStorage.setItem('goalcast.loaded', Date.now());
  location.reload();
}
