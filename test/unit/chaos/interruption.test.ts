import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { isAlive } from '../../../src/services/native/processes.ts'
import { eventually } from '../../support/eventually.ts'
import { runParent } from '../../support/parent-program.ts'

vi.setConfig({ testTimeout: 30_000 })

/** A program with a server, whose work fails when the server is gone. */
async function program() {
  const { process: program, said } = await runParent(
    {
      Interruption: 'src/chaos/interruption.ts',
      Sandbox: 'src/services/native/sandbox.ts',
    },
    `
    const interruption = new Interruption({ onAsked: () => console.log('asked') })
    const timer = setInterval(() => {}, 1_000)
    const sandbox = await Sandbox.create({ name: 'test', stopSignal: 'KILL' })
    const child = await sandbox.spawn('sleep', ['1000'], 1, process.env)
    console.log(JSON.stringify({ dir: sandbox.dir, pid: child.pid }))
    const work = new Promise((_, reject) => child.once('exit', () => reject(new Error('the server is gone'))))
    try {
      await interruption.unlessAtOnce(work)
    } catch (error) {
      console.log(error.message)
    }
    clearInterval(timer)`,
  )
  const lines: string[] = []
  program.stdout?.on('data', (text: string) => lines.push(...text.trimEnd().split('\n')))
  return { program, lines, ...(said as { dir: string; pid: number }) }
}

test('the first signal asks, the second one ends the program and its servers, and nothing more is said', async () => {
  const { program: ending, lines, dir, pid } = await program()
  ending.kill('SIGINT')
  await eventually(() => lines.includes('asked'))
  expect(isAlive(pid)).toBe(true)
  ending.kill('SIGINT')
  const [code] = (await once(ending, 'exit')) as [number | null]
  // The directory is not left to the watchdog, which would need some more time.
  expect(existsSync(dir)).toBe(false)
  expect(code).toBe(130)
  await eventually(() => !isAlive(pid), 5_000)
  expect(lines).toEqual(['asked'])
})

test('what fails before is told', async () => {
  const { program: failing, lines, pid } = await program()
  process.kill(pid, 'SIGKILL')
  await once(failing, 'exit')
  expect(lines).toEqual(['the server is gone'])
})

test('a third signal does not wait for servers', async () => {
  const { program: ending, lines, dir } = await program()
  ending.kill('SIGINT')
  await eventually(() => lines.includes('asked'))
  ending.kill('SIGTERM')
  ending.kill('SIGINT')
  const [code] = (await once(ending, 'exit')) as [number | null]
  expect(code).toBe(130)
  await eventually(() => !existsSync(dir), 10_000)
})
