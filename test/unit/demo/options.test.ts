import { describe, expect, test } from 'vitest'
import { helpText, parseOptions } from '../../../src/demo/options.ts'

const parse = (...args: string[]) => parseOptions(args, () => 42)

test('without options there are defaults, and a random seed', () => {
  expect(parse()).toEqual({
    records: 200_000,
    kills: 10,
    seed: 42,
    engine: 'postgres',
    keep: false,
    json: false,
  })
})

test('every option is read', () => {
  expect(
    parse('--records', '5000', '--kills', '3', '--seed', '0', '--engine', 'postgres', '--keep', '--json'),
  ).toEqual({
    records: 5_000,
    kills: 3,
    seed: 0,
    engine: 'postgres',
    keep: true,
    json: true,
  })
})

test('many kills raise the default number of records, so that every life has something to commit', () => {
  expect(parse('--kills', '10000')?.records).toBe(200_020)
})

test('help is asked for, and names every option', () => {
  expect(parse('--help')).toBeNull()
  for (const option of ['--records', '--kills', '--seed', '--engine', '--keep', '--json']) {
    expect(helpText).toContain(option)
  }
})

describe('what makes no sense is refused, with the option named', () => {
  test.each([
    ['--kills', '0'],
    ['--kills', '-1'],
    ['--kills', 'many'],
    ['--records', '1.5'],
    ['--records', '10'],
    ['--seed', '4294967296'],
    ['--engine', 'oracle'],
    ['--nonsense'],
    ['stray'],
    ['--records'],
  ])('%s %s', (...args) => {
    const option = args[0] ?? ''
    expect(() => parse(...args.filter((arg) => arg !== undefined))).toThrow(
      expect.objectContaining({
        code: 'CONFIGURATION_INVALID',
        exitCode: 2,
        message: expect.stringContaining(option),
      }),
    )
  })
})
