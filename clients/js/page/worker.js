// worker.js: the page's service worker, served as /sw.js with `version` and `kept` before it: of which release it
// is, and the paths of all that the page needs to start. With it the page opens without a network. It keeps these
// files, a few hundred kB, and nothing else: what the hub says below /v1 it never touches. Pushes are the part of
// goalcast-sw.js.
/* global version, kept */
importScripts('/goalcast-sw.js');

const cacheName = `goalcast-${version}`;
const slow = 8000; // ms that the hub has to answer before what is kept is shown

self.addEventListener('install', (event) => event.waitUntil(keep().then(() => self.skipWaiting())));

self.addEventListener('activate', (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) {
    if (name.startsWith('goalcast-') && name !== cacheName) await caches.delete(name);
  }
  await self.clients.claim();
})()));

// keep fetches all files, or fails: then the worker before stays. While servers are exchanged one by one another
// may answer with another release; files of two do not go together.
async function keep() {
  const cache = await caches.open(cacheName);
  try {
    await Promise.all(kept.map(async (path) => {
      const res = await fetch(path);
      const ours = path.startsWith('/~') ? res.headers.get('cache-control')?.includes('immutable')
        : (await res.clone().text()).includes(version);
      if (!res.ok || !ours) throw new Error(`${path}: ${res.status}, of another release`);
      await cache.put(path, res);
    }));
  } catch (err) {
    await caches.delete(cacheName);
    throw err;
  }
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== self.location.origin || !kept.includes(pathname)) return;
  event.respondWith(pathname.startsWith('/~') ? found(pathname).then((res) => res ?? fetch(request))
    : newest(pathname, request));
});

const found = async (path) => (await caches.open(cacheName)).match(path);

// newest is what the hub says: what is kept only while there is none.
async function newest(path, request) {
  const late = new Promise((_, fail) => { setTimeout(() => fail(new Error('slow')), slow); });
  try {
    const res = await Promise.race([fetch(request), late]);
    if (res.status < 500) return res;
    return await found(path) ?? res;
  } catch {
    return await found(path) ?? Response.error();
  }
}
