// A made-up report with everything in it that the page must show. `npm run fixture` writes it to fixture.json, which
// the Rust tests read too: it is the contract between the two.

import type { Claim, Report } from '../src/report';

const digest = (seed: string): string => {
  let state = 2166136261;
  let text = '';
  for (let index = 0; text.length < 64; index += 1) {
    for (const char of `${seed}/${index}`) state = Math.imul(state ^ char.charCodeAt(0), 16777619) >>> 0;
    text += state.toString(16).padStart(8, '0');
  }
  return text.slice(0, 64);
};

const noise = (index: number): number => {
  const wave = Math.sin(index * 12.9898) * 43758.5453;
  return wave - Math.floor(wave) - 0.5;
};

const STEPS = 520;
const marks = [0, 20, 40, 80, 120, 160, 200, 260, 320, 380, 450, 520];
const sources = ['code', 'prose', 'rust-docs'];
const floors = [1.9, 2.9, 2.7];

const steps = Array.from({ length: STEPS }, (_, index) => index + 1);
const lossAt = (step: number, floor: number) => floor + (8.32 - floor) * Math.exp(-Math.pow(step / 60, 0.62)) + 0.12 * noise(step * 7 + floor * 100);
const evidence = (section: string, ...paths: string[]) =>
  paths.map((path) => ({ path, digest: digest(path), section, detail: null }));

