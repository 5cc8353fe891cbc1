// Fewer points for a chart without losing a spike.

export type Columns = (number | null | undefined)[][];

/**
 * Indices of at most about `budget` points: of every run of neighbouring points those where some column is least or
 * greatest, and the first and the last of all. A `null` next to a number is kept, so that gaps stay gaps; `undefined` is
 * no value and no gap.
 */
export function keptIndices(columns: Columns, budget: number): number[] {
  const length = columns[0]?.length ?? 0;
  if (length <= budget || columns.length === 0) return Array.from({ length }, (_, index) => index);
  const buckets = Math.max(1, Math.floor(budget / (2 * columns.length)));
  const kept = new Set<number>([0, length - 1]);
  for (let bucket = 0; bucket < buckets; bucket += 1) {
    const begin = Math.floor((bucket * length) / buckets);
    const end = Math.floor(((bucket + 1) * length) / buckets);
    for (const column of columns) {
      let least = -1;
      let greatest = -1;
      let gap = -1;
      for (let index = begin; index < end; index += 1) {
        const value = column[index];
        if (value === undefined) continue;
        if (value === null) {
          gap = index;
          continue;
        }
        if (least < 0 || value < (column[least] as number)) least = index;
        if (greatest < 0 || value > (column[greatest] as number)) greatest = index;
      }
      for (const index of [least, greatest, gap]) if (index >= 0) kept.add(index);
    }
  }
  return [...kept].sort((left, right) => left - right);
}
