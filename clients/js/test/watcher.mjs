// A viewer of prices in a process of its own, that can be stopped: node watcher.mjs URL MATCH TRANSPORT.
// It looks as often as it can whether a price may be shown, and writes each one with the time at which
// it looked: "1795896000123 2350".
import { WebSocket } from 'ws';
import { Goalcast } from '../goalcast.js';
import { SimpleEventSource } from './hub.mjs';

const [url, match, transport] = process.argv.slice(2);
const live = new Goalcast({ url, topics: [`odds:${match}`], transport, WebSocket, EventSource: SimpleEventSource });
const look = () => {
  const now = Date.now();
  const price = live.price(match, '1x2', 'home');
  if (price) process.stdout.write(`${now} ${price}\n`);
};
live.on('state', look);
live.on('status', look);
setInterval(look, 20);
live.start();
