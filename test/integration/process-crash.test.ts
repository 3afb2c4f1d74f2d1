import { beforeAll, describe, expect, test } from 'vitest'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { onEveryEngine } from '../support/engines.ts'
import { createWorld, type World } from '../support/witness-world.ts'

onEveryEngine((engine) => {
  // A record, so that a fault point that is added later is missing here for the compiler. Dead letters: job-dead-letters.test.ts;
  // files: file-handoff.test.ts;
  // a claim that has not taken any lock yet is interesting when it is stopped, see job-claims.test.ts.
  const faultPoints: Record<
    Exclude<FaultPoint, 'transaction.dead-letters-written' | 'claim.confirmed' | `handoff.${string}`>,
    true
  > = {
    'claim.before-commit': true,
    'claim.after-commit': true,
    'batch.fetched': true,
    'batch.computed': true,
    'transaction.begun': true,
    'transaction.advanced': true,
    'transaction.copying': true,
    'transaction.rows-written': true,
    'transaction.ledger-written': true,
    'transaction.committed': true,
    'batch.acknowledged': true,
  }
  const KILLS = 3

  describe('one job over one topic, killed with SIGKILL', () => {
    let world: World
    /** Claims whose COMMIT was sent. */
    let claims = 0

    beforeAll(async () => {
      // Two pieces of COPY and more in every batch, so that a process can die between them.
      world = await createWorld({ engine, maxRecords: 60, padding: 2_500 })
      await world.produce(6_000)
    })

    for (const point of Object.keys(faultPoints) as (keyof typeof faultPoints)[]) {
      test(`${KILLS} times at ${point}, has every record below its positions once and no other`, async () => {
        for (let kill = 1; kill <= KILLS; kill++) {
          // A process claims once, and then comes by every other point again and again.
          const visit = point.startsWith('claim.') ? 1 : kill
          const process = world.run({ fault: { point, visit, signal: 'SIGKILL' } })
          const { signal, stderr } = await process.ended
          expect(signal, stderr).toBe('SIGKILL')
          expect(process.log.at(-1)).toMatchObject({ event: 'fault', point })
          if (point !== 'claim.before-commit') claims += 1
          await world.expectExact()
        }
      })
    }

    test('goes on from there, and in the end has every record exactly once', async () => {
      await world.produce(500)
      await world.drain()
      const { positions } = await world.expectComplete()
      expect(positions.map(({ epoch }) => Number(epoch))).toEqual(Array(3).fill(claims + 1))
    })
  })
})
