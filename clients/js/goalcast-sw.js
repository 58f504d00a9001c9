// goalcast's part of a page's service worker: it shows pushes in browsers that do not show them by
// themselves. Register it as it is, or with importScripts in the worker that the page has.
self.addEventListener('push', (event) => {
  let said;
  try {
    said = event.data.json();
  } catch {
    return; // not ours
  }
  if (said.web_push !== 8030) return;
  const { title, navigate, data, ...options } = said.notification;
  event.waitUntil(self.registration.showNotification(title, { ...options, data: { ...data, navigate } }));
});

self.addEventListener('notificationclick', (event) => {
  const navigate = event.notification.data?.navigate;
  event.notification.close();
  if (navigate) event.waitUntil(self.clients.openWindow(navigate));
});
