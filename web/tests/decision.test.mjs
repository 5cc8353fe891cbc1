// The built decision page in a real browser, opened from disk. Run `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { browserPath, fixture, openBrowser, pageWith } from './pages.mjs';

const skip = browserPath === null && !process.env.CI ? 'THE DECISION PAGE WAS NOT TESTED: no chromium on this machine' : false;
if (skip) console.warn(skip);

describe('the decision page', { skip }, () => {
  let browser;
  let comparison;
  let html;

  before(async () => {
    assert.ok(browserPath, 'CI has a chromium (apt-get install chromium)');
    browser = await openBrowser();
    comparison = await fixture('decision.json');
    html = await pageWith(comparison, 'decision.html');
  });
  after(() => browser?.close());

  const made = (data) => pageWith(data, 'decision.html');
  const alone = (index) => ({ ...comparison, models: [comparison.models[index]], questions: [comparison.questions[index]] });
  const times = (data, count) => ({ ...data, models: Array.from({ length: count }, (_, index) => ({ ...data.models[index % 2], place: `hf:example/model-${index}@main` })), questions: Array.from({ length: count }, (_, index) => data.questions[index % 2]) });
  const long = () => {
    const data = structuredClone(comparison);
    const model = data.models[1];
    model.checkpoints = Array.from({ length: 360 }, (_, index) => ({ ...model.checkpoints[0], name: `ckpt_${index}`, step: index * 1000 }));
    model.findings = Array.from({ length: 300 }, (_, index) => ({ ...model.findings[0], subject: `ckpt_${index}` }));
    return data;
  };

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

  it('opens in the language it was made in, switches, and obeys ?lang=', async () => {
    const answer = (page) => page.locator('h1').textContent();
    await visit({}, async (page) => {
      assert.equal(await answer(page), 'Of these 2 models, only clearwater-7b may be adopted.');
      await page.getByRole('button', { name: '日本語' }).click();
      assert.equal(await answer(page), '比較した2モデルのうち、採用できるのはclearwater-7bだけです。');
      assert.equal(await page.evaluate(() => document.documentElement.lang), 'ja');
      assert.match(await page.title(), /採否の判断：clearwater-7b/);
    });
    await visit({ search: '?lang=ja' }, async (page) => assert.match(await answer(page), /採用できるのは/));
    await visit({}, async (page) => assert.match(await answer(page), /採用できるのは/), await made({ ...comparison, language: 'ja' }));
  });

  it('shows the answer and the first verdicts on the first screen of a laptop', async () => {
    for (const data of [comparison, alone(1)]) {
      const page = await made(data);
      for (const search of ['?lang=ja', '?lang=en']) {
        await visit({ search }, async (open) => {
          for (const part of ['h1', '.answers li', '.matrix tbody tr:nth-child(3)']) {
            const box = await open.locator(part).first().boundingBox();
            assert.ok(box && box.y + box.height <= 768, `${part} is on the first screen`);
          }
        }, page);
      }
    }
  });

  it('judges every criterion of every model, each with a link that leads to its evidence', async () => {
    for (const data of [comparison, times(comparison, 6)]) {
      await visit({}, async (page) => {
        assert.equal(await page.locator('.matrix td').count(), data.models.length * data.models[0].decision.criteria.length);
        assert.equal(await page.locator('.matrix td').filter({ has: page.locator('.see a') }).count(), await page.locator('.matrix td').count());
        const links = await page.locator('a[href^="#"]').evaluateAll((all) => all.map((link) => link.getAttribute('href').slice(1)));
        const ids = await page.locator('[id]').evaluateAll((all) => all.map((element) => element.id));
        assert.equal(new Set(ids).size, ids.length, 'no id stands twice');
        assert.deepEqual([...new Set(links)].filter((id) => !ids.includes(id)), []);
        assert.equal(await page.locator('#m0-claims .claims > li').count(), 21);
        assert.equal(await page.locator('#m1-openness tbody tr').count(), 17);
      }, await made(data));
    }
  });

  it('never shows a missing, failed or invalid score as a number', async () => {
    const data = structuredClone(comparison);
    data.models[0].measured.benchmarks.push({ ...data.models[0].measured.benchmarks[0], task: 'no_number', score: { state: 'scored', value: null, interval: [null, null] } });
    await visit({}, async (page) => {
      for (const [state, said] of [['missing', /^missing/], ['failed', /^failed/], ['invalid', /^invalid/]]) {
        const cell = await page.locator(`#m0-evaluations tr[data-score="${state}"] td:nth-child(3)`).first().textContent();
        assert.match(cell.trim(), said);
        assert.doesNotMatch(cell, /\b0\b/);
      }
      const guess = page.locator('#m0-evaluations tr', { hasText: 'jcommonsenseqa' });
      assert.match(await guess.textContent(), /not above chance/);
      assert.match(await guess.textContent(), /not recorded/);
    }, await made(data));
  });

  it('shows the first of a long list, counts the rest, and all of it at a button', async () => {
    await visit({}, async (page) => {
      const findings = page.locator('#m1-findings .claims > li:visible');
      assert.equal(await findings.count(), 10);
      assert.match(await page.locator('#m1-findings .more').textContent(), /10 of 300 are shown/);
      await page.locator('#m1-findings').getByRole('button', { name: 'Show all 300' }).press('Enter');
      assert.equal(await findings.count(), 300);
      await page.emulateMedia({ media: 'print' });
      assert.equal(await findings.count(), 40);
      assert.match(await page.locator('#m1-findings .on-paper').innerText(), /40 of 300 are printed/);
    }, await made(long()));
  });

  it('offers a letter in both languages, ready to be copied', async () => {
    await visit({}, async (page) => {
      assert.match(await page.locator('#m1-letter-en').textContent(), /^Dear maintainers of murk-7b/);
      assert.match(await page.locator('#m1-letter-ja').textContent(), /^murk-7bのご担当者様/);
      assert.match(await page.locator('#m0-letter').textContent(), /nothing to ask/);
      await page.locator('#m1-letter').getByRole('button', { name: 'Copy' }).first().click();
      await page.waitForFunction(() => /Cop/.test(document.querySelector('#m1-letter [role="status"]').textContent) || getSelection().toString().startsWith('Dear'));
    });
  });

  it('prints the criteria in full, and says what was not checked', async () => {
    await visit({}, async (page) => {
      assert.equal(await page.locator('#criteria pre').textContent(), comparison.criteria.text);
      assert.match(await page.locator('#m1-checked').textContent(), /Nothing was measured here/);
      assert.match(await page.locator('#m1-checked').textContent(), /metrics\/board\.html/);
    });
  });

  it('shows a model without anything as such', async () => {
    const data = structuredClone(alone(1));
    const [model] = data.models;
    Object.assign(model, {
      findings: [], checkpoints: [], components: model.components.map((component) => ({ ...component, state: 'missing', rung: null, evidence: [] })),
      claims: model.claims.map(({ id }) => ({ id, status: 'missing', rung: null, params: {}, evidence: [] })),
      licences: { model: null, file_agrees: false, model_open: false, sources: [], conflicts: [], sheet: null, notice: '' },
    });
    await visit({}, async (page) => {
      assert.match(await page.locator('#m0-licences').textContent(), /nothing is permitted until one is known/);
      assert.match(await page.locator('#m0-checkpoints').textContent(), /No checkpoint was found/);
      assert.doesNotMatch(await page.locator('main').textContent(), /undefined|NaN|\[object/);
    }, await made(data));
  });

  it('has no sideways scroll, from a phone to a laptop', async () => {
    const data = structuredClone(long());
    data.models[1].findings[0].subject = 'x'.repeat(400);
    data.models[1].place = `hf:example/${'long-name-'.repeat(9)}@main`;
    const page = await made(data);
    for (const width of [320, 390, 768, 1024, 1366]) {
      for (const search of ['?lang=ja', '?lang=en']) {
        await visit({ search, width, height: 800 }, async (open) => {
          assert.ok((await open.evaluate(() => document.documentElement.scrollWidth)) <= width, `${width} px ${search}`);
        }, page);
      }
    }
  });

  it('has text that stands out from what is behind it, light and dark', async () => {
    for (const dark of [false, true]) {
      await visit({ dark }, async (page) => {
        const weak = await page.evaluate(() => {
          const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
          const luminance = (colour) => {
            const [red, green, blue] = parse(colour).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
          };
          const behind = (element) => {
            for (let at = element; at; at = at.parentElement) {
              const colour = getComputedStyle(at).backgroundColor;
              if ((parse(colour)[3] ?? 1) > 0) return colour;
            }
            return 'rgb(255, 255, 255)';
          };
          const found = new Set();
          for (const element of document.querySelectorAll('main *, header *, footer *')) {
            if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) || element.closest('svg')) continue;
            const [one, other] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
            const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
            if (ratio < 4.5) found.add(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
          }
          return [...found];
        });
        assert.deepEqual(weak, [], dark ? 'dark' : 'light');
      });
    }
  });

  it('keeps hostile text as text', async () => {
    const hostile = `<script>window.owned=1</script><img src=x onerror="window.owned=1">{@html 1}</script>`;
    const plain = new Set(['format', 'id', 'status', 'rung', 'verdict', 'state', 'severity', 'layout', 'language', 'section', 'claims', 'what', 'when', 'owes', 'agreement', 'reason']);
    const everywhere = JSON.parse(JSON.stringify(comparison, (key, value) =>
      typeof value === 'string' && !plain.has(key) && !/^(ckpt_\d+|pub_\w+|model-\S+)$/.test(value) ? hostile + value : value));
    everywhere.language = 'ja';
    everywhere.models[1].licences.sheet.rows[0].url = 'javascript:window.owned=1';
    everywhere.questions[1][0].questions[0].url = 'javascript:window.owned=1';
    await visit({ search: '?lang=ja' }, async (page) => {
      assert.equal(await page.evaluate(() => window.owned), undefined);
      assert.equal(await page.locator('main img, main script').count(), 0);
      assert.equal(await page.locator('a[href^="javascript"]').count(), 0);
      assert.match(await page.locator('main').textContent(), /<script>/);
    }, await made(everywhere));
  });

  it('runs nothing but its own script, whatever gets into it', async () => {
    const foreign = html.replace('<div id="page">', () => '<script>window.owned=1</script><div id="page">');
    const { page } = await browser.open(foreign);
    assert.equal(await page.evaluate(() => window.owned), undefined);
    await page.close();
  });

  it('prints on A4, light, on a sane number of pages, with the decision on the first', async () => {
    for (const [data, most] of [[comparison, 20], [alone(0), 11], [long(), 26]]) {
      await visit({ dark: true }, async (page) => {
        const paper = await page.pdf({ preferCSSPageSize: true, printBackground: true });
        const text = paper.toString('latin1');
        const pages = text.match(/\/Type\s*\/Page\b/g)?.length ?? 0;
        assert.ok(pages >= 4 && pages <= most, `${pages} pages`);
        const [width, height] = text.match(/\/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)/).slice(1).map(Number);
        assert.ok(Math.abs(width - 595) < 2 && Math.abs(height - 842) < 2, `${width} × ${height}`);
        await page.emulateMedia({ media: 'print' });
        const brightness = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
        assert.equal(brightness, 'rgb(255, 255, 255)');
        const links = await page.locator('a.address').evaluateAll((all) => all.map((link) => getComputedStyle(link, '::after').content));
        assert.ok(links.length > 0 && links.every((content) => content.includes('https://')), 'addresses stand as text');
      }, await made(data));
    }
  });
});
