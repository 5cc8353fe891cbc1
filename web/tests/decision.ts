// A made-up comparison of a sound and a spoiled model, with everything in it that the decision page must show.
// `npm run fixture` writes it to decision.json, which the Rust tests read too: it is the contract between the two.

import { readFileSync } from 'node:fs';
import type { Assessment, Both, Comparison, Component, ComponentState, Conflict, Curve, Finding, LicenceStatement, PublishedScore, QuestionSheet, SheetRow } from '../src/decision/comparison';
import type { Claim, CriterionResult, Evidence, Param, Params, Rung } from '../src/report';

const audit = new URL('../../crates/audit/', import.meta.url);
const ids = JSON.parse(readFileSync(new URL('src/publication/data/ids.json', audit), 'utf8')) as Record<string, string[]>;
const criteria = `# The criteria by which a published model is judged when the reader gives none (abridged).

format = 1
name = "default for published models"

# The files are whole, and are what the configuration says.
[[criterion]]
id = "pub_weights"
claims = ["pub_weights_readable", "pub_weights_match_config"]
rung = "consistent"
`;

const digest = (seed: string): string => {
  let state = 2166136261;
  let text = '';
  for (let index = 0; text.length < 64; index += 1) {
    for (const char of `${seed}/${index}`) state = Math.imul(state ^ char.charCodeAt(0), 16777619) >>> 0;
    text += state.toString(16).padStart(8, '0');
  }
  return text.slice(0, 64);
};

const file = (section: string, path: string, detail: string | null = null): Evidence =>
  ({ path, digest: section === 'checkpoints' ? `sha256:${digest(path)}` : null, section, detail });
const ckpt = (number: number) => `ckpt_${String(number).padStart(3, '0')}`;
const weights = (number: number) => file('checkpoints', 'model-00001-of-00002.safetensors', `${ckpt(number)} @ ${ckpt(number)}`);

const holds = (rung: Rung, params: Params, ...evidence: Evidence[]) => ({ status: 'holds' as const, rung, params, evidence });
const broken = (reason: string, subject: string, findings: number, ...evidence: Evidence[]) =>
  ({ status: 'fails' as const, rung: 'consistent' as const, params: { reason, subject, findings } as Params, evidence });
const missing = (params: Params = {}) => ({ status: 'missing' as const, rung: null, params, evidence: [] });

type Said = Omit<Claim, 'id'>;
const claims = (said: Record<string, Said>): Claim[] => (ids.claims ?? []).map((id) => ({ id, ...(said[id] ?? missing()) }));

const WEIGHTS = 13_476_838_400;
const checkpoints = Array.from({ length: 40 }, (_, index) => index).filter((index) => index !== 17 && index !== 18);
const seen = (spoiled: boolean) =>
  (spoiled ? checkpoints : Array.from({ length: 40 }, (_, index) => index)).map((index) => ({
    name: ckpt(index), step: (index + 1) * 5000, tokens: (index + 1) * 20_971_520_000, bytes: WEIGHTS, sampled: index % 3 === 0, optimizer: !spoiled,
  }));

const component = (states: Partial<Record<string, [ComponentState, Rung | null, Evidence[]]>>): Component[] => {
  const classes: Record<string, number> = {};
  for (const id of (ids.components ?? []).slice(0, 7)) classes[id] = 3;
  for (const id of (ids.components ?? []).slice(7, 12)) classes[id] = 2;
  return (ids.components ?? []).map((id) => {
    const [state, rung, evidence] = states[id] ?? ['present', 'present', [file('code', `${id}.md`)]];
    return {
      id, class: classes[id] ?? 1, optional: ['sample_outputs', 'supporting_libraries', 'model_metadata'].includes(id), state, rung, evidence,
      ask: state === 'missing' || state === 'contradictory' ? { id, params: {} } : null,
    };
  });
};

