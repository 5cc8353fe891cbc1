// Where checkpoints lie along the steps, for the picture: gaps stay gaps.

import type { Assessment } from './comparison';
import { subjectsOf } from './sentences';

export type Kind = 'there' | 'duplicate' | 'misplaced' | 'broken' | 'gap';
export type Tick = { name: string; place: number; kind: Kind };

/** What findings say of each checkpoint; the graver word stands. */
export function remarks(model: Assessment): Map<string, Kind> {
  const found = new Map<string, Kind>();
  const names = new Set(model.checkpoints.map((checkpoint) => checkpoint.name));
  const mark = (name: string, kind: Kind) => {
    if (names.has(name) && !found.has(name)) found.set(name, kind);
  };
  for (const finding of model.findings) {
    if (finding.severity === 'note') continue;
    if (finding.reason === 'weights_out_of_order') for (const name of subjectsOf(finding)) mark(name, 'misplaced');
    if (finding.detector === 'duplicates') {
      const { checkpoints, other } = finding.params;
      for (const name of [...(Array.isArray(checkpoints) ? checkpoints : []), ...(typeof other === 'string' ? [other] : []), ...subjectsOf(finding)]) mark(name, 'duplicate');
    }
  }
  for (const finding of model.findings) {
    if (finding.severity !== 'contradiction') continue;
    for (const name of subjectsOf(finding)) mark(name, 'broken');
    const { checkpoint } = finding.params;
    if (typeof checkpoint === 'string') mark(checkpoint, 'broken');
  }
  return found;
}

/** Ticks from 0 to 1, and whether they stand at steps or only in their order. */
export function strip(model: Assessment): { ticks: Tick[]; bySteps: boolean; first: number | null; last: number | null } {
  const steps = model.checkpoints.flatMap((checkpoint) => (checkpoint.step === null ? [] : [checkpoint.step]));
  const bySteps = steps.length > 1 && new Set(steps).size > 1;
  const kinds = remarks(model);
  if (!bySteps) {
    const last = Math.max(1, model.checkpoints.length - 1);
    const ticks = model.checkpoints.map(({ name }, index): Tick => ({ name, place: index / last, kind: kinds.get(name) ?? 'there' }));
    return { ticks, bySteps, first: null, last: null };
  }
  const missing = model.findings.flatMap((finding) => {
    const { steps: named } = finding.params;
    return finding.reason === 'steps_missing' && Array.isArray(named) ? named.map(Number).filter(Number.isFinite) : [];
  });
  const [first, last] = [Math.min(...steps, ...missing), Math.max(...steps, ...missing)];
  const place = (step: number) => (step - first) / (last - first);
  const ticks = [
    ...missing.map((step): Tick => ({ name: String(step), place: place(step), kind: 'gap' })),
    ...model.checkpoints.flatMap(({ name, step }): Tick[] => (step === null ? [] : [{ name, place: place(step), kind: kinds.get(name) ?? 'there' }])),
  ];
  return { ticks, bySteps, first, last };
}
