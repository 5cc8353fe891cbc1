import { describe, expect, it } from 'vitest';
import { bytes, compact, duration, fixed, grouped, percent, score, significant } from '../src/format';
import { csv } from '../src/csv';
import { actorOf, claimGroups, claimState, marked, overall, sharesByKind } from '../src/model';
import { keptIndices } from '../src/reduce';
import { fixture } from './fixture';

describe('numbers', () => {
  it('have units that a person expects', () => {
    expect(bytes(0, 'en')).toBe('0 B');
    expect(bytes(999, 'en')).toBe('999 B');
    expect(bytes(1000, 'en')).toBe('1 kB');
    expect(bytes(999_999, 'en')).toBe('1 MB');
    expect(bytes(37_764_096, 'en')).toBe('37.8 MB');
    expect(bytes(431_224_117, 'ja')).toBe('431 MB');
    expect(duration(14.2, 'en')).toBe('14 s');
    expect(duration(150, 'en')).toBe('2.5 min');
  });

  it('have as many decimals as others in their column, where they are scores', () => {
    expect([score(0.7, 'en'), score(1, 'en'), score(-0.0321, 'en'), score(12.3456, 'en'), score(71.25, 'en')]).toEqual(['0.700', '1.000', '-0.032', '12.35', '71.25']);
  });

  it('are never rounded into something else', () => {
    expect(percent(0.0004, 'en')).toBe('< 0.1%');
    expect(percent(0.9996, 'en')).toBe('> 99.9%');
    expect(percent(0, 'en')).toBe('0%');
    expect(percent(1, 'en')).toBe('100%');
    expect(percent(0.4375, 'en')).toBe('44%');
    expect(significant(0.00031, 'en')).toBe('0.00031');
    expect(significant(0.0000031, 'en')).toBe('3.10e-6');
    expect(significant(0, 'en')).toBe('0');
    expect(grouped(1_064_960, 'en')).toBe('1,064,960');
    expect(compact(3_147_008, 'en')).toBe('3.15M');
    expect(fixed(1.005, 2, 'en')).toMatch(/^1\.0[01]$/);
  });
});

describe('reduction', () => {
  it('keeps all points where they are few', () => {
    expect(keptIndices([[1, null, 3]], 10)).toEqual([0, 1, 2]);
    expect(keptIndices([[]], 10)).toEqual([]);
    expect(keptIndices([], 10)).toEqual([]);
  });

  it('loses no spike, no gap and neither end', () => {
    const values: (number | null)[] = Array.from({ length: 100_000 }, (_, index) => Math.sin(index));
    values[54_321] = 99;
    values[54_322] = -99;
    values[70_000] = null;
    const kept = keptIndices([values], 1000);
    expect(kept.length).toBeLessThanOrEqual(1600);
    for (const index of [0, 54_321, 54_322, 70_000, 99_999]) expect(kept).toContain(index);
    expect(kept).toEqual([...kept].sort((left, right) => left - right));
  });

  it('sees the spikes of every line', () => {
    const first = Array.from({ length: 10_000 }, () => 1);
    const second = Array.from({ length: 10_000 }, (_, index) => (index === 7_777 ? 5 : 1));
    expect(keptIndices([first, second], 100)).toContain(7_777);
  });
});

describe('claims', () => {
  it('keep an id that no question knows, at the end', () => {
    const report = fixture();
    report.claims.unshift({ id: 'new_claim', status: 'holds', rung: 'declared', params: {}, evidence: [] });
    expect(claimGroups(report).at(-1)).toMatchObject({ id: 'other', claims: [{ id: 'new_claim' }] });
    expect(claimGroups(report).flatMap((group) => group.claims)).toHaveLength(report.claims.length);
  });
});

describe('what somebody only says', () => {
  it('is not shown as confirmed', () => {
    const claim = fixture().claims.find((found) => found.id === 'segments_replayed')!;
    expect(claimState(claim)).toBe('holds');
    expect(claimState({ ...claim, rung: 'declared' })).toBe('declared');
    expect(claimState({ ...claim, rung: 'declared', status: 'fails' })).toBe('fails');
  });
});

describe('tables as files', () => {
  it('are what a spreadsheet reads, and hold no formula', () => {
    expect(csv([['a', 'b'], ['x,"y"\nz', null], [0.5, true]])).toBe('\ufeffa,b\r\n"x,""y""\nz",\r\n0.5,true\r\n');
    for (const hostile of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1']) expect(csv([[hostile]])).toContain(`'${hostile}`);
    expect(csv([[-1]])).not.toContain("'");
  });
});

describe('sums', () => {
  it('weigh scores by bytes, and are missing where a source is', () => {
    const score = (source: string, bits_per_byte: number, bytes: number) => ({ source, bits_per_byte, bytes, tokens: 1, documents: 1 });
    const evaluation = { step: 1, path: 'p', digest: null, scores: [score('a', 1, 300), score('b', 2, 100)] };
    expect(overall(evaluation, ['a', 'b'])).toBe(1.25);
    expect(overall(evaluation, ['a', 'b', 'c'])).toBeNull();
    expect(overall(evaluation, [])).toBeNull();
  });

  it('put sources of a kind together', () => {
    expect(sharesByKind(fixture().sources).map(([kind]) => kind)).toEqual(['crate-code', 'crate-prose', 'html-docs']);
    const twice = fixture().sources.map((source) => ({ ...source, kind: 'html-docs' }));
    expect(sharesByKind([...twice, { ...twice[0]!, share: null }])).toEqual([['html-docs', 1]]);
  });

  it('name who can act', () => {
    expect(['ask_publisher', 'review_licences', 'replay_more'].map(actorOf)).toEqual(['publisher', 'legal', 'engineering']);
  });
});

describe('marks in samples', () => {
  it('count bytes, as the evaluator does', () => {
    expect(marked('aéb cd', [{ start: 1, text: 'éb' }])).toEqual([
      { text: 'a', mark: false },
      { text: 'éb', mark: true },
      { text: ' cd', mark: false },
    ]);
  });

  it('join where they overlap, and stop at the end of the text', () => {
    expect(marked('abcdef', [{ start: 1, text: 'bc' }, { start: 2, text: 'cd' }, { start: 5, text: 'fgh' }])).toEqual([
      { text: 'a', mark: false },
      { text: 'bcd', mark: true },
      { text: 'e', mark: false },
      { text: 'f', mark: true },
    ]);
    expect(marked('', [{ start: 0, text: 'x' }])).toEqual([]);
  });
});
