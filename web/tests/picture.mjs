// `npm run picture -- REPORT.html OUT.png [ja|en]`: the first screen of a report, for a README.
import { readFile } from 'node:fs/promises';
import { openBrowser } from './pages.mjs';

const [from, to, language = 'en'] = process.argv.slice(2);
if (!from || !to) throw new Error('usage: npm run picture -- REPORT.html OUT.png [ja|en]');
const browser = await openBrowser();
const { page } = await browser.open(await readFile(from, 'utf8'), { search: `?lang=${language}`, width: 1366, height: 820 });
await page.screenshot({ path: to });
await browser.close();
