import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { kafkaProgram } from '../../../../src/services/native/kafka-download.ts'

/** Commands that are not what they are called, in a PATH of their own. */
let root = ''
let env: NodeJS.ProcessEnv = {}

function command(name: string, script: string): void {
  const path = join(root, 'bin', name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

const cached = () => readdirSync(join(root, 'cache', 'oncesink'))
const java17 = `echo 'openjdk version "17.0.1" 2021' >&2`
/** Writes two jars into the folder after -DoutputDirectory=, with a pause between them. */
const maven = `
for argument; do case $argument in -DoutputDirectory=*) folder=\${argument#*=};; esac; done
mkdir -p "$folder" && : > "$folder/a.jar" && sleep 0.2 && : > "$folder/b.jar"`

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oncesink-test-'))
  mkdirSync(join(root, 'bin'))
  env = { PATH: `${join(root, 'bin')}:/usr/bin:/bin`, XDG_CACHE_HOME: join(root, 'cache') }
})
afterEach(() => rmSync(root, { recursive: true }))

describe("the broker's program", () => {
  test('is downloaded once', async () => {
    command('java', java17)
    command('mvn', maven)
    const said: string[] = []
    const first = await kafkaProgram((message) => said.push(message), env)
    command('mvn', 'exit 1')
    const second = await kafkaProgram((message) => said.push(message), env)
    expect(readdirSync(first.jars)).toEqual(['a.jar', 'b.jar'])
    expect(second).toEqual(first)
    expect(said).toHaveLength(1)
  })

  test('is complete when two processes download it at once', async () => {
    command('java', java17)
    command('mvn', maven)
    const programs = await Promise.all([kafkaProgram(undefined, env), kafkaProgram(undefined, env)])
    expect(programs[0]).toEqual(programs[1])
    expect(readdirSync(programs[0].jars)).toEqual(['a.jar', 'b.jar'])
    expect(cached()).toHaveLength(1)
  })

  test('is absent after a failed download, and the message shows what Maven said', async () => {
    command('java', java17)
    command('mvn', `${maven}\necho '[ERROR] the repository is on fire'; exit 1`)
    await expect(kafkaProgram(undefined, env)).rejects.toThrow(/the repository is on fire/)
    expect(cached()).toEqual([])
  })

  test('takes the leftovers of killed downloads away, but not those of running ones', async () => {
    command('java', java17)
    command('mvn', maven)
    const folder = join(root, 'cache', 'oncesink')
    mkdirSync(join(folder, 'partial-old'), { recursive: true })
    mkdirSync(join(folder, 'partial-new'))
    utimesSync(join(folder, 'partial-old'), 0, 0)
    await kafkaProgram(undefined, env)
    expect(existsSync(join(folder, 'partial-old'))).toBe(false)
    expect(existsSync(join(folder, 'partial-new'))).toBe(true)
  })
})

describe('what is missing is named', () => {
  test.each<[string, () => void, RegExp]>([
    ['neither', () => undefined, /java is missing, and so is mvn/],
    ['only Maven', () => command('mvn', maven), /java is missing \(mvn is there\)/],
    ['only Java', () => command('java', java17), /mvn is missing \(java 17 is there\)/],
    ['an old Java', () => command('java', `echo 'java version "1.8.0_1"' >&2`), /Java 8, too old/],
    ['a Java that does not run', () => command('java', 'exit 1'), /java is missing/],
  ])('%s', async (_, install, message) => {
    install()
    env = { ...env, PATH: join(root, 'bin') }
    await expect(kafkaProgram(undefined, env)).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(message),
    })
  })
})
