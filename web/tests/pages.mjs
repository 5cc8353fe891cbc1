// A built page with a report in it, and a browser that opens it as a reader would: from a file, with no network.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const PLACEHOLDER = '"glasswork-report-data"';
const candidates = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export const browserPath = candidates.find((path) => existsSync(path)) ?? null;

/** The page as `crates/page` writes it. */
export async function pageWith(data, name = 'index.html') {
  const template = await readFile(new URL(`../dist/${name}`, import.meta.url), 'utf8');
  if (!template.includes(PLACEHOLDER)) throw new Error(`dist/${name} has no place for the data: run npm run build`);
  return template.replace(PLACEHOLDER, () => JSON.stringify(data).replaceAll('<', '\\u003c'));
}

export async function fixture(name = 'fixture.json') {
  return JSON.parse(await readFile(new URL(name, import.meta.url), 'utf8'));
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
