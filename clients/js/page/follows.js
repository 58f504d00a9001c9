// follows.js: what this browser follows, and under which name the hub knows it: a random token that
// never leaves it but for the hub. The hub keeps the follows for its pushes; the page keeps them
// too, for the stars, and tells them again when it comes back.
import { currentLanguage } from './words.js';

const random = (bytes) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, '0')).join('');

function kept(key, make) {
  const value = localStorage.getItem(key) ?? make();
  localStorage.setItem(key, value);
  return value;
}

export class Follows {
  #identity = kept('goalcast.identity', () => random(32));
  device = kept('goalcast.device', () => `web-${random(16)}`);
  #topics = new Map(JSON.parse(localStorage.getItem('goalcast.follows') ?? '[]')); // topic -> label
  #listeners = new Set();
  #phone;
  // one request after the other: the hub must know the device before the first follow counts
  #queue = Promise.resolve();
  isNew = localStorage.getItem('goalcast.follows') === null;
  failed = false;

  /** phone: whether this page is a device of its own, which the demo pushes to. */
  constructor(phone) {
    this.#phone = phone;
    this.#register();
    for (const topic of this.#topics.keys()) this.#send('PUT', `follows/${topic}`);
  }

  get all() { return [...this.#topics]; }
  has(topic) { return this.#topics.has(topic); }
  hasMatch(match) { return [`match:${match.id}`, `team:${match.home.id}`,
    `team:${match.away.id}`].some((topic) => this.has(topic)); }

  onChange(fn) { this.#listeners.add(fn); }

  set(topic, label, on) {
    if (on === this.has(topic)) return;
    if (on) this.#topics.set(topic, label);
    else this.#topics.delete(topic);
    localStorage.setItem('goalcast.follows', JSON.stringify(this.all));
    this.#send(on ? 'PUT' : 'DELETE', `follows/${topic}`);
    for (const fn of this.#listeners) fn();
  }

  toggleTeam(team) { this.set(`team:${team.id}`, team.name ?? '', !this.has(`team:${team.id}`)); }

  // A match is followed for itself or for one of its teams; its star takes all three away.
  toggleMatch(match) {
    if (!this.hasMatch(match)) {
      this.set(`match:${match.id}`, `${match.home.name ?? ''} – ${match.away.name ?? ''}`, true);
      return;
    }
    for (const topic of [`match:${match.id}`, `team:${match.home.id}`, `team:${match.away.id}`]) this.set(topic, '',
      false);
  }

  /** Pushes come in this language from now on. */
  speak() { this.#register(); }

  #register() {
    if (!this.#phone) return;
    this.#send('PUT', `devices/${this.device}`, { platform: 'web', language: currentLanguage() });
  }

  /** Asks the hub for something of this browser's own, below /v1/me; an answer of any status. */
  ask(method, path, body) {
    return fetch(`/v1/me/${path}`, { method, headers: { authorization: `Bearer ${this.#identity}`,
      ...(body && { 'content-type': 'application/json' }) }, body: body && JSON.stringify(body) });
  }

  #send(method, path, body) {
    this.#queue = this.#queue.then(async () => {
      try {
        const res = await this.ask(method, path, body);
        this.failed = !res.ok;
      } catch {
        this.failed = true;
      }
      for (const fn of this.#listeners) fn();
    });
  }
}
