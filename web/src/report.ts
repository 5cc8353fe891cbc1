// The data contract of the report: what `crates/page/src/report.rs` embeds and this page reads.
//
// Change both together; the Rust test `the_fixture_is_the_contract` parses the fixture that the page's tests draw.
// `null` means missing: not recorded or not computed. It is never drawn as 0. Digests are 64 hexadecimal digits.

export type Language = 'en' | 'ja';
export type Rung = 'declared' | 'present' | 'consistent' | 'replayed_within_bound' | 'replayed_bitwise';
export type ClaimStatus = 'holds' | 'fails' | 'missing';
export type ReplayVerdict = 'bitwise_equal' | 'within_bound' | 'diverged';
export type Param = number | string | string[] | null;
export type Params = Record<string, Param>;

export interface Report {
  format: 1;
  program: Program;
  language: Language;
  release: Release;
  check: Check;
  claims: Claim[];
  decision: Decision;
  run: Run;
  sources: Source[];
  licences: LicenceRow[];
  packages: Package[];
  rejections: Rejection[];
  metrics: Metrics | null;
  checkpoints: Checkpoint[];
  segments: Segment[];
  evaluations: Evaluation[];
  samples: Samples[];
  replays: Replay[];
  fault_drill: FaultDrill | null;
  incidents: Incident[];
  files: ReleaseFile[];
  refused: RefusedAnnex[];
}

export interface Program { name: string; version: string; source_digest?: string | null }

export interface Release {
  name: string;
  /** Sealed: `core.json` and `release.json` are written, nothing more is trained. */
  sealed: boolean;
  root: string | null;
  /** Whether the reader named the root that the publisher is known by. */
  publisher: 'not_pinned' | 'matches' | 'differs';
}

export interface Finding {
  path: string;
  step: number | null;
  tensor: string | null;
  what: string;
  expected: string | null;
  found: string | null;
}

export interface Check { files: number; bytes: number; findings: Finding[] }

/** Where a claim stands in the release. `section` is the part of this page that shows it. */
export interface Evidence { path: string; digest: string | null; section: string; detail: string | null }

export interface Claim {
  id: string;
  status: ClaimStatus;
  /** How far it was checked; null where there is nothing to check. */
  rung: Rung | null;
  params: Params;
  evidence: Evidence[];
}

export interface Decision {
  verdict: 'adopt' | 'do_not_adopt' | 'not_enough_evidence';
  criteria_name: string;
  /** The whole criteria file, as it was read. */
  criteria_text: string;
  criteria: CriterionResult[];
}

export interface CriterionResult {
  id: string;
  /** Given in the criteria file for criteria that this page has no words for. */
  title: Partial<Record<Language, string>>;
  verdict: 'met' | 'not_met' | 'unknown';
  claims: string[];
  /** Catalogue ids of what stands against it. */
  reasons: { id: string; params: Params }[];
  /** What would change the verdict, with a command where there is one. */
  remedies: Remedy[];
}

export interface Remedy {
  id: string;
  params: Params;
  command: string | null;
  /** Where it is known what it costs: bytes to fetch, minutes of the reader's machine. */
  cost?: { bytes: number | null; minutes: number | null } | null;
}

export interface Run {
  name: string;
  parameters: number | null;
  /** Named facts of the configuration, grouped for reading: group → key → value as written in run.toml. */
  facts: { group: string; values: [string, string][] }[];
  toml: string;
  digest: string | null;
  code: [string, string][];
  execution: string | null;
  commands: { id: string; command: string }[];
}

export interface Source {
  id: string;
  kind: string;
  reference: string;
  pinned_by: string | null;
  /** Stated for the whole source, and what the statement rests on; else each package has its own. */
  licence: string | null;
  licence_evidence: string | null;
  attribution: string | null;
  /** Whether the release carries its text: it does where there is some and every licence lets it be passed on. */
  text_included: boolean | null;
  /** Share of the tokens that training consumed, 0 to 1. */
  share: number | null;
  weight: number | null;
  /** Documents that training could draw from. */
  documents: number | null;
  bytes: number | null;
  tokens: number | null;
  /** Of these documents: those that training consumed a token of. */
  used_documents: number | null;
  held_out_documents: number | null;
  rejected_documents: number | null;
  duplicate_documents: number | null;
  /** Tokens of it that training consumed (positions of the sequence). */
  consumed_tokens: number | null;
  epochs: number | null;
}

