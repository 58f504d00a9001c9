// A match that a test plays at a hub, by the feed for everybody's own documents.
import assert from 'node:assert/strict';
import { asProvider } from './demo.mjs';

let matches = 0;

/** Match began half an hour ago. Each has numbers of its own. */
export class Match {
  id = 9_000_000_501 + matches++;
  home = this.id + 100;
  #kickoff = new Date(Date.now() - 30 * 60_000).toISOString();
  #events = [{ id: 'whistle', kind: 'period', period: 'first_half', at: this.#kickoff }];

  /** @param {string} hub its public address */
  constructor(hub) { this.hub = hub; }

  /** tell posts what there is, and waits until the hub has worked on it. */
  async tell() {
    const res = await fetch(`${this.hub}/feeds/json?wait=60s`, { method: 'POST', headers: asProvider,
      body: JSON.stringify({ time: new Date().toISOString(), match: this.id, events: this.#events, fixture: {
        competition: { id: 9_000_000_500, name: 'Sunday League' }, kickoff: this.#kickoff,
        home: { id: this.home, name: 'Millpond Athletic' }, away: { id: this.id + 200, name: 'Quarry Town' } } }) });
    assert.equal(res.status, 200, await res.text());
    return this;
  }

  /** goal is one of the home team. */
  goal() {
    const minute = this.#events.length;
    this.#events.push({ id: `goal-${minute}`, kind: 'goal', team: this.home, period: 'first_half', minute });
    return this.tell();
  }
}
