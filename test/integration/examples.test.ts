import { execFile } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createDatabaseOn, postgresEngine, testEngines } from '../support/engines.ts'
import { kafkaService } from '../support/kafka-service.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { uniqueName } from '../support/unique.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const folders = readdirSync(join(root, 'examples')).filter((name) =>
  existsSync(join(root, 'examples', name, 'job.ts')),
)

describe('the examples', () => {
  test('are one for each strategy', () => {
    expect(folders.sort()).toEqual(['devices', 'events', 'orders', 'payments'])
  })

  for (const folder of folders) {
    // The table of orders is made by psql.
    const engines = folder === 'orders' ? [postgresEngine] : testEngines
    test.each(engines.map((engine) => [engine.title, engine] as const))(
      `${folder} does what its README says, on %s`,
      async (_, engine) => {
        const database = await createDatabaseOn(engine, 'example')
        const tools = await temporaryFolder()
        const tool = (name: string, program: string) => {
          const file = join(tools, name)
          writeFileSync(file, `#!/bin/sh\nexec node '${join(root, program)}' "$@"\n`)
          chmodSync(file, 0o755)
        }
        tool('psql', 'test/support/psql.mjs')
        tool('oncesink', 'dist/cli/bin.js')
        const readme = readFileSync(join(root, 'examples', folder, 'README.md'), 'utf8')
        const [, commands = ''] = /^```sh\n(.*?)^```$/ms.exec(readme) ?? []
        const topic = uniqueName(folder)
        // What differs from the reader's machine: the addresses of the servers, and names on servers that others use too.
        const script = commands
          .replace(/^export KAFKA_BROKERS=.*$/m, `export KAFKA_BROKERS=${kafkaService().brokers.join(',')}`)
          .replace(/^export DATABASE_URL=.*$/m, `export DATABASE_URL='${database.url}'`)
          .replace(/^(node \S+ \S+) \S+/m, `$1 ${topic}`)
          .replaceAll('npx oncesink', 'oncesink')
        expect(script).not.toBe(commands)
        const { stdout } = await run('sh', ['-e', '-c', script], {
          cwd: root,
          env: {
            ...process.env,
            PATH: `${tools}:${process.env.PATH}`,
            [`${folder.toUpperCase()}_TOPIC`]: topic,
            HANDOFF_DIRECTORY: join(tools, 'handoff'),
          },
        })
        expect(stdout).toContain('sent 1000 records')
        expect(stdout).toMatch(/^verify \S+: OK/m)
      },
    )
  }
})
