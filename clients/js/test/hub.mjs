// A hub that does what a test tells it: WebSocket, SSE and long poll on /v1/live, frames of wire
// version 1. A long poll is answered with the first frame that is sent.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

import { wait } from './demo.mjs';

export class ScriptedHub {
  #server;
  #sockets = new WebSocketServer({ noServer: true });
  #waiting = [];
  visits = []; // one per connection: {since, topics, query, received, send, end}
  refuseWebSockets = false; // as a proxy does that lets none through
  refusal; // {code, final, status} of testdata/refusals.json: what the hub itself answers
  checks = 0; // how often it was asked why
  asked = []; // with which authorization
  tickets = []; // who asked for tickets
  answerPings = true;
  retryAfter = 1; // s, of what is refused for now
  rest = {}; // path -> what a CDN has there
  onVisit = () => {};
  onFrame = () => {};

  async open(port = 0) {
    this.#server = createServer((req, res) => this.#http(req, res));
    this.#server.on('upgrade', (req, socket, head) => {
      if (this.refusal) {
        const body = problem(this.refusal);
        socket.end(`HTTP/1.1 ${this.refusal.status} No\r\ncontent-type: application/problem+json\r\n`
          + `${this.refusal.final ? '' : `retry-after: ${this.retryAfter}\r\n`}content-length: ${body.length}\r\n`
          + `connection: close\r\n\r\n${body}`);
        this.#refused();
        return;
      }
      if (this.refuseWebSockets) {
        socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(req, socket, head, (ws) => this.#socket(req, ws));
    });
    await new Promise((done) => this.#server.listen(port, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  async close() {
    for (const ws of this.#sockets.clients) ws.terminate();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  // visit resolves with the n-th connection (from 0), once it is there.
  async visit(n) {
    while (this.visits.length <= n) {
      await new Promise((done, fail) => {
        const timer = setTimeout(() => fail(new Error(`waited ${wait.timeout} ms for connection ${n}`)), wait.timeout);
        this.#waiting.push(() => done(clearTimeout(timer)));
      });
    }
    return this.visits[n];
  }

  refused = []; // when somebody was refused, in ms

  #refused() { this.refused.push(Date.now()); }

  #add(req, visit) {
    const query = new URL(req.url, 'http://hub').searchParams;
    Object.assign(visit, { query, since: query.get('since'), topics: query.get('topics')?.split(',') ?? [],
      at: Date.now(), received: [] });
    this.visits.push(visit);
    this.onVisit(visit);
    for (const done of this.#waiting.splice(0)) done();
    return visit;
  }

  #socket(req, ws) {
    const visit = this.#add(req,
      { send: (frame) => ws.send(JSON.stringify(frame)), raw: (text) => ws.send(text),
      end: (code) => (code ? ws.close(code) : ws.terminate()) });
    visit.transport = 'websocket';
    visit.protocols = req.headers['sec-websocket-protocol'];
    ws.on('message', (data) => {
      const frame = JSON.parse(data);
      if (frame.type === 'ping') {
        if (this.answerPings) visit.send({ type: 'pong', id: frame.id, time: Date.now() });
        visit.pings = (visit.pings ?? 0) + 1;
        return;
      }
      visit.received.push(frame);
      this.onFrame(visit, frame);
    });
  }

  #http(req, res) {
    if (/^\/[a-z]+\.js$/.test(req.url)) { // the SDK, for pages
      res.writeHead(200, { 'content-type': 'text/javascript' })
        .end(readFileSync(new URL(`..${req.url}`, import.meta.url)));
      return;
    }
    if (req.url === '/v1/live/ticket') {
      this.tickets.push(`${req.method} ${req.headers.authorization}`);
      if (this.refusal) {
        res.writeHead(this.refusal.status, { 'content-type': 'application/problem+json' }).end(problem(this.refusal));
      } else {
        res.writeHead(201, { 'content-type': 'application/json' })
          .end(JSON.stringify({ ticket: `ticket-${this.tickets.length}`, expires: '2026-11-29T20:00:00Z' }));
      }
      return;
    }
    if (this.rest[req.url]) {
      res.writeHead(200, { 'content-type': 'application/json', 'goalcast-cursor': 'e1-4',
        'access-control-allow-origin': '*' })
        .end(JSON.stringify(this.rest[req.url]));
      return;
    }
    if (!req.url.startsWith('/v1/live')) {
      res.writeHead(404).end();
      return;
    }
    const cors = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'Retry-After',
      'cache-control': 'no-store' };
    if (req.url.includes('check=1')) {
      this.checks++;
      this.asked.push(req.headers.authorization);
    }
    const polls = req.headers.accept !== 'text/event-stream';
    if (this.refusal && (this.refusal.final || polls)) {
      res.writeHead(this.refusal.status,
        { 'content-type': 'application/problem+json', ...cors,
        ...(!this.refusal.final && { 'retry-after': this.retryAfter }) }).end(problem(this.refusal));
      if (!req.url.includes('check=1')) this.#refused();
      return;
    }
    if (req.url.includes('check=1')) {
      res.writeHead(204, cors).end();
      return;
    }
    if (polls) {
      res.writeHead(200, { 'content-type': 'application/json', ...cors });
      const visit = this.#add(req, {
        send: (frame) => res.end(JSON.stringify({ cursor: frame.cursor, frames: [frame] })),
        end: () => res.destroy(),
      });
      visit.transport = 'poll';
      return;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream', ...cors }).flushHeaders();
    if (this.refusal) {
      res.end(`retry: 300\nevent: bye\ndata: {"type":"bye","reason":"${this.refusal.code}","retry":300}\n\n`);
      this.#refused();
      return;
    }
    const visit = this.#add(req, {
      send: (frame) => res.write(`event: ${frame.type}\n${frame.type === 'event' ? `id: ${frame.cursor}\n`
        : ''}data: ${JSON.stringify(frame)}\n\n`),
      end: () => res.destroy(),
    });
    visit.transport = 'eventsource';
  }
}

