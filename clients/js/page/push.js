// push.js: the button that has goals of what is followed arrive in this browser, whether the page is open or not
// (docs/webpush.md). What it says: on, off, blocked by the browser, or that the browser has no such thing.
import { h, setText } from './dom.js';
import { install } from './install.js';
import { currentLanguage, t } from './words.js';

const key = 'goalcast.subscription'; // what the hub calls it
const shownFor = 6000; // ms that a sentence stands there

export class Push {
  #follows;
  #button;
  #says = h('p', { class: 'push-says', role: 'status' });
  #state = 'off';
  #timer;

  constructor(follows, button) {
    this.#follows = follows;
    this.#button = button;
    button.append(h('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' },
      h('path', { d: 'M6 17V11a6 6 0 0 1 12 0v6l1.500 2H4.500zM10 21.500h4' }), h('path', { class: 'off', d: 'M4 3l17 18' })));
    button.after(this.#says);
    button.addEventListener('click', () => this.#toggle());
    this.#begin();
  }

  async #begin() {
    if (!navigator.serviceWorker || !window.PushManager || !window.Notification) this.#show('unsupported');
    else if (Notification.permission === 'denied') this.#show('blocked');
    else this.#show('off');
    navigator.permissions?.query({ name: 'notifications' }).then((permission) => { // it may change behind our back
      permission.addEventListener('change', () => this.#check());
    }).catch(() => {});
    await this.#check();
  }

  // check finds out how it stands, and tells the hub again of a subscription: it forgets those of browsers that
  // it does not hear of.
  async #check() {
    if (this.#state === 'unsupported') return;
    if (Notification.permission === 'denied') {
      this.#show('blocked');
      return;
    }
    const manager = (await install())?.pushManager;
    if (!manager) this.#show('unsupported');
    else if (localStorage.getItem(key) && await manager.getSubscription()) {
      await this.#subscribe(manager).catch(() => this.#show('off'));
    } else this.#show('off');
  }

  async #toggle() {
    clearTimeout(this.#timer);
    this.#button.disabled = true;
    try {
      if (this.#state === 'on') await this.#unsubscribe();
      else if (this.#state !== 'unsupported') await this.#ask();
      this.#say(t(this.#state === 'on' && this.#follows.all.length === 0 ? 'push_nobody' : `push_${this.#state}`));
    } catch (err) {
      console.warn(err);
      this.#say(t('push_failed'));
    }
    this.#button.disabled = false;
  }

  async #ask() {
    const permission = await Notification.requestPermission();
    if (permission !== 'granted') {
      this.#show(permission === 'denied' ? 'blocked' : 'off');
      return;
    }
    const manager = (await install())?.pushManager;
    if (!manager) this.#show('unsupported');
    else await this.#subscribe(manager);
  }

  async #subscribe(manager) {
    const answer = await this.#follows.ask('GET', 'subscriptions');
    if (!answer.ok) throw new Error(`subscriptions: ${answer.status}`);
    const { application_server_key: applicationServerKey } = await answer.json();
    const options = { userVisibleOnly: true, applicationServerKey };
    await navigator.serviceWorker.ready;
    let subscription;
    try {
      subscription = await manager.subscribe(options);
    } catch (err) { // one of another key of the hub's
      const old = await manager.getSubscription();
      if (!old) throw err;
      await old.unsubscribe();
      subscription = await manager.subscribe(options);
    }
    const put = await this.#follows.ask('PUT', 'subscriptions',
      { subscription: subscription.toJSON(), language: currentLanguage() });
    if (!put.ok) throw new Error(`subscriptions: ${put.status}`);
    localStorage.setItem(key, (await put.json()).id);
    this.#show('on');
  }

  async #unsubscribe() {
    const manager = (await install())?.pushManager;
    await (await manager?.getSubscription())?.unsubscribe(); // with it nothing arrives, whatever the hub thinks
    const id = localStorage.getItem(key);
    localStorage.removeItem(key);
    this.#show('off');
    if (id) await this.#follows.ask('DELETE', `subscriptions/${id}`);
  }

  #show(state) {
    this.#state = state;
    this.#button.dataset.state = state;
    this.#button.setAttribute('aria-pressed', String(state === 'on'));
    const label = t(`push_${state}`);
    this.#button.setAttribute('aria-label', `${t('push')}: ${label}`);
    this.#button.title = label;
  }

  #say(text) {
    setText(this.#says, text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => setText(this.#says, ''), shownFor);
  }

  /** Says it in another language, and has pushes come in it. */
  retell() {
    this.#show(this.#state);
    if (this.#state === 'on') this.#check();
  }
}
