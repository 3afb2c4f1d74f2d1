import { expect, test } from 'vitest'
import { Drain, type DrainDeps } from '../../../src/driver/drain.ts'
import { OncesinkError } from '../../../src/errors.ts'
import { systemRuntime } from '../../../src/runtime/runtime.ts'
import { EventBus, type JobEvents } from '../../../src/telemetry/events.ts'

test('brokers that do not tell the bounds of what was gained are asked again, and the commit in flight keeps its connection', async () => {
  const answers = [new OncesinkError('SOURCE_UNAVAILABLE', 'no answer'), 7n]
  let drops = 0
  const drain = new Drain({
    job: { limits: { startupTimeoutMs: 1_000 } },
    runtime: systemRuntime,
    events: new EventBus<JobEvents>(),
    session: { drop: () => drops++ },
    source: {
      watermarks: () => {
        const answer = answers.shift()
        return answer instanceof Error
          ? Promise.reject(answer)
          : Promise.resolve([{ topic: 't', partition: 0, lastStable: answer }])
      },
    },
    ownership: { claims: () => [{ topic: 't', partition: 0 }] },
  } as unknown as DrainDeps)
  expect(await drain.extend(new AbortController().signal)).toBe(true)
  expect([...drain.until]).toEqual([['t/0', 7n]])
  expect(drops).toBe(0)
})
