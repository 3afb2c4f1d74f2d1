import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { LifeProcess } from '../../../../src/chaos/life/life-process.ts'
import { isAlive, signalIfAlive, stateOf } from '../../../../src/services/native/processes.ts'
import { eventually } from '../../../support/eventually.ts'
import { runParent } from '../../../support/parent-program.ts'

const root = join(import.meta.dirname, '..', '..', '..', '..')

/** Programs take their time to begin on a machine that does much else. */
vi.setConfig({ testTimeout: 30_000 })

/** What every program of these tests begins with. */
const talk = `
  import { hearCommands, say } from ${JSON.stringify(join(root, 'src/chaos/life/line-talk.ts'))}
  const tell = (said) => say(process.stdout.fd, said)`

interface Said {
  readonly n: number
}

/** A process that runs TypeScript, and is killed with the test. */
class Program extends LifeProcess<Said, object | null> {
  readonly said: Said[] = []
  readonly texts: string[] = []

  constructor(file: string, says: 'stdout' | 'stderr' = 'stdout') {
    super({ command: [process.execPath, '--import', 'jiti/register', file], says })
    onTestFinished(() => void this.kill())
  }

  protected override heard(said: Said): void {
    this.said.push(said)
  }

  protected override heardText(text: string): void {
    this.texts.push(text)
  }
}

function programFile(body: string): string {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache', 'life-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'program.ts')
  writeFileSync(file, `${talk}\n${body}`)
  return file
}

const listening = `hearCommands(() => {}); setInterval(() => {}, 1_000); tell({ n: 0 })`

describe('a process of a life', () => {
  test('says everything that it has said before it dies, also more than a pipe holds', async () => {
    const text = 'x'.repeat(1_000)
    const life = new Program(
      programFile(`
        for (let n = 0; n < 3_000; n++) tell({ n, text: '${text}' })
        process.kill(process.pid, 'SIGKILL')`),
    )
    // Whoever reads is busy for a while.
    for (const until = performance.now() + 1_000; performance.now() < until; );
    expect(await life.ended).toMatchObject({ code: null, signal: 'SIGKILL' })
    expect(life.said).toHaveLength(3_000)
    expect(life.said.at(-1)).toMatchObject({ n: 2_999 })
  })

  test('hears commands in their order, and ends by itself when nothing else keeps it', async () => {
    const life = new Program(
      programFile(`
        const timer = setInterval(() => {}, 1_000)
        hearCommands((command) => {
          tell({ n: command === null ? -1 : command.n })
          if (command === null) clearInterval(timer)
        })`),
    )
    life.command({ n: 1 })
    life.command({ n: 2 })
    life.command(null)
    expect(await life.ended).toMatchObject({ code: 0, signal: null })
    expect(life.said).toEqual([{ n: 1 }, { n: 2 }, { n: -1 }])
  })

  test('may say it on standard error, among other lines, the last of which are kept', async () => {
    const life = new Program(
      programFile(`
        for (let n = 0; n < 100; n++) say(process.stderr.fd, { n })
        console.error('5')
        console.error('no JSON')
        process.exitCode = 3`),
      'stderr',
    )
    const { code, lastLines } = await life.ended
    expect(code).toBe(3)
    expect(life.said).toHaveLength(100)
    expect(life.texts).toEqual(['5', 'no JSON'])
    expect(lastLines).toHaveLength(30)
    expect(lastLines.slice(-3)).toEqual(['{"n":99}', '5', 'no JSON'])
    expect(life.lastWords).toBe(lastLines.join('\n'))
  })

  test('is stopped in order, or killed where it does not listen', async () => {
    const life = new Program(programFile(listening))
    await eventually(() => life.said.length > 0)
    expect(await life.stop(10_000)).toMatchObject({ signal: 'SIGTERM' })
    const deaf = new Program(programFile(`process.on('SIGTERM', () => tell({ n: 1 })); ${listening}`))
    await eventually(() => deaf.said.length > 0)
    expect(await deaf.stop(200)).toMatchObject({ signal: 'SIGKILL' })
    expect(deaf.said).toContainEqual({ n: 1 })
  })

  test.runIf(process.platform === 'linux')('tells whether the kernel has stopped it', async () => {
    const life = new Program(programFile(listening))
    await eventually(() => life.said.length > 0)
    expect(life.isStopped).toBe(false)
    life.signal('SIGSTOP')
    await eventually(() => life.isStopped)
    life.signal('SIGCONT')
    await eventually(() => !life.isStopped)
    await life.kill()
    expect(life.isStopped).toBe(false)
  })
})

describe('whoever has started it takes it along', () => {
  async function parent(ending: string) {
    const { process: parent, said } = await runParent(
      { LifeProcess: 'src/chaos/life/life-process.ts' },
      `
      class Program extends LifeProcess {
        heard() {
          console.log(JSON.stringify(this.pid))
          process.on('message', () => { ${ending} })
        }
      }
      new Program({ command: [process.execPath, '--import', 'jiti/register', ${JSON.stringify(programFile(listening))}], says: 'stdout' })`,
    )
    const pid = said as number
    onTestFinished(() => signalIfAlive(pid, 'SIGKILL'))
    return { parent, pid }
  }

  test('when it is killed', async () => {
    const { parent: killed, pid } = await parent('')
    expect(isAlive(pid)).toBe(true)
    killed.kill('SIGKILL')
    await eventually(() => !isAlive(pid), 10_000)
  })

  test('when it ends, also one that is stopped', async () => {
    const { parent: ending, pid } = await parent('process.exit(0)')
    process.kill(pid, 'SIGSTOP')
    await eventually(() => stateOf(pid) === 'T' || process.platform !== 'linux')
    ending.send('end')
    await once(ending, 'exit')
    await eventually(() => !isAlive(pid), 10_000)
  })
})
