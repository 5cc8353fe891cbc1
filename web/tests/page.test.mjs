// The built page in a real browser, opened from disk. Run `npm run build` first.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { describePage, fixture } from './pages.mjs';

const report = fixture('fixture.json');

describePage('the page', 'index.html', report, ({ visit, made, runsForeignScripts }) => {
  it('opens in the language it was made in, switches, and obeys ?lang=', async () => {
    await visit({}, async (page) => {
      assert.equal(await page.locator('.decision .verdict').textContent(), 'Not enough evidence to decide');
      await page.getByRole('button', { name: '日本語' }).click();
      assert.equal(await page.locator('.decision .verdict').textContent(), '採用の可否はまだ判断できません');
      assert.equal(await page.evaluate(() => document.documentElement.lang), 'ja');
      assert.match(await page.title(), /報告書/);
    });
    await visit({ search: '?lang=ja' }, async (page) => {
      assert.equal(await page.locator('.decision .verdict').textContent(), '採用の可否はまだ判断できません');
    });
    await visit({}, async (page) => {
      assert.equal(await page.locator('.decision .verdict').textContent(), '採用の可否はまだ判断できません');
    }, await made({ ...report, language: 'ja' }));
  });

  it('shows the decision and every question on the first screen of a laptop', async () => {
    for (const search of ['?lang=ja', '?lang=en']) {
      await visit({ search }, async (page) => {
        for (const part of ['.decision .verdict', '#question-genuine', '#question-repeatable', '#question-data', '#question-quality', '#next-title']) {
          const box = await page.locator(part).boundingBox();
          assert.ok(box && box.y + box.height <= 768, `${part} is on the first screen`);
        }
      });
    }
  });

  it('leads from every sentence to its evidence', async () => {
    await visit({}, async (page) => {
      const links = await page.locator('a[href^="#"]').evaluateAll((all) => all.map((link) => link.getAttribute('href').slice(1)));
      const ids = new Set(await page.locator('[id]').evaluateAll((all) => all.map((element) => element.id)));
      assert.deepEqual([...new Set(links)].filter((id) => !ids.has(id)), []);
      assert.equal(await page.locator('.question li').count(), await page.locator('.question .badge').count());
      assert.equal(await page.locator('.claims > li').count(), report.claims.length);
      assert.equal(await page.locator('.claims > li .badge').count(), report.claims.length);
      // A link into the closed list of files opens it.
      await page.locator('#claim-chain_consistent a[href^="#file-"]').click();
      await page.waitForFunction(() => document.querySelector('#files details').open);
    });
  });

  it('shows a contradicted claim as such, not with the rung that it failed on', async () => {
    const damaged = structuredClone(report);
    const claim = damaged.claims.find((found) => found.id === 'files_intact');
    Object.assign(claim, { status: 'fails', params: { findings: 2, first: 'run.toml' } });
    await visit({}, async (page) => {
      assert.equal((await page.locator('#claim-files_intact .badge').textContent()).trim(), 'contradicted');
      assert.match(await page.locator('.question').first().textContent(), /2 defects were found, the first in run\.toml/);
    }, await made(damaged));
  });

  it('shows unsigned records as hearsay', async () => {
    const unsigned = structuredClone(report);
    for (const id of ['segments_replayed', 'fault_found']) unsigned.claims.find((found) => found.id === id).rung = 'declared';
    await visit({}, async (page) => {
      const claim = page.locator('#claim-segments_replayed');
      assert.match(await claim.textContent(), /According to the unsigned replay records/);
      assert.equal(await claim.locator('.mark').first().getAttribute('aria-label'), 'declared');
      assert.equal(await page.locator('.strip.hearsay').count(), 1);
      assert.doesNotMatch(await page.locator('#chain').textContent(), /were replayed with the same bits|vouches for these/);
    }, await made(unsigned));
  });

  it('names its own root as such, unless the reader brought one', async () => {
    await visit({}, async (page) => assert.match(await page.locator('.root').textContent(), /Computed from the release itself/));
    const pinned = { ...report, release: { ...report.release, publisher: 'matches' } };
    await visit({}, async (page) => assert.doesNotMatch(await page.locator('.root').textContent(), /Computed from/), await made(pinned));
  });

  it('saves tables as files, from disk', async () => {
    await visit({}, async (page) => {
      await page.locator('#sources details.long summary').click();
      for (const [name, rows] of [['sources', report.sources], ['licences', report.licences], ['packages', report.packages]]) {
        const [download] = await Promise.all([page.waitForEvent('download'), page.locator(`[data-table="${name}"]`).click()]);
        assert.equal(download.suggestedFilename(), `${name}.csv`);
        const text = await readFile(await download.path(), 'utf8');
        assert.equal(text.trimEnd().split('\r\n').length, rows.length + 1);
      }
    });
  });

  it('prints the criteria in full', async () => {
    await visit({}, async (page) => {
      assert.equal(await page.locator('#decision pre.file').textContent(), report.decision.criteria_text);
    });
  });

  it('has no sideways scroll, from a phone to a laptop', async () => {
    for (const width of [320, 390, 768, 1024, 1366]) {
      for (const search of ['?lang=ja', '?lang=en']) {
        await visit({ search, width, height: 800 }, async (page) => {
          assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, `${width} px ${search}`);
        });
      }
    }
  });

  it('shows values under the pointer, on all step charts at once, and by keyboard', async () => {
    await visit({}, async (page) => {
      const loss = page.locator('[data-chart="Training loss"]');
      const step = (chart) => chart.locator('.legend .at output').textContent();
      assert.equal(await step(loss), '520');
      await loss.locator('.u-over').hover({ position: { x: 300, y: 60 } });
      const pointed = await step(loss);
      assert.notEqual(pointed, '520');
      assert.equal(await step(page.locator('[data-chart="Learning rate"]')), pointed);
      const index = Number(pointed) - 1;
      const shown = Number(await loss.locator('.legend output').nth(1).textContent());
      assert.ok(Math.abs(shown - report.metrics.loss[index]) < 0.001);
      await loss.locator('.plot').focus();
      await page.keyboard.press('Home');
      assert.equal(await step(loss), '1');
      await page.keyboard.press('ArrowRight');
      assert.equal(await step(loss), '2');
    });
  });

  it('says that a value is missing', async () => {
    await visit({}, async (page) => {
      const chart = page.locator('[data-chart="Training loss by source"]');
      await chart.locator('.plot').focus();
      for (const key of ['Home', 'ArrowRight', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
      assert.equal(report.metrics.sources[2].loss[3], report.metrics.sources[2].loss[3]);
      const at = Number(await chart.locator('.legend .at output').textContent()) - 1;
      const expected = report.metrics.sources[2].loss[at] === null;
      assert.equal((await chart.locator('.legend output').nth(3).textContent()) === 'not recorded', expected);
    });
    const empty = { ...report, metrics: null, evaluations: [], samples: [], replays: [], segments: [], checkpoints: [], sources: [], licences: [], packages: [], rejections: [], fault_drill: null, files: [] };
    await visit({}, async (page) => {
      assert.match(await page.locator('#training').textContent(), /No metrics/);
      assert.match(await page.locator('#evaluation').textContent(), /No evaluation/);
      assert.match(await page.locator('#samples').textContent(), /No samples/);
      assert.match(await page.locator('.one-line').textContent(), /not recorded/);
    }, await made(empty));
  });

  it('draws by tokens and on a logarithmic axis', async () => {
    await visit({}, async (page) => {
      await page.locator('#training').getByLabel('tokens').check();
      assert.match(await page.locator('[data-chart="Training loss"] .legend .at').textContent(), /tokens/);
      await page.locator('#training').getByLabel('logarithmic').check();
      assert.match(await page.locator('[data-chart="Training loss"] .drawn').textContent(), /all 520 points/);
      // The axis is shared; the initial checkpoint has no place on it, and the page says so.
      assert.match(await page.locator('#evaluation .drawn').textContent(), /all 11 points.*0 has no place/s);
    });
  });

  it('says how many points are drawn where there are too many', async () => {
    const many = 50_000;
    const column = (value) => Array.from({ length: many }, (_, index) => value(index));
    const metrics = {
      batch_tokens: 1, step: column((index) => index + 1), tokens: column((index) => index + 1), loss: column((index) => (index === 33_333 ? 50 : 2)),
      grad_norm: column(() => 1), learning_rate: column(() => 1), sources: [],
    };
    await visit({}, async (page) => {
      const said = await page.locator('[data-chart="Training loss"] .drawn').textContent();
      assert.match(said, /of 50,000 points drawn/);
    }, await made({ ...report, metrics }));
  });

  it('keeps hostile text as text', async () => {
    const hostile = `<script>window.owned=1</script><img src=x onerror="window.owned=1">{@html 1}</script>`;
    const everywhere = JSON.parse(JSON.stringify(report, (key, value) =>
      ['reference', 'licence', 'continuation', 'prompt', 'text', 'source_doc_id', 'toml', 'execution', 'detail', 'reason', 'rule', 'what', 'isa', 'name', 'criteria_name', 'criteria_text'].includes(key) && typeof value === 'string' ? hostile + value : value));
    everywhere.check.findings = [{ path: hostile, step: 1, tensor: hostile, what: hostile, expected: hostile, found: hostile }];
    everywhere.incidents = [{ step: 1, kind: hostile, detail: hostile }];
    everywhere.files[0].path = hostile;
    await visit({ search: '?lang=ja' }, async (page) => {
      assert.equal(await page.evaluate(() => window.owned), undefined);
      assert.equal(await page.locator('main img, main script').count(), 0);
      assert.match(await page.locator('h1').textContent(), /<script>/);
    }, await made(everywhere));
  });

  it('runs nothing but its own script, whatever gets into it', async () => {
    assert.equal(await runsForeignScripts(), false);
  });

  it('is dark where the reader wants it dark, charts included', async () => {
    const brightness = (page) => page.evaluate(() => {
      const [red, green, blue] = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number);
      return (red + green + blue) / 3;
    });
    await visit({ dark: true }, async (page) => {
      assert.ok((await brightness(page)) < 60);
      await page.emulateMedia({ colorScheme: 'light' });
      assert.ok((await brightness(page)) > 200);
    });
  });

  it('prints on A4, light and with charts, on a sane number of pages', async () => {
    await visit({ dark: true }, async (page) => {
      // Looks at the canvases when the browser is about to: after the page's own listener has redrawn them.
      await page.evaluate(() => {
        window.addEventListener('beforeprint', () => {
          window.printed = [...document.querySelectorAll('.plot.printing canvas')].map((canvas) => {
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            let dark = 0;
            for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3] > 128 && pixels[at] < 100) dark += 1;
            return { width: canvas.width, dark };
          });
        });
      });
      const paper = await page.pdf({ preferCSSPageSize: true, printBackground: true });
      const text = paper.toString('latin1');
      const pages = text.match(/\/Type\s*\/Page\b/g)?.length ?? 0;
      assert.ok(pages >= 6 && pages <= 20, `${pages} pages`);
      const [width, height] = text.match(/\/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)/).slice(1).map(Number);
      assert.ok(Math.abs(width - 595) < 2 && Math.abs(height - 842) < 2, `${width} × ${height}`);
      const printed = await page.evaluate(() => window.printed);
      assert.equal(printed.length, 5);
      for (const canvas of printed) assert.ok(canvas.width > 1200 && canvas.dark > 1000, JSON.stringify(canvas));
      // Afterwards the screen is as before.
      assert.equal(await page.locator('.plot.printing').count(), 0);
    });
  });
});
