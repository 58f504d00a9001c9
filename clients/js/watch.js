// watch.js: what the machine knows before a connection does: that the network came, went or is
// another, that nobody looks, that it slept. Loaded by later.js.

const looks = 5_000; // ms between two looks at the clock
const slept = 30_000; // ms by which it is then ahead after a sleep

/**
 * Calls back until the function that it returns is called. Where there is no page, only sleep is
 * noticed.
 * @param {{online: () => void, offline: () => void, changed: () => void, pause: (reason: string) => void,
 *   resume: () => void, woke: () => void}} calls
 * @param {number} hiddenAfter ms
 */
export function watchMachine({ online, offline, changed, pause, resume, woke }, hiddenAfter) {
  const { window: page, document, navigator } = /** @type {any} */ (globalThis);
  /** @type {(() => void)[]} */
  const ends = [];
  /** @type {(target: any, name: string, fn: () => void) => void} */
  const listen = (target, name, fn) => {
    target?.addEventListener?.(name, fn);
    ends.push(() => target?.removeEventListener?.(name, fn));
  };
  listen(page, 'online', online);
  listen(page, 'offline', offline);
  listen(navigator?.connection, 'change', changed);
  listen(page, 'pagehide', () => pause('left')); // the back-forward cache takes no page with a connection
  listen(page, 'pageshow', resume);
  listen(document, 'freeze', () => pause('frozen'));
  listen(document, 'resume', resume);

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const seen = () => {
    clearTimeout(timer);
    if (!document?.hidden) resume();
    else if (hiddenAfter > 0) timer = setTimeout(() => pause('hidden'), hiddenAfter);
  };
  listen(document, 'visibilitychange', seen);
  if (document?.hidden) seen();

  let last = Date.now();
  /** @type {any} */
  const clock = setInterval(() => {
    const now = Date.now();
    if (now - last > looks + slept && !document?.hidden) woke(); // timers of a hidden page are slow
    last = now;
  }, looks);
  clock.unref?.();
  return () => {
    for (const end of ends) end();
    clearTimeout(timer);
    clearInterval(clock);
  };
}
