import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { kafkaClient } from './stream.ts'

/** How long new topics may take to have leaders, in milliseconds. */
const LEADERS_MS = 30_000

/** Makes topics, and waits until their partitions have leaders. */
export async function createTopics(
  brokers: readonly string[],
  topics: readonly string[],
  numPartitions: number,
  replicationFactor: number,
): Promise<void> {
  const admin = kafkaClient(brokers).admin()
  await admin.connect()
  try {
    // Specs may give records any time: retention takes only what a nemesis asks it to take.
    const configEntries = [{ name: 'retention.ms', value: '-1' }]
    await admin.createTopics({
      // What that waits for fails where a broker has not heard of the topic yet.
      waitForLeaders: false,
      topics: topics.map((topic) => ({ topic, numPartitions, replicationFactor, configEntries })),
    })
    const endMs = performance.now() + LEADERS_MS
    while (!(await haveLeaders(admin, topics))) {
      if (performance.now() > endMs) throw new Error('their partitions have no leaders')
      await sleep(100)
    }
  } finally {
    await admin.disconnect()
  }
}

/** False also while the broker that is asked has not heard of one. */
async function haveLeaders(admin: Admin, topics: readonly string[]): Promise<boolean> {
  const known = await admin.fetchTopicMetadata({ topics: [...topics] }).catch(() => null)
  return known?.topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0)) ?? false
}

export async function deleteTopics(brokers: readonly string[], topics: readonly string[]): Promise<void> {
  const admin = kafkaClient(brokers).admin()
  await admin.connect()
  try {
    await admin.deleteTopics({ topics: [...topics] })
  } finally {
    await admin.disconnect()
  }
}
