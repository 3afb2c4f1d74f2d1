import type { BatchPlan, Executor } from '../executor/executor.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Strategy } from '../strategy/strategy.ts'
import type { BatchComputed } from './batch-in-flight.ts'
import { ChunkStream } from './chunk-stream.ts'
import type { Ownership } from './ownership.ts'
import { streamRanges } from './stream-ranges.ts'

interface StreamDeps {
  readonly runtime: Runtime
  readonly executor: Executor
  readonly strategy: Strategy
  readonly ownership: Ownership
}

/** What is computed before the batch is begun: all of it, or its first chunk. */
export function firstPart(plan: BatchPlan, strategy: Strategy): BatchPlan {
  if (strategy.unit !== 'stream') return plan
  const { maxRecords, maxBytes } = strategy.chunks
  return {
    ...plan,
    maxRecords: Math.min(plan.maxRecords, maxRecords),
    maxBytes: Math.min(plan.maxBytes ?? maxBytes, maxBytes),
  }
}

/**
 * The batch that begins with what was computed: its ranges are fixed now, the rest of it is still to be read. Null where
 * the strategy wants it computed first.
 * @param stop aborted when the job is to stop
 */
export function chunksOf(
  { runtime, executor, strategy, ownership }: StreamDeps,
  { plan, results: first }: BatchComputed,
  stop: AbortSignal,
): ChunkStream | null {
  if (strategy.unit !== 'stream') return null
  const { clock } = runtime
  const claims = ownership.readable()
  const ranges = streamRanges({ plan, first, claims, progress: executor.progress() })
  // Nothing is taken of others, whatever becomes of them meanwhile.
  const others = ownership.all().map((tp) => ({ ...tp, nextOffset: 0n }))
  const held = [...others, ...claims]
  return new ChunkStream({ executor, clock, limits: strategy.chunks, plan, ranges, first, held, stop })
}
