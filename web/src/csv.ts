// Tables as files for a spreadsheet, made in the page: nothing is loaded and nothing is sent.

export type Cell = string | number | boolean | null;

/** RFC 4180, with a byte order mark so that spreadsheets read UTF-8. Missing values are empty. */
export function csv(rows: Cell[][]): string {
  return `\ufeff${rows.map((row) => row.map(field).join(',')).join('\r\n')}\r\n`;
}

function field(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell !== 'string') return String(cell);
  // Text of a release is untrusted: a spreadsheet takes what begins like this for a formula.
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Hands the reader a file. */
export function save(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has the bytes once the click is done; a moment more harms nobody.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
