// The published log as charts: lines that go on through restarts, and the places that findings speak of.

import type { Flag, Line, Value } from '../chart';
import type { Param } from '../report';
import type { Assessment, Curve, Finding } from './comparison';

type Kind = Curve['kind'];
type Point = [number, number | null];

export type LogChart = {
  kind: Kind;
  x: number[];
  /** What stands in the end; of a curve with restarts then what the restart gave up. */
  lines: (Omit<Line, 'label'> & { curve: Curve; part: boolean })[];
  flags: Flag[];
};

/** Charts, and the findings that they mark, each under the number of its flags. */
export type LogPicture = { charts: LogChart[]; findings: { label: string; finding: Finding }[] };

/** Of a table's stretch of steps: least and greatest value of a curve, `null` where nothing was logged, and what was no number. */
export type Stretch = { from: number; to: number; cells: ({ least: number; greatest: number; none: number } | { least: null; greatest: null; none: number })[] };

/** Least and greatest of some numbers; there may be too many to be arguments of a call. */
const ends = (all: number[]) => all.reduce<[number, number]>(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);

const KINDS: Kind[] = ['loss', 'learning_rate', 'grad_norm'];
const DETECTORS = ['spikes', 'non_finite', 'stall', 'log_restart', 'log_gap', 'schedule'];
/** A log that goes back at more than one value in twenty was not written in order; the audit says the same. */
const UNSORTED = 20;
/** Rows of the table that stands for the charts. */
const STRETCHES = 12;

/** What stands of a curve, by step, and what restarts gave up: a `null` after each part, so that parts are no one line. */
export function through(points: Point[]): { kept: Point[]; abandoned: Point[] } {
  const back = points.filter(([step], index) => index > 0 && step <= (points[index - 1]?.[0] ?? 0)).length;
  if (back * UNSORTED > points.length) {
    return { kept: [...new Map([...points].sort((left, right) => left[0] - right[0])).entries()], abandoned: [] };
  }
  const kept: Point[] = [];
  const given: Point[][] = [];
  let lowest = Infinity;
  let open = false;
  for (const point of [...points].reverse()) {
    if (point[0] < lowest) {
      kept.push(point);
      lowest = point[0];
      open = false;
    } else {
      if (!open) given.push([]);
      given.at(-1)?.push(point);
      open = true;
    }
  }
  return { kept: kept.reverse(), abandoned: given.reverse().flatMap((part) => [...part.reverse(), [ends(part.map(([step]) => step))[1] + 1, null] as Point]) };
}

/** Values at every place of `x`: `undefined` where the curve has none. Of two at one step the number stands. */
function aligned(points: Point[], x: number[]): Value[] {
  const at = new Map<number, number | null>();
  for (const [step, value] of points) if (value !== null || !at.has(step)) at.set(step, value);
  return x.map((step) => at.get(step));
}

const numbers = (param: Param | undefined): number[] => {
  if (typeof param === 'number') return [param];
  return Array.isArray(param) ? param.flatMap((text) => /^\d+/.exec(text)?.map(Number) ?? []) : [];
};

/** Steps that a finding about a log names. */
function placesOf({ params }: Finding): number[] {
  return ['steps', 'places', 'stretches', 'step', 'since', 'first_step'].flatMap((name) => numbers(params[name]));
}

export const subjectOf = (curve: Curve) => `${curve.file}: ${curve.key}`;

export function logPicture(model: Assessment): LogPicture {
  const shown = new Set(model.curves.map(subjectOf));
  const findings = model.findings
    .filter((finding) => DETECTORS.includes(finding.detector) && shown.has(finding.subject) && placesOf(finding).length > 0)
    .map((finding, index) => ({ label: String(index + 1), finding }));
  const charts = KINDS.flatMap((kind): LogChart[] => {
    const curves = model.curves.filter((curve) => curve.kind === kind && curve.points.length > 0);
    if (curves.length === 0) return [];
    const parts = curves.flatMap((curve) => {
      const { kept, abandoned } = through(curve.points);
      return [{ curve, points: kept, part: false }, ...(abandoned.length > 0 ? [{ curve, points: abandoned, part: true }] : [])];
    });
    const x = [...new Set(parts.flatMap(({ points }) => points.map(([step]) => step)))].sort((left, right) => left - right);
    const here = new Set(curves.map(subjectOf));
    const flags = findings.filter(({ finding }) => here.has(finding.subject)).flatMap(({ label, finding }) => {
      const none = finding.detector === 'non_finite' ? curves.filter((curve) => subjectOf(curve) === finding.subject).flatMap((curve) => curve.points) : [];
      const places = [...placesOf(finding), ...none.flatMap(([step, value]) => (value === null ? [step] : []))];
      return [...new Set(places)].map((place) => ({ x: place, label }));
    });
    // The first two lines are solid: what a restart gave up is dashed.
    const lines = parts.map(({ curve, points, part }, index) => ({ curve, part, colour: part ? Math.max(2, index) : index, values: aligned(points, x) }));
    return [{ kind, x, lines, flags }];
  });
  return { charts, findings };
}

/** The charts as a table: equal stretches of steps, and what each curve lay between in them. */
export function stretches(curves: Curve[]): Stretch[] {
  const steps = curves.flatMap((curve) => curve.points.map(([step]) => step));
  if (steps.length === 0) return [];
  const [first, last] = ends(steps);
  const size = Math.max(1, Math.ceil((last - first + 1) / STRETCHES));
  const rows = Array.from({ length: Math.ceil((last - first + 1) / size) }, (_, index) => first + index * size);
  return rows.map((from) => {
    const to = Math.min(last, from + size - 1);
    const cells = curves.map(({ points }) => {
      const inside = points.filter(([step]) => step >= from && step <= to).map(([, value]) => value);
      const found = inside.filter((value) => value !== null);
      const none = inside.length - found.length;
      const [least, greatest] = ends(found);
      return found.length === 0 ? { least: null, greatest: null, none } : { least, greatest, none };
    });
    return { from, to, cells };
  });
}
