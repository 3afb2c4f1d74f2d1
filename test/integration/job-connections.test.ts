import { expect, test } from 'vitest'
import { EventBus, type JobEvents } from '../../src/telemetry/events.ts'
import { eventually } from '../support/eventually.ts'
import { createRole } from '../support/postgres-role.ts'
import { drain, openBench } from '../support/running-job.ts'

/** Runs the job as a role that may have `connections`, while its claim has to wait; returns what it warned of. */
async function runLimitedTo(connections: number): Promise<string[]> {
  const bench = await openBench('connections', { partitions: 1 })
  await bench.produce(20)
  await drain(bench.job())
  await bench.produce(20)
  const { knex } = bench.database
  const { role, url } = await createRole(bench.database, `CONNECTION LIMIT ${connections}`)
  await knex.raw(`GRANT ALL ON SCHEMA oncesink TO ${role}`)
  await knex.raw(`GRANT ALL ON ALL TABLES IN SCHEMA oncesink TO ${role}`)
  await knex.raw(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`)

  const lock = await knex.transaction()
  await lock.raw('SELECT FROM oncesink.oncesink_offsets FOR UPDATE')
  const events = new EventBus<JobEvents>()
  const warnings: string[] = []
  events.on('warning', ({ message }) => {
    warnings.push(message)
  })
  const drained = drain(bench.job({ url, migrate: 'check' }), { events })
  await Promise.race([eventually(() => warnings.length > 0), drained])
  await lock.rollback()
  await drained
  expect(await bench.actual()).toEqual(bench.expected())
  return warnings
}

test('two connections are all that a job needs: one to write, one to look who is in the way of its claim', async () => {
  expect(await runLimitedTo(2)).toEqual([
    expect.stringContaining('the claim waits for a lock held by session'),
  ])
})

test('with a single connection the job runs as well, but says that it cannot look', async () => {
  const warnings = await runLimitedTo(1)
  expect(warnings[0]).toContain('could not look for sessions that block the claim')
  expect(warnings[0]).toMatch(/too many connections/)
})