const statement = (of: string, expression: string, licenceClass: string, path: string, place = 'license'): LicenceStatement => ({
  of, expression, class: licenceClass, known: licenceClass !== 'unknown', evidence: [file('licences', path, `${place}: ${expression}`)],
  reading: { expression },
});

const words: Record<string, [Both, Both]> = {
  attribution: [{ en: 'Name the authors and keep their copyright notices', ja: '著作者名を表示し、著作権表示を残す' }, { en: 'when you pass it on', ja: '配布するとき' }],
  'licence-text': [{ en: 'Pass on the licence text, or a link where the licence allows one', ja: 'ライセンス本文（認められる場合はリンク）を添付する' }, { en: 'when you pass it on', ja: '配布するとき' }],
  'state-changes': [{ en: 'State that you changed it', ja: '変更した旨を明示する' }, { en: 'when you pass on a changed version', ja: '改変版を配布するとき' }],
  'patent-termination': [{ en: 'Patent rights end if you sue over patents', ja: '特許訴訟を起こすと特許の許諾が終了する' }, { en: 'always', ja: '常に' }],
  'non-commercial': [{ en: 'Do not use it commercially', ja: '商用利用をしない' }, { en: 'when you use it commercially', ja: '商用利用するとき' }],
  'find-out': [{ en: 'Find out which terms apply before any use', ja: '利用の前に、適用される条件を確認する' }, { en: 'always', ja: '常に' }],
};
const row = (source: string | null, what: string, licence: string, clause: string, applies: boolean, verified = true, path = 'README.md'): SheetRow => {
  const [text, trigger] = words[what] as [Both, Both];
  return {
    source, what, when: what === 'patent-termination' || what === 'find-out' ? 'always' : 'distribute', applies, owes: source === null || what === 'find-out' ? 'you' : 'publisher', licence, clause, verified,
    url: clause === '' ? null : 'https://www.apache.org/licenses/LICENSE-2.0', detail: null,
    origin: { file: path, place: 'license', text: licence }, text, trigger,
  };
};
const apache = [
  row(null, 'attribution', 'Apache-2.0', 'section 4(c)', false), row(null, 'licence-text', 'Apache-2.0', 'section 4(a)', false),
  row(null, 'state-changes', 'Apache-2.0', 'section 4(b)', false), row(null, 'patent-termination', 'Apache-2.0', 'section 3', true),
];
const intended = { commercial: true, modify: true, distribute: false, serve: true, train_others: false, users: null };

const sheets = (answered: boolean): QuestionSheet[] => [
  {
    title: { ja: '日本で確認すること', en: 'Questions for Japan' },
    caveat: { ja: '法的助言ではありません。答えがあることは適法であることを意味しません。', en: 'No legal advice. An answer does not mean that the law is satisfied.' },
    questions: [
      {
        id: 'jp-purpose', text: { ja: '学習用データの利用は、情報解析など「享受」を目的としないものか。', en: 'Was the training data used for analysis and not for enjoying the works?' },
        why: { ja: '著作権法30条の4は、享受を目的としない利用に限って許諾なしの利用を認める。', en: 'Article 30-4 permits use without consent only where enjoyment is not a purpose.' },
        law: 'Copyright Act (著作権法)', article: '30-4', url: 'https://laws.e-gov.go.jp/law/345AC0000000048', verified: true, state: 'unanswered', facts: {}, missing: ['training_purpose_stated'],
      },
      {
        id: 'jp-prejudice', text: { ja: '解析用に販売されているデータベースなど、権利者の利益を不当に害する利用はないか。', en: 'Is there use that unreasonably harms owners, such as a database sold for analysis?' },
        why: { ja: '30条の4のただし書きに当たる例として挙げられている。', en: 'It is named as an example under the proviso of Article 30-4.' },
        law: 'General Understanding on AI and Copyright in Japan (AIと著作権に関する考え方について)', article: 'proviso of 30-4', url: 'https://www.bunka.go.jp/english/policy/copyright/pdf/94055801_01.pdf', verified: true,
        state: answered ? 'answered' : 'partly', facts: answered ? { data_sources_listed: 'data/README.md', licences_known: 'README.md' } : { data_sources_listed: 'data/README.md' }, missing: answered ? [] : ['licences_known'],
      },
    ],
  },
  {
    title: { ja: 'EUで確認すること', en: 'Questions for the European Union' },
    caveat: { ja: '法的助言ではありません。答えがあることは適法であることを意味しません。', en: 'No legal advice. An answer does not mean that the law is satisfied.' },
    questions: [
      {
        id: 'eu-policy', text: { ja: 'EU著作権法を守るための方針は公開されているか。', en: 'Is there a policy to comply with Union copyright law?' },
        why: { ja: '汎用AIモデルの提供者に求められ、オープンなモデルにも及ぶ。', en: 'Providers of general-purpose models owe one, open models included.' },
        law: 'Regulation (EU) 2024/1689 (AI Act)', article: '53(1)(c)', url: 'https://eur-lex.europa.eu/eli/reg/2024/1689/oj', verified: false, state: 'unanswered', facts: {}, missing: ['copyright_policy_stated'],
      },
    ],
  },
];

