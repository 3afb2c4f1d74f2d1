import { setTimeout as sleep } from 'node:timers/promises'

const pollMs = 20

/**
 * Calls `condition` again and again until it returns something truthy, and returns that. What it throws counts as
 * "not yet", and becomes the failure when time is up.
 * @param timeoutMs default 30 s
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  timeoutMs = 30_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    let last: unknown
    try {
      last = await condition()
      if (last) return last as NonNullable<T>
    } catch (error) {
      last = error
    }
    if (Date.now() >= deadline) {
      const why = last instanceof Error ? last.message : `it returned ${String(last)}`
      throw new Error(`the condition did not hold within ${timeoutMs} ms; at last: ${why}`, { cause: last })
    }
    await sleep(pollMs)
  }
}