const problem = ({ code, status }) =>
  JSON.stringify({ type: 'about:blank', title: 'No', status, code, detail: `refused: ${code}`,
  request_id: 'abcdefgh' });

export const hello = (extra) => ({ type: 'hello', version: 1, ping: 25000, time: Date.now(), ...extra });

export const goal = (offset, revision = 1, status = 'confirmed', extra = {}) => ({
  type: 'event', cursor: `e1-${offset}`, sent: Date.now(),
  event: { id: `opta:${extra.id ?? offset}`, revision, status, kind: 'goal', seq: offset, match: 1,
    topics: ['match:1'], team: 11, period: 'first_half', minute: 12,
    goal: { type: 'goal' }, times: { received: Date.now() - 9, published: Date.now() - 4 } },
});

export const snapshot = (cursor, topic = 'match:1', extra = {}) => ({
  type: 'snapshot', cursor, topic,
  matches: [{ id: 1, seq: 0, competition: { id: 9 }, home: { id: 11, name: 'KVC Oosterveke' },
    away: { id: 22, name: 'RFC Valmorin' },
    state: 'scheduled', period: 'pre_match', score: { home: 0, away: 0 }, timeline: [], ...extra }],
});

// SimpleEventSource is as much of EventSource as the SDK uses; Node 20 has none.
export class SimpleEventSource extends EventTarget {
  #abort = new AbortController();

  constructor(url) {
    super();
    this.#read(url).catch(() => {}).finally(() => this.#abort.signal.aborted || this.dispatchEvent(new Event('error')));
  }

  async #read(url) {
    const res = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: this.#abort.signal });
    let text = '';
    for await (const chunk of res.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const parts = text.split('\n\n');
      text = parts.pop();
      for (const part of parts) {
        const fields = Object.fromEntries(part.split('\n').map((line) =>
          [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
        this.dispatchEvent(new MessageEvent(fields.event, { data: fields.data, lastEventId: fields.id ?? '' }));
      }
    }
  }

  close() { this.#abort.abort(); }
}
