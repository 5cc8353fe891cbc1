// The data contract of the decision page: what `crates/page/src/comparison.rs` embeds and this page reads.
//
// Change both together; the Rust test `the_fixture_is_the_contract` parses the fixture that the page's tests draw.
// `null` means missing: not recorded or not measured. It is never drawn as 0.

import type { Claim, Decision, Evidence, Language, Params, Program, Rung } from '../report';

/** A sentence in both languages, from the program's data files. */
export type Both = Record<Language, string>;

export interface Comparison {
  format: 1;
  program: Program;
  language: Language;
  criteria: { name: string; text: string };
  models: Assessment[];
  /** What countries ask, of each model in the same order. */
  questions: QuestionSheet[][];
}

export interface Assessment {
  format: 1;
  place: string;
  layout: string;
  openness: { shown: number | null; declared: number | null };
  claims: Claim[];
  components: Component[];
  findings: Finding[];
  licences: Licences;
  measured: Measurements;
  /** What the publisher states. */
  published_scores: PublishedScore[];
  /** Scores that are too many to be shown; those of the last checkpoint are. */
  published_scores_left_out: number;
  /** The log, thinned: of every stretch the least and the greatest value, and one that is no number. */
  curves: Curve[];
  decision: Decision;
  checkpoints: CheckpointSeen[];
  checked: Checked;
}

export interface Ask { id: string; params: Params }
export type Severity = 'note' | 'doubt' | 'contradiction';

export interface Finding {
  detector: string;
  severity: Severity;
  subject: string;
  reason: string;
  params: Params;
  evidence: Evidence[];
  ask: Ask | null;
}

export type ComponentState = 'consistent' | 'present' | 'missing' | 'contradictory';

export interface Component {
  id: string;
  /** The class that needs it: 3, 2 or 1. */
  class: number;
  optional: boolean;
  state: ComponentState;
  rung: Rung | null;
  evidence: Evidence[];
  ask: Ask | null;
}

export interface Licences {
  model: LicenceStatement | null;
  /** Whether a licence file says the same as the card. */
  file_agrees: boolean;
  /** Licence files that nobody recognised; left out where there is none. */
  files_unknown?: string[];
  /** Whether the model's licence is known and forbids no use. */
  model_open: boolean;
  sources: LicenceStatement[];
  /** Models that it was made from; left out where none is named. */
  bases?: LicenceStatement[];
  conflicts: Conflict[];
  sheet: Sheet | null;
  notice: string;
}

export interface LicenceStatement {
  of: string;
  expression: string;
  class: string;
  known: boolean;
  evidence: Evidence[];
  /** The whole reading, for programs. */
  reading: unknown;
}

export interface Origin { file: string; place: string; text: string }

export interface Sheet {
  intended: { commercial: boolean; modify: boolean; distribute: boolean; serve: boolean; train_others: boolean; users: number | null };
  rows: SheetRow[];
  unknown: number;
  unverified: number;
}

export interface SheetRow {
  /** null for the model, else the data source. */
  source: string | null;
  what: string;
  when: string;
  applies: boolean;
  owes: string;
  licence: string;
  clause: string;
  verified: boolean;
  url: string | null;
  detail: string | null;
  origin: Origin;
  text: Both;
  trigger: Both;
}

export interface Conflict {
  rule: string;
  state: 'fine' | 'open-question' | 'unknown' | 'contradiction';
  parties: { who: string; licence: string; clauses: string[]; origin: Origin | null }[];
  text: Both;
}

export interface Mean { mean: number; standard_error: number | null; count: number }
export type Agreement = 'agrees' | 'differs' | 'not_enough';

export interface Measurements {
  logged_loss: {
    checkpoint: string; step: number; data: string; measured: Mean; logged: Mean; exact: boolean; bound: number;
    agreement: Agreement; indistinguishable: [number, number];
    /** Rows that it was trained on last: only a higher loss differs. Left out where it is not so. */
    trained_on?: boolean;
    /** The log's number of an update minus the program's; left out where they are the same. */
    shift?: number;
  }[];
  seen_unseen: {
    checkpoint: string; step: number; seen: Mean; seen_data: string; unseen: Mean; unseen_data: string; gap: number;
    interval: [number, number]; agreement: Agreement;
  }[];
  benchmarks: Benchmark[];
  own_documents: {
    checkpoint: string; documents: number; bytes: number; bits_per_byte: number | null;
    tokens_per_character: number | null; questions: number; exact: number; contained: number; overlap: number | null;
    /** Bytes of training data that were looked through for that, of all that is published. */
    overlap_sampled: [number, number] | null;
  } | null;
}

export interface Benchmark {
  checkpoint: string;
  task: string;
  metric: string;
  score:
    /** The interval is null where the metric has no standard error. */
    | { state: 'scored'; value: number; interval: [number, number] | null }
    | { state: 'missing' | 'failed'; reason: string };
  items: number;
  of: number;
  chance: number | null;
  published: number | null;
  agreement: Agreement | null;
}

export interface PublishedScore {
  file: string;
  /** The checkpoint that it is of; null where the file does not say. */
  checkpoint: string | null;
  step: number | null;
  task: string;
  metric: string;
  value: number;
  standard_error: number | null;
  /** Examples before each question; null where the file does not say. */
  shots: number | null;
}

export interface Curve {
  file: string;
  key: string;
  kind: 'loss' | 'learning_rate' | 'grad_norm';
  /** Step and value in the order of the log: a restart goes back. */
  points: [number, number | null][];
}

export interface CheckpointSeen {
  name: string;
  step: number | null;
  tokens: number | null;
  bytes: number;
  sampled: boolean;
  optimizer: boolean;
}

export interface Checked {
  files: number;
  listed_bytes: number;
  requests: number;
  fetched_bytes: number;
  sampled_checkpoints: number;
  sampled_tensors: string[];
  references: number;
  unread: { path: string; why: string }[];
}

export interface QuestionSheet { title: Both; caveat: Both; questions: Question[] }

export interface Question {
  id: string;
  text: Both;
  why: Both;
  law: string;
  article: string;
  url: string;
  verified: boolean;
  state: 'answered' | 'partly' | 'unanswered';
  facts: Record<string, string>;
  missing: string[];
}

/** Reads the data block that the program embedded. */
export function embeddedComparison(page: Document): Comparison {
  const block = page.getElementById('glasswork-decision');
  const comparison: unknown = JSON.parse(block?.textContent ?? 'null');
  if (comparison === null || typeof comparison !== 'object' || (comparison as Comparison).format !== 1) {
    throw new Error('this page holds no comparison of format 1');
  }
  return comparison as Comparison;
}
