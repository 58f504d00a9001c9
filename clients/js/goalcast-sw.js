// goalcast's part of a page's service worker: it shows pushes in browsers that do not show them by
// themselves. Register it as it is, or with importScripts in the worker that the page has. With the hub's
// origin behind its address (?hub=https://live.example.org) it says when it showed pushes that ask for that.
self.addEventListener('push', (event) => {
  let said;
  try {
    said = event.data.json();
  } catch {
    return; // not ours
  }
  if (said.web_push !== 8030) return;
  const { title, navigate, data: { receipt, ...data } = {}, ...options } = said.notification;
  const hub = new URL(self.location).searchParams.get('hub');
  const report = () => fetch(`${hub}/v1/receipts/${receipt}?shown_at=${new Date().toISOString()}`,
    { method: 'POST', mode: 'no-cors', credentials: 'omit', keepalive: true });
  event.waitUntil(self.registration.showNotification(title, { ...options, data: { ...data, navigate } })
    .then(() => receipt && hub && report().catch(() => {}))); // without it nothing is missing
});

self.addEventListener('notificationclick', (event) => {
  const navigate = event.notification.data?.navigate;
  event.notification.close();
  if (navigate) event.waitUntil(self.clients.openWindow(navigate));
});
