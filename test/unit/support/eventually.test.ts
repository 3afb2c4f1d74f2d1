import { expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'

test('eventually returns the first truthy answer, and takes errors for "not yet"', async () => {
  let calls = 0
  const answer = await eventually(() => {
    calls += 1
    if (calls === 1) throw new Error('not yet')
    return calls === 3 ? 'there' : undefined
  })
  expect(answer).toBe('there')
})

test('eventually gives up with the last reason', async () => {
  await expect(eventually(() => Promise.reject(new Error('broker down')), 30)).rejects.toThrow(
    /30 ms.*broker down/,
  )
  await expect(eventually(() => 0, 0)).rejects.toThrow(/it returned 0/)
})
