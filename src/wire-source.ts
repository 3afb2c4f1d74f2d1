import { OncesinkError } from './errors.ts'
import type { Job } from './job/job.ts'
import type { Runtime } from './runtime/runtime.ts'
import { createKafkaSource } from './source/kafka/kafka-source.ts'
import type { KafkaSourcePlan } from './source/kafka/options.ts'
import type { Source } from './source/source.ts'
import type { JobEventBus } from './telemetry/events.ts'

/*
 * The part of wire.ts that worker threads need too: whoever loads wire.ts loads every database client.
 */

/**
 * The job's source.
 * @param maxBufferedBytes default: all that the job may buffer; one of several readers gets its part
 */
export function createSource(
  job: Job,
  runtime: Runtime,
  events: JobEventBus,
  maxBufferedBytes = job.limits.maxBufferedBytes,
): Source {
  return createKafkaSource(kafkaPlan(job), { runtime, events, maxBufferedBytes })
}

export function kafkaPlan(job: Job): KafkaSourcePlan {
  const { source } = job.root
  if (source.kind === 'kafka') return source as KafkaSourcePlan
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `source '${source.kind}' is not supported: use kafka({ brokers, topics }) from 'oncesink'`,
  )
}
