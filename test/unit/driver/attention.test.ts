import { expect, test } from 'vitest'
import { Attention } from '../../../src/driver/attention.ts'
import type { Membership } from '../../../src/source/membership.ts'

function attentionOn(stop = new AbortController()) {
  const listeners = new Set<() => void>()
  const membership = {
    onChange: (listener: () => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  } satisfies Pick<Membership, 'onChange'>
  const change = () => {
    for (const listener of listeners) listener()
  }
  return { attention: new Attention(stop.signal, membership), change, listeners, stop }
}

test('a change ends the waiting, and every later one until the changes were taken', () => {
  const { attention, change } = attentionOn()
  const first = attention.begin()
  expect(first.signal.aborted).toBe(false)
  change()
  expect(first.signal.aborted).toBe(true)
  expect(attention.begin().signal.aborted).toBe(true)
  attention.taken()
  expect(attention.begin().signal.aborted).toBe(false)
})

test('a change between two rounds is not missed', () => {
  const { attention, change } = attentionOn()
  attention.begin()
  attention.taken()
  change()
  expect(attention.begin().signal.aborted).toBe(true)
})

test('a stop ends the waiting; nothing listens once it is closed', () => {
  const { attention, listeners, stop } = attentionOn()
  const { signal } = attention.begin()
  stop.abort()
  expect(signal.aborted).toBe(true)
  attention.close()
  expect(listeners.size).toBe(0)
})
