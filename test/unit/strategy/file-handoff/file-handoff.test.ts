import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { collectThenCommit } from '../../../../src/strategy/collect-then-commit.ts'
import { fileHandoff, isFileHandoff } from '../../../../src/strategy/file-handoff/file-handoff.ts'

test('options have defaults, and the directory is absolute', () => {
  const plan = fileHandoff({ directory: 'files' })
  expect(plan).toMatchObject({ name: 'fileHandoff', loader: 'inProcess', maxFiles: 1_000, keepLoadedMs: 0 })
  expect(plan.directory).toBe(resolve('files'))
  expect(isFileHandoff(plan)).toBe(true)
  expect(isFileHandoff(collectThenCommit())).toBe(false)
})

test('everything that is wrong with the options is told at once', () => {
  const wrong = () => fileHandoff({ directory: ' ', loader: 'nobody', maxFiles: 0, dir: 1 } as never)
  expect(wrong).toThrow(/fileHandoff has no option 'dir'[\s\S]*maxFiles must be[\s\S]*/)
  expect(wrong).toThrow(/directory must be the path of a folder/)
  expect(wrong).toThrow(/loader must be 'inProcess' or 'external', but is the string "nobody"/)
  expect(() => fileHandoff(undefined as never)).toThrow('it takes an options object')
})
