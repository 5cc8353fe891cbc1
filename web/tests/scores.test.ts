import { describe, expect, it } from 'vitest';
import type { Assessment, Benchmark, PublishedScore } from '../src/decision/comparison';
import { comparedRows, isChance, isPublishedChance, isScored, scoreRows } from '../src/decision/scores';
import { comparison } from './decision';

const [sound, spoiled] = comparison().models as [Assessment, Assessment];
const published = (task: string, value: number, step: number | null = null, metric = 'acc'): PublishedScore =>
  ({ file: 'r.json', checkpoint: step === null ? null : `step${step}`, step, task, metric, value, standard_error: null, shots: null });
const measured = (task: string, value: number, other: Partial<Benchmark> = {}): Benchmark => ({
  checkpoint: 'step9', task, metric: 'acc', score: { state: 'scored', value, interval: [value - 0.05, value + 0.05] }, items: 10, of: 100, chance: 0.25, published: null, agreement: null, ...other,
});
const model = (scores: PublishedScore[], benchmarks: Benchmark[] = []): Assessment =>
  ({ ...sound, published_scores: scores, measured: { ...sound.measured, benchmarks } });

describe('published scores beside measured ones', () => {
  it('are one row each, the measured ones first', () => {
    const rows = scoreRows(sound);
    expect(rows.map((row) => row.task)).toEqual(['arc_easy', 'jcommonsenseqa', 'hellaswag', 'gsm8k', 'humaneval', 'boolq', 'piqa']);
    expect(rows[0]).toMatchObject({ published: { value: 0.641, checkpoint: 'ckpt_039' }, others: 3 });
    expect(rows[1]).toMatchObject({ published: null, others: 0 });
    expect(rows[6]).toMatchObject({ measured: null, published: { value: 0.781 } });
  });

  it('stand beside the score of the same checkpoint, never beside another’s', () => {
    const [row] = scoreRows(model([published('t', 0.9, 5), published('t', 0.6, 9), published('t', 0.7)], [measured('t', 0.6)]));
    expect(row).toMatchObject({ published: { value: 0.6, checkpoint: 'step9' }, others: 2 });
    const [other] = scoreRows(model([published('t', 0.9, 5)], [measured('t', 0.6)]));
    expect(other).toMatchObject({ published: null, others: 1 });
    // What the program compared with stands there, also where no file of it is at hand.
    const [compared] = scoreRows(model([], [measured('t', 0.6, { published: 0.61, agreement: 'agrees' })]));
    expect(compared?.published).toMatchObject({ value: 0.61, file: null });
    const [chosen] = scoreRows(model([published('t', 0.5), published('t', 0.61)], [measured('t', 0.6, { published: 0.61 })]));
    expect(chosen).toMatchObject({ published: { value: 0.61 }, others: 1 });
  });

  it('are those of the model that people use where nothing was measured', () => {
    expect(scoreRows(model([published('t', 0.3, 1), published('t', 0.8, 30), published('t', 0.5, 7)]))[0]).toMatchObject({ published: { value: 0.8 }, others: 2 });
    expect(scoreRows(model([published('t', 0.9), published('t', 0.8, 30)]))[0]).toMatchObject({ published: { value: 0.9, checkpoint: null } });
  });

  it('know tasks by the names of older result files', () => {
    const rows = scoreRows(model([published('truthfulqa_mc', 0.3, 9, 'mc2'), published('hendrycksTest-anatomy', 0.4, 9)], [measured('truthfulqa_mc2', 0.31), measured('mmlu_anatomy', 0.4)]));
    expect(rows.map((row) => row.published?.value)).toEqual([0.3, 0.4]);
  });

  it('know a metric by its name without the filter', () => {
    const rows = scoreRows(model([published('gsm8k', 0.11, 9, 'exact_match')], [measured('gsm8k', 0.1, { metric: 'exact_match,strict-match' })]));
    expect(rows).toHaveLength(1);
    expect(rows[0]?.published?.value).toBe(0.11);
  });

  it('are said to be at chance where their interval reaches it', () => {
    const row = (value: number, other: Partial<Benchmark> = {}, score: PublishedScore[] = []) => scoreRows(model(score, [measured('t', value, other)]))[0]!;
    expect([isChance(row(0.29)), isChance(row(0.31)), isChance(row(0.29, { chance: null }))]).toEqual([true, false, false]);
    expect(isChance(row(0, { score: { state: 'failed', reason: 'x' } }))).toBe(false);
    const stated = (value: number, standard_error: number | null) => isPublishedChance(row(0.5, {}, [{ ...published('t', value, 9), standard_error }]));
    expect([stated(0.26, 0.01), stated(0.26, 0.001), stated(0.26, null), stated(0.25, null)]).toEqual([true, false, false, true]);
  });

  it('are no score where JSON had no number for it', () => {
    const none = { state: 'scored', value: null, interval: null } as unknown as Benchmark['score'];
    const row = scoreRows(model([], [measured('t', 0, { score: none })]))[0]!;
    expect([isScored(row.measured), isChance(row)]).toEqual([false, false]);
    const wide = scoreRows(model([], [measured('t', 0.2, { score: { state: 'scored', value: 0.2, interval: null } })]))[0]!;
    expect([isScored(wide.measured), isChance(wide)]).toEqual([true, false]);
  });
});

describe('models side by side', () => {
  it('share a row for a task, the most widely measured and published first', () => {
    const rows = comparedRows([sound, spoiled]);
    expect(rows.map((row) => row.task).slice(0, 2)).toEqual(['arc_easy', 'hellaswag']);
    const arc = rows.find((row) => row.task === 'arc_easy');
    expect(arc?.cells.map((cell) => cell?.published?.value)).toEqual([0.641, 0.702]);
    expect(rows.find((row) => row.task === 'mmlu')?.cells[0]).toBeNull();
    expect(new Set(rows.map((row) => row.task)).size).toBe(rows.length);
  });

  it('are compared by their latest checkpoint that was measured', () => {
    const early = measured('t', 0.3, { checkpoint: 'ckpt_003' });
    const [row] = comparedRows([model([], [early, measured('t', 0.5, { checkpoint: 'ckpt_009' }), early]), spoiled]);
    expect(row?.cells[0]?.measured?.checkpoint).toBe('ckpt_009');
  });

  it('are not compared where there is one', () => {
    expect(comparedRows([sound])).toEqual([]);
  });
});
