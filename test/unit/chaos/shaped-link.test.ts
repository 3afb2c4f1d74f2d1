import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Shape, ShapedLink, straight } from '../../../src/chaos/shaped-link.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

function link(shape: () => Shape) {
  const out: string[] = []
  let rooms = 0
  const shaped = new ShapedLink(
    shape,
    (bytes) => out.push(String(bytes)),
    () => {
      rooms += 1
    },
  )
  return { shaped, out, rooms: () => rooms, push: (text: string) => shaped.push(Buffer.from(text)) }
}

describe('a link', () => {
  test('that is not shaped passes everything on at once', () => {
    const { push, out } = link(() => straight)
    push('a')
    expect(out).toEqual(['a'])
  })

  test('with a delay passes on in order and late, also what comes when the delay has ended', () => {
    let shape: Shape = { delayMs: 100, bytesPerSecond: null }
    const { push, out } = link(() => shape)
    push('a')
    vi.advanceTimersByTime(99)
    shape = straight
    push('b')
    expect(out).toEqual([])
    vi.advanceTimersByTime(1)
    expect(out).toEqual(['a', 'b'])
  })

  test('with little bandwidth takes the time that its bytes need, and asks to wait when it is full', () => {
    const { push, out, shaped, rooms } = link(() => ({ delayMs: 0, bytesPerSecond: 200 * 1024 }))
    for (let i = 0; i < 3; i++) push('x'.repeat(100 * 1024))
    expect(shaped.full).toBe(true)
    vi.advanceTimersByTime(501)
    expect([out.length, shaped.full, rooms()]).toEqual([1, false, 1])
    vi.advanceTimersByTime(1_000)
    expect(out).toHaveLength(3)
  })

  test('that is held passes nothing on until it is released, and nothing ever once it is closed', () => {
    const { push, out, shaped } = link(() => straight)
    shaped.hold()
    push('a')
    vi.advanceTimersByTime(10_000)
    expect(out).toEqual([])
    shaped.release()
    vi.advanceTimersByTime(0)
    expect(out).toEqual(['a'])
    shaped.hold()
    push('b')
    shaped.close()
    shaped.release()
    vi.advanceTimersByTime(10_000)
    expect(out).toEqual(['a'])
  })
})
