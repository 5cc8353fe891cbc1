// The built decision page in a real browser, opened from disk. Run `npm run build` first.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describePage, fixture } from './pages.mjs';

const comparison = fixture('decision.json');

describePage('the decision page', 'decision.html', comparison, ({ visit, made, runsForeignScripts }) => {
  const alone = (index) => ({ ...comparison, models: [comparison.models[index]], questions: [comparison.questions[index]] });
  const times = (data, count) => ({ ...data, models: Array.from({ length: count }, (_, index) => ({ ...data.models[index % 2], place: `hf:example/model-${index}@main` })), questions: Array.from({ length: count }, (_, index) => data.questions[index % 2]) });
  const long = () => {
    const data = structuredClone(comparison);
    const model = data.models[1];
    model.checkpoints = Array.from({ length: 360 }, (_, index) => ({ ...model.checkpoints[0], name: `ckpt_${index}`, step: index * 1000 }));
    model.findings = Array.from({ length: 300 }, (_, index) => ({ ...model.findings[0], subject: `ckpt_${index}` }));
    return data;
  };

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
        assert.equal(await page.locator('#verdicts .matrix td').count(), data.models.length * data.models[0].decision.criteria.length);
        assert.equal(await page.locator('#verdicts .matrix td').filter({ has: page.locator('.see a') }).count(), await page.locator('#verdicts .matrix td').count());
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
    data.models[0].measured.benchmarks.push({ ...data.models[0].measured.benchmarks[0], task: 'no_interval', score: { state: 'scored', value: 0.5, interval: null } });
    data.models[0].measured.benchmarks.push({ ...data.models[0].measured.benchmarks[0], task: 'no_number', score: { state: 'scored', value: null, interval: null } });
    await visit({}, async (page) => {
      for (const [state, said] of [['missing', /^not measured/], ['failed', /^failed/], ['invalid', /^invalid/]]) {
        const cell = await page.locator(`#m0-evaluations tr[data-score="${state}"] td:nth-child(3)`).first().textContent();
        assert.match(cell.trim(), said);
        assert.doesNotMatch(cell, /\b0\b/);
      }
      assert.match(await page.locator('#m0-evaluations tr', { hasText: 'no_interval' }).textContent(), /0\.500 \(interval not known\)/);
      const guess = page.locator('#m0-evaluations tr', { hasText: 'jcommonsenseqa' });
      assert.match(await guess.textContent(), /not above chance/);
      assert.match(await guess.textContent(), /not published/);
      // What is published and not measured is no measured score.
      const alone = page.locator('#m0-evaluations tr[data-score="published"] td:nth-child(3)').first();
      assert.match(await alone.textContent(), /not measured here/);
    }, await made(data));
  });

  it('shows scores of several models side by side, and of one in its own part only', async () => {
    await visit({}, async (page) => {
      const row = page.locator('#scores tbody tr', { hasText: 'arc_easy' });
      assert.match(await row.locator('td').nth(0).innerText(), /Measured 0\.620 \(0\.550 – 0\.690\) 200 of 2,376 items[\s\S]*Published 0\.641 – agrees/);
      assert.match(await row.locator('td').nth(1).innerText(), /Published 0\.702 – not measured here/);
      assert.match(await page.locator('#scores tbody tr', { hasText: 'mmlu' }).locator('td').nth(0).innerText(), /neither published nor measured/);
    });
    await visit({}, async (page) => assert.equal(await page.locator('#scores').count(), 0), await made(alone(0)));
    await visit({}, async (page) => {
      assert.equal(await page.locator('#scores table').count(), 2);
      assert.equal(await page.locator('#scores table').last().locator('thead th').count(), 3);
    }, await made(times(comparison, 6)));
  });

  it('draws the log, reads it out by keyboard, and names what is marked', async () => {
    await visit({}, async (page) => {
      const chart = page.locator('#m1-log [data-chart="Loss"]');
      assert.equal(await page.locator('#m1-log canvas').count(), 2);
      await chart.locator('.plot').focus();
      await page.keyboard.press('Home');
      assert.equal(await chart.locator('.legend .at output').textContent(), '10');
      await page.keyboard.press('ArrowRight');
      assert.equal(await chart.locator('.legend .at output').textContent(), '1,260');
      const second = comparison.models[1].curves[0].points[1][1];
      assert.ok(Math.abs(Number(await chart.locator('.legend output').nth(1).textContent()) - second) < 0.001);
      assert.match(await chart.locator('.legend').textContent(), /given up at a restart/);
      assert.match(await page.locator('#m1-log .flagged').textContent(), /3 spikes of the loss[\s\S]*log goes back/);
      await page.locator('#m1-log summary').click();
      assert.ok((await page.locator('#m1-log tbody tr').count()) >= 10);
      assert.match(await page.locator('#m1-log tbody').textContent(), /2 are no number/);
      assert.match(await page.locator('#m0-log').textContent(), /No spike, stall, restart/);
    });
    const none = structuredClone(alone(0));
    none.models[0].curves = [];
    await visit({}, async (page) => assert.match(await page.locator('#m0-log').textContent(), /No training log was found/), await made(none));
  });

  it('marks checkpoints and findings in the charts', async () => {
    const pixels = (page, at) => page.locator(`${at} canvas`).first().evaluate((canvas) => {
      const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const found = { red: 0, dark: 0 };
      for (let at = 0; at < all.length; at += 4) {
        if (all[at + 3] < 100) continue;
        if (all[at] > 150 && all[at + 1] < 70) found.red += 1;
        if (all[at] < 60) found.dark += 1;
      }
      return found;
    });
    let bare;
    const without = structuredClone(comparison);
    without.models[0].checkpoints = [];
    await visit({}, async (page) => { bare = await pixels(page, '#m0-log'); }, await made(without));
    await visit({}, async (page) => {
      const [sound, spoiled] = [await pixels(page, '#m0-log'), await pixels(page, '#m1-log')];
      assert.ok(sound.red === 0 && spoiled.red > 500, `${sound.red} and ${spoiled.red} red pixels`);
      assert.ok(sound.dark > bare.dark + 100, `${bare.dark} dark pixels, ${sound.dark} with checkpoints`);
    });
  });

  it('says of a loss on which rows, and how the log counts', async () => {
    await visit({}, async (page) => {
      const rows = page.locator('#m0-evaluations tr', { hasText: 'train_039.jsonl' });
      assert.match(await rows.nth(1).textContent(), /trained on it last[\s\S]*off by 1/);
      assert.doesNotMatch(await rows.nth(0).textContent(), /trained on it last|off by/);
    });
  });

  it('says that the licence of a base model is not known', async () => {
    await visit({}, async (page) => {
      assert.match(await page.locator('#m1-licences').textContent(), /made from another, whose licence was not read here: example\/murk-base/);
      assert.match(await page.locator('#m1-licences').textContent(), /LICENSE-weights\.txt/);
      assert.doesNotMatch(await page.locator('#m0-licences').textContent(), /made from another/);
    });
    await visit({ search: '?lang=ja' }, async (page) => assert.match(await page.locator('#m1-licences').textContent(), /派生元が禁じることは/));
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
      findings: [], checkpoints: [], curves: [], published_scores: [], components: model.components.map((component) => ({ ...component, state: 'missing', rung: null, evidence: [] })),
      claims: model.claims.map(({ id }) => ({ id, status: 'missing', rung: null, params: {}, evidence: [] })),
      licences: { model: null, file_agrees: false, model_open: false, sources: [], conflicts: [], sheet: null, notice: '' },
    });
    await visit({}, async (page) => {
      assert.match(await page.locator('#m0-evaluations').textContent(), /No score is published, and none was measured/);
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
    const plain = new Set(['format', 'id', 'status', 'rung', 'verdict', 'state', 'severity', 'layout', 'language', 'section', 'claims', 'what', 'when', 'owes', 'agreement', 'reason', 'kind']);
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
    assert.equal(await runsForeignScripts(), false);
  });

  it('prints on A4, light, on a sane number of pages, with the decision on the first', async () => {
    for (const [data, most] of [[comparison, 22], [alone(0), 11], [long(), 28]]) {
      await visit({ dark: true }, async (page) => {
        await page.evaluate(() => {
          window.addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('.plot.printing canvas').length; });
        });
        const paper = await page.pdf({ preferCSSPageSize: true, printBackground: true });
        assert.equal(await page.evaluate(() => window.printed), 2 * data.models.length);
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
