import { argv, exit, stdout } from 'node:process'
import { asError, OncesinkError } from '../../src/errors.ts'
import { topicPartitionKey } from '../../src/model/topic-partition.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createKafkaGroup } from '../../src/source/kafka/group/kafka-group.ts'
import { createKafkaSource } from '../../src/source/kafka/kafka-source.ts'
import { type KafkaOptions, kafka } from '../../src/source/kafka/options.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'

/*
 * A process that is a member of a group and does nothing else. It takes its changes at once, prints each as a line of
 * JSON, and ends with the exit code of the error that ends it. What it is to do is its argument, as JSON.
 */

export interface MemberOptions {
  readonly group: string
  readonly source: Pick<KafkaOptions, 'brokers'> & Partial<KafkaOptions>
  /** The pattern of topics, which JSON cannot say. */
  readonly topicPattern?: string
}

/** Names of partitions. */
export interface MemberLine {
  readonly gained: readonly string[]
  readonly lost: readonly string[]
}

const { group, source, topicPattern } = JSON.parse(argv[2] ?? '') as MemberOptions
const say = (line: MemberLine) => stdout.write(`${JSON.stringify(line)}\n`)
const fail = (thrown: unknown): never => {
  const error = asError(thrown)
  stdout.write(`${JSON.stringify({ failed: error.message })}\n`)
  exit(error instanceof OncesinkError ? error.exitCode : 1)
}

const plan = kafka({
  assignment: 'group',
  ...source,
  ...(topicPattern !== undefined && { topicPattern: new RegExp(topicPattern) }),
})
const [runtime, events] = [systemRuntime, new EventBus<JobEvents>()]
const reader = createKafkaSource(plan, { runtime, events, maxBufferedBytes: 1e6 })
const membership = createKafkaGroup(plan, {
  job: group,
  group,
  database: () => Promise.resolve('one'),
  source: reader,
  runtime,
  events,
})
membership.onChange(() => {
  try {
    const { gained, lost } = membership.takeChanges()
    say({ gained: gained.map(topicPartitionKey), lost: lost.map(topicPartitionKey) })
  } catch (error) {
    fail(error)
  }
})
try {
  await reader.open()
  say({ gained: (await membership.start()).map(topicPartitionKey), lost: [] })
} catch (error) {
  fail(error)
}
