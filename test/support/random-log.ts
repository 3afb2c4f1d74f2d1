import type { SeededRandom } from '../../src/runtime/seeded-random.ts'
import type { JavaClient, JavaRecord, Settings } from './java-client.ts'

export interface RandomLogOptions {
  readonly topic: string
  /** How many times a producer is picked to write a batch. */
  readonly rounds: number
  /** Number of distinct keys besides null and the empty one. */
  readonly keys: number
  /** Whether records may come without a key; a compacted topic refuses those. */
  readonly nullKeys: boolean
  /** Whether some producers are transactional. */
  readonly transactions: boolean
}

/** A producer and what it does to the log. */
interface Writer {
  readonly name: string
  readonly codec: string
  readonly kind: 'plain' | 'idempotent' | 'transactional'
}

/** What a log was made of, to see that a seed has made something of everything. */
export interface LogContents {
  records: number
  commits: number
  aborts: number
}

/** Every client compresses by another codec, so that neighbouring batches differ. */
const writers: readonly Writer[] = [
  { name: 'plain', codec: 'none', kind: 'plain' },
  { name: 'zipped', codec: 'gzip', kind: 'idempotent' },
  { name: 'tx-snappy', codec: 'snappy', kind: 'transactional' },
  { name: 'tx-lz4', codec: 'lz4', kind: 'transactional' },
  { name: 'tx-zstd', codec: 'zstd', kind: 'transactional' },
  { name: 'tx-none', codec: 'none', kind: 'transactional' },
]

const headerNames = ['a', 'b', '', 'ü😀', '__proto__']

/**
 * Lets the Java client write a log: batches of random sizes by several producers, whose transactions interleave and
 * end in commits and aborts at random. All of them have ended when it resolves.
 */
export async function writeRandomLog(
  java: JavaClient,
  brokers: readonly string[],
  random: SeededRandom,
  options: RandomLogOptions,
): Promise<LogContents> {
  const { topic, transactions } = options
  const taking = writers
    .map((writer) => (transactions || writer.kind !== 'transactional' ? writer : asIdempotent(writer)))
    .map((writer) => ({ ...writer, name: `${topic} ${writer.name}` }))
  for (const writer of taking) await java.producer(writer.name, settingsOf(writer, brokers))
  const startedAtMs = Date.now()
  const open = new Set<string>()
  const contents: LogContents = { records: 0, commits: 0, aborts: 0 }
  const end = async (name: string) => {
    open.delete(name)
    const aborts = random.fraction() < 0.5
    contents[aborts ? 'aborts' : 'commits'] += 1
    await (aborts ? java.abort(name) : java.commit(name))
  }
  for (let round = 0; round < options.rounds; round++) {
    // Each has its turn, so that no codec is missing.
    const { name, kind } = taking[round] ?? pick(random, taking)
    if (kind === 'transactional' && !open.has(name)) {
      open.add(name)
      await java.begin(name)
    }
    const size = random.fraction() < 0.3 ? 1 : random.integer(1, 7)
    for (let n = 0; n < size; n++) {
      await java.send(name, randomRecord(random, options, startedAtMs + contents.records * 1000))
      contents.records += 1
    }
    await java.flush(name)
    if (open.has(name) && random.fraction() < 0.4) await end(name)
  }
  for (const name of open) await end(name)
  const [plain, idempotent] = taking
  if (plain === undefined || idempotent === undefined) throw new Error('two producers end the log')
  // The last batch of a producer that numbers its batches is kept for that, though its only record is superseded. The
  // last record is far enough from the others to begin a segment, of its own, and not too far for the broker.
  const endings = [
    [idempotent.name, contents.records * 1000],
    [plain.name, contents.records * 1000],
    [plain.name, 1_800_000],
  ] as const
  for (const [name, afterMs] of endings) {
    await java.send(name, { ...closing, topic, timestampMs: startedAtMs + afterMs })
    await java.flush(name)
    contents.records += 1
  }
  return contents
}

const closing = { partition: 0, key: Buffer.from('closing'), value: null, headers: [] }

function asIdempotent(writer: Writer): Writer {
  return { ...writer, kind: 'idempotent' }
}

function settingsOf({ name, codec, kind }: Writer, brokers: readonly string[]): Settings {
  return {
    'bootstrap.servers': brokers.join(),
    'compression.type': codec,
    // A batch ends when the test says so.
    'linger.ms': 60_000,
    'delivery.timeout.ms': 120_000,
    'enable.idempotence': String(kind !== 'plain'),
    ...(kind === 'transactional' && { 'transactional.id': name }),
  }
}

function randomRecord(random: SeededRandom, options: RandomLogOptions, aboutMs: number): JavaRecord {
  const { topic, keys, nullKeys } = options
  // They rise by and large, so that segments end by time, but not from record to record.
  const timestampMs = aboutMs + random.integer(-3000, 3000)
  const headers = Array.from({ length: random.fraction() < 0.5 ? 0 : random.integer(1, 4) }, () => {
    const kind = random.fraction()
    const value = kind < 0.2 ? null : kind < 0.4 ? new Uint8Array() : randomBytes(random, 20)
    return [pick(random, headerNames), value] as const
  })
  return {
    topic,
    partition: 0,
    timestampMs,
    key: randomKey(random, keys, nullKeys),
    value: randomValue(random),
    headers,
  }
}

function randomKey(random: SeededRandom, keys: number, nullKeys: boolean): Uint8Array | null {
  const kind = random.fraction()
  if (nullKeys && kind < 0.2) return null
  if (kind < 0.25) return new Uint8Array()
  // What the key of an abort marker begins with.
  if (kind < 0.3) return new Uint8Array(4)
  return Buffer.from(`key ${random.integer(1, keys)}`)
}

function randomValue(random: SeededRandom): Uint8Array | null {
  const kind = random.fraction()
  if (kind < 0.15) return null
  if (kind < 0.2) return new Uint8Array()
  if (kind < 0.25) return Buffer.from('repeated '.repeat(random.integer(100, 600)))
  return randomBytes(random, kind < 0.3 ? 4000 : 120)
}

function randomBytes(random: SeededRandom, most: number): Uint8Array {
  return Uint8Array.from({ length: random.integer(1, most) }, () => random.integer(0, 255))
}

function pick<T>(random: SeededRandom, items: readonly T[]): T {
  const item = items[random.integer(0, items.length - 1)]
  if (item === undefined) throw new Error('there is nothing to pick')
  return item
}
