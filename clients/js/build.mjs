// Makes the package's dist: ESM, of which goalcast.js loads its second part itself; one plain script, whose
// exports are in window.goalcast; the service worker; types. npm pack runs it.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { codes, frameTypes, kinds } from './tables.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

// What the SDK reads of the tables: kinds that are not as it takes those that it does not know, codes
// that are not final, frames of the hub.
const few = {
  kinds: Object.fromEntries(Object.entries(kinds).filter(([, kind]) => kind.place !== 'timeline' || !kind.played)
    .map(([name, { place, played }]) => [name, { place, played }])),
  codes: Object.fromEntries(Object.entries(codes).filter(([, code]) => !code.final)
    .map(([name]) => [name, { final: false }])),
  frameTypes: { hub: frameTypes.hub },
};
const tables = { name: 'tables', setup: ({ onLoad }) => onLoad({ filter: /[/\\]tables\.js$/ }, () => ({
  contents: Object.entries(few).map(([name, table]) => `export const ${name} = ${JSON.stringify(table)};`).join('\n'),
})) };
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
