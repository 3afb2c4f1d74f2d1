import { type ErrorCode, OncesinkError, type RecordCoordinates } from '../../errors.ts'
import { describeValue } from '../../model/excerpt.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import { type PositionLoss, PositionLost } from '../../source/position-lost.ts'

/** Causes of causes that are kept. */
const MAX_CAUSES = 5

/** An error on its way to another thread: a structured clone keeps neither its class nor its code. */
export interface EncodedError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** Null for what is no OncesinkError. */
  readonly code: ErrorCode | null
  readonly record: RecordCoordinates | undefined
  readonly partition: TopicPartition | undefined
  readonly ofBatch: boolean
  readonly loss: PositionLoss | null
  readonly cause: EncodedError | null
}

export function encodeError(thrown: unknown, depth = 0): EncodedError {
  const isError = thrown instanceof Error
  const error = isError ? thrown : new Error(`it threw ${describeValue(thrown)}`)
  const own = error instanceof OncesinkError ? error : null
  const hasCause = error.cause !== undefined && error.cause !== null && depth < MAX_CAUSES
  return {
    name: error.name,
    message: error.message,
    stack: isError ? error.stack : undefined,
    code: own?.code ?? null,
    record: own?.record && coordinatesOf(own.record),
    partition: own?.partition && { topic: own.partition.topic, partition: own.partition.partition },
    ofBatch: own?.ofBatch ?? false,
    loss: error instanceof PositionLost ? { ...error.loss } : null,
    cause: hasCause ? encodeError(error.cause, depth + 1) : null,
  }
}

/** The record itself may be whole. */
function coordinatesOf({ topic, partition, offset }: RecordCoordinates): RecordCoordinates {
  return { topic, partition, offset }
}

export function decodeError(encoded: EncodedError): Error {
  const error = revive(encoded)
  // The stack of the thread in which it was thrown says more than that of its arrival.
  if (encoded.stack !== undefined) error.stack = encoded.stack
  return error
}

function revive({ code, name, message, record, partition, ofBatch, loss, cause }: EncodedError): Error {
  const why = cause ? { cause: decodeError(cause) } : {}
  if (code === null) {
    const error = new Error(message, why)
    error.name = name
    return error
  }
  if (loss && partition && isLoss(code)) return new PositionLost(code, message, partition, loss)
  return new OncesinkError(code, message, {
    ...why,
    ofBatch,
    ...(record && { record }),
    ...(partition && { partition }),
  })
}

function isLoss(code: ErrorCode): code is ConstructorParameters<typeof PositionLost>[0] {
  return code === 'OFFSET_OUT_OF_RANGE' || code === 'LOG_TRUNCATED' || code === 'TOPIC_RECREATED'
}
