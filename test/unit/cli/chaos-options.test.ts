import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chooseFaults } from '../../../src/chaos/endings.ts'
import { replayCommand } from '../../../src/chaos/replay-command.ts'
import { type ChaosFlags, chaosCommand, durationMs } from '../../../src/cli/chaos-options.ts'

const flags: ChaosFlags = { duration: '60s', intensity: 'medium', rate: '1000', json: false }

describe('the options of oncesink chaos', () => {
  test.each([
    ['1s', 1_000],
    ['90s', 90_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1500ms', 1_500],
  ])('%s is a time', (text, ms) => {
    expect(durationMs(text)).toBe(ms)
  })

  test.each(['', '5', '0s', '999ms', '200h', '-1s', '1 m', '1e3s'])("'%s' is none", (text) => {
    expect(() => durationMs(text)).toThrow(/--duration must be a time from 1s to 168h/)
  })

  test.each<[Partial<ChaosFlags>, RegExp]>([
    [{ seed: '-1' }, /--seed must be a whole number from 0 to 4294967295, not '-1'/],
    [{ members: '0' }, /--members must be a whole number from 1 to 26/],
    [{ rate: 'fast' }, /--rate must be a whole number from 1/],
    [{ kafka: 'localhost:9092' }, /--kafka and --database go together/],
    [{ kafka: 'a:1', database: 'localhost' }, /--database must be a URL/],
  ])('%o is refused', (wrong, message) => {
    expect(() => chaosCommand('job.ts', { ...flags, ...wrong })).toThrow(message)
  })

  test('a folder stands for the job file in it', () => {
    expect(chaosCommand('examples/orders', flags).job).toBe(join('examples', 'orders', 'job.ts'))
    expect(chaosCommand('test', flags).job).toBe('test')
  })

  test('a fault that there is not is refused, with the one that may be meant and all that there are', () => {
    expect(() => chooseFaults(['kil'])).toThrow(
      /there is no fault 'kil'; is 'kill' meant\? There are: kill, .*, all$/,
    )
  })

  test('by default there is every fault that one broker is enough for; all has those of three as well', () => {
    const names = (chosen?: readonly string[]) => chooseFaults(chosen).nemeses.map(({ name }) => name)
    expect(names()).toContain('answer-lost')
    expect(names()).not.toContain('broker-kill')
    expect(names(['all'])).toContain('broker-kill')
    expect(chooseFaults().endings.map(({ name }) => name)).toEqual(['retention', 'recreated'])
  })

  test('what is printed to run it again is what was asked for, with the seed and without the password', () => {
    const command = chaosCommand("it's/job.ts", {
      ...flags,
      faults: 'kill, pause',
      kafka: 'a:1,b:2',
      database: 'postgres://me:secret@db:5432/x',
    })
    const replay = replayCommand(command, 42)
    expect(replay).toBe(
      "oncesink chaos 'it'\\''s/job.ts' --faults kill,pause --duration 60s --seed 42 --intensity medium --rate 1000 " +
        '--kafka a:1,b:2 --database postgres://me:...@db:5432/x',
    )
  })
})
