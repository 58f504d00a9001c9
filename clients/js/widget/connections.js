// connections.js: one connection for all elements of a page that ask the same hub in the same way.

import { Goalcast } from '../goalcast.js';

const gathers = 20; // ms: what the page's elements ask for meanwhile is asked in one go

/** @type {Map<string, Connection>} */
const shared = new Map(); // by what the hub is asked

class Connection {
  #key;
  #ears = new Map(); // a function to tell -> the topic that it listens to
  #timer;

  constructor(key, options) {
    this.#key = key;
    // by events over HTTP: what is new comes by itself, and every network that lets pages through takes it
    this.live = new Goalcast({ transport: 'eventsource', ...options });
    for (const name of ['status', 'event', 'match', 'state', 'reset', 'problem']) this.live.on(name, (told) => {
      for (const ear of [...this.#ears.keys()]) ear(name, told);
    });
  }

  listen(topic, ear) {
    this.#ears.set(ear, topic);
    this.#changed();
    return () => {
      this.#ears.delete(ear);
      this.#changed();
    };
  }

  // changed: an event stream has its topics for good, so that a change is another connection.
  #changed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const { live } = this;
      const wanted = new Set(this.#ears.values());
      if (wanted.size === 0) {
        live.stop();
        shared.delete(this.#key);
        return;
      }
      live.unsubscribe(live.topics.filter((topic) => !wanted.has(topic)));
      live.subscribe(wanted);
      live.start();
    }, gathers);
  }
}

/**
 * Tells ear(name, told), as Goalcast's `on` does, of a topic and of what others on the page listen to; returns
 * {live, leave}. The last one to leave ends the connection.
 */
export function connect(options, topic, ear) {
  const key = JSON.stringify(options);
  if (!shared.has(key)) shared.set(key, new Connection(key, options));
  const connection = shared.get(key);
  return { live: connection.live, leave: connection.listen(topic, ear) };
}
