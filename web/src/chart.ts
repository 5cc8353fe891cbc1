// One uPlot chart: what is drawn, in which colours, for the screen or for paper.

import uPlot from 'uplot';
import type { Language } from './report';
import { significant } from './format';
import { keptIndices } from './reduce';
import { dashes, type Theme } from './theme';

/** `null` is missing and stays a gap; `undefined` says nothing at this place of x, which another line brought. */
export type Value = number | null | undefined;

/** A line that covers only a part of x (`part`) has nothing to say elsewhere, and is then not called missing. */
export type Line = { label: string; values: Value[]; colour: number; part?: boolean };

/** A place on x that the text speaks of, under a short label. */
export type Flag = { x: number; label: string };

export type Drawing = {
  x: number[];
  lines: Line[];
  /** Where on x the checkpoints are. */
  marks: number[];
  /** The same where they are many: short ticks at the foot. */
  ticks: number[];
  flags: Flag[];
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
  const columns = what.lines.map((line) => usable.map((index) => line.values[index]));
  const kept = keptIndices(columns, POINT_BUDGET).map((index) => usable[index] as number);
  const pick = (values: Value[]) => kept.map((index) => values[index]);
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
      padding: [(what.flags.length > 0 ? 22 : 10) * scale, 14 * scale, 0, 0],
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
        draw: [(self) => {
          if (!what.dots) drawDiamonds(self, what.marks, theme, scale);
          drawTicks(self, what.ticks, theme, scale);
          drawFlags(self, what.flags, theme, scale);
        }],
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

/** Where a value of x is drawn; null beside the picture. */
function within(plot: uPlot, place: number): number | null {
  const { left, width } = plot.bbox;
  const x = plot.valToPos(place, 'x', true);
  return x < left - 1 || x > left + width + 1 ? null : x;
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
    const x = logX && mark <= 0 ? null : within(plot, mark);
    if (x === null) continue;
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}

/** A diamond on the first line at every checkpoint that has a value. */
function drawDiamonds(plot: uPlot, marks: number[], theme: Theme, scale: number): void {
  const { ctx } = plot;
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
    const x = within(plot, mark);
    if (x === null) continue;
    const y = plot.valToPos(value, 'y', true);
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

function drawTicks(plot: uPlot, ticks: number[], theme: Theme, scale: number): void {
  const { ctx, bbox } = plot;
  const foot = bbox.top + bbox.height;
  ctx.save();
  ctx.strokeStyle = theme.ink;
  ctx.lineWidth = scale * devicePixelRatio;
  ctx.setLineDash([]);
  ctx.beginPath();
  for (const tick of ticks) {
    const x = within(plot, tick);
    if (x === null) continue;
    ctx.moveTo(x, foot);
    ctx.lineTo(x, foot - 7 * scale * devicePixelRatio);
  }
  ctx.stroke();
  ctx.restore();
}

/** A line from top to foot under its label; labels that would lie on one another are left out, their lines stay. */
function drawFlags(plot: uPlot, flags: Flag[], theme: Theme, scale: number): void {
  const { ctx, bbox } = plot;
  const unit = scale * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = theme.alarm;
  ctx.fillStyle = theme.alarm;
  ctx.lineWidth = 1.2 * unit;
  ctx.setLineDash([]);
  ctx.font = `600 ${11 * unit}px system-ui, sans-serif`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'bottom';
  let last = { x: -Infinity, label: '' };
  for (const { x: place, label } of [...flags].sort((left, right) => left.x - right.x)) {
    const x = within(plot, place);
    if (x === null) continue;
    ctx.globalAlpha = 0.6;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    if (x - last.x < (label === last.label ? 16 : 9) * unit) continue;
    ctx.fillText(label, x, bbox.top - 2 * unit);
    last = { x, label };
  }
  ctx.restore();
}
