import { expect, test } from 'vitest'
import { grouped, LiveLine, progressText } from '../../../src/demo/progress.ts'

const progress = { records: 200_000, produced: 1_500, committed: 1_000, kills: 2, ofKills: 10 }

test('the live line names produced, committed, lag, rate and kills', () => {
  expect(progressText(progress, 12_345.6)).toBe(
    '  produced   1,500/200,000   committed   1,000   lag     500   12,346/s   SIGKILL 2/10',
  )
})

test('a terminal gets one line that is rewritten, and notes stand above the next one', () => {
  const written: string[] = []
  const line = new LiveLine({ isTerminal: true, write: (text) => void written.push(text) })
  line.show(progress)
  line.show(progress)
  line.note('a note')
  expect(written).toEqual([`\r${progressText(progress, 0)}\u001b[K`, '\n', 'a note\n'])
})

test('what is no terminal gets whole lines, and not one for every look', () => {
  const written: string[] = []
  const line = new LiveLine({ isTerminal: false, write: (text) => void written.push(text) })
  for (let i = 0; i < 50; i++) line.show(progress)
  line.end()
  expect(written).toEqual([expect.stringMatching(/^ {2}produced .*\n$/)])
})

test('numbers are grouped by thousands, in front of the point only', () => {
  expect([0, 999, 1_000, 1_234_567, '1234.5678'].map(grouped)).toEqual([
    '0',
    '999',
    '1,000',
    '1,234,567',
    '1,234.5678',
  ])
})
