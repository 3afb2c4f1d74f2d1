import type { Scenario } from './scenario.ts'

/** Records per life: more than two batches, so that a life meets its point with more behind it. */
const RECORDS = 100

/**
 * A chain of lives. The first one finds out which fault points the strategy comes by; each of the others is killed at one of
 * them, while there is poison in every batch.
 */
export const kills: Scenario = {
  name: 'killed with SIGKILL at every fault point it loses nothing and repeats nothing',
  async run(world, strategy) {
    await world.produce(2 * RECORDS)
    const scout = await world.drain(strategy)
    const points = scout.told.flatMap((said) => (said.say === 'point' ? said.point : []))
    await world.check('after the first life')
    for (const [i, point] of points.entries()) {
      await world.produce(RECORDS)
      // A process claims once, and comes by every other point again and again.
      const visit = point.startsWith('claim.') ? 1 : 1 + (i % 3)
      const process = world.run({ strategy, once: true, fault: { point, visit, signal: 'SIGKILL' } })
      await process.endsWith('SIGKILL')
      await world.check(`after it was killed at ${point}`)
    }
    await world.drain(strategy)
    await world.checkComplete('after the last life')
  },
}
