import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { Wakeup } from '../../../../src/source/kafka/wakeup.ts'

const never = Number.POSITIVE_INFINITY

describe('Wakeup', () => {
  test('ends a wait at once', async () => {
    const wakeup = new Wakeup(systemClock)
    const waiting = wakeup.wait(never)
    wakeup.wake()
    await waiting
  })

  test('a call that nobody waited for ends the next wait, and only that one', async () => {
    const wakeup = new Wakeup(systemClock)
    wakeup.wake()
    wakeup.wake()
    await wakeup.wait(never)
    const slept: number[] = []
    const counting = new Wakeup({
      ...systemClock,
      sleep: (ms) => {
        slept.push(ms)
        return Promise.resolve()
      },
    })
    counting.wake()
    await counting.wait(7)
    await counting.wait(7)
    expect(slept).toEqual([7])
  })

  test('an aborted signal ends a wait, before it and during it', async () => {
    const wakeup = new Wakeup(systemClock)
    const abort = new AbortController()
    const waiting = wakeup.wait(never, abort.signal)
    abort.abort()
    await waiting
    await wakeup.wait(never, abort.signal)
  })
})