export function fixture(): Report {
  const claims: Claim[] = [
    { id: 'publisher_verified', status: 'missing', rung: null, params: { root: digest('core.json') }, evidence: evidence('files', 'core.json') },
    { id: 'files_intact', status: 'holds', rung: 'consistent', params: { files: 74, bytes: 431_224_117, findings: 0 }, evidence: evidence('files', 'core.json') },
    { id: 'chain_consistent', status: 'holds', rung: 'consistent', params: { checkpoints: 12, segments: 11, findings: 0 }, evidence: evidence('chain', 'ledger.jsonl') },
    { id: 'fault_found', status: 'holds', rung: 'present', params: { step: 200, tensor: 'optimizer.v.model.layers.1.mlp.up_proj.weight', file: 'checkpoints/step-000200/optimizer.safetensors' }, evidence: evidence('chain', 'attestations/fault-drill.json') },
    { id: 'segments_replayed', status: 'holds', rung: 'replayed_bitwise', params: { replayed: 2, segments: 11, drawn: 1, steps_replayed: 100, steps: 520, diverged: 0, bad_share: 0.25, chance: 0.25 }, evidence: evidence('chain', 'attestations/replay-000080-000120-1.json', 'attestations/replay-000200-000260-1.json') },
    { id: 'independent_replay', status: 'missing', rung: null, params: {}, evidence: [] },
    { id: 'checkpoints_complete', status: 'holds', rung: 'consistent', params: { checkpoints: 12, first: 0, last: 520, findings: 0 }, evidence: evidence('chain', 'checkpoints/step-000000/manifest.json', 'checkpoints/step-000520/manifest.json') },
    { id: 'configuration_recorded', status: 'holds', rung: 'consistent', params: {}, evidence: evidence('configuration', 'run.toml', 'ledger.jsonl') },
    { id: 'code_recorded', status: 'holds', rung: 'present', params: { version: '0.1.0' }, evidence: evidence('configuration', 'code.json') },
    { id: 'order_recorded', status: 'holds', rung: 'consistent', params: { tokens: 1_064_960, steps: 520 }, evidence: evidence('chain', 'data/sequence/chunk-000.npy', 'data/mixture.json') },
    { id: 'licences_known', status: 'holds', rung: 'present', params: { documents: 6121, unknown: 0 }, evidence: evidence('sources', 'data/sources.json', 'data/documents.parquet') },
    { id: 'licences_allowed', status: 'holds', rung: 'consistent', params: { documents: 6121, rejected: 214, outside: 0 }, evidence: evidence('sources', 'data/attributes/licence.parquet') },
    { id: 'held_out_separate', status: 'holds', rung: 'consistent', params: { documents: 64, leaked: 0 }, evidence: evidence('sources', 'data/attributes/split.parquet') },
    { id: 'verbatim_searched', status: 'holds', rung: 'present', params: { samples: 3, sampled: 96, stretches: 3, minimum: 8, longest: 19 }, evidence: evidence('samples', 'evals/000520/samples.json') },
    { id: 'personal_data_screened', status: 'missing', rung: null, params: {}, evidence: [] },
    { id: 'model_licence', status: 'missing', rung: null, params: { licence: null }, evidence: [] },
    { id: 'loss_fell', status: 'holds', rung: 'consistent', params: { first: 8.32, last: 2.41, ends: 10, steps: 520 }, evidence: evidence('training', 'metrics/steps.parquet') },
    { id: 'held_out_better', status: 'holds', rung: 'present', params: { initial: 3.61, last: 1.42 }, evidence: evidence('evaluation', 'evals/000000/held_out.json', 'evals/000520/held_out.json') },
    { id: 'held_out_not_rising', status: 'holds', rung: 'present', params: { sources: [], best: null }, evidence: evidence('evaluation', 'evals/000520/held_out.json') },
    { id: 'training_uneventful', status: 'holds', rung: 'consistent', params: { incidents: 0 }, evidence: evidence('chain', 'ledger.jsonl') },
    { id: 'benchmarks_run', status: 'missing', rung: null, params: { tasks: null }, evidence: [] },
    { id: 'safety_evaluated', status: 'missing', rung: null, params: {}, evidence: [] },
  ];
  const files = claims.flatMap((claim) => claim.evidence);
  return {
    format: 1,
    program: { name: 'glasswork', version: '0.1.0', source_digest: digest('source') },
    language: 'en',
    release: { name: 'glasswork-demo', sealed: true, root: digest('core.json'), publisher: 'not_pinned' },
    check: { files: 74, bytes: 431_224_117, findings: [] },
    claims,
    decision: {
      verdict: 'not_enough_evidence',
      criteria_name: 'default',
      criteria_text: 'format = 1\nname = "default"\n\n[[criterion]]\nid = "integrity"\nclaims = ["files_intact", "chain_consistent"]\nrung = "consistent"\n',
      criteria: [
        { id: 'integrity', title: {}, verdict: 'met', claims: ['files_intact', 'chain_consistent'], reasons: [], remedies: [] },
        { id: 'publisher', title: {}, verdict: 'unknown', claims: ['publisher_verified'], reasons: [{ id: 'claim_missing', params: { claim: 'publisher_verified' } }], remedies: [{ id: 'pin_root', params: {}, command: 'glasswork report glasswork-demo --root DIGEST' }] },
        { id: 'completeness', title: {}, verdict: 'met', claims: ['configuration_recorded', 'code_recorded', 'order_recorded', 'checkpoints_complete'], reasons: [], remedies: [] },
        { id: 'replay', title: {}, verdict: 'unknown', claims: ['segments_replayed'], reasons: [{ id: 'chance_too_low', params: { drawn: 1, bad_share: 0.25, chance: 0.25, required: 0.9 } }], remedies: [{ id: 'replay_more', params: { segments: 8 }, command: 'glasswork replay glasswork-demo --sample 8 --own-replays\nglasswork report glasswork-demo --own-replays' }] },
        { id: 'licences', title: {}, verdict: 'met', claims: ['licences_known', 'licences_allowed'], reasons: [], remedies: [] },
        { id: 'model_licence', title: {}, verdict: 'unknown', claims: ['model_licence'], reasons: [{ id: 'claim_missing', params: { claim: 'model_licence' } }], remedies: [{ id: 'state_model_licence', params: {}, command: null }] },
        { id: 'personal_data', title: {}, verdict: 'unknown', claims: ['personal_data_screened'], reasons: [{ id: 'claim_missing', params: { claim: 'personal_data_screened' } }], remedies: [{ id: 'screen_personal_data', params: {}, command: null }] },
        { id: 'contamination', title: {}, verdict: 'met', claims: ['held_out_separate'], reasons: [], remedies: [] },
        { id: 'copying', title: {}, verdict: 'met', claims: ['verbatim_searched'], reasons: [], remedies: [] },
        { id: 'learning', title: {}, verdict: 'met', claims: ['held_out_better', 'held_out_not_rising'], reasons: [], remedies: [] },
        { id: 'benchmarks', title: {}, verdict: 'unknown', claims: ['benchmarks_run'], reasons: [{ id: 'claim_missing', params: { claim: 'benchmarks_run' } }], remedies: [{ id: 'run_benchmarks', params: {}, command: null }] },
        { id: 'safety', title: {}, verdict: 'unknown', claims: ['safety_evaluated'], reasons: [{ id: 'claim_missing', params: { claim: 'safety_evaluated' } }], remedies: [{ id: 'run_safety', params: {}, command: null }] },
      ],
    },
    run: {
      name: 'glasswork-demo',
      parameters: 3_147_008,
      facts: [
        { group: 'model', values: [['architecture', 'llama'], ['vocabulary', '4096'], ['hidden', '192'], ['layers', '4'], ['heads', '6'], ['kv_heads', '2'], ['mlp', '512'], ['sequence', '256']] },
        { group: 'training', values: [['steps', '520'], ['batch', '8'], ['profile', 'f32-v1'], ['seed', '20260101']] },
        { group: 'optimizer', values: [['kind', 'adamw'], ['learning_rate', '0.003'], ['final_learning_rate', '0.0003'], ['warm_up_steps', '20'], ['beta1', '0.9'], ['beta2', '0.95'], ['weight_decay', '0.1'], ['clip', '1']] },
      ],
      toml: 'format = 1\nname = "glasswork-demo"\nseed = 20260101\nprofile = "f32-v1"\n\n[model]\narchitecture = "llama"\nvocabulary = 4096\n',
      digest: digest('run.toml'),
      code: [['version', '0.1.0'], ['source_digest', digest('source')], ['toolchain', 'rustc 1.95.0'], ['lock_digest', digest('lock')]],
      execution: 'threads = 2\nmicro_batch = 4\nisa = "avx512"\n',
      commands: [
        { id: 'check', command: 'glasswork check glasswork-demo --root DIGEST' },
        { id: 'replay_sample', command: 'glasswork replay glasswork-demo --sample 2 --root DIGEST' },
        { id: 'replay_all', command: 'glasswork replay glasswork-demo --segments 1..11 --root DIGEST' },
        { id: 'trace', command: 'glasswork trace glasswork-demo --step 100' },
        { id: 'eval', command: 'glasswork eval glasswork-demo --again' },
        { id: 'report', command: 'glasswork report glasswork-demo -o report.html --lang ja --own-replays --root DIGEST' },
      ],
    },
    sources: [
      { id: 'code', kind: 'crate-code', reference: 'crates.io, 118 crates (examples/demo/corpus/Cargo.lock)', pinned_by: 'corpus/Cargo.lock (blake3 77aa)', licence: null, licence_evidence: null, attribution: 'The authors of the crates listed below', text_included: true, share: 0.5, weight: 2, documents: 3480, bytes: 31_400_220, tokens: 9_833_100, used_documents: 3301, held_out_documents: 31, rejected_documents: 120, duplicate_documents: 88, consumed_tokens: 532_480, epochs: 1 },
      { id: 'prose', kind: 'crate-prose', reference: 'crates.io, 118 crates: README and doc comments', pinned_by: 'corpus/Cargo.lock (blake3 77aa)', licence: null, licence_evidence: null, attribution: 'The authors of the crates listed below', text_included: true, share: 0.25, weight: 1, documents: 2011, bytes: 6_400_100, tokens: 1_804_000, used_documents: 1904, held_out_documents: 22, rejected_documents: 94, duplicate_documents: 12, consumed_tokens: 266_240, epochs: 1 },
      { id: 'rust-docs', kind: 'html-docs', reference: '<script>alert("source")</script> rust-docs 1.95.0: The Book, The Reference', pinned_by: 'rust-docs.sha256 (blake3 99bb)', licence: 'MIT OR Apache-2.0', licence_evidence: 'COPYRIGHT.html sha256:1234', attribution: 'The Rust Project Developers', text_included: true, share: 0.25, weight: 1, documents: 694, bytes: 4_011_950, tokens: 1_100_220, used_documents: 690, held_out_documents: 11, rejected_documents: 0, duplicate_documents: null, consumed_tokens: 266_240, epochs: 1 },
    ],
    licences: [
      { source: 'code', licence: 'MIT OR Apache-2.0', class: 'permissive', attribution: true, notice: true, share_alike: false, documents: 2900, used_documents: 2898, bytes: 26_000_000, consumed_tokens: 450_000, first_step: 1, last_step: 520 },
      { source: 'code', licence: 'MIT', class: 'permissive', attribution: true, notice: true, share_alike: false, documents: 480, used_documents: 478, bytes: 4_900_000, consumed_tokens: 70_480, first_step: 1, last_step: 519 },
      { source: 'code', licence: 'Unlicense OR MIT', class: 'public-domain', attribution: false, notice: false, share_alike: false, documents: 100, used_documents: 98, bytes: 500_220, consumed_tokens: 12_000, first_step: 4, last_step: 511 },
      { source: 'prose', licence: 'MIT OR Apache-2.0', class: 'permissive', attribution: true, notice: true, share_alike: false, documents: 1911, used_documents: 1909, bytes: 6_100_000, consumed_tokens: 254_240, first_step: 1, last_step: 520 },
      { source: 'prose', licence: 'MPL-2.0', class: 'weak-copyleft', attribution: true, notice: true, share_alike: true, documents: 98, used_documents: 96, bytes: 299_000, consumed_tokens: 12_000, first_step: 14, last_step: 501 },
      { source: 'prose', licence: 'LicenseRef-nobody-knows', class: 'unknown', attribution: false, notice: false, share_alike: false, documents: 2, used_documents: 0, bytes: 1_100, consumed_tokens: null, first_step: null, last_step: null },
      { source: 'rust-docs', licence: 'MIT OR Apache-2.0', class: 'permissive', attribution: true, notice: true, share_alike: false, documents: 694, used_documents: 692, bytes: 4_011_950, consumed_tokens: 266_240, first_step: 1, last_step: 520 },
    ],
    packages: ['anyhow 1.0.100', 'evil-</script><script>alert(2)</script> 1.0.0', 'serde 1.0.228', 'viral 0.3.1'].map((title) => ({
      name: title.split(' ')[0]!,
      version: title.split(' ')[1]!,
      licence: title.startsWith('viral') ? 'GPL-3.0-only' : 'MIT OR Apache-2.0',
      licence_evidence: 'Cargo.toml sha256:' + digest(title),
      refused: title.startsWith('viral') ? 'licence-not-allowed' : null,
      sha256: digest(title + 'archive'),
      sources: ['code', 'prose'],
      repository: title.startsWith('serde') ? 'https://github.com/serde-rs/serde' : null,
      licence_files: title.startsWith('viral') ? [] : ['LICENSE-MIT sha256:' + digest(title + 'licence')],
      copyright: title.startsWith('viral') ? [] : ['Copyright (c) 2014 <b>The Authors</b>'],
      consumed_tokens: title.startsWith('viral') ? 0 : 41_022,
      first_step: title.startsWith('viral') ? null : 2,
      last_step: title.startsWith('viral') ? null : 519,
    })),
    rejections: [
      { stage: 'licence', source: 'code', rule: 'licence-not-allowed', licence: 'GPL-3.0-only', documents: 120, bytes: 900_000 },
      { stage: 'licence', source: 'prose', rule: 'licence-missing', licence: null, documents: 94, bytes: 210_000 },
      { stage: 'dedup', source: 'code', rule: 'duplicate', licence: null, documents: 88, bytes: 400_500 },
    ],
    metrics: {
      batch_tokens: 2048,
      step: steps,
      tokens: steps.map((step) => step * 2048),
      loss: steps.map((step) => (lossAt(step, floors[0]!) * 2 + lossAt(step, floors[1]!) + lossAt(step, floors[2]!)) / 4),
      grad_norm: steps.map((step) => 0.5 + 4 * Math.exp(-step / 40) + 0.2 * Math.abs(noise(step)) + (step === 300 ? 3 : 0)),
      learning_rate: steps.map((step) => (step < 20 ? (0.003 * step) / 20 : 0.0003 + 0.00135 * (1 + Math.cos((Math.PI * (step - 20)) / 500)))),
      sources: sources.map((id, source) => ({
        id,
        loss: steps.map((step) => (source === 2 && step % 11 === 3 ? null : lossAt(step, floors[source]!))),
      })),
    },
    checkpoints: marks.map((step, index) => ({
      step,
      tokens: step * 2048,
      state_digest: digest(`state${step}`),
      commitment: digest(`commitment${step}`),
      parent: index === 0 ? null : digest(`commitment${marks[index - 1]}`),
      tensors: 117,
      bytes: 37_764_096,
    })),
    segments: marks.slice(1).map((to, index) => ({
      index,
      from: marks[index]!,
      to,
      tokens: (to - marks[index]!) * 2048,
      commitment: digest(`commitment${to}`),
      verdict: to === 120 || to === 260 ? 'bitwise_equal' : null,
    })),
    evaluations: marks.map((step) => ({
      step,
      path: `evals/${String(step).padStart(6, '0')}/held_out.json`,
      digest: digest(`eval${step}`),
      scores: sources
        .map((source, index) => ({
          source,
          bits_per_byte: 0.9 + index * 0.35 + 2.5 * Math.exp(-Math.pow(step / 70, 0.6)),
          bytes: 120_000 - index * 30_000,
          tokens: 33_000 - index * 8_000,
          documents: 31 - index * 9,
        }))
        .filter((score) => !(score.source === 'prose' && step === 160)),
    })),
    samples: [0, 200, 520].map((step) => ({
      step,
      path: `evals/${String(step).padStart(6, '0')}/samples.json`,
      digest: digest(`samples${step}`),
      decoding: 'greedy',
      samples: [
        { prompt: 'pub fn ', continuation: step === 0 ? 'ŤŤŤŤ qqqq' : 'new(value: T) -> Self {\n        Self { value }\n    }\n\n    /// Returns a reference to the', tokens: 32 },
        { prompt: 'This crate provides ', continuation: step === 0 ? '' : 'a <img src=x onerror=alert(1)> way to use the type system to ensure that the value is a valid', tokens: 32 },
        { prompt: 'In Rust, ownership ', continuation: 'is a set of rules that govern how a Rust program manages memory. The “é” is two bytes.', tokens: 32 },
      ],
      verbatim:
        step === 520
          ? {
              method: 'every run of tokens of a continuation that stands, token for token, in a row of the training sequence; the longest from each starting point, none inside another',
              minimum_tokens: 8,
              stretches: [
                { sample: 2, start: 0, text: 'is a set of rules that govern how a Rust program manages memory.', tokens: 19, match_count: 4, matches: [{ doc: 4511, source: 'rust-docs', source_doc_id: 'book/ch04-01-what-is-ownership.html', licence: 'MIT OR Apache-2.0', step: 88, slot: 3 }, { doc: 4511, source: 'rust-docs', source_doc_id: 'book/ch04-01-what-is-ownership.html', licence: 'MIT OR Apache-2.0', step: 301, slot: 7 }] },
                { sample: 0, start: 0, text: 'new(value: T) -> Self {\n        Self { value }\n    }', tokens: 14, match_count: 1, matches: [{ doc: 77, source: 'code', source_doc_id: 'evil-</script><script>alert(2)</script>-1.0.0/src/lib.rs', licence: 'MIT', step: 12, slot: 0 }] },
                { sample: 2, start: 65, text: 'The “é” is', tokens: 8, match_count: 1, matches: [{ doc: 78, source: 'prose', source_doc_id: 'accents-0.1.0/README.md', licence: 'MIT', step: 13, slot: 1 }] },
              ],
            }
          : null,
    })),
    replays: [
      { path: 'attestations/replay-000080-000120-1.json', digest: digest('r1'), from: 80, to: 120, steps: 40, verdict: 'bitwise_equal', bound: null, first_divergence: null, profile: 'f32-v1', threads: 1, micro_batch: 8, isa: 'avx2', seconds: 14.2, tokens_per_second: 5769, chosen: 'random', program: { name: 'glasswork', version: '0.1.0', source_digest: digest('source') } },
      { path: 'attestations/replay-000200-000260-1.json', digest: digest('r2'), from: 200, to: 260, steps: 60, verdict: 'bitwise_equal', bound: null, first_divergence: null, profile: 'f32-v1', threads: 1, micro_batch: 8, isa: 'avx2', seconds: 21.4, tokens_per_second: 5742, chosen: 'named', program: { name: 'glasswork', version: '0.1.0', source_digest: digest('source') } },
    ],
    fault_drill: { path: 'attestations/fault-drill.json', digest: digest('fd'), fault: 'one bit of one optimizer tensor', file: 'checkpoints/step-000200/optimizer.safetensors', offset: 1_822_040, bit: 3, step: 200, tensor: 'optimizer.v.model.layers.1.mlp.up_proj.weight', found: true, named_file: 'checkpoints/step-000200/optimizer.safetensors', named_step: 200, named_tensor: 'optimizer.v.model.layers.1.mlp.up_proj.weight', seconds: 0.8 },
    incidents: [],
    files: [...new Map(files.map((item) => [item.path, item])).values()].map((item) => ({
      path: item.path,
      bytes: 1000 + item.path.length * 977,
      digest: item.digest ?? digest('?'),
      core: !/^(evals|attestations)\//.test(item.path),
    })),
    refused: [{ path: 'evals/000520/strange.json', reason: 'speaks of another checkpoint' }],
  };
}
