import type { Scenario } from './scenario.ts'

/** Nothing happens: every record is there once, and what was done is not done again. */
export const undisturbed: Scenario = {
  name: 'without any fault every record is there once, and poison is a dead letter',
  async run(world, strategy) {
    await world.produce(200)
    await world.drain(strategy)
    await world.checkComplete('after the first run')
    await world.drain(strategy)
    await world.check('after a run that had nothing to do')
    await world.produce(40)
    await world.drain(strategy)
    await world.checkComplete('after a run that went on from the stored positions')
  },
}

/** The policy `fail`: nothing of the record that the database rejects, nor of anything behind it. */
export const stopsAtPoison: Scenario = {
  name: "with poison: 'fail' it stops before the record, and commits nothing of it",
  async run(world, strategy) {
    await world.produce(60, [])
    await world.drain(strategy)
    // The first poison of each partition is one that a function refuses, the next one the database.
    await world.produce(40)
    const process = world.run({ strategy, once: true, poison: 'fail' })
    await process.endsWith(1)
    const failed = await process.hears('failed')
    if (failed.code !== 'JOB_FUNCTION_FAILED' && failed.code !== 'ROWS_REJECTED') {
      throw new Error(`it stopped with ${failed.code} (${failed.message}), and not with the record's failure`)
    }
    await world.check('after it has stopped')
    await world.drain(strategy)
    await world.checkComplete('after a run that sets poison aside')
  },
}
