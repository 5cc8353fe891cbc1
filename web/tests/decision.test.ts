import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import pageIds from '../../crates/audit/src/publication/data/ids.json';
import { en } from '../src/decision/catalogue/en';
import { ja } from '../src/decision/catalogue/ja';
import type { Comparison } from '../src/decision/comparison';
import {
  claimSentence, costOf, criterionLine, findingSentence, headline, lawReference, letter, namesOf, nextSteps, shortName, stepSentence, strongestReason,
} from '../src/decision/sentences';
import { strip } from '../src/decision/strip';
import { catalogues, wordsAbout } from '../src/decision/words';
import type { Language } from '../src/report';
import { comparison } from './decision';
import written from './decision.json';

const ids: Record<string, string[]> = pageIds;
const languages: Language[] = ['en', 'ja'];
const fields = (text: string) => [...text.matchAll(/\{(\w+)(?::(\w+))?/g)].map((found) => found[1] as string);
const [sound, spoiled] = comparison().models as [Comparison['models'][0], Comparison['models'][0]];
const one = (model: typeof sound): Comparison => ({ ...comparison(), models: [model], questions: [] });

describe('the catalogue of the decision page', () => {
  it('has the same keys and values in both languages', () => {
    expect(Object.keys(ja).sort()).toEqual(Object.keys(en).sort());
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      const [left, right] = [new Set(fields(en[key])), new Set(fields(ja[key]))];
      expect([...right].filter((name) => !left.has(name)), key).toEqual([]);
      expect([...left].filter((name) => !right.has(name)), key).toEqual([]);
    }
  });

  it('has words for every id of the audit', () => {
    for (const catalogue of Object.values(catalogues)) {
      const keys = new Set(Object.keys(catalogue));
      for (const id of ids.claims ?? []) for (const part of ['title', 'holds', 'fails', 'missing']) expect(keys).toContain(`claim.${id}.${part}`);
      for (const id of ids.criteria ?? []) expect(keys).toContain(`criterion.${id}`);
      for (const id of ids.remedies ?? []) expect(keys).toContain(`remedy.${id}`);
      for (const id of ids.components ?? []) for (const part of ['', '.ask']) expect(keys).toContain(`component.${id}${part}`);
      for (const id of ids.detectors ?? []) expect(keys).toContain(`detector.${id}`);
      for (const id of ids.reasons ?? []) expect(keys).toContain(`finding.${id}`);
      for (const id of ids.asks ?? []) expect(keys).toContain(`ask.${id}`);
    }
  });

  it('says of components and questions what the audit says', () => {
    const text = readFileSync(new URL('../../crates/audit/src/publication/data/components.toml', import.meta.url), 'utf8');
    const entries = text.split(/^\[\[(component|ask)\]\]$/m).slice(1);
    let compared = 0;
    for (let at = 0; at < entries.length; at += 2) {
      const [kind, body] = [entries[at] as string, entries[at + 1] as string];
      const id = /^id = "(\w+)"/m.exec(body)?.[1] ?? '';
      for (const language of languages) {
        const catalogue = catalogues[language] as Record<string, string>;
        const line = new RegExp(`^${language} = (.*)$`, 'm').exec(body)?.[1] ?? '';
        const [first, second] = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((found) => JSON.parse(`"${found[1]}"`) as string);
        if (kind === 'ask') expect(catalogue[`ask.${id}`]).toBe(first);
        else expect([catalogue[`component.${id}`], catalogue[`component.${id}.ask`]]).toEqual([first, second]);
        compared += 1;
      }
    }
    expect(compared).toBe(2 * ((ids.components ?? []).length + (ids.asks ?? []).length));
  });

  it('has no English left in Japanese sentences', () => {
    const pure = /^(openness\.\d|page\.kind|licences\.notice)$/;
    for (const [key, text] of Object.entries(ja)) if (!pure.test(key)) expect(text, key).toMatch(/[ぁ-んァ-ヶ一-龠]/);
  });
});

