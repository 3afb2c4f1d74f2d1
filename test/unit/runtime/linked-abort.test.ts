import { expect, test } from 'vitest'
import { linkedAbort } from '../../../src/runtime/linked-abort.ts'

test('aborts with its parent, also one that was aborted before, and by itself', () => {
  const parent = new AbortController()
  const [linked, alone] = [linkedAbort(parent.signal), linkedAbort(parent.signal)]
  alone.abort()
  expect([linked.signal.aborted, alone.signal.aborted, parent.signal.aborted]).toEqual([false, true, false])
  parent.abort()
  expect(linked.signal.aborted).toBe(true)
  expect(linkedAbort(parent.signal).signal.aborted).toBe(true)
})

test('leaves nothing on its parent once it is unlinked', () => {
  const parent = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = AbortSignal.prototype
  parent.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners += 1
    addEventListener.apply(parent.signal, args)
  }
  parent.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners -= 1
    removeEventListener.apply(parent.signal, args)
  }
  const linked = linkedAbort(parent.signal)
  expect(listeners).toBe(1)
  linked.unlink()
  expect(listeners).toBe(0)
  parent.abort()
  expect(linked.signal.aborted).toBe(false)
})
