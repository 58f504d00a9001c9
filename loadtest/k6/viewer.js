// viewer.js: a fan's app. It opens its match by a snapshot, then follows it over a WebSocket.
import http from 'k6/http';
import { WebSocket } from 'k6/websockets';
import { Counter, Trend } from 'k6/metrics';
import { clearTimeout, setTimeout } from 'k6/timers';
import { url } from './settings.js';

const joined = new Trend('join_seconds');
const goals = new Trend('goal_seconds');
const heard = new Counter('goals_heard');
const lost = new Counter('goals_lost');
const doubled = new Counter('goals_doubled');
const gone = new Counter('viewers_lost');

/** What a viewer keeps when it leaves: where it stood, and the last number of each topic.
 * @typedef {{cursor?: string, last: Record<string, number>}} Place */

/** snapshot asks for a match, as a phone does that was closed.
 * @param {number} match */
export function snapshot(match) {
  return http.asyncRequest('GET', `${url}/v1/matches/${match}`, null, { tags: { kind: 'snapshot' },
    headers: { 'Accept-Encoding': 'gzip' } });
}

/** watch follows topics for some seconds, and says where it stood at the end. Who is thrown out before
 * counts as lost, but for a hub that says goodbye.
 * @param {string[]} topics
 * @param {number} seconds
 * @param {Place} [place] where it comes back from
 * @returns {Promise<Place>} */
export function watch(topics, seconds, place = { last: {} }) {
  return new Promise((done) => {
    const begun = Date.now();
    const since = place.cursor ? `&since=${encodeURIComponent(place.cursor)}` : '';
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/live?topics=${topics.join(',')}${since}`);
    let leaving = false;
    let greeted = false;
    const end = setTimeout(() => {
      leaving = true;
      socket.close();
    }, seconds * 1000);
    socket.onmessage = (message) => {
      const frame = JSON.parse(/** @type {string} */ (message?.data));
      if (frame.cursor) place.cursor = frame.cursor;
      switch (frame.type) {
        case 'hello':
          greeted = true;
          joined.add((Date.now() - begun) / 1000);
          break;
        case 'bye': // it says when to come back, which ends this visit
          leaving = true;
          break;
        case 'reset':
          place.last = {};
          break;
        case 'event':
          if (frame.event.kind === 'message') goal(place, frame.event);
          break;
      }
    };
    socket.onclose = () => {
      clearTimeout(end);
      if (!leaving || !greeted) gone.add(1);
      done(place);
    };
  });
}

/** @param {Place} place
 * @param {{topics: string[], message: {run?: string, number?: number, sent?: number}}} event */
function goal(place, event) {
  const { run, number, sent } = event.message;
  if (!run || !number || !sent) return; // of somebody else
  const of = `${run} ${event.topics[0]}`;
  const last = place.last[of];
  place.last[of] = Math.max(last ?? 0, number);
  if (last !== undefined && number <= last) {
    doubled.add(1);
    return;
  }
  heard.add(1);
  goals.add((Date.now() - sent) / 1000);
  if (last !== undefined) lost.add(number - last - 1);
}
