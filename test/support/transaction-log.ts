import fc from 'fast-check'
import { encodeBatch } from './record-batches.ts'

/** What producers do, one after another; a step of a producer without an open transaction begins one. */
export type Step =
  | { readonly producer: number; readonly act: 'send'; readonly records: number }
  | { readonly producer: number; readonly act: 'commit' | 'abort' }
  | { readonly producer: null }

export interface Transaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
  endOffset: number
  aborted: boolean
}

export interface LoggedBatch {
  readonly bytes: Buffer
  readonly baseOffset: number
  readonly nextOffset: number
  /** `null`: not transactional; `'marker'`: a control batch. */
  readonly of: Transaction | 'marker' | null
}

/** A log as a broker would keep it. Transactions that stay open end it: a reader sees nothing past them. */
export function writeLog(steps: readonly Step[]): { log: LoggedBatch[]; transactions: Transaction[] } {
  const open = new Map<number, Transaction>()
  const log: LoggedBatch[] = []
  const transactions: Transaction[] = []
  let offset = 0
  const append = (bytes: Buffer, count: number, of: LoggedBatch['of']) => {
    log.push({ bytes, baseOffset: offset, nextOffset: offset + count, of })
    offset += count
  }
  const records = (count: number) =>
    // A key of four zero bytes looks like an abort marker to a careless reader.
    Array.from({ length: count }, (_, i) => ({ offset: offset + i, key: '\0\0\0\0', value: 'v' }))
  const end = (producer: number, aborted: boolean) => {
    const transaction = open.get(producer)
    if (transaction === undefined) return
    open.delete(producer)
    transaction.endOffset = offset
    transaction.aborted = aborted
    const marker = aborted ? 'abort' : 'commit'
    append(
      encodeBatch({ baseOffset: offset, records: [], marker, producerId: transaction.producerId }),
      1,
      'marker',
    )
  }
  for (const step of steps) {
    if (step.producer === null) append(encodeBatch({ records: records(1) }), 1, null)
    else if (step.act === 'send') {
      const producerId = BigInt(step.producer)
      const transaction = open.get(step.producer) ?? {
        producerId,
        firstOffset: BigInt(offset),
        endOffset: Number.POSITIVE_INFINITY,
        aborted: false,
      }
      if (!open.has(step.producer)) transactions.push(transaction)
      open.set(step.producer, transaction)
      const batch = encodeBatch({ records: records(step.records), producerId, transactional: true })
      append(batch, step.records, transaction)
    } else end(step.producer, step.act === 'abort')
  }
  for (const producer of open.keys()) end(producer, true)
  return { log, transactions }
}

/** Few producers, so that a response often has the end of one transaction of a producer and the next one of it. */
const producer = fc.nat(1)
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      producer,
      act: fc.constant('send' as const),
      records: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ producer, act: fc.constantFrom('commit' as const, 'abort' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ producer: fc.constant(null) }) },
)

/** The aborted transactions that a broker names in a response to `[from, until)`. */
export function abortedWithin(
  transactions: readonly Transaction[],
  from: number,
  until: number,
): Transaction[] {
  return transactions.filter((t) => t.aborted && t.endOffset >= from && t.firstOffset < BigInt(until))
}
