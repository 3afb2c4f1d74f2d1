import { OncesinkError } from '../errors.ts'
import { nearestWord } from '../model/nearest-word.ts'
import { failureCode, type Life, lastWords } from './life/life.ts'
import { needsCluster, nemeses } from './nemeses/index.ts'
import { pause, until } from './nemeses/wait.ts'
import type { Nemesis } from './nemesis.ts'
import { positionsOf } from './positions.ts'
import { kafkaClient } from './stream.ts'
import type { World } from './world.ts'

/*
 * What a job must not survive: when the log no longer has what comes next, it halts and says what is lost, and its
 * positions stay where they are. These come last, when everything else was proven, for nothing can be computed again
 * afterwards.
 */

export interface Ending {
  readonly name: string
  readonly title: string
  /**
   * Harms the log, and looks at what the job does.
   * @returns what it did wrong; null where it halted as it must
   */
  readonly run: (world: World) => Promise<string | null>
}

/** How long the job may take to begin, and to halt, in milliseconds. */
const BEGIN_MS = 40_000
const HALT_MS = 40_000
const BURST_RECORDS = 400
/** Longer than a broker holds a fetch: what is asked for by then is answered without the records that follow. */
const QUIET_MS = 1_500

const retention: Ending = {
  name: 'retention',
  title: 'retention deletes records that were not read yet: the job must halt with the lost range',
  async run(world) {
    const { lives, stream, history } = world
    lives.wake()
    if (!(await until(world, () => lives.working.length > 0, BEGIN_MS))) return 'no process came up before it'
    await stream.start()
    stream.hold()
    await pause(world, QUIET_MS)
    lives.rest()
    const asleep = lives.alive
    for (const life of asleep) life.signal('SIGSTOP')
    await pause(world, QUIET_MS)
    await stream.burst(BURST_RECORDS)
    await stream.stop()
    const before = await positionsOf(world)
    const [topic] = stream.topics
    const cut = await cutLog(world, topic ?? '', before)
    if (cut === null) return 'no partition had records that were not read'
    const lost = `[${cut.from}, ${cut.low})`
    history.fault('retention', `${cut.name} ${lost} was deleted before it was read`)
    for (const life of asleep) life.signal('SIGCONT')
    return halted(world, asleep, ['OFFSET_OUT_OF_RANGE'], async (words) => {
      const now = (await positionsOf(world)).get(cut.name)
      if (now !== cut.from)
        return `the position of ${cut.name} moved from ${cut.from} to ${now} over what was lost`
      return words.includes(lost) ? null : `it halted without naming the lost range ${lost}: ${words}`
    })
  },
}

const recreated: Ending = {
  name: 'recreated',
  title: 'a topic is deleted and made again under its name: the job must halt',
  async run(world) {
    const { lives, stream, history } = world
    await lives.killAll()
    const before = await positionsOf(world)
    const [topic = ''] = stream.topics
    const admin = kafkaClient(world.kafka.brokers).admin()
    await admin.connect()
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      const numPartitions = topics[0]?.partitions.length ?? 1
      await admin.deleteTopics({ topics: [topic] })
      await until(world, async () => !(await admin.listTopics()).includes(topic), 15_000)
      await admin.createTopics({
        waitForLeaders: false,
        topics: [{ topic, numPartitions, replicationFactor: world.kafka.cluster?.nodes.length ?? 1 }],
      })
      await until(world, () => hasLeaders(admin, topic, numPartitions), 15_000)
    } finally {
      await admin.disconnect()
    }
    await stream.start()
    stream.hold()
    await stream.burst(BURST_RECORDS)
    await stream.stop()
    history.fault('recreated', `topic ${topic} was deleted and made again`)
    lives.wake()
    lives.rest()
    return halted(world, lives.alive, ['TOPIC_RECREATED'], async () => {
      const now = await positionsOf(world)
      const moved = [...before].find(([name, offset]) => now.get(name) !== offset)
      return moved ? `the position of ${moved[0]} moved from ${moved[1]} to ${now.get(moved[0])}` : null
    })
  },
}

export const endings: readonly Ending[] = [retention, recreated]

/** What a run injects. */
export interface ChosenFaults {
  readonly nemeses: readonly Nemesis[]
  readonly endings: readonly Ending[]
}

/**
 * @param names those that are wanted, or `all`; by default all that one broker is enough for
 * @throws OncesinkError CONFIGURATION_INVALID for a name that there is not
 */
export function chooseFaults(names?: readonly string[]): ChosenFaults {
  if (names === undefined) {
    return { nemeses: nemeses.filter((nemesis) => !needsCluster([nemesis])), endings }
  }
  if (names.includes('all')) return { nemeses, endings }
  const known = [...nemeses, ...endings].map(({ name }) => name)
  for (const name of names) {
    if (known.includes(name)) continue
    const meant = nearestWord(name, known)
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `there is no fault '${name}'${meant === null ? '' : `; is '${meant}' meant?`} There are: ${known.join(', ')}, all`,
    )
  }
  return {
    nemeses: nemeses.filter(({ name }) => names.includes(name)),
    endings: endings.filter(({ name }) => names.includes(name)),
  }
}

/** The first of `lives` that ends must do so by one of `codes`, and then `look` must find nothing wrong. */
async function halted(
  world: World,
  lives: readonly Life[],
  codes: readonly string[],
  look: (words: string) => Promise<string | null>,
): Promise<string | null> {
  for (const life of lives) world.lives.expectEnd(life)
  const ended = () => lives.find(({ end }) => end !== null)?.end ?? null
  await until(world, () => ended() !== null, HALT_MS)
  const end = ended()
  await world.lives.killAll()
  if (end === null) return `it did not halt within ${HALT_MS / 1_000} s`
  const code = failureCode(end)
  if (code === null || !codes.includes(code)) {
    return `it ended otherwise (${end.signal ?? `exit code ${end.code}`}): ${lastWords(end)}`
  }
  return look(lastWords(end))
}

type Admin = ReturnType<ReturnType<typeof kafkaClient>['admin']>

/** Brokers learn of a new topic one after another. */
async function hasLeaders(admin: Admin, topic: string, count: number): Promise<boolean> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const partitions = topics[0]?.partitions ?? []
    return partitions.length === count && partitions.every(({ leader }) => leader >= 0)
  } catch {
    return false
  }
}

interface Cut {
  /** `topic/partition`. */
  readonly name: string
  readonly from: number
  readonly low: number
}

/** Deletes records past the position of the first partition that has some. */
async function cutLog(
  world: World,
  topic: string,
  positions: ReadonlyMap<string, number>,
): Promise<Cut | null> {
  const admin = kafkaClient(world.kafka.brokers).admin()
  await admin.connect()
  try {
    const ends = await admin.fetchTopicOffsets(topic)
    for (const { partition, high } of ends) {
      const from = positions.get(`${topic}/${partition}`) ?? 0
      const low = Number(high) - 1
      if (low <= from) continue
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(low) }] })
      return { name: `${topic}/${partition}`, from, low }
    }
    return null
  } finally {
    await admin.disconnect()
  }
}
