// Colours for what is drawn on a canvas, where style sheets do not reach. After Okabe and Ito (2008), told apart with
// every common colour blindness; lines differ by dashes too, so that they also do on paper.

export type Theme = { ink: string; faint: string; grid: string; mark: string; alarm: string; paper: string; lines: string[] };

export const light: Theme = {
  ink: '#1c2330',
  faint: '#5b6576',
  grid: '#e3e7ee',
  mark: '#8a94a6',
  alarm: '#b3261e',
  paper: '#ffffff',
  lines: ['#1c2330', '#0072b2', '#d55e00', '#00835f', '#b0417f', '#9a6a00', '#3a8fc4'],
};

export const dark: Theme = {
  ink: '#e6eaf2',
  faint: '#a3adbd',
  grid: '#2c3442',
  mark: '#7c879a',
  alarm: '#ff8f86',
  paper: '#12161d',
  lines: ['#e6eaf2', '#56b4e9', '#f28e4b', '#2bc59a', '#e08bbb', '#e6b93c', '#8fb7ff'],
};

export const dashes: number[][] = [[], [], [8, 3], [2, 3], [10, 3, 2, 3], [5, 5], [12, 4]];

export function themeOf(isDark: boolean): Theme {
  return isDark ? dark : light;
}
