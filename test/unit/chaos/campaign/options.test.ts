import { describe, expect, test } from 'vitest'
import { figures, tasksOf } from '../../../../src/chaos/campaign/figures.ts'
import { helpText, parseOptions } from '../../../../src/chaos/campaign/options.ts'

const parse = (...args: string[]) => parseOptions(args, () => 42)

describe('the options of the campaigns', () => {
  test('are everything, on every engine, in half an hour', () => {
    expect(parse()).toMatchObject({
      only: figures.map(({ name }) => name),
      beside: ['simulation', 'mutants'],
      engines: ['postgres', 'mysql', 'mariadb'],
      scale: 1,
      seed: 42,
      minutes: 30,
      long: false,
      json: false,
    })
  })

  test('choose campaigns and engines, in the order of the table', () => {
    const options = parse('--only', 'simulation,job-kills,lost-commits', '--engine', 'mariadb,postgres')
    expect(options).toMatchObject({
      only: ['lost-commits', 'job-kills'],
      beside: ['simulation'],
      engines: ['postgres', 'mariadb'],
    })
  })

  test('give long runs all the time they need', () => {
    expect(parse('--long')).toMatchObject({ minutes: Number.POSITIVE_INFINITY })
    expect(parse('--long', '--minutes', '90')).toMatchObject({ minutes: 90 })
  })

  test.each([
    [['--only', 'nothing'], /--only may name lost-commits, .*not 'nothing'/],
    [['--engine', 'oracle'], /--engine may name postgres, mysql, mariadb, not 'oracle'/],
    [['--scale', 'half'], /--scale must be a number/],
    [['--seed', '-1'], /--seed/],
    [['--scale', '0'], /--scale must be a number from/],
    [['--what'], /--what/],
  ])('%j are refused', (args, message) => {
    expect(() => parse(...args)).toThrow(message)
  })

  test('are all in the help', () => {
    expect(parse('--help')).toBeNull()
    for (const { name, target, longTarget } of figures) {
      expect(helpText).toMatch(new RegExp(`${name} .* ${target} +${longTarget}\\n`))
    }
  })
})

describe('targets', () => {
  const selection = {
    only: figures.map(({ name }) => name),
    engines: ['postgres', 'mysql', 'mariadb'],
  } as const
  const targets = (
    scale: number,
    long: boolean,
    engines = selection.engines as readonly ('postgres' | 'mysql' | 'mariadb')[],
  ) =>
    tasksOf({ ...selection, engines, scale, long }).map(
      ({ figure, engine, target }) => `${figure.name} ${engine} ${target}`,
    )

  test('are those of the table', () => {
    expect(targets(1, false)).toEqual([
      'lost-commits postgres 5000',
      'lost-commits mysql 5000',
      'lost-commits mariadb 5000',
      'job-kills postgres 500',
      'job-kills mysql 500',
      'job-kills mariadb 500',
      'database-kills postgres 25',
      'database-kills mysql 25',
      'database-kills mariadb 25',
      'zombies postgres 17',
      'zombies mysql 17',
      'zombies mariadb 16',
      'broker-kills postgres 10',
      'controls postgres 10',
      'controls mysql 10',
      'controls mariadb 10',
    ])
    expect(targets(1, true)).toContain('lost-commits mysql 100000')
  })

  test('are shared by the engines that were chosen, and never fall below one', () => {
    expect(targets(1, false, ['mysql'])).toContain('zombies mysql 50')
    expect(targets(0.001, false)).toEqual(
      expect.arrayContaining(['lost-commits mysql 5', 'broker-kills postgres 1']),
    )
    expect(targets(0.001, false).filter((task) => task.startsWith('zombies'))).toEqual(['zombies postgres 1'])
  })
})
