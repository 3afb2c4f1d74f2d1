import type {
  ColumnDescription,
  Connection,
  DeadLetterRow,
  Dialect,
  JobRow,
  TableDescription,
  Transaction,
} from '../../../src/database/dialect.ts'
import { columnHolds, cureWords } from '../../../src/database/postgres/column-class.ts'
import type { Job } from '../../../src/job/job.ts'
import type { TopicPartition } from '../../../src/model/topic-partition.ts'
import { topicPartitionKey } from '../../../src/model/topic-partition.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { type PlainRecord, segmentFromRecords } from '../../../src/source/record-segment.ts'
import type { FetchedRange, SeekPosition, Source, TakeLimits } from '../../../src/source/source.ts'
import type { History } from './histories.ts'

/** The parts of a port that the checker uses; anything else it touched would fail loudly. */
function partOf<T extends object>(part: Partial<T>): T {
  return new Proxy(part, {
    get(target, name) {
      // A promise that resolves with the part asks whether it is one itself.
      if (name in target || name === 'then') return Reflect.get(target, name)
      throw new Error(`the checker is not expected to use ${String(name)}`)
    },
  }) as T
}

export interface FakeLog {
  readonly source: Source
  /** What the checker did: `seek orders/0 5`, `drop orders/0`. */
  readonly calls: string[]
}

/**
 * A topic `orders` in memory. Offsets without a record are markers or compacted.
 * @param partitions records by partition number
 * @param chunk offsets that one take returns per partition
 */
export function fakeLog(
  partitions: readonly (readonly PlainRecord[])[],
  { low = 0, high = 1_000, chunk = 7, topicId = 'topic-id' } = {},
): FakeLog {
  const positions = new Map<string, SeekPosition>()
  const calls: string[] = []
  const take = async (limits: TakeLimits): Promise<FetchedRange[]> =>
    [...positions.values()].flatMap((position) => {
      const bound = limits.until?.get(topicPartitionKey(position)) ?? BigInt(high)
      const end = position.nextOffset + BigInt(chunk)
      const until = end < bound ? end : bound
      if (until <= position.nextOffset) return []
      const { topic, partition, nextOffset: from } = position
      const records = (partitions[partition] ?? []).filter(({ offset }) => offset >= from && offset < until)
      positions.set(topicPartitionKey(position), { ...position, nextOffset: until })
      const slices = [
        { segment: segmentFromRecords(topic, partition, records), begin: 0, end: records.length },
      ]
      return [
        {
          range: { topic, partition, from, until },
          records: records.length,
          bytes: 0,
          slices,
          leaderEpoch: 0,
        },
      ]
    })
  const source = partOf<Source>({
    open: async () => {},
    close: async () => void calls.push('close'),
    describe: async () => ({
      clusterId: 'cluster',
      topics: [{ topic: 'orders', topicId, partitions: partitions.length, byPattern: false }],
    }),
    watermarks: async (asked: readonly TopicPartition[]) =>
      asked.map((tp) => ({ ...tp, low: BigInt(low), high: BigInt(high), lastStable: BigInt(high) })),
    seek: async (seeks) => {
      for (const seek of seeks) {
        positions.set(topicPartitionKey(seek), seek)
        calls.push(`seek ${topicPartitionKey(seek)} ${seek.nextOffset}`)
      }
    },
    drop: (dropped) => {
      for (const tp of dropped) {
        positions.delete(topicPartitionKey(tp))
        calls.push(`drop ${topicPartitionKey(tp)}`)
      }
    },
    take,
  })
  return { source, calls }
}

export interface FakeTable {
  readonly columns: readonly (Pick<ColumnDescription, 'name' | 'type'> & { readonly hasDefault?: boolean })[]
  /** Texts by column name. */
  readonly rows: readonly Readonly<Record<string, string | null>>[]
}

export function describeFake(name: string, table: FakeTable): TableDescription {
  return {
    qualifiedName: `"${name}"`,
    kind: 'table',
    columns: table.columns.map(({ name: column, type, hasDefault = false }) => ({
      name: column,
      type,
      nullable: true,
      hasDefault,
      generated: false,
      ...columnHolds(type, type.startsWith('numeric') ? 2 : null),
    })),
    uniqueKeys: [],
    alsoMatching: [],
    warnings: [],
    missingPrivileges: [],
    words: cureWords,
  }
}

export function fakeSnapshot(
  history: History,
  tables: Readonly<Record<string, FakeTable>>,
  jobRow: JobRow | null,
  deadLetters: readonly DeadLetterRow[] = [],
): Transaction {
  return partOf<Transaction>({
    readJob: async () => jobRow,
    readPositions: async () => history.positions,
    readLedger: async () => history.ledger,
    listDeadLetters: async (_, { after }) => (after ? [] : [...deadLetters]),
    async *readTable(table: string, columns: readonly string[]) {
      for (const row of tables[table]?.rows ?? []) yield columns.map((column) => row[column] ?? null)
    },
    rollback: async () => {},
  })
}

export interface FakeDatabase {
  readonly history: History
  readonly tables: Readonly<Record<string, FakeTable>>
  readonly jobRow?: JobRow | null
  readonly deadLetters?: readonly DeadLetterRow[]
  readonly schemaVersion?: number
}

export function fakeDialect({
  history,
  tables,
  jobRow = null,
  deadLetters = [],
  schemaVersion = 1,
}: FakeDatabase): Dialect {
  const connection = partOf<Connection>({
    schemaVersion: async () => schemaVersion,
    pendingMigrations: async () => [],
    describeTable: async (name) => {
      const table = tables[name]
      return table ? describeFake(name, table) : null
    },
    begin: async () => fakeSnapshot(history, tables, jobRow, deadLetters),
    close: async () => {},
  })
  return {
    engine: 'postgres',
    connect: async () => connection,
    migrationScript: async () => '',
    createTableText: () => '',
  }
}

export function fakeJob(...pipelines: readonly Pipeline[]): Job {
  const [first] = pipelines
  if (!first) throw new Error('a job has a pipeline')
  const job = {
    name: 'orders-by-item',
    database: { engine: 'postgres' },
    root: first.plan.root,
    pipelines: pipelines.map(({ plan }) => plan),
    trigger: { intervalMs: 0 },
    limits: {
      maxRecordsPerBatch: 1,
      maxBytesPerBatch: 1,
      maxBufferedBytes: 1,
      shutdownTimeoutMs: 1,
      startupTimeoutMs: 1,
    },
    poison: { kind: 'fail' },
    codeVersion: '1',
    ledger: { retentionMs: 1, digest: false },
  }
  return job as unknown as Job
}
