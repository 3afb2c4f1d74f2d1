import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import { childrenOf, isAlive, stateOf } from '../../src/services/native/processes.ts'
import { eventually } from '../support/eventually.ts'

/*
 * `npm run test:chaos` as it is run, with its signals and its output.
 */

const root = join(import.meta.dirname, '..', '..')

interface Program {
  readonly process: ChildProcess
  /** Lines of its standard output so far. */
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  /** Its exit code, or the signal that has ended it. */
  readonly ended: Promise<number | string>
}

function testChaos(...args: readonly string[]): Program {
  const child = spawn(process.execPath, ['dist/chaos/campaign/main.js', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [stdout, stderr]: [string[], string[]] = [[], []]
  createInterface({ input: child.stdout }).on('line', (line) => stdout.push(line))
  createInterface({ input: child.stderr }).on('line', (line) => stderr.push(line))
  const ended = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | string)
  return { process: child, stdout, stderr, ended }
}

interface Report {
  readonly outcome: string
  readonly exitCode: number
  readonly figures: Readonly<Record<string, Readonly<Record<string, { reached: number; records: number }>>>>
}

/** The object that is all of standard output. */
function reportOf({ stdout, stderr }: Program): Report {
  expect(stdout, stderr.join('\n')).toHaveLength(1)
  return JSON.parse(stdout[0] ?? '') as Report
}

/** Folders of bundled programs that this run has. */
function foldersOf({ process: { pid } }: Program): string[] {
  return readdirSync(join(root, '.cache/lives')).filter((name) => name.startsWith(`programs-${pid}-`))
}

/** Processes that it has started, and what those have. */
async function descendants(pid: number): Promise<number[]> {
  const children = await childrenOf(pid)
  return [...children, ...(await Promise.all(children.map(descendants))).flat()]
}

describe('test:chaos', () => {
  test('prints with --json one object, and everything else to standard error', async () => {
    const program = testChaos(
      ...[
        '--only',
        'lost-commits,job-kills',
        '--engine',
        'postgres',
        '--scale',
        '0.001',
        '--seed',
        '5',
        '--json',
      ],
    )
    expect(await program.ended, program.stderr.join('\n')).toBe(0)
    const { figures, ...report } = reportOf(program)
    expect(report).toMatchObject({
      outcome: 'ok',
      exitCode: 0,
      seed: 5,
      lost: 0,
      duplicated: 0,
      violations: [],
    })
    expect(figures['lost-commits']?.postgres?.reached).toBe(5)
    expect(figures['job-kills']?.postgres?.reached).toBe(1)
    const told = program.stderr.join('\n')
    expect(told).toMatch(/^ +0:\d\d seed 5$/m)
    expect(told).toMatch(
      /^ +\d+:\d\d job-kills postgres: 1 of 1 in \d+ s, \d+ records checked, 0 lost, 0 duplicated$/m,
    )
    expect(told).toMatch(/^COMMIT answers lost, PostgreSQL +5 +5 /m)
    expect(told).toMatch(/^OK after \d+ s \(seed 5\)$/m)
  })

  test('tells after a signal what was reached until then, which was checked, and exits with 5', async () => {
    const program = testChaos('--only', 'lost-commits', '--engine', 'postgres', '--json')
    await eventually(() => program.stderr.some((line) => /lost-commits postgres: \d+ of 5,000/.test(line)))
    expect(foldersOf(program)).toHaveLength(1)
    program.process.kill('SIGINT')
    expect(await program.ended, program.stderr.join('\n')).toBe(5)
    const report = reportOf(program)
    expect(report).toMatchObject({
      outcome: 'inconclusive',
      exitCode: 5,
      lost: 0,
      duplicated: 0,
      violations: [],
      inconclusive: [
        expect.stringMatching(/^COMMIT answers lost \(postgres\): \d+ of 5000 reached: interrupted$/),
      ],
    })
    const { reached = 0, records } = report.figures['lost-commits']?.postgres ?? {}
    expect(reached).toBeGreaterThan(0)
    expect(reached).toBeLessThan(5_000)
    expect(records).toBeGreaterThan(0)
    expect(program.stderr.join('\n')).toMatch(/^INCONCLUSIVE after \d+ s/m)
    expect(foldersOf(program)).toEqual([])
  })

  test('ends at once after a second signal, and leaves no process and no file', async () => {
    // A database server of its own, a simulation with threads, and then a job that stands still (SIGSTOP).
    const program = testChaos(
      ...['--only', 'database-kills,zombies,simulation', '--engine', 'postgres', '--scale', '0.1', '--json'],
    )
    const pid = program.process.pid ?? 0
    const isStanding = async () => (await descendants(pid)).some((each) => stateOf(each) === 'T')
    await eventually(isStanding, 90_000)
    const started = await descendants(pid)
    expect(started.length).toBeGreaterThan(5)
    program.process.kill('SIGINT')
    await eventually(() => program.stderr.some((line) => line.includes('once more ends at once')))
    const told = program.stderr.length
    program.process.kill('SIGINT')
    expect(await program.ended).toBe(130)
    await eventually(() => !started.some(isAlive), 1_000)
    expect(foldersOf(program)).toEqual([])
    expect(program.stdout).toEqual([])
    expect(program.stderr.slice(told)).toEqual([])
  })
})
