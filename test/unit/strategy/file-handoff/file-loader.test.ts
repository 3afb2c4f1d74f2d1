import { expect, test } from 'vitest'
import { type ErrorCode, OncesinkError } from '../../../../src/errors.ts'
import { computed, handoffBench } from '../../../support/handoff-bench.ts'

/** What becomes of a file whose transaction fails so five times, and then commits. */
async function fateAfterFiveTimes(code: ErrorCode) {
  const { claim, writer, loader, refused, events } = await handoffBench()
  const [file] = (await writer.write(computed({ claim: claim(0), from: 0n, until: 4n }))).files
  if (!file) throw new Error('nothing was written')
  refused.set(0, Promise.resolve(new OncesinkError(code, 'not now')))
  events.on('retrying', ({ attempt }) => {
    if (attempt >= 5) refused.delete(0)
  })
  return await loader.load(file, new AbortController().signal)
}

test('a lock that somebody else holds is waited for without end: it says nothing of the file', async () => {
  expect(await fateAfterFiveTimes('TRANSACTION_ABORTED')).toEqual({ kind: 'done' })
})

test('a connection that ends in the middle of the transaction again and again says something of the file', async () => {
  expect(await fateAfterFiveTimes('DATABASE_UNAVAILABLE')).toMatchObject({ kind: 'failed' })
})
