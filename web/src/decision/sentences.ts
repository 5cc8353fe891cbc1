// From findings, claims and verdicts to sentences, without the page.

import { list } from '../format';
import { actorOf } from '../model';
import type { Claim, CriterionResult, Language, Params, Remedy, Rung } from '../report';
import type { Assessment, Ask, Comparison, Finding } from './comparison';
import { wordsAbout, type Words } from './words';

/** Subjects of a finding that are named before the rest is counted. */
const NAMED = 3;
/** Points of a kind that a letter holds. */
const ASKED = 12;

/** The key, or its `.open` form where a value that the sentence needs is missing. */
function sentence(key: string, params: Params, words: Words, otherwise: string): string {
  const open = Object.values(params).includes(null) ? words.look(`${key}.open`, params, '') : '';
  return open || words.look(key, params, otherwise);
}

/** The name that people say: the last part of the place, with the revision where it is not the usual one. */
export function shortName(place: string): string {
  const hub = /^hf:(?:[^/@]*\/)?([^@]+)(?:@(.+))?$/.exec(place);
  if (!hub) return place.split('/').filter((part) => part !== '').at(-1) ?? place;
  const [, name = place, revision = 'main'] = hub;
  // A commit: as much of it as people compare by eye.
  return revision === 'main' ? name : `${name}@${/^[0-9a-f]{40}$/.test(revision) ? revision.slice(0, 8) : revision}`;
}

/** Names of the models that tell them apart: short ones, unless two are the same. */
export function namesOf(models: Assessment[]): string[] {
  const short = models.map((model) => shortName(model.place));
  return models.map((model, index) => {
    const name = short[index] ?? model.place;
    return short.filter((other) => other === name).length > 1 ? model.place : name;
  });
}

/** Every checkpoint, file or series that a finding is about, as far as it names them. */
export function subjectsOf(finding: Finding): string[] {
  const { subjects } = finding.params;
  return Array.isArray(subjects) ? subjects : [finding.subject];
}

/** Several subjects in a sentence: the first ones, the rest counted. */
function subjectsIn(finding: { subject: string; params: Params }, words: Words): string {
  const { subjects, subjects_count: count } = finding.params;
  if (!Array.isArray(subjects)) return finding.subject;
  const all = typeof count === 'number' ? count : subjects.length;
  if (all <= NAMED) return list(subjects, words.language);
  return words.say('finding.subjects', { subjects: subjects.slice(0, NAMED).join(words.language === 'ja' ? '、' : ', '), more: all - NAMED });
}

/** `model`, `source wiki`, … as the licence reader names parties, in the reader's language. */
export function partyName(who: string, words: Words): string {
  for (const kind of ['model', 'licence file', 'card text', 'intended use', 'base model', 'source'] as const) {
    if (who === kind) return words.say(`party.${kind}`);
    if (who.startsWith(`${kind} `) && (kind === 'base model' || kind === 'source')) return `${words.say(`party.${kind}`)} ${who.slice(kind.length + 1)}`;
  }
  return who;
}

/** `source wiki: cc-by-nc-4.0`, as findings name parties; of one that states nothing, its name. */
function partyWords(party: string, words: Words): string {
  const at = party.indexOf(': ');
  if (at >= 0 && party.slice(at + 2).trim() === '') return partyName(party.slice(0, at), words);
  return at < 0 ? party : `${partyName(party.slice(0, at), words)}${words.language === 'ja' ? '：' : ': '}${party.slice(at + 2)}`;
}

export function findingSentence(finding: Finding, words: Words): string {
  const params: Params = { ...finding.params, subject: subjectsIn(finding, words) };
  if (finding.detector === 'licences') {
    params.subject = partyName(finding.subject, words);
    if (Array.isArray(params.parties)) params.parties = params.parties.filter((party) => party.trim() !== 'intended use:').map((party) => partyWords(party, words));
  }
  return sentence(`finding.${finding.reason}`, params, words, `${finding.reason}: ${finding.subject}`);
}

export function askSentence(ask: Ask, finding: Finding | null, words: Words): string {
  const subject = finding ? subjectsIn(finding, words) : '';
  return finding
    ? words.look(`ask.${ask.id}`, { ...ask.params, subject: finding.detector === 'licences' ? partyName(subject, words) : subject }, ask.id)
    : words.look(`component.${ask.id}.ask`, ask.params, ask.id);
}