export interface LicenceRow {
  source: string;
  licence: string;
  class: LicenceClass;
  attribution: boolean;
  notice: boolean;
  share_alike: boolean;
  documents: number;
  used_documents: number;
  bytes: number;
  consumed_tokens: number | null;
  /** First and last update that consumed a document under it; null: never consumed. */
  first_step: number | null;
  last_step: number | null;
}

export type LicenceClass =
  | 'permissive' | 'public-domain' | 'weak-copyleft' | 'strong-copyleft'
  | 'share-alike' | 'non-commercial' | 'unknown';

export interface Package {
  name: string;
  version: string;
  licence: string | null;
  licence_evidence: string;
  refused: string | null;
  sha256: string;
  sources: string[];
  repository: string | null;
  /** Copyright lines of its licence files, else the authors that its manifest names. */
  copyright: string[];
  /** Licence and notice files in its archive, each with its SHA-256. */
  licence_files: string[];
  consumed_tokens: number | null;
  first_step: number | null;
  last_step: number | null;
}

export interface Rejection {
  stage: string;
  source: string;
  rule: string;
  licence: string | null;
  documents: number;
  bytes: number;
}

export interface Metrics {
  batch_tokens: number | null;
  step: number[];
  tokens: number[];
  loss: (number | null)[];
  grad_norm: (number | null)[];
  learning_rate: (number | null)[];
  /** Loss by source, in the order of ids. */
  sources: { id: string; loss: (number | null)[] }[];
}

export interface Checkpoint {
  step: number;
  tokens: number | null;
  state_digest: string;
  commitment: string;
  parent: string | null;
  tensors: number;
  bytes: number | null;
}

export interface Segment {
  index: number;
  from: number;
  to: number;
  tokens: number;
  commitment: string;
  /** Worst verdict among the replays of it that are about this release. */
  verdict: ReplayVerdict | null;
}

export interface Evaluation {
  step: number;
  path: string;
  digest: string | null;
  scores: { source: string; bits_per_byte: number; bytes: number; tokens: number; documents: number }[];
}

export interface Samples {
  step: number;
  path: string;
  digest: string | null;
  decoding: string;
  samples: { prompt: string; continuation: string; tokens: number }[];
  verbatim: Verbatim | null;
}

export interface Verbatim { method: string; minimum_tokens: number; stretches: Stretch[] }

export interface Stretch {
  sample: number;
  /** First byte in that sample's continuation (UTF-8). */
  start: number;
  text: string;
  tokens: number;
  match_count: number;
  matches: { doc: number; source: string; source_doc_id: string; licence: string; step: number; slot: number }[];
}

export interface Replay {
  path: string;
  digest: string | null;
  from: number;
  to: number;
  steps: number;
  verdict: ReplayVerdict;
  bound: number | null;
  first_divergence: { step: number; tensor?: string | null; file?: string | null; what: string } | null;
  profile: string;
  threads: number;
  micro_batch: number;
  isa: string;
  seconds: number;
  tokens_per_second: number;
  chosen: string;
  program: Program;
}

export interface FaultDrill {
  path: string;
  digest: string | null;
  fault: string;
  file: string;
  offset: number;
  bit: number;
  step: number;
  tensor: string;
  found: boolean;
  named_file: string | null;
  named_step: number | null;
  named_tensor: string | null;
  seconds: number;
}

export interface Incident { step: number; kind: string; detail: string }
export interface ReleaseFile { path: string; bytes: number | null; digest: string; core: boolean }
export interface RefusedAnnex { path: string; reason: string }

/** Reads the data block that the program embedded. */
export function embeddedReport(page: Document): Report {
  const block = page.getElementById('glasswork-report');
  const report: unknown = JSON.parse(block?.textContent ?? 'null');
  if (report === null || typeof report !== 'object' || (report as Report).format !== 1) {
    throw new Error('this page holds no report of format 1');
  }
  return report as Report;
}
