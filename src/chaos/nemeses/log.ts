import type { Producer } from 'kafkajs'
import type { SeededRandom } from '../../runtime/seeded-random.ts'
import type { Nemesis } from '../nemesis.ts'
import { kafkaClient } from '../stream.ts'
import type { World } from '../world.ts'
import { pause } from './wait.ts'

const PRODUCERS = 3
const STEPS = 14
const RECORDS = 25

/** Transactions whose records lie between each other's, some of them aborted: aborted records count for nothing. */
export const transactions: Nemesis = {
  name: 'transactions',
  title: 'transactional producers interleave, and some abort',
  realm: 'log',
  async inject(world, random) {
    const kafka = kafkaClient(world.kafka.brokers)
    const id = `${world.history.nowMs}-${random.integer(0, 2 ** 31)}`
    const producers = Array.from({ length: PRODUCERS }, (_, i) =>
      kafka.producer({ transactionalId: `chaos-${id}-${i}`, idempotent: true, maxInFlightRequests: 1 }),
    )
    try {
      for (const producer of producers) await producer.connect()
      const ended = await interleave(world, producers, random)
      world.history.fault(
        'transactions',
        `${ended.committed} transactions committed and ${ended.aborted} aborted between each other's records`,
      )
    } finally {
      await Promise.all(producers.map((producer) => producer.disconnect().catch(() => {})))
    }
  },
}

async function interleave(world: World, producers: readonly Producer[], random: SeededRandom) {
  const open = new Map<Producer, Awaited<ReturnType<Producer['transaction']>>>()
  const ended = { committed: 0, aborted: 0 }
  const end = async (producer: Producer) => {
    const transaction = open.get(producer)
    if (!transaction) return
    open.delete(producer)
    const aborts = random.integer(0, 1) === 1 || (ended.aborted === 0 && ended.committed > 0)
    if (aborts) await transaction.abort()
    else await transaction.commit()
    ended[aborts ? 'aborted' : 'committed'] += 1
  }
  for (let step = 0; step < STEPS && !world.signal.aborted; step++) {
    const producer = producers[random.integer(0, producers.length - 1)]
    if (!producer) continue
    const transaction = open.get(producer) ?? (await producer.transaction())
    open.set(producer, transaction)
    for (const [topic, messages] of world.stream.next(random.integer(1, RECORDS))) {
      await transaction.send({ topic, messages })
    }
    if (random.integer(0, 2) === 0) await end(producer)
  }
  for (const producer of producers) await end(producer)
  return ended
}

export const poison: Nemesis = {
  name: 'poison',
  title: 'records that the job cannot process, which become dead letters',
  realm: 'log',
  unfit: ({ job }) =>
    job.poison.kind === 'deadLetter'
      ? null
      : "the job stops at a record that it cannot process (poison: 'fail'), as it should",
  async inject(world, random) {
    const count = random.integer(1, 3)
    await world.stream.poison(count)
    world.history.fault('poison', `${count} records that the job cannot process`)
    await pause(world, 300)
  },
}

/** Each one more costs every later rebalance something. */
const MOST_ADDED = 4

export const partitionsAdded: Nemesis = {
  name: 'partitions',
  title: 'a partition is added to a topic',
  realm: 'log',
  async inject(world) {
    if ((world.history.faults.get('partitions') ?? 0) >= MOST_ADDED) return
    const [topic] = world.stream.topics
    if (topic === undefined) return
    const admin = kafkaClient(world.kafka.brokers).admin()
    await admin.connect()
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      const count = (topics[0]?.partitions.length ?? 0) + 1
      await admin.createPartitions({ topicPartitions: [{ topic, count }] })
      await world.stream.widen(count)
      world.history.fault('partitions', `${topic} has ${count} partitions now`)
    } finally {
      await admin.disconnect()
    }
  },
}

/** Members beyond those that the job has anyway. */
const GUESTS = ['x', 'y', 'z']

export const rebalanceStorm: Nemesis = {
  name: 'rebalance',
  title: 'members join and leave the group, one after another',
  realm: 'process',
  unfit: ({ lives }) =>
    lives.members.includes(null) ? "the job has all partitions to itself (assignment: 'all')" : null,
  async inject(world, random) {
    const { lives, history } = world
    for (let step = 0; step < 4 && !world.signal.aborted; step++) {
      const guests = lives.members.filter((member) => GUESTS.includes(member ?? ''))
      const free = GUESTS.filter((name) => !lives.members.includes(name))
      const joins = guests.length === 0 || (free.length > 0 && random.integer(0, 1) === 0)
      if (joins) lives.join(free[random.integer(0, free.length - 1)] ?? 'x')
      else {
        const guest = guests[random.integer(0, guests.length - 1)] ?? null
        await lives.leave(guest)
      }
      history.fault(
        'rebalance',
        joins
          ? `a member joined, there are ${lives.members.length}`
          : `a member left, there are ${lives.members.length}`,
      )
      await pause(world, random.integer(200, 2_000))
    }
  },
  async heal({ lives }) {
    for (const guest of GUESTS) if (lives.members.includes(guest)) await lives.leave(guest)
  },
}