describe('sentences of the decision page', () => {
  it('leave nothing unfilled', () => {
    for (const model of [sound, spoiled]) {
      for (const language of languages) {
        const words = wordsAbout(language, model);
        const all = [
          ...model.claims.map((claim) => claimSentence(claim, model, words)),
          ...model.findings.map((finding) => findingSentence(finding, words)),
          ...model.decision.criteria.map((result) => criterionLine(result, model, words)),
          ...nextSteps(model).flatMap((step) => [stepSentence(step, words), costOf(step.remedy, words)]),
          letter(model, 'name', language),
        ];
        for (const text of all) expect(text).not.toMatch(/[{}]|undefined|not recorded|記録なし|pub_/);
      }
    }
  });

  it('say every reason of a finding, also where a value is missing', () => {
    for (const language of languages) {
      const words = wordsAbout(language, null);
      const finding = { detector: 'step_identity', severity: 'contradiction' as const, subject: 'ckpt_003', reason: 'weights_out_of_order', params: { factor: 2, after: null, before: 'ckpt_001' }, evidence: [], ask: null };
      expect(findingSentence(finding, words)).not.toMatch(/not recorded|記録なし/);
      expect(findingSentence({ ...finding, reason: 'no_such_reason' }, words)).toBe('no_such_reason: ckpt_003');
    }
  });

  it('name the first subjects of a finding and count the rest', () => {
    const params = { subjects: ['a', 'b', 'c', 'd'], subjects_count: 9 };
    const finding = { detector: 'shards', severity: 'contradiction' as const, subject: 'a', reason: 'shard_empty', params, evidence: [], ask: null };
    expect(findingSentence(finding, wordsAbout('en', null))).toBe('a, b, c and 6 more is empty.');
  });

  it('can be repeated in a meeting', () => {
    expect(headline(comparison(), 'en')).toBe('Of these 2 models, only clearwater-7b may be adopted.');
    expect(headline(comparison(), 'ja')).toBe('比較した2モデルのうち、採用できるのはclearwater-7bだけです。');
    expect(headline(one(sound), 'en')).toBe('clearwater-7b may be adopted: every criterion is met.');
    expect(headline(one(spoiled), 'en')).toBe('murk-7b should not be adopted. The strongest reason: Some of the model’s files are missing, cut short or unreadable.');
    const open = structuredClone(spoiled);
    open.decision.verdict = 'not_enough_evidence';
    open.decision.criteria = open.decision.criteria.filter((result) => result.verdict !== 'not_met');
    expect(headline(one(open), 'en')).toMatch(/^There is not enough evidence yet to adopt murk-7b\. What weighs most: The model is under Apache-2\.0, but the licence of the model that it was made from is not known here/);
    expect(headline({ ...comparison(), models: [spoiled, spoiled] }, 'en')).toBe('None of these 2 models should be adopted.');
    open.place = 'hf:example/still-7b@main';
    expect(headline({ ...comparison(), models: [open, spoiled] }, 'en')).toBe('Of these 2 models, none may be adopted yet: for still-7b there is not enough evidence so far, and murk-7b should not be adopted.');
    expect(headline({ ...comparison(), models: [open, { ...open, place: 'hf:example/calm-7b@main' }] }, 'en')).toMatch(/none may be adopted yet; for still-7b and calm-7b there is not enough/);
    expect(headline({ ...comparison(), models: [sound, sound, spoiled] }, 'en')).toMatch(/^Of these 3 models, .* and .* may be adopted/);
    expect(strongestReason(sound, wordsAbout('en', sound))).toBe('Every criterion is met.');
  });

  it('call a model as people do, unless two are called the same', () => {
    expect(shortName('hf:owner/name@main')).toBe('name');
    expect(shortName('hf:owner/name@step3000')).toBe('name@step3000');
    expect(shortName(`hf:owner/name@${'a'.repeat(40)}`)).toBe('name@aaaaaaaa');
    expect(shortName('hf:name')).toBe('name');
    expect(shortName('models/local/')).toBe('local');
    const place = (text: string) => ({ ...sound, place: text });
    expect(namesOf([place('a/x'), place('b/x'), place('c/y')])).toEqual(['a/x', 'b/x', 'y']);
  });

  it('ask each for all at once, say what it costs and never estimate what is not known', () => {
    const words = wordsAbout('en', spoiled);
    const steps = nextSteps(spoiled);
    expect(new Set(steps.map((step) => step.remedy.id)).size).toBe(steps.length);
    const asked = steps.find((step) => step.remedy.id === 'pub_ask_publisher');
    expect(asked?.claims.length).toBeGreaterThan(3);
    const fetched = steps.find((step) => step.remedy.id === 'pub_confirm_evaluations');
    expect(fetched && costOf(fetched.remedy, words)).toBe('13.5 GB to fetch, about 40 minutes of this machine');
    expect(costOf({ id: 'pub_evaluate_safety', params: {}, command: null }, words)).toBe('not estimated');
    expect(costOf({ id: 'pub_evaluate_safety', params: {}, command: null, cost: { bytes: null, minutes: 1 } }, words)).toBe('about 1 minute of this machine');
    expect(costOf({ id: 'pub_evaluate_safety', params: {}, command: null, cost: { bytes: 0, minutes: null } }, words)).toBe('nothing to fetch');
  });

  it('say of a licence what is wrong with it, and leave out what states nothing', () => {
    const model = structuredClone(spoiled);
    model.findings = [{ detector: 'licences', severity: 'contradiction', subject: 'intended use', reason: 'use_not_allowed', params: { parties: ['model: CC-BY-NC-4.0', 'intended use: '] }, evidence: [], ask: null }];
    const claim = model.claims.find((found) => found.id === 'pub_model_licence');
    if (!claim) throw new Error('no such claim');
    Object.assign(claim, { status: 'fails', params: { licence: 'CC-BY-NC-4.0', reason: 'use_not_allowed', subject: 'intended use', findings: 1 } });
    const [result] = model.decision.criteria;
    if (!result) throw new Error('no criterion');
    model.decision.criteria = [{ ...result, verdict: 'not_met', reasons: [{ id: 'claim_fails', params: { claim: claim.id } }] }];
    expect(strongestReason(model, wordsAbout('en', model))).toBe('The licence does not allow the intended use: model: CC-BY-NC-4.0.');
    expect(strongestReason(model, wordsAbout('ja', model))).toBe('ライセンスは、想定する用途を認めていません：モデル：CC-BY-NC-4.0。');
  });

  it('say which licence is not known, and not that none is stated', () => {
    const claim = { id: 'pub_model_licence', status: 'missing' as const, rung: null, evidence: [] };
    const said = (params: Record<string, string | string[]>, language: Language) => claimSentence({ ...claim, params: { licence: 'MIT', ...params } }, sound, wordsAbout(language, sound));
    expect(said({ bases_unknown: ['owner/base'], files_unknown: [] }, 'en')).toBe('The model is under MIT, but the licence of the model that it was made from is not known here (owner/base); it may forbid what this one allows.');
    expect(said({ bases_unknown: ['owner/base'], files_unknown: [] }, 'ja')).toMatch(/派生元モデル（owner\/base）のライセンスを確認できていません/);
    expect(said({ bases_unknown: [], files_unknown: ['LICENSE-2'] }, 'en')).toMatch(/a licence file with other words lies beside it \(LICENSE-2\)/);
    expect(said({ prose_restricts: ['For research only.'] }, 'en')).toMatch(/its card allows less in its text \(“For research only\.”\)/);
    expect(said({ bases_unknown: [], files_unknown: [] }, 'en')).toBe('No licence of the model is stated.');
  });

  it('say that measurements were not enough, and not that nobody measured', () => {
    const model = structuredClone(sound);
    for (const one of model.measured.logged_loss) one.agreement = 'not_enough';
    const said = (id: string, of: typeof sound) => claimSentence({ id, status: 'missing', rung: null, params: {}, evidence: [] }, of, wordsAbout('en', of));
    expect(said('pub_evaluations_confirmed', model)).toBe('1 score was measured here beside published ones; it does not suffice to say whether they agree.');
    expect(said('pub_loss_confirmed', model)).toBe('2 losses were computed here; they do not suffice to say whether the log is right.');
    expect(said('pub_evaluations_confirmed', spoiled)).toBe('No published score was measured again here.');
  });

  it('cite a law as its readers do', () => {
    const act = (article: string) => lawReference({ law: 'Copyright Act (著作権法)', article }, 'ja');
    expect([act('30-4'), act('proviso of 30-4'), act('20(2)'), act('for users')]).toEqual(['著作権法、第30条の4', '著作権法、第30条の4ただし書き', '著作権法、第20条第2項', '著作権法、for users']);
    expect(lawReference({ law: 'Regulation (EU) 2024/1689 (AI Act)', article: '53(2)' }, 'ja')).toBe('Regulation (EU) 2024/1689 (AI Act), 53(2)');
    expect(lawReference({ law: 'Copyright Act (著作権法)', article: '30-4' }, 'en')).toBe('Copyright Act (著作権法), 30-4');
  });

  it('ask the publisher about losses and scores that differ', () => {
    const model = structuredClone(sound);
    const [loss] = model.measured.logged_loss;
    const [score] = model.measured.benchmarks;
    if (!loss || !score) throw new Error('nothing measured');
    loss.agreement = 'differs';
    score.agreement = 'differs';
    expect(letter(model, 'm', 'en')).toMatch(/loss of 1\.912; the log says 1\.905[\s\S]*we measure 0\.620; 0\.641 is published/);
    expect(letter(model, 'm', 'ja')).toContain('ログでは1.905');
  });

  it('write a letter only where there is something to ask, bounded', () => {
    expect(letter(sound, 'clearwater-7b', 'en')).toBe('');
    expect(letter(spoiled, 'murk-7b', 'en')).toMatch(/^Dear maintainers of murk-7b,[\s\S]*which step do these weights belong to\?[\s\S]*With kind regards$/);
    expect(letter(spoiled, 'murk-7b', 'ja')).toMatch(/^murk-7bのご担当者様/);
    const many = { ...spoiled, findings: Array.from({ length: 500 }, () => spoiled.findings[0]!) };
    expect(letter(many, 'm', 'en').length).toBeLessThan(8000);
    expect(letter(many, 'm', 'en')).toContain('488 further points');
  });
});

