import type { SeededRandom } from '../runtime/seeded-random.ts'

/** Chance that the run's seed decides: `fraction()` in [0, 1), `integer(min, max)` with both ends in it. */
export type ChaosRandom = Pick<SeededRandom, 'fraction' | 'integer'>

/** A record for the job's topic. */
export interface ChaosRecord {
  /** Bytes and strings are sent as they are, null is a tombstone, anything else is sent as its JSON. */
  readonly value: unknown
  /** As `value`. Records of one key go to one partition. @default no key: partitions by turns */
  readonly key?: unknown
  /** @default by key, or by turns */
  readonly partition?: number
  /** @default the job's first topic */
  readonly topic?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds since 1970. @default now */
  readonly timestamp?: number
}

/** What must be in the tables, by another way than the job's own: for what no table check of oncesink knows. */
export interface ChaosCheck {
  /** How it is named in the report. */
  readonly name: string
  /** One SELECT on the job's database. */
  readonly query: string
  /**
   * The rows that the query must give, in any order. Values are compared as text.
   * @param records what the topics hold below the stored positions, in order of topic, partition and offset
   */
  readonly expected: (records: readonly CheckedRecord[]) => Iterable<Readonly<Record<string, unknown>>>
}

export interface CheckedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Null of a tombstone. */
  readonly value: Buffer | null
  readonly key: Buffer | null
  /** The value's JSON. @throws SyntaxError where it is none */
  json(): unknown
}

/**
 * What a chaos run has to know about a job: the default export of the file beside the job's that is named like it
 * (`job.ts`, `job.chaos.ts`), or of the file that `--spec` names. Everything has a default.
 */
export interface ChaosSpec {
  /**
   * Makes the `n`-th record (from 0). The same seed makes the same records.
   * @default JSON objects with the fields that the job decodes by `fields({ ... })`
   */
  readonly records?: (n: number, random: ChaosRandom) => ChaosRecord
  /**
   * Makes a record that the job cannot process, for the nemesis `poison`. @default a value that is no JSON
   */
  readonly poison?: (n: number, random: ChaosRandom) => ChaosRecord
  /**
   * SQL file that creates the job's tables, relative to this file; one for all engines, or one for each.
   * @default `tables.<engine>.sql` or `tables.sql` beside the job's file, where there is one; sinks with `createTable`
   *   need none
   */
  readonly tables?: string | Readonly<Partial<Record<'postgres' | 'mysql' | 'mariadb', string>>>
  /** Topics for a job that reads a `topicPattern`. */
  readonly topics?: readonly string[]
  /** @default 4, from 1 */
  readonly partitions?: number
  readonly checks?: readonly ChaosCheck[]
  /** Environment of the job's processes, beside DATABASE_URL and KAFKA_BROKERS, which are those of the run. */
  readonly env?: Readonly<Record<string, string>>
}

/** The names of everything that a spec may hold. */
export const specOptions = ['records', 'poison', 'tables', 'topics', 'partitions', 'checks', 'env'] as const