const judged = (model: { claims: Claim[] }): Assessment['decision'] => {
  const of: Record<string, string[]> = {
    pub_weights: ['pub_weights_readable', 'pub_weights_match_config'], pub_model_licence: ['pub_model_licence'], pub_data_licences: ['pub_data_licences', 'pub_licences_compatible'],
    pub_statements: ['pub_tokens_add_up'], pub_evaluations: ['pub_evaluations_published'], pub_confirmed: ['pub_evaluations_confirmed'],
    pub_own_documents: ['pub_own_documents'], pub_safety: ['pub_safety_evaluated'], pub_history: ['pub_checkpoints_distinct', 'pub_checkpoints_in_order', 'pub_initialisation', 'pub_loss_confirmed'],
  };
  const command: Record<string, [string, string | null]> = {
    pub_evaluations_confirmed: ['pub_confirm_evaluations', 'glasswork poc MODEL --budget 2h'], pub_own_documents: ['pub_try_own_documents', 'glasswork eval MODEL --mine DIRECTORY'],
    pub_safety_evaluated: ['pub_evaluate_safety', 'glasswork poc MODEL --budget 2h'], pub_licences_compatible: ['pub_review_licences', null],
  };
  const results = (ids.criteria ?? []).map((id): CriterionResult => {
    const found = (of[id] ?? []).flatMap((claim) => model.claims.find((one) => one.id === claim) ?? []);
    const against = found.filter((claim) => claim.status === 'fails');
    const open = id === 'pub_history' || id === 'pub_statements' ? [] : found.filter((claim) => claim.status === 'missing');
    return {
      id, title: {}, claims: of[id] ?? [], verdict: against.length > 0 ? 'not_met' : open.length > 0 ? 'unknown' : 'met',
      reasons: [...against.map((claim) => ({ id: 'claim_fails', params: { claim: claim.id } })), ...open.map((claim) => ({ id: 'claim_missing', params: { claim: claim.id } }))],
      remedies: [...against, ...open].map((claim) => {
        const [remedy, run] = command[claim.id] ?? ['pub_ask_publisher', null];
        const fetch = claim.params.bytes_to_fetch;
        return { id: remedy, params: { claim: claim.id }, command: run, ...(typeof fetch === 'number' ? { cost: { bytes: fetch, minutes: 40 } } : {}) };
      }),
    };
  });
  const any = (verdict: string) => results.some((result) => result.verdict === verdict);
  return { verdict: any('not_met') ? 'do_not_adopt' : any('unknown') ? 'not_enough_evidence' : 'adopt', criteria_name: 'default for published models', criteria_text: criteria, criteria: results };
};

const evaluation = file('evaluations', 'evaluations/ckpt_039.json');