/** What a claim says of this model. One that findings contradict says the first of them, and counts the rest. */
export function claimSentence(claim: Claim, model: Assessment, words: Words): string {
  const { reason, subject, findings } = claim.params;
  if (claim.status === 'fails' && typeof reason === 'string') {
    const first = model.findings.find((finding) => finding.reason === reason && finding.subject === subject);
    if (first) {
      const more = typeof findings === 'number' && findings > 1 ? words.say('claim.more', { count: findings - 1 }) : '';
      return [findingSentence(first, words), more].filter((part) => part !== '').join(words.language === 'ja' ? '' : ' ');
    }
  }
  // Which licence is not known is another answer than that none is stated.
  for (const [unknown, key] of [['bases_unknown', 'bases'], ['files_unknown', 'files'], ['prose_restricts', 'prose']] as const) {
    const named = claim.params[unknown];
    if (claim.status === 'missing' && Array.isArray(named) && named.length > 0) {
      return sentence(`claim.${claim.id}.missing.${key}`, { ...claim.params, [unknown]: named.slice(0, NAMED) }, words, claim.id);
    }
  }
  // What was measured and tells nothing is another answer than that nobody measured.
  const undecided = claim.status === 'missing' ? undecidedBy(claim.id, model) : 0;
  if (undecided > 0) return words.look(`claim.${claim.id}.missing.measured`, { count: undecided }, claim.id);
  return sentence(`claim.${claim.id}.${claim.status}`, claim.params, words, claim.id);
}

/** Measurements of what a claim says that were not enough to decide it. */
function undecidedBy(id: string, { measured }: Assessment): number {
  const all = id === 'pub_evaluations_confirmed' ? measured.benchmarks : id === 'pub_loss_confirmed' ? measured.logged_loss : [];
  return all.filter((one) => one.agreement === 'not_enough').length;
}

export function reasonSentence(reason: { id: string; params: Params }, words: Words): string {
  const own = reason.id === 'score_above_limit' && (reason.params.source ?? null) === null;
  return words.look(`reason.${reason.id}${own ? '_own' : ''}`, reason.params, reason.id);
}

export function criterionTitle(result: CriterionResult, words: Words): string {
  return words.look(`criterion.${result.id}`, {}, result.title[words.language] ?? result.title.en ?? result.id);
}

/** One line for a cell: what stands against it, or what it is met by. */
export function criterionLine(result: CriterionResult, model: Assessment, words: Words): string {
  const [first] = result.reasons;
  if (first) return reasonSentence(first, words);
  const holding = result.claims.filter((id) => model.claims.some((claim) => claim.id === id && claim.status === 'holds'));
  return holding[0] === undefined ? words.say('matrix.accepted') : words.look('reason.claim_fails', { claim: holding[0] }, '');
}

const order: Rung[] = ['declared', 'present', 'consistent', 'replayed_within_bound', 'replayed_bitwise'];

/** How far a criterion was checked: as far as the weakest of its claims that speaks; a contradicted claim speaks first. */
export function criterionRung(result: CriterionResult, model: Assessment): { rung: Rung | null; status: Claim['status'] } {
  const claims = model.claims.filter((claim) => result.claims.includes(claim.id));
  const failed = claims.find((claim) => claim.status === 'fails');
  if (failed && result.verdict === 'not_met') return { rung: failed.rung, status: 'fails' };
  const missing = claims.some((claim) => claim.status === 'missing');
  if (result.verdict === 'unknown' && missing) return { rung: null, status: 'missing' };
  const rungs = claims.flatMap((claim) => (claim.status === 'holds' && claim.rung ? [claim.rung] : []));
  rungs.sort((left, right) => order.indexOf(left) - order.indexOf(right));
  return { rung: rungs[0] ?? null, status: 'holds' };
}

export function countsOf(model: Assessment): { all: number; met: number; not_met: number; unknown: number } {
  const count = (verdict: string) => model.decision.criteria.filter((result) => result.verdict === verdict).length;
  return { all: model.decision.criteria.length, met: count('met'), not_met: count('not_met'), unknown: count('unknown') };
}

/**
 * The reason that decides, of the first broken criterion, else of the first open one, in plain words: what a claim fails
 * by stands in the table.
 */
export function strongestReason(model: Assessment, words: Words): string {
  const { criteria } = model.decision;
  const decisive = criteria.find((result) => result.verdict === 'not_met') ?? criteria.find((result) => result.verdict === 'unknown');
  const [first] = decisive?.reasons ?? [];
  if (!first) return words.say('head.reason.adopt');
  const claim = model.claims.find((found) => found.id === first.params.claim);
  // Of a licence what is wrong with it is the reason: "not known" and "not for this use" are different answers.
  const licence = claim?.id === 'pub_model_licence';
  // A file that runs code is no broken file: whoever repeats this must say so.
  const runs = claim?.id === 'pub_weights_readable' && claim.params.reason === 'would_execute';
  if (first.id === 'claim_fails' && runs) return words.say('claim.pub_weights_readable.fails.would_execute');
  if (first.id === 'claim_fails' && !licence && typeof claim?.params.reason === 'string') return words.look(`claim.${claim.id}.fails`, claim.params, claim.id);
  return reasonSentence(first, words);
}

/** The sentence that a manager can repeat in a meeting. */
export function headline(comparison: Comparison, language: Language): string {
  const { models } = comparison;
  const names = namesOf(models);
  const words = wordsAbout(language, null);
  const [only] = models;
  if (models.length === 1 && only) {
    return words.say(`head.one.${only.decision.verdict}`, { model: names[0] ?? '', reason: strongestReason(only, wordsAbout(language, only)) });
  }
  const by = (verdict: string) => names.filter((_, index) => models[index]?.decision.verdict === verdict);
  const [adopt, open] = [by('adopt'), by('not_enough_evidence')];
  const count = models.length;
  if (adopt.length > 0) return words.say(adopt.length === 1 ? 'head.many.one' : adopt.length === count ? 'head.many.all' : 'head.many.some', { count, models: adopt });
  if (open.length === 0) return words.say('head.many.none', { count });
  const others = by('do_not_adopt');
  return words.say(others.length > 0 ? 'head.many.open_not' : 'head.many.open', { count, models: open, others });
}

