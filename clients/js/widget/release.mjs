// Makes of the widgets' script what the hub serves under this package's version, and writes its digest into
// docs/widgets.md. Pages pin a version: raise it in package.json before changing one that was released.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import '../build.mjs';

const here = (name) => new URL(name, import.meta.url);
const { version } = JSON.parse(readFileSync(here('../package.json'), 'utf8'));
const script = readFileSync(here('../dist/widget.script.js'));
writeFileSync(here(`served/${version}.js`), script);

const page = here('../../../docs/widgets.md');
writeFileSync(page, readFileSync(page, 'utf8')
  .replace(/(\/widget\/)\d+\.\d+\.\d+\.js/g, `$1${version}.js`)
  .replace(/sha384-[A-Za-z0-9+/=]{64}/g, `sha384-${createHash('sha384').update(script).digest('base64')}`));
