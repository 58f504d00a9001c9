// Makes the package's dist: ESM, of which goalcast.js loads its second part itself; one plain script, whose
// exports are in window.goalcast; the widgets, as ESM and as one plain script with all that they need; the
// service worker; types. npm pack runs it.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { words } from './page/words.js';
import { codes, frameTypes, kinds } from './tables.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

// What each part of the SDK reads of the tables: kinds that are not as the reducer takes those that it does
// not know, codes that are not final, frames of the hub. Each gets its own, so that no part waits for a
// script that others share.
const few = {
  'reducer.js': { kinds: Object.fromEntries(Object.entries(kinds)
    .filter(([, kind]) => kind.place !== 'timeline' || !kind.played)
    .map(([name, { place, played }]) => [name, { place, played }])) },
  'ways.js': { codes: Object.fromEntries(Object.entries(codes).filter(([, code]) => !code.final)
    .map(([name]) => [name, { final: false }])) },
  'stream.js': { frameTypes: { hub: frameTypes.hub } },
};
const tables = { name: 'tables', setup: ({ onLoad, onResolve }) => {
  onResolve({ filter: /[/\\]tables\.js$/ }, ({ importer }) => importer
    && { path: here('tables.js'), suffix: `?${basename(importer)}` });
  onLoad({ filter: /[/\\]tables\.js$/ }, ({ suffix }) => ({
    contents: Object.entries(few[suffix.slice(1)]).map(([name, table]) =>
      `export const ${name} = ${JSON.stringify(table)};`).join('\n'),
  }));
} };

// The words that the widgets say, each language in one text; and their style, without the white space.
const said = [
  'live connecting reconnecting stale closed badAttribute notKnown failed refused noMatches',
  'half_time full_time extra_half_time extra_full_time shootout postponed abandoned awardedResult',
  'now_late_start now_stopped now_suspended goal own penalty noGoal cancelled yellow second_yellow red missed',
  'kickIn kickOut p_first_half p_half_time p_second_half p_extra_first_half p_shootout p_full_time',
  'noTable asItStands team played won drawn lost points c_played c_won c_drawn c_lost',
  'c_points o_up o_down',
].join(' ');
const spoken = `const read = (text) => Object.fromEntries(text.split('|').map((word, i) => [keys[i], word || undefined]));
  const keys = ${JSON.stringify(said)}.split(' ');
  export const words = {${Object.entries(words).map(([language, all]) =>
    `${language}: read(${JSON.stringify(said.split(' ').map((key) => all[key] ?? '').join('|'))})`)}};`;
// Names that parts of the SDK and of the widgets use among themselves, and no frame has: short ones do as
// well. Not what a module exports: that keeps its name, and is read from the module by it.
const inner = new RegExp(`^(${['unjoined|lastHeard|conflated|conflateMs|oddsBeat|setStatus|lostHere|climbs|blocked|greeted',
  'unauthorized|requestCount|authId|attempt|failures',
  'pongTimeout|helloTimeout|upgradeAfter|deltasEvery|hiddenAfter|clockPings|clockOffset|maxBackoff',
  'shares|requests|again|waits|probe|tries|broken|running|silence|follow|ways|prepare|drop|owner',
  'unfollow|nameOf|tellStatus|redraw|announce|loaded|admits|measureAgain',
].join('|')})$`);
const widgets = { name: 'widgets', setup: ({ onLoad, onResolve }) => {
  onLoad({ filter: /[/\\]page[/\\]words\.js$/ }, ({ path }) => ({
    contents: readFileSync(path, 'utf8').replace(/export const words = \{.*?\n\};/s, () => spoken) }));
  onLoad({ filter: /[/\\]widget[/\\]style\.js$/ }, ({ path }) => ({
    contents: readFileSync(path, 'utf8').replace(/`.*`/s, (css) => css.replace(/\s+/g, ' ').replace(/ ?([{};>]) ?/g, '$1')
      .replace(/([:,]) /g, '$1').replaceAll(';}', '}')) }));
  onResolve({ filter: /^\.\/(later|socket)\.js$/ }, () => ({ path: here('widget/later.js') }));
} };
// In the package the widgets share the SDK with the app.
const beside = { name: 'beside', setup: ({ onResolve }) => onResolve({ filter: /^\.\.\/(goalcast|reducer)\.js$/ },
  ({ path }) => ({ path: path.slice(1), external: true })) };

const common = { absWorkingDir: here('.'), outdir: 'dist', bundle: true, minify: true, target: 'es2022',
  legalComments: 'none', logLevel: 'warning', charset: 'utf8' };

rmSync(here('dist'), { recursive: true, force: true });
await Promise.all([
  build({ ...common, entryPoints: ['goalcast.js'], format: 'esm', splitting: true, chunkNames: '[name]',
    plugins: [tables] }),
  build({ ...common, entryPoints: ['reducer.js'], format: 'esm', plugins: [tables] }),
  build({ ...common, entryPoints: ['tables.js'], format: 'esm' }),
  build({ ...common, entryPoints: { 'goalcast.script': 'goalcast.js' }, format: 'iife', globalName: 'goalcast',
    plugins: [tables], external: ['./tabs.js'] }), // which it finds beside itself, or does without
  build({ ...common, entryPoints: ['widget/widget.js'], format: 'esm', plugins: [widgets, beside] }),
  build({ ...common, entryPoints: { 'widget.script': 'widget/widget.js' }, format: 'iife',
    plugins: [tables, widgets], external: ['./tabs.js'], mangleProps: inner }),
  build({ ...common, entryPoints: ['goalcast-sw.js'], format: 'iife' }),
]);
execFileSync(process.execPath, [here('node_modules/typescript/bin/tsc'), '-p', here('.')], { stdio: 'inherit' });