/** One thing to do, the criteria that it is for, and the claims that it would settle. */
export type Step = { remedy: Remedy; criteria: string[]; claims: string[] };

/** What would change a model's verdict, once each, for broken criteria first: what is asked of one person is one step. */
export function nextSteps(model: Assessment): Step[] {
  const open = [...model.decision.criteria].sort((left, right) => Number(right.verdict === 'not_met') - Number(left.verdict === 'not_met'));
  const steps = new Map<string, Step>();
  for (const result of open) {
    for (const remedy of result.remedies) {
      const step = steps.get(remedy.id) ?? { remedy, criteria: [], claims: [] };
      steps.set(remedy.id, step);
      const { claim } = remedy.params;
      if (!step.criteria.includes(result.id)) step.criteria.push(result.id);
      if (typeof claim === 'string' && !step.claims.includes(claim)) step.claims.push(claim);
    }
  }
  return [...steps.values()];
}

export function stepSentence({ remedy, claims }: Step, words: Words): string {
  const titles = claims.map((claim) => words.look(`claim.${claim}.title`, {}, claim));
  return words.look(`remedy.${remedy.id}`, { ...remedy.params, titles }, remedy.id);
}

export const actor = (remedy: Remedy) => actorOf(remedy.id.replace(/^pub_/, ''));

export function costOf(remedy: Remedy, words: Words): string {
  const { bytes = null, minutes = null } = remedy.cost ?? {};
  const parts = [
    ...(bytes === null ? [] : [bytes === 0 ? words.say('cost.nothing_to_fetch') : words.say('cost.fetch', { bytes })]),
    ...(minutes === null ? [] : [words.say('cost.minutes', { minutes })]),
  ];
  if (parts.length > 0) return parts.join(words.language === 'ja' ? '、' : ', ');
  const who = actor(remedy);
  return words.say(who === 'publisher' ? 'cost.answer' : who === 'legal' ? 'cost.review' : 'cost.unknown');
}

/** A law and its article as a reader of that language cites them; what has no name of its own there stays as it is. */
export function lawReference({ law, article }: { law: string; article: string }, language: Language): string {
  const own = /^.* \(([^()]*[ぁ-んァ-ヶ一-龠][^()]*)\)$/.exec(law)?.[1];
  if (language !== 'ja' || own === undefined) return `${law}, ${article}`;
  const cited = article
    .replace(/^proviso of (\d+)-(\d+)$/, '第$1条の$2ただし書き')
    .replace(/^(\d+)-(\d+)$/, '第$1条の$2')
    .replace(/^(\d+)\((\d+)\)$/, '第$1条第$2項');
  return `${own}、${cited}`;
}

/** What was measured here and is not what the publisher says. */
function mismatches({ measured }: Assessment, words: Words): string[] {
  return [
    ...measured.logged_loss.flatMap((one) =>
      one.agreement === 'differs'
        ? [words.say('letter.loss', { checkpoint: one.checkpoint, data: one.data, measured: one.measured.mean, logged: one.logged.mean, bound: one.bound })]
        : [],
    ),
    ...measured.benchmarks.flatMap(({ agreement, checkpoint, task, metric, score, published }) =>
      agreement === 'differs' && score.state === 'scored' && published !== null
        ? [words.say('letter.score', { checkpoint, task, metric, measured: score.value, published })]
        : [],
    ),
  ].map((point) => `- ${point}`);
}

/** A letter to the publisher with every question; empty where there is none. */
export function letter(model: Assessment, name: string, language: Language): string {
  const words = wordsAbout(language, model);
  const about = model.findings.flatMap((finding) =>
    finding.ask && finding.severity !== 'note' ? [`- ${findingSentence(finding, words)}\n  ${askSentence(finding.ask, finding, words)}`] : [],
  );
  const missing = model.components.flatMap((component) => (component.ask && !component.optional ? [`- ${askSentence(component.ask, null, words)}`] : []));
  const differ = mismatches(model, words);
  if (about.length + missing.length + differ.length === 0) return '';
  const part = (title: string, points: string[]) =>
    points.length === 0 ? [] : ['', `${title}${language === 'ja' ? '：' : ':'}`, ...points.slice(0, ASKED), ...(points.length > ASKED ? [words.say('letter.more', { count: points.length - ASKED })] : [])];
  return [
    words.say('letter.greeting', { model: name }),
    '',
    words.say('letter.opening'),
    ...part(words.say('letter.files'), about),
    ...part(words.say('letter.measured'), differ),
    ...part(words.say('letter.components'), missing),
    '',
    words.say('letter.closing'),
  ].join('\n');
}
