import { performance } from 'node:perf_hooks'
import { env } from 'node:process'
import { expect, test } from 'vitest'
import { topicPartitionKey } from '../src/model/topic-partition.ts'
import { eventually } from '../test/support/eventually.ts'
import { groupStorm } from '../test/support/group-storm.ts'
import type { JobProcess } from '../test/support/job-process.ts'
import { createWorld, type World } from '../test/support/witness-world.ts'

/*
 * Several processes of one job, on real services. Prints figures; what is asserted is only that every record counts once.
 * SEED and STEPS choose another storm.
 */

const NAMES = ['a', 'b', 'c']
const PARTITIONS = 12

test('a rolling restart, and a restart after SIGKILL', async () => {
  const world = await createWorld({ partitions: PARTITIONS, keys: 50, maxRecords: 500 })
  const members = new Map<string, JobProcess>()
  for (const name of NAMES) members.set(name, world.runMember(name))
  await sharedEvenly(world)
  const producer = steadily(world)
  await sleep(3_000)

  const rollingSince = Date.now()
  for (const name of NAMES) {
    members.get(name)?.kill('SIGTERM')
    await members.get(name)?.ended
    members.set(name, world.runMember(name))
    await members.get(name)?.logged('batch')
    await sleep(2_000)
  }
  const rolling = await pauses(world, rollingSince, Date.now())

  const killed = members.get('a')
  killed?.kill('SIGKILL')
  await killed?.ended
  const killedAt = performance.now()
  const killedSince = Date.now()
  const again = world.runMember('a')
  members.set('a', again)
  await again.logged('batch')
  const restartMs = performance.now() - killedAt
  await sleep(2_000)
  const afterKill = await pauses(world, killedSince - 1_000, Date.now())

  await producer.stop()
  await world.drained(120_000)
  for (const member of members.values()) member.kill('SIGTERM')
  for (const member of members.values()) expect((await member.ended).code).toBe(0)
  await world.expectComplete()
  print(`rolling restart of ${NAMES.length} members: longest time without a commit, by partition`, rolling)
  print(`SIGKILL and start again of one: the same`, afterKill)
  console.log(`from the start of the killed member to its first commit: ${Math.round(restartMs)} ms`)
})

test('members that join, leave, die and are stopped in any order', async () => {
  const [seed, steps] = [Number(env.SEED ?? Date.now() % 1_000_000), Number(env.STEPS ?? 200)]
  const world = await createWorld({ partitions: PARTITIONS, keys: 50, maxRecords: 100 })
  Object.assign(world.env, { JOB_SESSION_TIMEOUT_MS: '6000' })
  const startedAt = performance.now()
  const report = await groupStorm(world, { seed, steps, maxStopMs: 12_000, maxPauseMs: 1_500 })
  const { witness, positions } = await world.expectComplete()
  const claims = positions.reduce((sum, { epoch }) => sum + Number(epoch), 0)
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  console.log(
    `seed ${seed}: ${steps} steps in ${seconds} s (${report.joins} joins, ${report.leaves} leaves, ${report.kills} kills, ` +
      `${report.stops} stops), ${claims} claims of partitions, ${witness.length} records, each exactly once`,
  )
  expect(report.ended, `seed ${seed}`).toEqual([])
})

/** Produces 600 records a second until it is told to stop. */
function steadily(world: World): { stop(): Promise<void> } {
  let isStopped = false
  const producing = (async () => {
    while (!isStopped) {
      await world.produce(60)
      await sleep(100)
    }
  })()
  return {
    stop: () => {
      isStopped = true
      return producing
    },
  }
}

async function sharedEvenly(world: World): Promise<void> {
  await world.produce(PARTITIONS)
  await eventually(async () => {
    const { positions } = await world.snapshot()
    const owners = positions.map(({ owner }) => owner)
    return new Set(owners).size === NAMES.length && !owners.includes(null)
  }, 60_000)
}

/** The longest time between two commits of each partition that lie, in part, between the two moments, in milliseconds. */
async function pauses(world: World, since: number, until: number): Promise<Map<string, number>> {
  const { ledger } = await world.snapshot()
  const longest = new Map<string, number>()
  const last = new Map<string, number>()
  for (const row of [...ledger].sort((a, b) => a.committedAt.getTime() - b.committedAt.getTime())) {
    if (row.kind !== 'batch') continue
    const [key, at] = [topicPartitionKey(row), row.committedAt.getTime()]
    const before = last.get(key) ?? at
    last.set(key, at)
    if (at < since || before > until) continue
    longest.set(key, Math.max(longest.get(key) ?? 0, at - before))
  }
  return longest
}

function print(title: string, byPartition: ReadonlyMap<string, number>): void {
  const all = [...byPartition.values()].sort((a, b) => a - b)
  console.log(
    `${title}: ${all.map((ms) => `${Math.round(ms)}`).join(' ')} ms (worst ${Math.round(all.at(-1) ?? 0)})`,
  )
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
