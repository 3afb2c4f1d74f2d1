import { setTimeout as sleep } from 'node:timers/promises'
import { positionsOf } from './positions.ts'
import { kafkaClient } from './stream.ts'
import type { World } from './world.ts'

const POLL_MS = 150

/** Resolves with true when every partition's position has reached the end of its log, with false after `boundMs`. */
export async function drained(world: World, boundMs: number): Promise<boolean> {
  const endMs = world.history.nowMs + boundMs
  const admin = kafkaClient(world.kafka.brokers).admin()
  await admin.connect()
  try {
    for (;;) {
      if ((await lag(world, admin)) === 0) return true
      if (world.history.nowMs >= endMs || world.signal.aborted) return false
      await sleep(POLL_MS)
    }
  } finally {
    await admin.disconnect()
  }
}

type Admin = ReturnType<ReturnType<typeof kafkaClient>['admin']>

/** Offsets between the positions and the ends of the logs; null while one of the two cannot be asked. */
async function lag(world: World, admin: Admin): Promise<number | null> {
  const { kafka } = world
  try {
    const positions = await positionsOf(world)
    let sum = 0
    for (const topic of Object.values(kafka.topics)) {
      for (const { partition, high } of await admin.fetchTopicOffsets(topic)) {
        sum += Math.max(0, Number(high) - (positions.get(`${topic}/${partition}`) ?? 0))
      }
    }
    return sum
  } catch {
    return null
  }
}
