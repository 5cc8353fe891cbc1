// One uPlot chart: what is drawn, in which colours, for the screen or for paper.

import uPlot from 'uplot';
import type { Language } from './report';
import { significant } from './format';
import { keptIndices } from './reduce';
import { dashes, type Theme } from './theme';

export type Line = { label: string; values: (number | null)[]; colour: number };

export type Drawing = {
  x: number[];
  lines: Line[];
  /** Where on x the checkpoints are. */
  marks: number[];
  logX: boolean;
  xLabel: string;
  yLabel: string;
  language: Language;
  theme: Theme;
  /** Points at every value: for few, far values such as scores by checkpoint. */
  dots: boolean;
  /** Charts with the same name share their cursor. */
  sync: string | null;
  width: number;
  height: number;
  /** Device pixels are coarse on paper: everything is drawn this many times larger and shown smaller. */
  scale: number;
  onPoint: (index: number | null) => void;
};

export type Drawn = { plot: uPlot; drawn: number; all: number };

const POINT_BUDGET = 6000;

export function draw(place: HTMLElement, what: Drawing): Drawn {
  const { theme, scale } = what;
  // Zero has no place on a logarithmic axis: the initial checkpoint is then left out, not moved.
  const usable = what.x.map((_, index) => index).filter((index) => !what.logX || (what.x[index] ?? 0) > 0);
  const columns = what.lines.map((line) => usable.map((index) => line.values[index] ?? null));
  const kept = keptIndices(columns, POINT_BUDGET).map((index) => usable[index] as number);
  const pick = (values: (number | null)[]) => kept.map((index) => values[index] ?? null);
  const x = kept.map((index) => what.x[index] as number);
  const data: uPlot.AlignedData = [x, ...what.lines.map((line) => pick(line.values))];
  const font = `${11 * scale}px system-ui, sans-serif`;
  const format = (_plot: uPlot, ticks: number[]) =>
    ticks.map((tick) => (tick === null ? '' : significant(tick, what.language)));
  const axis = (label: string, size: number, side: number): uPlot.Axis => ({
    stroke: theme.faint,
    font,
    label,
    labelFont: font,
    labelSize: 18 * scale,
    size: size * scale,
    gap: 4 * scale,
    side,
    values: side === 2 && what.logX ? sparse(what.language) : format,
    space: (side === 2 ? 70 : 34) * scale,
    grid: { stroke: theme.grid, width: scale },
    ticks: { stroke: theme.grid, width: scale, size: 5 * scale },
  });
  const plot = new uPlot(
    {
      width: what.width * scale,
      height: what.height * scale,
      padding: [10 * scale, 14 * scale, 0, 0],
      legend: { show: false },
      scales: {
        // A logarithmic axis would otherwise end at the next power of ten, most of it empty.
        x: { time: false, distr: what.logX ? 3 : 1, log: 10, ...(what.logX ? { range: (_plot, least, most) => [least, most] } : {}) },
      },
      axes: [axis(what.xLabel, 30, 2), axis(what.yLabel, 52, 3)],
      cursor: {
        drag: { x: true, y: false, uni: 10 },
        points: { size: 7 * scale },
        ...(what.sync ? { sync: { key: what.sync, scales: ['x', null] as [string, null] } } : {}),
      },
      series: [
        {},
        ...what.lines.map((line) => ({
          label: line.label,
          stroke: theme.lines[line.colour % theme.lines.length] as string,
          dash: (dashes[line.colour % dashes.length] ?? []).map((length) => length * scale),
          width: (line.colour === 0 ? 1.2 : 1.4) * scale,
          spanGaps: false,
          points: { show: what.dots, size: 6 * scale, fill: theme.paper },
        })),
      ],
      hooks: {
        drawClear: [(self) => drawMarks(self, what.marks, theme, scale, what.logX)],
        draw: [(self) => { if (!what.dots) drawDiamonds(self, what.marks, theme, scale); }],
        setCursor: [(self) => what.onPoint(typeof self.cursor.idx === 'number' && (self.cursor.left ?? -1) >= 0 ? (kept[self.cursor.idx] ?? null) : null)],
      },
    },
    data,
    place,
  );
  return { plot, drawn: kept.length, all: usable.length };
}

/** Only powers of ten get words on a logarithmic axis; the lines between them stay. */
function sparse(language: Language) {
  return (_plot: uPlot, ticks: number[]) =>
    ticks.map((tick) => (tick !== null && Number.isInteger(Math.log10(tick)) ? significant(tick, language) : ''));
}

function drawMarks(plot: uPlot, marks: number[], theme: Theme, scale: number, logX: boolean): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = theme.mark;
  ctx.globalAlpha = 0.45;
  ctx.lineWidth = scale;
  ctx.setLineDash([2 * scale, 4 * scale]);
  ctx.beginPath();
  for (const mark of marks) {
    if (logX && mark <= 0) continue;
    const x = plot.valToPos(mark, 'x', true);
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}

/** A diamond on the first line at every checkpoint that has a value. */
function drawDiamonds(plot: uPlot, marks: number[], theme: Theme, scale: number): void {
  const { ctx, bbox } = plot;
  const xs = plot.data[0];
  const ys = plot.data[1];
  if (!ys) return;
  const place = new Map<number, number>();
  xs.forEach((x, index) => place.set(x, index));
  ctx.save();
  ctx.fillStyle = theme.paper;
  ctx.strokeStyle = theme.ink;
  ctx.lineWidth = 1.5 * scale * devicePixelRatio;
  const radius = 4.5 * scale * devicePixelRatio;
  for (const mark of marks) {
    const index = place.get(mark);
    const value = index === undefined ? undefined : ys[index];
    if (value === null || value === undefined) continue;
    const x = plot.valToPos(mark, 'x', true);
    const y = plot.valToPos(value, 'y', true);
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
    ctx.beginPath();
    ctx.moveTo(x, y - radius);
    ctx.lineTo(x + radius, y);
    ctx.lineTo(x, y + radius);
    ctx.lineTo(x - radius, y);
    ctx.closePath();
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}
