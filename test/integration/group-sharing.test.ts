import { expect, test } from 'vitest'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { groupStorm } from '../support/group-storm.ts'
import { createWorld } from '../support/witness-world.ts'

onEveryEngine((engine) => {
  test('three processes that add to the same 50 keys at the same time neither stand in each other’s way nor lose anything', async () => {
    const world = await createWorld({ engine, partitions: 12, keys: 50, maxRecords: 100 })
    const members = ['a', 'b', 'c'].map((name) => world.runMember(name))
    const owners = async () => {
      const { positions } = await world.snapshot()
      return positions.map(({ owner }) => /\((.)\)$/.exec(owner ?? '')?.[1])
    }
    await eventually(async () => {
      const names = await owners()
      return ['a', 'b', 'c'].every((name) => names.filter((owner) => owner === name).length === 4)
    })
    for (let round = 0; round < 5; round++) await world.produce(2_400)
    await world.drained()
    for (const member of members) {
      const events = member.log.map(({ event }) => event)
      expect(events).toContain('batch')
      expect(events).not.toContain('batchFailed')
      expect(events).not.toContain('blockerEnded')
    }
    for (const member of members) member.kill('SIGTERM')
    for (const member of members) expect((await member.ended).code).toBe(0)
    await world.expectComplete()
  })
})

test('members that join, leave, die and are stopped in any order count every record once', async () => {
  const world = await createWorld({ partitions: 6, keys: 20, maxRecords: 50 })
  Object.assign(world.env, { JOB_SESSION_TIMEOUT_MS: '6000' })
  const report = await groupStorm(world, { seed: 5, steps: 20, maxStopMs: 9_000, maxPauseMs: 500 })
  expect(report.ended).toEqual([])
  for (const what of ['joins', 'leaves', 'kills', 'stops'] as const)
    expect(report[what], what).toBeGreaterThan(0)
  await world.expectComplete()
})
