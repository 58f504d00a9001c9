// Makes the package's dist: ESM, of which goalcast.js loads its second part itself; one plain script, whose
// exports are in window.goalcast; the service worker; types. npm pack runs it.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
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
const common = { absWorkingDir: here('.'), outdir: 'dist', bundle: true, minify: true, target: 'es2022',
  legalComments: 'none', logLevel: 'warning' };

rmSync(here('dist'), { recursive: true, force: true });
await Promise.all([
  build({ ...common, entryPoints: ['goalcast.js'], format: 'esm', splitting: true, chunkNames: '[name]',
    plugins: [tables] }),
  build({ ...common, entryPoints: ['reducer.js'], format: 'esm', plugins: [tables] }),
  build({ ...common, entryPoints: ['tables.js'], format: 'esm' }),
  build({ ...common, entryPoints: { 'goalcast.script': 'goalcast.js' }, format: 'iife', globalName: 'goalcast',
    plugins: [tables] }),
  build({ ...common, entryPoints: ['goalcast-sw.js'], format: 'iife' }),
]);
execFileSync(process.execPath, [here('node_modules/typescript/bin/tsc'), '-p', here('.')], { stdio: 'inherit' });
