// What the parts of the page need from the report, computed once and without the page.

import type { Claim, ClaimStatus, Evaluation, Report, Rung, Segment, Source } from './report';
import type { Words } from './words';

export const rungs: Rung[] = ['declared', 'present', 'consistent', 'replayed_within_bound', 'replayed_bitwise'];

/** The questions of the first screen; of each the first claims stand there, all of them stand below. */
export const groups: { id: 'genuine' | 'repeatable' | 'data' | 'quality'; first: number; claims: string[] }[] = [
  { id: 'genuine', first: 2, claims: ['files_intact', 'publisher_verified', 'chain_consistent', 'fault_found'] },
  {
    id: 'repeatable',
    first: 2,
    claims: [
      'segments_replayed', 'independent_replay', 'checkpoints_complete', 'configuration_recorded', 'code_recorded',
      'order_recorded',
    ],
  },
  {
    id: 'data',
    first: 2,
    claims: [
      'licences_known', 'personal_data_screened', 'licences_allowed', 'model_licence', 'held_out_separate',
      'verbatim_searched',
    ],
  },
  {
    id: 'quality',
    first: 2,
    claims: [
      'held_out_better', 'safety_evaluated', 'loss_fell', 'held_out_not_rising', 'training_uneventful',
      'benchmarks_run',
    ],
  },
];

export function claimSentence(claim: Claim, words: Words): string {
  // Of some claims it must be said at once that somebody only says so.
  const hearsay = claim.rung === 'declared' ? words.look(`claim.${claim.id}.${claim.status}_declared`, claim.params, '') : '';
  return hearsay || words.look(`claim.${claim.id}.${claim.status}`, claim.params, claim.id);
}

/** What the mark beside a claim shows: what somebody only says is not shown as confirmed. */
export function claimState(claim: Claim): ClaimStatus | 'declared' {
  return claim.status === 'holds' && claim.rung === 'declared' ? 'declared' : claim.status;
}

/** Who can do what a remedy asks for. */
export function actorOf(remedy: string): 'publisher' | 'engineering' | 'legal' {
  if (remedy === 'state_model_licence' || remedy === 'ask_publisher') return 'publisher';
  return remedy === 'review_licences' ? 'legal' : 'engineering';
}

/** What training read, by kind of source, most first: [kind, share of the tokens consumed]. */
export function sharesByKind(sources: Source[]): [string, number][] {
  const sums = new Map<string, number>();
  for (const source of sources) if (source.share) sums.set(source.kind, (sums.get(source.kind) ?? 0) + source.share);
  return [...sums].sort((left, right) => right[1] - left[1]);
}

/** Bits per byte of all sources together: bits are summed, then divided by the bytes. Null where a source is missing. */
export function overall(evaluation: Evaluation, sources: string[]): number | null {
  let [bits, bytes] = [0, 0];
  for (const source of sources) {
    const score = evaluation.scores.find((found) => found.source === source);
    if (!score) return null;
    bits += score.bits_per_byte * score.bytes;
    bytes += score.bytes;
  }
  return bytes > 0 ? bits / bytes : null;
}

/** For words inside words: reasons repeat the sentence of the claim that they speak of. */
export function sentences(report: Report): (id: string, words: Words) => string {
  const byId = new Map(report.claims.map((claim) => [claim.id, claim]));
  return (id, words) => {
    const claim = byId.get(id);
    return claim ? claimSentence(claim, words) : id;
  };
}

/** Claims under their questions; those that no question knows come last, under `other`. Empty questions are left out. */
export function claimGroups(report: Report): { id: string; claims: Claim[] }[] {
  const byId = new Map(report.claims.map((claim) => [claim.id, claim]));
  const known = new Set(groups.flatMap((group) => group.claims));
  return [
    ...groups.map((group) => ({ id: group.id as string, claims: group.claims.flatMap((id) => byId.get(id) ?? []) })),
    { id: 'other', claims: report.claims.filter((claim) => !known.has(claim.id)) },
  ].filter((group) => group.claims.length > 0);
}

export function replayedSegments(segments: Segment[]): Segment[] {
  return segments.filter((segment) => segment.verdict === 'bitwise_equal');
}

/** Cuts `text` (whose offsets count UTF-8 bytes) into stretches that are marked and those that are not. */
export function marked(text: string, marks: { start: number; text: string }[]): { text: string; mark: boolean }[] {
  const raw = new TextEncoder().encode(text);
  const flags = new Uint8Array(raw.length);
  for (const mark of marks) {
    const length = new TextEncoder().encode(mark.text).length;
    flags.fill(1, Math.max(0, mark.start), Math.min(raw.length, mark.start + length));
  }
  const pieces: { text: string; mark: boolean }[] = [];
  let begin = 0;
  for (let end = 1; end <= raw.length; end += 1) {
    if (end === raw.length || flags[end] !== flags[begin]) {
      pieces.push({ text: new TextDecoder().decode(raw.subarray(begin, end)), mark: flags[begin] === 1 });
      begin = end;
    }
  }
  return pieces;
}
