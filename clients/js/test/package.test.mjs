// The package as npm makes it: what is in it, how large it is, and that it works where it was unpacked:
// in Node, as a plain script, and for TypeScript.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { ScriptedHub, goal, hello, snapshot } from './hub.mjs';

const run = promisify(execFile);
const here = fileURLToPath(new URL('..', import.meta.url));
const most = { 'goalcast.js': 6144, 'goalcast.script.js': 11_500, 'widget.script.js': 15_360 }; // bytes, gzipped

let app; // a folder of an app that has the package installed
let files;

before(async () => {
  app = await mkdtemp(join(tmpdir(), 'goalcast-package-'));
  // a copy, since another test may pack at the same time, and types are checked on the way
  await cp(here, join(app, 'source'), { recursive: true, filter: (path) => !/node_modules|\/dist($|\/)/.test(path) });
  await symlink(join(here, 'node_modules'), join(app, 'source', 'node_modules'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', app], { cwd: join(app, 'source') });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[')));
  files = packed.files.map(({ path }) => path);
  const installed = join(app, 'node_modules', 'goalcast');
  await mkdir(installed, { recursive: true });
  await run('tar', ['xzf', join(app, packed.filename), '--strip-components=1', '-C', installed]);
  await symlink(join(here, 'node_modules', 'ws'), join(app, 'node_modules', 'ws'));
  await writeFile(join(app, 'package.json'), '{"type":"module"}');
});
after(() => app && rm(app, { recursive: true, force: true }));

const dist = (name) => readFile(join(app, 'node_modules', 'goalcast', 'dist', name));

test('it has the scripts, their types and the README, and nothing else', () => {
  const strangers = files.filter((path) =>
    !/^(package\.json|README\.md|dist\/[a-z.-]+\.js|dist\/types\/[a-z]+\.d\.ts)$/.test(path));
  assert.deepEqual(strangers, []);
  for (const must of ['README.md', 'dist/goalcast.js', 'dist/later.js', 'dist/goalcast.script.js', 'dist/reducer.js',
    'dist/tables.js', 'dist/tabs.js', 'dist/goalcast-sw.js', 'dist/widget.js', 'dist/widget.script.js',
    'dist/types/goalcast.d.ts', 'dist/types/types.d.ts']) {
    assert.ok(files.includes(must), must);
  }
});

test('it is small', async () => {
  for (const [name, bytes] of Object.entries(most)) {
    const size = gzipSync(await dist(name), { level: 9 }).length;
    assert.ok(size <= bytes, `${name} has ${size} bytes gzipped, at most ${bytes}`);
  }
});

test('the hub serves the widgets as they are here', async () => {
  const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));
  const served = await readFile(join(here, 'widget', 'served', `${version}.js`), 'utf8');
  assert.ok(served === String(await dist('widget.script.js')), 'it is older: npm run widget');
});

test('an app imports the widgets, and they share its SDK; where there is no page it can be built', async () => {
  const widget = String(await dist('widget.js'));
  assert.match(widget, /from"\.\/goalcast\.js"/);
  await writeFile(join(app, 'page.js'), "import 'goalcast/widget'; console.log(typeof customElements);");
  const { stdout } = await run(process.execPath, ['page.js'], { cwd: app, timeout: 60_000 });
  assert.equal(stdout, 'undefined\n');
});

test('in Node with ws: connects, reads events, goes by long poll where it has to', async (t) => {
  const hub = await new ScriptedHub().open();
  t.after(() => hub.close());
  hub.onVisit = (visit) => {
    visit.send(hello());
    visit.send(snapshot('e1-4'));
    visit.send(goal(5));
  };
  await writeFile(join(app, 'app.js'), `
    import WebSocket from 'ws';
    import { Goalcast } from 'goalcast';
    import { apply, clockText, emptySnapshot } from 'goalcast/reducer';
    import { kinds } from 'goalcast/tables';
    const live = new Goalcast({ url: process.argv[2], topics: 'match:1', WebSocket, EventSource: undefined });
    for await (const { event, match } of live) {
      const again = apply(emptySnapshot(), event);
      console.log(event.id, match.score.home, again.timeline.length, clockText('second_half', 93), kinds.goal.push);
      break;
    }
    live.stop();
    const answer = JSON.stringify({ cursor: 'e1-1', frames: [{ type: 'hello', topics: [] }] });
    const polled = new Goalcast({ url: process.argv[2], topics: 'match:1', transport: 'poll',
      fetch: async () => ({ ok: true, headers: new Headers(), text: async () => answer }) });
    polled.on('status', ({ status }) => { if (status === 'live') { console.log('polled'); polled.stop(); } });
    polled.start();
  `);
  const { stdout } = await run(process.execPath, ['app.js', hub.url], { cwd: app, timeout: 60_000 });
  assert.equal(stdout, 'opta:5 1 1 90+3 withdrawn\npolled\n');
});

test('as a plain script, which needs no module and no second file', async () => {
  const opened = [];
  class Socket extends EventTarget {
    constructor(url) { super(); opened.push(url); }
    close() {}
  }
  const context = vm.createContext({ WebSocket: Socket, EventTarget, console, setTimeout, clearTimeout, setInterval,
    clearInterval, encodeURIComponent });
  vm.runInContext(String(await dist('goalcast.script.js')), context);
  vm.runInContext("live = new goalcast.Goalcast({ url: 'https://live.example', topics: 'match:1' }).start()", context);
  assert.deepEqual(opened, ['wss://live.example/v1/live?topics=match:1']);
  vm.runInContext('live.stop()', context);
});

test('for TypeScript: what is right compiles, what is wrong does not', async () => {
  await writeFile(join(app, 'app.ts'), `
    import { Goalcast } from 'goalcast';
    import { resultOf } from 'goalcast/reducer';
    const live = new Goalcast({ url: 'https://live.example', topics: ['match:1'], token: async () => 'eyJ' });
    const end: () => void = live.on('event', ({ event, match, latency }) => {
      const minute: number | undefined = event.minute;
      const home: number | undefined = match?.score.home;
      console.log(minute, home, latency.total, event.goal?.assist?.name);
    });
    live.on('status', ({ status, reason }) => { if (status === 'paused') console.log(reason); });
    const price: number | undefined = live.price(1, '1x2', 'home');
    export async function read(): Promise<number> {
      for await (const { match } of live) if (match) return resultOf(match.timeline, match).score.home;
      return live.matches.get(1)?.score.away ?? price ?? 0;
    }
    end();
    // @ts-expect-error there is no such event
    live.on('gaol', () => {});
    // @ts-expect-error there is no such status
    live.on('status', ({ status }) => status === 'open');
    // @ts-expect-error topics are texts
    live.subscribe(1);
    // @ts-expect-error milliseconds are a number
    live.conflate('1s');
    // @ts-expect-error there is no such option
    new Goalcast({ topic: 'match:1' });
  `);
  await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: { strict: true, noEmit: true,
    module: 'nodenext', target: 'es2022', lib: ['es2022', 'dom'], types: [] }, files: ['app.ts'] }));
  await run(process.execPath, [join(here, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', app])
    .catch(({ stdout }) => assert.fail(stdout));
});
