// From a catalogue key and values to a sentence in the reader's language.

import { en, type Key } from './catalogue/en';
import { ja } from './catalogue/ja';
import { bytes, compact, fixed, grouped, list, percent } from './format';
import type { Language, Param, Params } from './report';

export const catalogues: Record<Language, Record<Key, string>> = { en, ja };

export type Words<K extends string = Key> = {
  language: Language;
  /** The sentence of a key that the compiler knows. */
  say: (key: K, params?: Params) => string;
  /** The sentence of a key that comes from the data, or `otherwise` if the catalogue has none. */
  look: (key: string, params: Params, otherwise: string) => string;
};

const field = /\{(\w+)(?::(\w+))?((?:\|[^|{}]*)*)\}/g;

/** Words of the report; another page of the same program brings a catalogue of its own. */
export function wordsOf<K extends string = Key>(
  language: Language,
  sentenceOfClaim?: (id: string, words: Words<K>) => string,
  catalogue: Record<string, string> = catalogues[language],
): Words<K> {
  const fill = (text: string, params: Params): string =>
    text.replace(field, (_all, name: string, kind: string | undefined, forms: string) => {
      const value = params[name] ?? null;
      if (forms) {
        // {name|one|many}, or {name|many}: then "one" is the last form without its plural s.
        const [one, many] = forms.split('|').slice(1);
        const plural = many ?? one ?? '';
        return value === 1 ? (many === undefined ? plural.replace(/s$/, '') : (one ?? '')) : plural;
      }
      return write(value, kind);
    });
  const words: Words<K> = {
    language,
    say: (key, params = {}) => fill(catalogue[key] ?? key, params),
    look: (key, params, otherwise) => {
      const text = catalogue[key];
      return text === undefined ? otherwise : fill(text, params);
    },
  };

  function write(value: Param, kind: string | undefined): string {
    if (value === null) return catalogue.missing ?? '';
    if (Array.isArray(value)) {
      const items = kind === 'classes' ? value.map((id) => words.look(`class.${id}`, {}, id)) : value;
      return list(items, language);
    }
    if (typeof value === 'string') {
      if (kind === 'rung') return words.look(`rung.${value}`, {}, value);
      if (kind === 'title') return words.look(`claim.${value}.title`, {}, value);
      if (kind === 'claim') return sentenceOfClaim?.(value, words) ?? value;
      return value;
    }
    switch (kind) {
      case 'bytes': return bytes(value, language);
      case 'percent': return percent(value, language);
      case 'compact': return compact(value, language);
      case 'fixed1': return fixed(value, 1, language);
      case 'fixed2': return fixed(value, 2, language);
      case 'fixed3': return fixed(value, 3, language);
      default: return grouped(value, language);
    }
  }
  return words;
}

/** The language that the reader asked for in the address (`?lang=ja`), or else the one the page was made in. */
export function languageOf(search: string, made: Language): Language {
  const asked = new URLSearchParams(search).get('lang');
  return asked === 'ja' || asked === 'en' ? asked : made;
}
