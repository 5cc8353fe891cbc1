// Numbers as a person reads them. Nothing here ever writes a missing value as a number.

import type { Language } from './report';

const cache = new Map<string, Intl.NumberFormat>();

function formatter(language: Language, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = language + JSON.stringify(options);
  let found = cache.get(key);
  if (!found) {
    found = new Intl.NumberFormat(language, options);
    cache.set(key, found);
  }
  return found;
}

/** Whole numbers with digit grouping; other numbers with up to four significant digits. */
export function grouped(value: number, language: Language): string {
  return Number.isInteger(value)
    ? formatter(language, {}).format(value)
    : formatter(language, { maximumSignificantDigits: 4 }).format(value);
}

/** 3.12M, 312万: a number for a sentence. */
export function compact(value: number, language: Language): string {
  return formatter(language, { notation: 'compact', maximumSignificantDigits: 3 }).format(value);
}

export function fixed(value: number, digits: number, language: Language): string {
  return formatter(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** A share between 0 and 1. Shares that are not 0 or 1 are never written as 0% or 100%. */
export function percent(value: number, language: Language): string {
  if (value > 0 && value < 0.001) return '< 0.1%';
  if (value > 0.999 && value < 1) return '> 99.9%';
  return formatter(language, { style: 'percent', maximumFractionDigits: value < 0.1 || value > 0.9 ? 1 : 0 }).format(value);
}

/** Decimal units, as file managers and storage prices use them. */
export function bytes(value: number, language: Language): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let scaled = value;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || scaled >= 99.5 ? 0 : 1;
  return `${formatter(language, { maximumFractionDigits: digits }).format(scaled)} ${units[unit]}`;
}

/** Small and large magnitudes, for chart axes and legends: 0.00031, 1.2e-7, 12,000. */
export function significant(value: number, language: Language, digits = 4): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(Math.min(digits - 1, 2));
  return formatter(language, { maximumSignificantDigits: digits }).format(value);
}

/** A score: three decimals where it is a share, so that a column can be read down; else as magnitudes are. */
export function score(value: number, language: Language): string {
  return Math.abs(value) <= 1 ? fixed(value, 3, language) : significant(value, language);
}

/** Seconds up to a minute, else minutes. */
export function duration(seconds: number, language: Language): string {
  if (seconds < 60) return `${fixed(seconds, seconds < 10 ? 1 : 0, language)} s`;
  return `${fixed(seconds / 60, 1, language)} min`;
}

export function list(items: string[], language: Language): string {
  return new Intl.ListFormat(language, { type: 'conjunction' }).format(items);
}

/** The first characters of a digest: enough to compare by eye, with the whole one beside it in the page. */
export function shortDigest(digest: string): string {
  return digest.length > 16 ? digest.slice(0, 12) : digest;
}
