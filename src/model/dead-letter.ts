import type { RecordMeta } from './record-meta.ts'

/** Why a record cannot be part of the job's results. */
export interface PoisonCause {
  /** `JOB_FUNCTION_FAILED`: a function of the job; `ROWS_REJECTED`: the database, when the record stood alone. */
  readonly code: 'JOB_FUNCTION_FAILED' | 'ROWS_REJECTED'
  /** Which part of the job: `decoder 'json'`, `filter (step 1)`, `key 'item'`, `aggregate 'revenue'`, `sink`. */
  readonly stage: string
  /** One sentence; at most {@link MAX_MESSAGE_CHARACTERS}. */
  readonly message: string
  /** Where in the job's own code, when something was thrown there; at most {@link MAX_STACK_CHARACTERS}. */
  readonly stack: string | null
}

/**
 * A record that was left out of its batch, as it is kept in the database. Key, value and headers are copies, cut to
 * the limits below; the record itself stays in the topic for as long as retention leaves it there.
 */
export interface DeadLetter extends Pick<RecordMeta, 'topic' | 'partition' | 'offset' | 'timestampMs'> {
  readonly key: KeptBytes | null
  readonly value: KeptBytes | null
  /** In the record's order; a name may occur several times. */
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[]
  /** Whether key, value or headers are not whole. */
  readonly truncated: boolean
  readonly cause: PoisonCause
}

/** The first bytes of something, and how long it is. */
export interface KeptBytes {
  readonly bytes: Uint8Array
  readonly length: number
}

/** Bytes of a value that are kept: 1 MiB, about as much as brokers take in one record unless told otherwise. */
export const MAX_VALUE_BYTES = 2 ** 20
/** Bytes of a key that are kept: 64 KiB. */
export const MAX_KEY_BYTES = 2 ** 16
/** Bytes of names and values of headers that are kept: 64 KiB. What does not fit whole, and all after it, is left out. */
export const MAX_HEADER_BYTES = 2 ** 16
export const MAX_MESSAGE_CHARACTERS = 2_000
export const MAX_STACK_CHARACTERS = 8_000

/** When a job goes on past a record that it cannot process. See `deadLetter()`. */
export type PoisonPolicy = { readonly kind: 'fail' } | DeadLetterPolicy

export interface DeadLetterPolicy {
  readonly kind: 'deadLetter'
  /** Dead letters of one micro-batch, with all batches that it is bisected into. */
  readonly maxPerBatch: number
  /** Dead letters of the job in the last {@link windowMs}, by the database's clock. */
  readonly maxPerWindow: number
  readonly windowMs: number
}
