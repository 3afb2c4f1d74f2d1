import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { logLines, oncesink } from '../support/job-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'oncesink-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A job file with these lines; returns its path. */
function jobFile(name: string, ...lines: string[]): string {
  const path = join(folder, name)
  writeFileSync(path, lines.join('\n'))
  return path
}

const names = 'append, defineJob, from, json, kafka, postgres'
const imports = `import { ${names} } from 'oncesink'`
const pipeline = `from(kafka({ brokers: ['localhost:1'], topics: ['t'] })).decode(json<{ a: number }>())
  .into(append({ table: 't' }))`
const database = `postgres({ connectionString: process.env.DATABASE_URL })`

const good = jobFile(
  'good.ts',
  imports,
  `export default defineJob({ name: 'good', database: ${database}, pipeline: ${pipeline} })`,
)

describe('what is wrong in the call ends with 2, and the message says what to do', () => {
  const calls: readonly (readonly [what: string, args: readonly string[], message: RegExp])[] = [
    ['an unknown command', ['rum', good], /unknown command 'rum'[\s\S]*Did you mean run\?[\s\S]*--help/],
    ['no command', [], /Usage: oncesink/],
    ['no job file', ['run'], /missing required argument 'job'[\s\S]*--help/],
    ['two job files', ['run', good, good], /too many arguments/],
    [
      'an unknown option',
      ['run', '--onec', good],
      /unknown option '--onec'[\s\S]*Did you mean --once\?[\s\S]*--help/,
    ],
    ['an option of another command', ['status', '--once', good], /unknown option '--once'/],
    ['a format that there is not', ['--format', 'xml', 'status', good], /'xml' is invalid[\s\S]*table, json/],
    [
      'a log level that there is not',
      ['--log-level', 'loud', 'run', good],
      /'loud' is invalid[\s\S]*trace, debug, info/,
    ],
  ]
  for (const [what, args, message] of calls) {
    test(what, async () => {
      const { code, stdout, stderr } = await oncesink(args, { DATABASE_URL: 'postgres://localhost/x' })
      expect([code, stdout], stderr).toEqual([2, ''])
      expect(stderr).toMatch(message)
    })
  }
})

describe('what is wrong in the job ends with 2 before anything is connected, in one line of the log that says what to do', () => {
  const jobs: readonly (readonly [what: string, file: string, message: RegExp, args?: readonly string[]])[] =
    [
      ['no such file', join(folder, 'nowhere.ts'), /nowhere\.ts does not exist; give the path of a job file/],
      ['a folder', folder, /job file .* is a folder/],
      [
        'no default export',
        jobFile('empty.ts', 'export const job = 1'),
        /empty\.ts has no default export, and no job; write `export default defineJob/,
      ],
      [
        'a default export that is no job',
        jobFile('object.ts', 'export default { name: "x" }'),
        /object\.ts has .* as its default export, and no job/,
      ],
      [
        'a file that does not compile',
        jobFile('broken.ts', 'export default defineJob({'),
        /broken\.ts does not compile: .*/,
      ],
      [
        'a file that throws',
        jobFile('throws.ts', 'throw new Error("no secrets found")'),
        /throws\.ts threw while it was loaded: .*no secrets found/,
      ],
      [
        'a package that is not there',
        jobFile('import.ts', "import 'not-installed-here'"),
        /import\.ts .*not-installed-here.*npm install not-installed-here/,
      ],
      [
        'an option that the job does not know',
        jobFile(
          'option.ts',
          imports,
          `export default defineJob({ name: 'x', database: ${database}, pipeline: ${pipeline}, retries: 3 } as never)`,
        ),
        /retries/,
      ],
      [
        'a database URL that is not set',
        good,
        /connectionString is undefined\. Is the environment variable that it is read from set\?/,
      ],
      [
        '--records that is not a number',
        good,
        /--records must be a whole number above 0, not 'many'/,
        ['--records', 'many'],
      ],
      ['--records 0', good, /--records must be a whole number above 0, not '0'/, ['--records', '0']],
      ['--rows 1.5', good, /--rows must be a whole number above 0, not '1\.5'/, ['--rows', '1.5']],
    ]
  for (const [what, file, message, args = []] of jobs) {
    test(what, async () => {
      const env = { DATABASE_URL: what.includes('not set') ? undefined : 'postgres://localhost:1/x' }
      const ended = await oncesink([...(args.length > 0 ? ['peek'] : ['run']), file, ...args], env)
      expect([ended.code, ended.stdout], ended.stderr).toEqual([2, ''])
      const error = logLines(ended).at(-1)
      expect(error).toMatchObject({ level: 'error', event: 'failed', code: 'CONFIGURATION_INVALID' })
      expect(error?.msg).toMatch(message)
      // A person's mistake is no defect: no stack.
      expect(ended.stderr).not.toMatch(/\n\s+at /)
    })
  }
})

describe('help', () => {
  const commands = ['run', 'status', 'lag', 'peek', 'verify', 'doctor', 'migrate', 'accept-loss', 'dlq']
  for (const args of [[], ...commands.map((command) => [command])]) {
    test(`${['oncesink', ...args].join(' ')} --help ends with 0 and names the exit codes`, async () => {
      const { code, stdout, stderr } = await oncesink([...args, '--help'])
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toMatch(/^Usage: oncesink/)
      expect(stdout).toMatch(/Exit codes:\n +0 +ok\n +1 +failure\n +2 +.*usage/)
      expect(stdout).toMatch(/\n +3 +ownership lost.*\n +4 +violation.*\n +5 +inconclusive/)
    })
  }

  test('--version prints the version of the package and nothing else', async () => {
    const { code, stdout } = await oncesink(['--version'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})
