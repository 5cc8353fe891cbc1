// Published scores beside what was measured here, without the page.

import type { Assessment, Benchmark, PublishedScore } from './comparison';

/** A task's score: what is published for it, and what was measured. */
export type ScoreRow = {
  task: string;
  metric: string;
  /** What is published of the same checkpoint, or of the one that people use where nothing was measured. */
  published: { value: number; standard_error: number | null; checkpoint: string | null; file: string | null; shots: number | null } | null;
  measured: Benchmark | null;
  /** Published values of the same task and metric beside that one: of other checkpoints, or with other settings. */
  others: number;
};

/** `exact_match,strict-match` is `exact_match` with a filter, which not every result file names. */
const plain = (metric: string) => metric.split(',')[0]?.trim() ?? metric;
/** Task and metric as the program asks them: older result files have other names for some. */
function keyOf({ task, metric }: { task: string; metric: string }): string {
  const name = plain(metric);
  return task === 'truthfulqa_mc' && /^mc[12]$/.test(name) ? JSON.stringify([`truthfulqa_${name}`, 'acc']) : JSON.stringify([task.replaceAll('hendrycksTest-', 'mmlu_'), name]);
}

function byKey<T extends { task: string; metric: string }>(all: T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return groups;
}

/** The file that a measurement was held against: the same value, of its checkpoint rather than of none that is named. */
function sameAs({ checkpoint, published }: Benchmark, all: PublishedScore[]): PublishedScore | null {
  const own = [...all.filter((one) => one.checkpoint === checkpoint), ...all.filter((one) => one.checkpoint === null)];
  const found = published === null ? own : all.filter((one) => one.value === published);
  return own.find((one) => found.includes(one)) ?? found[0] ?? null;
}

/** What speaks of the model that people use: what names no step (`main`, or no checkpoint at all), else the latest one. */
function latest(all: PublishedScore[]): PublishedScore | null {
  const place = (one: PublishedScore) => one.step ?? Infinity;
  return all.reduce<PublishedScore | null>((best, one) => (best === null || place(one) >= place(best) ? one : best), null);
}

/** Every task and metric once, those that were measured first, then in the order of the publication. */
export function scoreRows(model: Assessment): ScoreRow[] {
  const stated = byKey(model.published_scores);
  const rows = model.measured.benchmarks.map((measured): ScoreRow => {
    const all = stated.get(keyOf(measured)) ?? [];
    const same = sameAs(measured, all);
    const { published: value } = measured;
    const published = same ?? (value === null ? null : { value, standard_error: null, checkpoint: null, file: null, shots: null });
    return { task: measured.task, metric: measured.metric, published, measured, others: all.length - (same ? 1 : 0) };
  });
  const done = new Set(rows.map(keyOf));
  for (const [key, all] of stated) {
    const published = latest(all);
    if (!published || done.has(key)) continue;
    rows.push({ task: published.task, metric: published.metric, published, measured: null, others: all.length - 1 });
  }
  return rows;
}

/** JSON has no number for what is none: what claims to be a score and is no number is invalid. */
export const isInvalid = ({ score }: Benchmark) => score.state === 'scored' && typeof score.value !== 'number';

export const isScored = (measured: Benchmark | null) => measured !== null && measured.score.state === 'scored' && !isInvalid(measured);

/** Whether guessing would do as well: the 95% interval reaches down to it. */
export function isChance({ measured }: ScoreRow): boolean {
  return measured !== null && measured.score.state === 'scored' && typeof measured.chance === 'number' && isScored(measured) && measured.score.interval !== null && measured.score.interval[0] <= measured.chance;
}

/** The same of the published value. Where it comes without an error only one that is not above chance is said to be. */
export function isPublishedChance({ measured, published }: ScoreRow): boolean {
  const chance = measured?.chance ?? null;
  return published !== null && chance !== null && published.value - 1.96 * (published.standard_error ?? 0) <= chance;
}

/** A row of several models: `null` where a model has neither a published nor a measured score. */
export type ComparedRow = { task: string; metric: string; cells: (ScoreRow | null)[] };

/** Tasks of several models beside each other, most widely measured first, then most widely published. */
export function comparedRows(models: Assessment[]): ComparedRow[] {
  if (models.length < 2) return [];
  const rows = new Map<string, ComparedRow>();
  models.forEach((model, index) => {
    const steps = new Map(model.checkpoints.map(({ name, step }) => [name, step ?? Infinity]));
    const step = (row: ScoreRow) => (row.measured ? (steps.get(row.measured.checkpoint) ?? Infinity) : -1);
    for (const row of scoreRows(model)) {
      const key = keyOf(row);
      const compared = rows.get(key) ?? { task: row.task, metric: plain(row.metric), cells: models.map(() => null) };
      rows.set(key, compared);
      // Of several checkpoints the latest, of several filters the first; the model's own part shows all.
      const shown = compared.cells[index] ?? null;
      if (shown === null || step(row) > step(shown)) compared.cells[index] = row;
    }
  });
  const count = (row: ComparedRow, has: (cell: ScoreRow) => boolean) => row.cells.filter((cell) => cell !== null && has(cell)).length;
  const rank = (row: ComparedRow) => count(row, (cell) => isScored(cell.measured)) * (models.length + 1) + count(row, () => true);
  return [...rows.values()].sort((left, right) => rank(right) - rank(left));
}
