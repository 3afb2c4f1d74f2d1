import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { holdMemberId } from '../../../../../src/source/kafka/group/member-id.ts'
import { uniqueName } from '../../../../support/unique.ts'

const hold = async (job: string, group = job) => {
  const held = await holdMemberId(job, group)
  onTestFinished(() => held.release())
  return held
}

test('each process of a job on a machine has an id of its own, and one that is let go of is the next one’s', async () => {
  const job = uniqueName('held')
  const [a, b] = [await hold(job), await hold(job)]
  expect(a.id).toMatch(/\.0$/)
  expect(b.id).toBe(a.id?.replace(/0$/, '1'))
  await a.release()
  expect((await hold(job)).id).toBe(a.id)
  expect((await hold(uniqueName('other'))).id).toMatch(/\.0$/)
})

test('any name of a job makes an id that Kafka takes', async () => {
  const { id } = await hold(`Bestellungen für Köln, Straße 4 / ${uniqueName('long')}${'x'.repeat(150)}`)
  expect(id).toMatch(/^[a-zA-Z0-9._-]{1,249}$/)
})

test('the id of a killed process is free at once', async () => {
  const job = uniqueName('killed')
  const module = join(import.meta.dirname, '../../../../../src/source/kafka/group/member-id.ts')
  const program = `import { createJiti } from 'jiti'
    const { holdMemberId } = await createJiti(import.meta.url).import(${JSON.stringify(module)})
    console.log((await holdMemberId(${JSON.stringify(job)}, ${JSON.stringify(job)})).id)
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const id = line.toString().trim()
  expect((await hold(job)).id).toBe(id.replace(/0$/, '1'))
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect((await hold(job)).id).toBe(id)
}, 30_000)
