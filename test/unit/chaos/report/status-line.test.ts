import { describe, expect, test } from 'vitest'
import { StatusLine } from '../../../../src/chaos/report/status-line.ts'

const status = (elapsedMs: number) => ({
  elapsedMs,
  durationMs: 60_000,
  faults: 3,
  commits: 1_200,
  records: 34_000,
  lives: 4,
  lastFault: 'kill: SIGKILL of a#1',
})

function lineOn(isTerminal: boolean) {
  let out = ''
  const line = new StatusLine(isTerminal, (text) => {
    out += text
  })
  return { line, out: () => out }
}

describe('the line that tells how far a run is', () => {
  test('is rewritten in place on a terminal, and left there by what is said besides', () => {
    const { line, out } = lineOn(true)
    line.show(status(1_000))
    line.show(status(1_500))
    line.note('healed')
    line.note('comparing')
    expect(out().split('\r')).toHaveLength(3)
    expect(out()).toMatch(
      /1\/60 s {3}faults 3 {3}lives 4 {3}commits 1,200 {3}records 34,000 {3}kill: SIGKILL of a#1/,
    )
    expect(out()).toMatch(/\nhealed\ncomparing\n$/)
  })

  test('is printed every few seconds elsewhere', () => {
    const { line, out } = lineOn(false)
    for (let ms = 0; ms <= 10_000; ms += 500) line.show(status(ms))
    expect(out().trimEnd().split('\n')).toHaveLength(3)
    expect(out()).not.toContain('\r')
  })
})
