import { describe, expect, it } from 'vitest';
import ids from '../../crates/audit/catalogue-ids.json';
import { en } from '../src/catalogue/en';
import { ja } from '../src/catalogue/ja';
import { claimSentence, groups, rungs, sentences } from '../src/model';
import type { Language, Params } from '../src/report';
import { catalogues, languageOf, wordsOf } from '../src/words';
import { fixture } from './fixture';
import written from './fixture.json';

const fields = (text: string) => [...text.matchAll(/\{(\w+)(?::(\w+))?/g)].map((found) => found[1] as string);

describe('the catalogue', () => {
  it('has the same keys in both languages', () => {
    expect(Object.keys(ja).sort()).toEqual(Object.keys(en).sort());
  });

  it('uses the same values in both languages', () => {
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      const [left, right] = [new Set(fields(en[key])), new Set(fields(ja[key]))];
      expect([...right].filter((name) => !left.has(name)), key).toEqual([]);
      // English names the number again to choose a plural; nothing else may be dropped in Japanese.
      expect([...left].filter((name) => !right.has(name)), key).toEqual([]);
    }
  });

  it('has words for every id of the audit', () => {
    for (const catalogue of Object.values(catalogues)) {
      const keys = new Set(Object.keys(catalogue));
      for (const id of ids.claims) {
        for (const part of ['title', 'holds', 'fails', 'missing']) expect(keys, id).toContain(`claim.${id}.${part}`);
      }
      for (const id of ids.criteria) expect(keys).toContain(`criterion.${id}`);
      for (const id of ids.reasons) expect(keys).toContain(`reason.${id}`);
      for (const id of ids.remedies) expect(keys).toContain(`remedy.${id}`);
      for (const id of ids.commands) expect(keys).toContain(`command.${id}`);
      for (const id of rungs) expect(keys).toContain(`rung.${id}.help`);
    }
  });

  it('leaves no claim out of the questions', () => {
    expect(groups.flatMap((group) => group.claims).sort()).toEqual([...ids.claims].sort());
  });

  it('has no English left in Japanese sentences', () => {
    const sentence = /^(claim|decision|criterion|reason|remedy|rung|term|status|group)\./;
    for (const [key, text] of Object.entries(ja)) if (sentence.test(key) && !/^(reason\.claim_|term\.spdx$)/.test(key)) expect(text, key).toMatch(/[ぁ-んァ-ヶ一-龠]/);
  });
});

describe('sentences', () => {
  const say = (language: Language, key: string, params: Params) =>
    wordsOf(language, sentences(fixture())).look(key, params, '?');

  it('write numbers as the language does', () => {
    expect(say('en', 'claim.files_intact.holds', { files: 1074, bytes: 431_224_117 })).toBe('All 1,074 files (431 MB) are there and agree with one another.');
    expect(say('ja', 'model.one_line', { parameters: 3_147_008, tokens: 1_064_960, steps: 520 })).toContain('315万');
  });

  it('choose the plural', () => {
    expect(say('en', 'claim.files_intact.fails', { findings: 1, first: 'a' })).toMatch(/^1 defect was found, the first in a/);
    expect(say('en', 'claim.files_intact.fails', { findings: 2 })).toMatch(/^2 defects were found/);
    expect(say('en', 'claim.licences_allowed.holds', { rejected: 1 })).toContain('1 document was turned away');
    expect(say('en', 'claim.segments_replayed.fails', { diverged: 1 })).toContain('1 segment came out');
  });

  it('say that a value is missing and never write 0 for it', () => {
    expect(say('en', 'claim.loss_fell.holds', { first: 8.3, last: null, ends: 2, steps: 5 })).toBe('The training loss fell from 8.30 at the first step to not recorded, the mean of the last 2 of 5 steps.');
    expect(say('ja', 'claim.loss_fell.holds', { first: 8.3, steps: 5 })).toContain('記録なし');
  });

  it('name what they refer to', () => {
    expect(say('en', 'reason.claim_missing', { claim: 'safety_evaluated' })).toBe('The safety of the model was not evaluated.');
    expect(say('ja', 'reason.rung_too_low', { claim: 'files_intact', rung: 'present', required: 'consistent' })).toContain('「記録あり（内容は未確認）」');
    expect(say('en', 'reason.licence_class_not_allowed', { classes: ['weak-copyleft', 'unknown'] })).toContain('weak copyleft and unknown');
  });

  it('leave values as they are, even when they look like places for values', () => {
    expect(say('en', 'claim.fault_found.holds', { step: 3, tensor: '{step} <b>' })).toContain('the tensor {step} <b>.');
  });

  it('say of unsigned records that they are hearsay', () => {
    const claim = fixture().claims.find((found) => found.id === 'segments_replayed')!;
    const said = (rung: 'declared' | 'replayed_bitwise', language: Language) => claimSentence({ ...claim, rung }, wordsOf(language));
    expect(said('declared', 'en')).toBe('According to the unsigned replay records in the release, 2 of 11 segments (100 of 520 steps) came out with every bit the same.');
    expect(said('declared', 'ja')).toMatch(/^添付の再計算記録（署名なし）によると/);
    expect(said('replayed_bitwise', 'en')).toMatch(/^The maker of this report/);
  });

  it('leave nothing unfilled in the report', () => {
    const report = fixture();
    for (const language of ['en', 'ja'] as const) {
      for (const claim of report.claims) expect(say(language, `claim.${claim.id}.${claim.status}`, claim.params)).not.toMatch(/[{}?]|undefined/);
      for (const criterion of report.decision.criteria) {
        for (const reason of criterion.reasons) expect(say(language, `reason.${reason.id}`, reason.params)).not.toMatch(/[{}]|undefined/);
        for (const remedy of criterion.remedies) expect(say(language, `remedy.${remedy.id}`, remedy.params)).not.toMatch(/[{}]|undefined/);
      }
    }
  });

  it('open in the language that was asked for', () => {
    expect(languageOf('?lang=ja', 'en')).toBe('ja');
    expect(languageOf('?lang=xx', 'ja')).toBe('ja');
    expect(languageOf('', 'en')).toBe('en');
  });
});

describe('the fixture', () => {
  it('is the one that the Rust tests read: run `npm run fixture` after a change', () => {
    expect(written).toEqual(JSON.parse(JSON.stringify(fixture())));
  });
});
