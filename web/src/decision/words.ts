// Words of the decision page: the report's, with the page's own over them, about one model at a time.

import { en as reportEn, type Key } from '../catalogue/en';
import { ja as reportJa } from '../catalogue/ja';
import type { Language } from '../report';
import { wordsOf, type Words as Spoken } from '../words';
import { en, type DecisionKey } from './catalogue/en';
import { ja } from './catalogue/ja';
import type { Assessment } from './comparison';
import { claimSentence } from './sentences';

export type Words = Spoken<Key | DecisionKey>;

export const catalogues: Record<Language, Record<Key | DecisionKey, string>> = {
  en: { ...reportEn, ...en },
  ja: { ...reportJa, ...ja },
};

/** Words in which a claim's id stands for what is said of this model. */
export function wordsAbout(language: Language, model: Assessment | null): Words {
  const byId = new Map((model?.claims ?? []).map((claim) => [claim.id, claim]));
  return wordsOf<Key | DecisionKey>(
    language,
    (id, words) => {
      const claim = byId.get(id);
      return claim && model ? claimSentence(claim, model, words) : id;
    },
    catalogues[language],
  );
}
