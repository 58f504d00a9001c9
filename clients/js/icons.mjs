// Draws the icons of the installed page from page/favicon.svg: npm run icons. The maskable ones fill the square,
// and what is drawn stays within the middle circle of four fifths, which every shape leaves.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const drawn = readFileSync(here('page/favicon.svg'), 'utf8');
const [, colour] = /fill="(#[0-9a-f]{6})"/.exec(drawn); // of the ground, which is drawn first
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'] });
try {
  for (const size of [192, 512]) {
    for (const maskable of [false, true]) {
      const page = await browser.newPage({ viewport: { width: size, height: size } });
      const inset = maskable ? size * 0.08 : 0;
      await page.setContent(`<style>html{background:${maskable ? colour : 'transparent'}}body{margin:${inset}px}
        svg{display:block;width:${size - 2 * inset}px}</style>${drawn}`);
      await page.screenshot({ path: here(`page/icon-${maskable ? 'maskable-' : ''}${size}.png`), omitBackground: true });
      await page.close();
    }
  }
} finally {
  await browser.close();
}
