// A built page with a report in it, and a browser that opens it as a reader would: from a file, with no network.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const PLACEHOLDER = '"glasswork-report-data"';
const candidates = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const browserPath = candidates.find((path) => existsSync(path)) ?? null;

/** The page as `crates/page` writes it. */
async function pageWith(data, name) {
  const template = await readFile(new URL(`../dist/${name}`, import.meta.url), 'utf8');
  if (!template.includes(PLACEHOLDER)) throw new Error(`dist/${name} has no place for the data: run npm run build`);
  return template.replace(PLACEHOLDER, () => JSON.stringify(data).replaceAll('<', '\\u003c'));
}

export function fixture(name) {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
}

/** The tests of a built page (`npm run build` first) in one browser. `tests` gets what makes pages and opens them. */
export function describePage(title, name, data, tests) {
  const skip = browserPath === null && !process.env.CI ? `${title.toUpperCase()} WAS NOT TESTED: no chromium on this machine` : false;
  if (skip) console.warn(skip);
  describe(title, { skip }, () => {
    let browser;
    let html;
    before(async () => {
      assert.ok(browserPath, 'CI has a chromium (apt-get install chromium)');
      browser = await openBrowser();
      html = await pageWith(data, name);
    });
    after(() => browser?.close());

    /** Opens, runs, and demands that the browser had nothing to complain about and nothing was loaded. */
    async function visit(options, steps, page = html) {
      const { page: open, troubles } = await browser.open(page, options);
      try {
        await steps(open);
        assert.deepEqual(troubles, []);
      } finally {
        await open.close();
      }
    }

    /** A script that got into the page beside its own does not run. The browser complains of it: nothing else is looked at. */
    async function runsForeignScripts() {
      const foreign = html.replace('<div id="page">', () => '<script>window.owned=1</script><div id="page">');
      const { page } = await browser.open(foreign);
      const owned = await page.evaluate(() => window.owned);
      await page.close();
      return owned !== undefined;
    }

    tests({ visit, made: (other) => pageWith(other, name), runsForeignScripts });
  });
}

export async function openBrowser() {
  const directory = await mkdtemp(join(tmpdir(), 'glasswork-page-'));
  const browser = await chromium.launchPersistentContext(join(directory, 'profile'), {
    executablePath: browserPath,
    args: [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--no-first-run',
    ],
  });
  let count = 0;
  return {
    async open(html, { search = '', width = 1366, height = 768, dark = false } = {}) {
      const file = join(directory, `report-${(count += 1)}.html`);
      await writeFile(file, html);
      const page = await browser.newPage();
      const troubles = [];
      page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) troubles.push(message.text()); });
      page.on('pageerror', (error) => troubles.push(String(error)));
      page.on('dialog', (dialog) => { troubles.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
      page.on('request', (request) => { if (!request.url().startsWith(pathToFileURL(file).href)) troubles.push(`request: ${request.url()}`); });
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
      await page.goto(pathToFileURL(file).href + search);
      await page.waitForSelector('main');
      return { page, troubles };
    },
    async close() {
      await browser.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
