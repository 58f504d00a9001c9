// What browser tests run against: the real `goalcast demo` or `goalcast serve`, and a wire to it
// that can be cut.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const listen = (server, port = 0) =>
  new Promise((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', () => done(server.address().port)));

export async function freePort() {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise((done) => server.close(done));
  return port;
}

export const chromiumOptions = { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'] };

const secret = 'secret-of-the-browser-tests';

/** How long a test waits for anything, in ms: on a machine that is busy with other tests, and for nothing else. */
export const wait = { timeout: 180_000 };

/** Waits until the condition holds. */
export async function until(condition, what = condition.toString()) {
  for (const end = Date.now() + wait.timeout; !await condition();) {
    if (Date.now() > end) throw new Error(`waited ${wait.timeout} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 2));
  }
}

/**
 * What a provider shows to post to /feeds: a feed without a secret takes nothing from what may be a
 * page.
 */
export const asProvider = { authorization: `Bearer ${secret}` };

/**
 * Starts $GOALCAST_BIN with a database of its own and waits until it answers; on the ports given, if any.
 * @param {string} command
 * @param {string[]} flags
 */
export async function startGoalcast(command, flags = [], tries = 3, at = {}) {
  const bin = process.env.GOALCAST_BIN;
  if (!bin) {
    throw new Error('GOALCAST_BIN is not set: build goalcast (go build -o /some/where ./cmd/goalcast) and name it');
  }
  const [port, admin, dir] = [at.port ?? await freePort(), at.admin ?? await freePort(), await mkdtemp(join(tmpdir(), 'goalcast-browser-'))];
  const child = spawn(bin, [command, '--listen', `127.0.0.1:${port}`, '--admin-listen', `127.0.0.1:${admin}`,
    '--database-url', `sqlite:${join(dir, 'demo.db')}`,
    '--feed-secrets', ['opta', 'json', 'odds', 'wsc'].map((feed) => `${feed}=${secret}`).join(), ...flags],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, GOALCAST_FEEDS_OPEN: 'true',
      GOALCAST_ODDS_PUBLIC: 'true' } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data',
    (data) => { output = (output + data).slice(-20_000); });
  const ended = new Promise((done) => child.once('exit', done));
  const stop = async () => {
    child.kill('SIGTERM');
    const hurry = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(hurry);
    await rm(dir, { recursive: true, force: true });
  };
  for (const end = Date.now() + wait.timeout; ;) {
    const ready = await fetch(`http://127.0.0.1:${admin}/readyz`).then((r) => r.ok, () => false);
    if (ready) break;
    if (Date.now() > end || child.exitCode !== null) {
      await stop();
      // a free port that somebody else has taken since
      if (output.includes('address already in use') && tries > 1) return startGoalcast(command, flags, tries - 1, at);
      throw new Error(`goalcast does not start:\n${output}`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  const kill = async () => { // as a machine that loses its power
    child.kill('SIGKILL');
    await ended;
  };
  return { port, url: `http://127.0.0.1:${port}`, admin: `http://127.0.0.1:${admin}`, stop, kill, output: () => output };
}

/**
 * A wire to a port: cut breaks every connection and takes no new ones until mend. swallow breaks none:
 * nothing arrives any more, and nobody is told; what was sent meanwhile comes after mend.
 */
export class Wire {
  #sockets = new Map(); // each end, and the other one
  #isCut = false;
  #swallows = false;

  async open(port) {
    this.server = net.createServer((near) => {
      if (this.#isCut) {
        near.destroy();
        return;
      }
      const far = net.connect(port, '127.0.0.1');
      for (const [from, to] of [[near, far], [far, near]]) {
        this.#sockets.set(from, to);
        from.on('error', () => {}).on('close', () => { this.#sockets.delete(from); to.destroy(); });
        if (this.#swallows) from.pause();
        else from.pipe(to);
      }
    });
    this.url = `http://127.0.0.1:${await listen(this.server)}`;
    return this;
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  swallow() {
    this.#swallows = true;
    for (const [from, to] of this.#sockets) from.unpipe(to).pause();
  }

  mend() {
    this.#isCut = false;
    if (!this.#swallows) return;
    this.#swallows = false;
    for (const [from, to] of this.#sockets) from.pipe(to);
  }

  async close() {
    this.cut();
    await new Promise((done) => this.server.close(done));
  }
}
