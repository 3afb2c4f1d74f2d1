import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createKafkaGroup } from '../../src/source/kafka/group/kafka-group.ts'
import type { GroupMembership } from '../../src/source/kafka/group/membership.ts'
import { createKafkaSource } from '../../src/source/kafka/kafka-source.ts'
import { type KafkaOptions, kafka } from '../../src/source/kafka/options.ts'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { eventually } from './eventually.ts'
import type { MemberLine, MemberOptions } from './group-member-program.ts'

/** A member in this process, which takes its changes as a driver without anything in flight would. */
export interface TestMember {
  readonly membership: GroupMembership
  readonly events: EventBus<JobEvents>
  /** Names of the partitions that it has, sorted. */
  owned(): string[]
  /** Stops taking changes: as if a batch was in flight. */
  pause(): void
  close(): Promise<void>
}

export async function openMember(
  group: string,
  options: Pick<KafkaOptions, 'brokers'> & Partial<KafkaOptions>,
  { job = group, database = 'one' } = {},
  stop?: AbortSignal,
): Promise<TestMember> {
  const plan = kafka({ assignment: 'group', heartbeatIntervalMs: 200, metadataRefreshMs: 200, ...options })
  const [runtime, events] = [systemRuntime, new EventBus<JobEvents>()]
  const source = createKafkaSource(plan, { runtime, events, maxBufferedBytes: 1e6 })
  const membership = createKafkaGroup(plan, {
    job,
    group,
    database: () => Promise.resolve(database),
    source,
    runtime,
    events,
  })
  const close = async () => {
    await membership.stop()
    await source.close()
  }
  onTestFinished(close)
  const owned = new Map<string, TopicPartition>()
  const forget = membership.onChange(() => {
    const { gained, lost } = membership.takeChanges()
    for (const tp of lost) owned.delete(topicPartitionKey(tp))
    for (const tp of gained) owned.set(topicPartitionKey(tp), tp)
  })
  await source.open()
  for (const tp of await membership.start(stop)) owned.set(topicPartitionKey(tp), tp)
  return { membership, events, owned: () => [...owned.keys()].sort(), pause: forget, close }
}

/** A member in a process of its own, to be killed and stopped; it ends with the test at the latest. */
export class MemberProcess {
  /** Every change so far. */
  readonly changes: MemberLine[] = []
  /** Why it has failed. */
  failed: string | null = null
  readonly ended: Promise<number | null>
  readonly #owned = new Set<string>()
  readonly #child: ChildProcess

  constructor(options: MemberOptions) {
    const program = join(import.meta.dirname, 'group-member-program.ts')
    this.#child = spawn(process.execPath, ['--import', 'jiti/register', program, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void this.#child.kill('SIGKILL'))
    this.ended = once(this.#child, 'close').then(([code]) => code as number | null)
    if (this.#child.stdout)
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#hear(line))
  }

  #hear(line: string): void {
    const said = JSON.parse(line) as MemberLine | { readonly failed: string }
    if ('failed' in said) {
      this.failed = said.failed
      return
    }
    this.changes.push(said)
    for (const key of said.lost) this.#owned.delete(key)
    for (const key of said.gained) this.#owned.add(key)
  }

  owned(): string[] {
    return [...this.#owned].sort()
  }

  /** Resolves when it has joined. */
  async joined(): Promise<void> {
    await eventually(() => this.changes.length > 0)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}