describe('the picture of checkpoints', () => {
  it('leaves gaps where steps are missing and marks what findings name', () => {
    const { ticks, bySteps, first, last } = strip(spoiled);
    expect([bySteps, first, last]).toEqual([true, 5000, 200_000]);
    expect(ticks.filter((tick) => tick.kind === 'gap')).toHaveLength(2);
    expect(ticks.filter((tick) => tick.kind === 'duplicate').map((tick) => tick.name)).toEqual(['ckpt_030', 'ckpt_031']);
    expect(ticks.find((tick) => tick.kind === 'misplaced')?.name).toBe('ckpt_026');
    // A jump is a doubt about training, not about whose weights they are.
    expect(ticks.find((tick) => tick.name === 'ckpt_033')?.kind).toBe('there');
    for (const { place } of ticks) expect(place >= 0 && place <= 1).toBe(true);
  });

  it('stands by order where steps are not known, and at one place for one checkpoint', () => {
    const unknown = { ...sound, checkpoints: sound.checkpoints.map((checkpoint) => ({ ...checkpoint, step: null })) };
    expect(strip(unknown)).toMatchObject({ bySteps: false, first: null, last: null });
    expect(strip({ ...sound, checkpoints: sound.checkpoints.slice(0, 1) }).ticks).toHaveLength(1);
    expect(strip({ ...sound, checkpoints: [] }).ticks).toEqual([]);
  });
});

describe('the fixture of the decision page', () => {
  it('is the one that the Rust tests read: run `npm run fixture` after a change', () => {
    expect(written).toEqual(JSON.parse(JSON.stringify(comparison())));
  });
});
