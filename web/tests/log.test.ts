import { describe, expect, it } from 'vitest';
import type { Assessment, Curve } from '../src/decision/comparison';
import { logPicture, stretches, through } from '../src/decision/log';
import { comparison } from './decision';

const [sound, spoiled] = comparison().models as [Assessment, Assessment];
type Points = Curve['points'];

describe('a curve through restarts', () => {
  it('is kept as it was logged last, and shows what was given up', () => {
    const rest: Points = Array.from({ length: 20 }, (_, index) => [index + 5, 2]);
    const points: Points = [[1, 5], [2, 4], [3, 9], [4, 9], [2, 3.9], [3, 3], [4, 2.5], ...rest];
    expect(through(points)).toEqual({
      kept: [[1, 5], [2, 3.9], [3, 3], [4, 2.5], ...rest],
      abandoned: [[2, 4], [3, 9], [4, 9], [5, null]],
    });
  });

  it('gives up also what is not logged again at the same steps', () => {
    const points: Points = [...Array.from({ length: 30 }, (_, index): [number, number] => [index * 10, 5]), [205, 1], [215, 1]];
    const { kept, abandoned } = through(points);
    expect(kept.map(([step]) => step).slice(-3)).toEqual([200, 205, 215]);
    expect(abandoned[0]).toEqual([210, 5]);
  });

  it('is sorted where a log was not written in order, and then gives up nothing', () => {
    const points: Points = [[3, 1], [1, 3], [2, 2], [5, 0.5], [4, 0.7]];
    expect(through(points)).toEqual({ kept: [[1, 3], [2, 2], [3, 1], [4, 0.7], [5, 0.5]], abandoned: [] });
    expect(through([])).toEqual({ kept: [], abandoned: [] });
  });
});

describe('the picture of the log', () => {
  it('has a chart for each kind, with every step once and in order', () => {
    const { charts, findings } = logPicture(sound);
    expect(charts.map((chart) => chart.kind)).toEqual(['loss', 'learning_rate']);
    expect(findings).toEqual([]);
    for (const { x, lines, flags } of charts) {
      expect(x.every((step, index) => index === 0 || step > (x[index - 1] as number))).toBe(true);
      for (const line of lines) expect(line.values).toHaveLength(x.length);
      expect(flags).toEqual([]);
    }
  });

  it('marks what findings name, under their numbers', () => {
    const { charts, findings } = logPicture(spoiled);
    const at = (reason: string) => {
      const label = findings.find(({ finding }) => finding.reason === reason)?.label;
      return charts[0]?.flags.filter((flag) => flag.label === label).map((flag) => flag.x);
    };
    expect(findings.map(({ label }) => label)).toEqual(findings.map((_, index) => String(index + 1)));
    expect(at('loss_spikes')).toEqual([61_260, 62_510, 142_510]);
    expect(at('log_goes_back')).toEqual([160_010]);
    expect(at('values_not_finite')).toEqual([88_760, 90_010]);
    expect(charts[1]?.flags).toEqual([]);
    expect(charts[0]?.lines.map((line) => line.part)).toEqual([false, true]);
  });

  it('leaves a gap where a value is no number, and none where another curve alone has a step', () => {
    const curve = (key: string, points: Points): Curve => ({ file: 'm', key, kind: 'loss', points });
    const [chart] = logPicture({ ...sound, findings: [], curves: [curve('a', [[1, 5], [3, null], [5, 4]]), curve('b', [[2, 6], [5, 3]])] }).charts;
    expect(chart?.x).toEqual([1, 2, 3, 5]);
    expect(chart?.lines.map((line) => line.values)).toEqual([[5, undefined, null, 4], [undefined, 6, undefined, 3]]);
  });

  it('is nothing without a log', () => {
    expect(logPicture({ ...sound, curves: [] })).toEqual({ charts: [], findings: [] });
    expect(stretches([])).toEqual([]);
  });
});

describe('the table that stands for the charts', () => {
  it('covers every step once, with the least and greatest value of each stretch', () => {
    const rows = stretches(spoiled.curves);
    expect(rows.length).toBeLessThanOrEqual(12);
    expect([rows[0]?.from, rows.at(-1)?.to]).toEqual([10, 198_760]);
    rows.forEach((row, index) => { if (index > 0) expect(row.from).toBe((rows[index - 1]?.to ?? 0) + 1); });
    expect(Math.max(...rows.map((row) => row.cells[0]?.greatest ?? 0))).toBeGreaterThan(7);
    expect(rows.reduce((sum, row) => sum + (row.cells[0]?.none ?? 0), 0)).toBe(2);
  });

  it('says of a stretch that nothing was logged, and never 0', () => {
    const rows = stretches([{ file: 'm', key: 'a', kind: 'loss', points: [[0, 1], [99, 2]] }]);
    expect(rows[1]?.cells).toEqual([{ least: null, greatest: null, none: 0 }]);
    expect(stretches([{ file: 'm', key: 'a', kind: 'loss', points: [[7, null]] }])).toEqual([{ from: 7, to: 7, cells: [{ least: null, greatest: null, none: 1 }] }]);
  });
});