const score = (number: number, task: string, metric: string, value: number, standard_error: number | null = null): PublishedScore =>
  ({ file: `evaluations/${ckpt(number)}.json`, checkpoint: ckpt(number), step: (number + 1) * 5000, task, metric, value, standard_error, shots: task === 'hellaswag' ? 10 : null });

/** A log of 200,000 steps as the audit thins it: falling, with a little noise, `step` apart. */
const curve = (key: string, kind: Curve['kind'], at: (step: number) => number | null): Curve =>
  ({ file: 'metrics.csv', key, kind, points: Array.from({ length: 160 }, (_, index): [number, number | null] => [index * 1250 + 10, at(index * 1250 + 10)]) });
const loss = (step: number) => Number((1.7 + 8 / (1 + step / 400) ** 0.6 + ((step * 7919) % 101) / 2000).toFixed(4));
const rate = (step: number) => Number((3e-4 * Math.min(1, step / 2000) * (0.55 + 0.45 * Math.cos((Math.PI * step) / 200_000))).toPrecision(4));
const card = file('cards', 'README.md');

function sound(): Assessment {
  const made = claims({
    pub_weights_readable: holds('consistent', { checkpoints: 40, read: 40 }, weights(39)),
    pub_weights_match_config: holds('consistent', { checkpoints: 40 }, weights(39)),
    pub_checkpoints_distinct: holds('consistent', { checkpoints: 40, compared: 40 }),
    pub_checkpoints_in_order: holds('consistent', { compared: 14, tensors: ['model.layers.0.mlp.up_proj.weight'] }),
    pub_cadence_complete: holds('consistent', { line: 'main', checkpoints: 40, first: 5000, last: 200_000 }),
    pub_optimizer_state: holds('present', { with: 40, checkpoints: 40 }, file('checkpoints', 'optimizer.pt')),
    pub_tokens_add_up: holds('consistent', { figures: 3 }, card),
    pub_data_published: holds('present', { files: 40 }, file('data', 'train_000.jsonl')),
    pub_order_published: holds('declared', { chunks: 40 }, file('data', 'train_000.jsonl')),
    pub_code_published: holds('present', { files: 12 }, file('code', 'train.py')),
    pub_model_licence: holds('consistent', { licence: 'Apache-2.0', classes: ['permissive'] }, file('licences', 'LICENSE')),
    pub_data_licences: holds('declared', { sources: 2, unknown: [] }, file('licences', 'data/README.md')),
    pub_licences_compatible: holds('consistent', { sources: 2, open_questions: 1 }),
    pub_references_alive: holds('consistent', { references: 9, asked: 9 }, card),
    pub_evaluations_published: holds('present', { files: 40, tasks: 12 }, evaluation),
    pub_evaluations_confirmed: holds('replayed_within_bound', { agree: 2, differ: 0 }, evaluation),
    pub_loss_confirmed: holds('replayed_within_bound', { agree: 2, differ: 0 }, file('data', 'train_039.jsonl')),
    pub_training_uneventful: holds('consistent', { values: 200_000 }, file('metrics', 'metrics.csv')),
    pub_own_documents: holds('replayed_within_bound', { documents: 24, bits_per_byte: 0.81, tokens_per_character: 0.62, questions: 30, contained: 22 }),
    pub_safety_evaluated: holds('declared', { tasks: ['toxigen', 'truthfulqa_mc2'] }, evaluation),
  });
  const mean = (value: number) => ({ mean: value, standard_error: 0.011, count: 64 });
  return {
    format: 1, place: 'hf:example/clearwater-7b@main', layout: 'llm360', openness: { shown: 1, declared: 1 },
    claims: made,
    components: component({ model_architecture: ['consistent', 'consistent', [file('checkpoints', 'config.json')]], final_parameters: ['consistent', 'consistent', [weights(39)]], sample_outputs: ['missing', null, []] }),
    findings: [
      { detector: 'configuration', severity: 'note', subject: ckpt(0), reason: 'keys_unknown', params: { keys: ['house_key'] }, evidence: [weights(0)], ask: null },
    ],
    licences: {
      model: statement('model', 'Apache-2.0', 'permissive', 'README.md'), file_agrees: true, model_open: true,
      sources: [statement('wikipedia', 'CC-BY-SA-4.0', 'share-alike', 'data/README.md'), statement('refined-web', 'ODC-By-1.0', 'permissive', 'data/README.md')],
      conflicts: [conflict('share-alike-source', 'open-question', 'wikipedia', 'CC-BY-SA-4.0', {
        en: 'The data’s licence keeps adaptations under itself, the model’s licence is another; whether weights are an adaptation is unsettled',
        ja: 'データのライセンスは改変物に同じライセンスを求めるが、モデルのライセンスは別のもの。重みが改変物に当たるかは定まっていない',
      })],
      sheet: { intended, rows: [...apache, row('wikipedia', 'attribution', 'CC-BY-SA-4.0', 'section 3(a)', true, true, 'data/README.md'), row('refined-web', 'attribution', 'ODC-By-1.0', 'section 4.3', true, false, 'data/README.md')], unknown: 0, unverified: 1 },
      notice: 'clearwater-7b\n\nApache License 2.0\nCopyright The Clearwater Authors\n',
    },
    measured: {
      logged_loss: [
        { checkpoint: ckpt(38), step: 195_000, data: 'train_039.jsonl', measured: mean(1.912), logged: mean(1.905), exact: false, bound: 0.05, agreement: 'agrees', indistinguishable: [181_000, 200_000] },
        { checkpoint: ckpt(39), step: 200_000, data: 'train_039.jsonl', measured: mean(1.897), logged: mean(1.905), exact: true, bound: 0.02, agreement: 'agrees', indistinguishable: [184_000, 200_000], trained_on: true, shift: 1 }],
      seen_unseen: [{ checkpoint: ckpt(20), step: 105_000, seen: mean(1.98), seen_data: 'train_020.jsonl', unseen: mean(2.03), unseen_data: 'train_030.jsonl', gap: 0.05, interval: [0.02, 0.08], agreement: 'agrees' }],
      benchmarks: [
        { checkpoint: ckpt(39), task: 'arc_easy', metric: 'acc_norm', score: { state: 'scored', value: 0.62, interval: [0.55, 0.69] }, items: 200, of: 2376, chance: 0.25, published: 0.641, agreement: 'agrees' },
        { checkpoint: ckpt(39), task: 'jcommonsenseqa', metric: 'acc', score: { state: 'scored', value: 0.23, interval: [0.17, 0.29] }, items: 200, of: 1119, chance: 0.2, published: null, agreement: null },
        { checkpoint: ckpt(39), task: 'hellaswag', metric: 'acc_norm', score: { state: 'scored', value: 0.71, interval: [0.64, 0.77] }, items: 200, of: 10_042, chance: 0.25, published: 0.7, agreement: 'agrees' },
        { checkpoint: ckpt(39), task: 'gsm8k', metric: 'exact_match', score: { state: 'missing', reason: 'the budget was spent' }, items: 0, of: 1319, chance: null, published: 0.11, agreement: null },
        { checkpoint: ckpt(39), task: 'humaneval', metric: 'pass@1', score: { state: 'failed', reason: 'needs code to be run, which is refused' }, items: 0, of: 164, chance: null, published: null, agreement: null },
        { checkpoint: ckpt(39), task: 'boolq', metric: 'acc', score: { state: 'scored', value: 0.75, interval: [0.53, 0.89] }, items: 20, of: 3270, chance: 0.5, published: 0.73, agreement: 'not_enough' },
      ],
      own_documents: { checkpoint: ckpt(39), documents: 24, bytes: 412_000, bits_per_byte: 0.81, tokens_per_character: 0.62, questions: 30, exact: 14, contained: 22, overlap: 0.002, overlap_sampled: [33_554_432, 1_250_000_000] },
    },
    published_scores_left_out: 0,
    published_scores: [
      ...[9, 19, 29, 39].map((number) => score(number, 'arc_easy', 'acc_norm', number === 39 ? 0.641 : 0.4 + number / 200, 0.0098)),
      score(39, 'hellaswag', 'acc_norm', 0.7, 0.0046), score(39, 'gsm8k', 'exact_match', 0.11), score(39, 'boolq', 'acc', 0.73), score(39, 'piqa', 'acc', 0.781, 0.0096),
    ],
    curves: [curve('train/loss', 'loss', loss), curve('train/lr', 'learning_rate', rate)],
    decision: judged({ claims: made }),
    checkpoints: seen(false),
    checked: { files: 412, listed_bytes: 40 * WEIGHTS, requests: 381, fetched_bytes: 14_100_000_000, sampled_checkpoints: 14, sampled_tensors: ['model.layers.0.mlp.up_proj.weight'], references: 9, unread: [] },
  };
}

