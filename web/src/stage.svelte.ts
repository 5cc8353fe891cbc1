// Whether the page is shown on a dark or light screen or on paper. Canvases are drawn anew when it changes.

import { flushSync } from 'svelte';
import { themeOf, type Theme } from './theme';

export class Stage {
  printing = $state(false);
  private dark = $state(false);

  get theme(): Theme {
    return themeOf(this.dark && !this.printing);
  }

  /** Starts listening; the returned function stops it. */
  listen(): () => void {
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const onScheme = () => { this.dark = scheme.matches; };
    // The browser takes the page's picture as soon as the handler returns: what depends on it must be done by then.
    let opened: HTMLDetailsElement[] = [];
    const onPrint = () => {
      flushSync(() => { this.printing = true; });
      // Tables that stand for charts belong on paper; whole files only if the reader opened them.
      opened = [...document.querySelectorAll<HTMLDetailsElement>('details:not(.long):not([open])')];
      for (const box of opened) box.open = true;
    };
    const onPrinted = () => {
      this.printing = false;
      for (const box of opened) box.open = false;
      opened = [];
    };
    onScheme();
    scheme.addEventListener('change', onScheme);
    window.addEventListener('beforeprint', onPrint);
    window.addEventListener('afterprint', onPrinted);
    return () => {
      scheme.removeEventListener('change', onScheme);
      window.removeEventListener('beforeprint', onPrint);
      window.removeEventListener('afterprint', onPrinted);
    };
  }
}