function conflict(rule: string, state: Conflict['state'], source: string, licence: string, text: Both): Conflict {
  return {
    rule, state, text,
    parties: [
      { who: 'model', licence: 'Apache-2.0', clauses: ['section 2'], origin: { file: 'README.md', place: 'license', text: 'apache-2.0' } },
      { who: `source ${source}`, licence, clauses: ['section 3(b)'], origin: { file: 'data/README.md', place: 'license', text: licence } },
    ],
  };
}

function spoiled(): Assessment {
  const found = (detector: string, severity: Finding['severity'], subject: string, reason: string, params: Record<string, Param>, ask: string | null, ...evidence: Evidence[]): Finding =>
    ({ detector, severity, subject, reason, params, evidence, ask: ask === null ? null : { id: ask, params: { subject } } });
  const parties = ['model: Apache-2.0', 'source dialogues: CC-BY-NC-4.0'];
  const findings: Finding[] = [
    found('step_identity', 'contradiction', ckpt(26), 'weights_out_of_order', { factor: 3.4, after: ckpt(9), before: ckpt(10) }, 'right_weights', weights(26)),
    found('duplicates', 'contradiction', ckpt(30), 'same_files', { checkpoints: [ckpt(30), ckpt(31)] }, 'right_weights', weights(30), weights(31)),
    found('configuration', 'contradiction', ckpt(39), 'size_differs', { key: 'vocab_size', configured: 32_000, found: 32_032, tensor: 'model.embed_tokens.weight' }, 'right_configuration', weights(39)),
    found('licences', 'contradiction', 'source dialogues', 'licences_conflict', { rule: 'non-commercial-source', parties, clauses: ['section 2(a)(1)'] }, 'licence_statement', file('licences', 'data/README.md', 'license: CC-BY-NC-4.0')),
    found('token_totals', 'contradiction', 'README.md', 'totals_differ', { stated: 1_300_000_000_000, other: 838_000_000_000, line: 12, other_line: 48 }, 'token_counts', card),
    found('shards', 'contradiction', 'model-00002-of-00002.safetensors', 'shard_truncated', { checkpoint: ckpt(4), bytes: 3_221_225_472, needed: 3_500_000_000 }, 'whole_files', file('checkpoints', 'model-00002-of-00002.safetensors', ckpt(4))),
    found('cadence', 'doubt', 'main', 'steps_missing', { count: 2, there: 38, steps: ['90000', '95000'] }, 'missing_checkpoints'),
    found('pickles', 'contradiction', 'optimizer.pt', 'would_execute', { names: ['posix.system'], checkpoint: ckpt(39) }, 'weights_without_code', file('checkpoints', 'optimizer.pt', ckpt(39))),
    found('optimizer_state', 'doubt', ckpt(39), 'optimizer_missing', { without: 38, checkpoints: 38 }, 'optimizer_states'),
    found('references', 'doubt', 'https://example.com/metrics-board', 'reference_dead', { card: 'README.md' }, 'working_reference', card),
    found('evaluations', 'doubt', 'evaluations/ckpt_026.json', 'evaluation_unfinished', { checkpoint: ckpt(26), tasks: ['mmlu', 'race'], says: 'running…' }, 'evaluation_results', file('evaluations', 'evaluations/ckpt_026.json')),
    found('evaluations', 'doubt', 'evaluations/ckpt_031.json', 'zero_for_missing', { checkpoint: ckpt(31), scores: ['piqa acc'] }, 'evaluation_results', file('evaluations', 'evaluations/ckpt_031.json')),
    found('spikes', 'doubt', 'metrics.csv: train/loss', 'loss_spikes', { count: 3, score: 0.000015, steps: ['61260', '62510', '142510'] }, 'incident_report', file('metrics', 'metrics.csv')),
    found('log_restart', 'doubt', 'metrics.csv: train/loss', 'log_goes_back', { restarts: 1, places: ['160010 → 150010'], different: 8, same: 0 }, 'incident_report', file('metrics', 'metrics.csv')),
    found('non_finite', 'doubt', 'metrics.csv: train/loss', 'values_not_finite', { count: 2, first_step: 88_760 }, 'incident_report', file('metrics', 'metrics.csv')),
    found('number_format', 'note', ckpt(12), 'dtype_differs', { found: 'BF16', usual: 'F32' }, 'number_format_reason', weights(12)),
    found('step_identity', 'doubt', ckpt(33), 'weights_jump', { factor: 2.6, after: ckpt(32) }, 'which_weights', weights(33)),
  ];
  findings.sort((left, right) => gravity(left) - gravity(right));
  const made = claims({
    pub_weights_readable: broken('shard_truncated', 'model-00002-of-00002.safetensors', 1, file('checkpoints', 'model-00002-of-00002.safetensors', ckpt(4))),
    pub_weights_match_config: broken('size_differs', ckpt(39), 1, weights(39)),
    pub_checkpoints_distinct: broken('same_files', ckpt(30), 1, weights(30), weights(31)),
    pub_checkpoints_in_order: broken('weights_out_of_order', ckpt(26), 1, weights(26)),
    pub_cadence_complete: broken('steps_missing', 'main', 1),
    pub_optimizer_state: missing(),
    pub_tokens_add_up: broken('totals_differ', 'README.md', 1, card),
    pub_data_published: holds('declared', { files: 1 }, card),
    pub_code_published: holds('present', { files: 2 }, file('code', 'train.py')),
    pub_model_licence: missing({ licence: 'Apache-2.0', classes: ['permissive'], bases_unknown: ['example/murk-base'], files_unknown: ['LICENSE-weights.txt'] }),
    pub_data_licences: { status: 'fails', rung: 'declared', params: { sources: 3, unknown: ['crawl'] }, evidence: [file('licences', 'data/README.md')] },
    pub_licences_compatible: broken('licences_conflict', 'source dialogues', 1, file('licences', 'data/README.md')),
    pub_references_alive: broken('reference_dead', 'https://example.com/metrics-board', 1, card),
    pub_evaluations_published: broken('evaluation_unfinished', 'evaluations/ckpt_026.json', 2, evaluation),
    pub_training_uneventful: broken('loss_spikes', 'metrics.csv: train/loss', 1, file('metrics', 'metrics.csv')),
    pub_evaluations_confirmed: missing({ bytes_to_fetch: WEIGHTS }),
    pub_loss_confirmed: missing({ bytes_to_fetch: WEIGHTS }),
    pub_own_documents: missing({ bytes_to_fetch: WEIGHTS }),
    pub_safety_evaluated: missing({ bytes_to_fetch: WEIGHTS }),
  });
  return {
    format: 1, place: 'hf:example/murk-7b@main', layout: 'llm360', openness: { shown: null, declared: 3 },
    claims: made,
    components: component({
      model_architecture: ['contradictory', 'present', [file('checkpoints', 'config.json')]], final_parameters: ['contradictory', 'present', [weights(39)]],
      datasets: ['missing', 'declared', [file('cards', 'README.md', 'example/murk-data')]], preprocessing_code: ['missing', null, []], research_paper: ['missing', null, []],
      data_card: ['missing', 'declared', [card]], sample_outputs: ['missing', null, []], evaluation_code: ['missing', null, []],
    }),
    findings,
    licences: {
      model: statement('model', 'Apache-2.0', 'permissive', 'README.md'), file_agrees: false, model_open: true,
      bases: [statement('example/murk-base', '', 'unknown', 'README.md', 'base_model')], files_unknown: ['LICENSE-weights.txt'],
      sources: [statement('dialogues', 'CC-BY-NC-4.0', 'non-commercial', 'data/README.md'), statement('wikipedia', 'CC-BY-SA-4.0', 'share-alike', 'data/README.md'), statement('crawl', 'see website', 'unknown', 'data/README.md')],
      conflicts: [
        conflict('non-commercial-source', 'contradiction', 'dialogues', 'CC-BY-NC-4.0', {
          en: 'The data’s licence allows no commercial use, the model’s does; in some countries an exception may allow training all the same',
          ja: 'データのライセンスは商用利用を認めず、モデルのライセンスは認めている。国によっては例外規定により学習が許される場合がある',
        }),
        conflict('licence-unknown', 'unknown', 'crawl', 'see website', { en: 'The licence is not known; unknown is never taken as permission', ja: 'ライセンスが不明。不明は許可とみなさない' }),
      ],
      sheet: { intended, rows: [...apache, row('dialogues', 'non-commercial', 'CC-BY-NC-4.0', 'section 2(a)(1)', true, true, 'data/README.md'), row('crawl', 'find-out', 'see website', '', true, false, 'data/README.md')], unknown: 1, unverified: 1 },
      notice: 'murk-7b\n\nApache License 2.0\n',
    },
    measured: { logged_loss: [], seen_unseen: [], benchmarks: [], own_documents: null },
    published_scores_left_out: 700,
    published_scores: [score(39, 'arc_easy', 'acc_norm', 0.702), score(39, 'hellaswag', 'acc_norm', 0.768), score(39, 'mmlu', 'acc', 0.26, 0.0037)],
    curves: [restarted(curve('train/loss', 'loss', incidents)), curve('train/lr', 'learning_rate', rate)],
    decision: judged({ claims: made }),
    checkpoints: seen(true),
    checked: { files: 118, listed_bytes: 38 * WEIGHTS, requests: 122, fetched_bytes: 88_000_000, sampled_checkpoints: 13, sampled_tensors: ['model.layers.0.mlp.up_proj.weight'], references: 9, unread: [{ path: 'metrics/board.html', why: 'is no table' }] },
  };
}

const incidents = (step: number) => ([61_260, 62_510, 142_510].includes(step) ? 7.2 : [88_760, 90_010].includes(step) ? null : loss(step));

/** The log goes on from step 150,010 again after 160,010, with other values. */
function restarted(log: Curve): Curve {
  const at = log.points.findIndex(([step]) => step === 150_010);
  const end = log.points.findIndex(([step]) => step === 160_010);
  const first = log.points.slice(at, end + 1).map(([step, value]): [number, number | null] => [step, value === null ? null : Number((value + 0.6).toFixed(4))]);
  return { ...log, points: [...log.points.slice(0, at), ...first, ...log.points.slice(at)] };
}

function gravity({ severity }: Finding): number {
  return ['contradiction', 'doubt', 'note'].indexOf(severity);
}

export function comparison(): Comparison {
  return {
    format: 1, program: { name: 'glasswork', version: '0.1.0', source_digest: digest('source') }, language: 'en',
    criteria: { name: 'default for published models', text: criteria },
    models: [sound(), spoiled()], questions: [sheets(true), sheets(false)],
  };
}
