import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { childrenOf, isAlive } from '../../../../src/services/native/processes.ts'
import { Sandbox } from '../../../../src/services/native/sandbox.ts'
import { eventually } from '../../../support/eventually.ts'
import { runParent } from '../../../support/parent-program.ts'

const devNull = openSync('/dev/null', 'w')

async function sandboxWith(command: string, stopSignal: 'QUIT' | 'KILL' = 'KILL') {
  const sandbox = await Sandbox.create({ name: 'test', stopSignal })
  const log = openSync(join(sandbox.dir, 'log'), 'a')
  const child = await sandbox.spawn('sh', ['-c', command], log, process.env)
  const read = () => readFileSync(join(sandbox.dir, 'log'), 'utf8')
  return { sandbox, child, pid: child.pid ?? 0, read }
}

describe('a sandbox', () => {
  test('ends its processes and its directory when it is removed, however often', async () => {
    const { sandbox, pid } = await sandboxWith('exec sleep 1000')
    expect(isAlive(pid)).toBe(true)
    await Promise.all([sandbox.remove(), sandbox.remove()])
    await sandbox.remove()
    // Killed processes are there until they are reaped, which a busy machine takes its time for.
    await eventually(() => !isAlive(pid), 5_000)
    expect(existsSync(sandbox.dir)).toBe(false)
  })

  test('ends the whole process group, not only its leader', async () => {
    const { sandbox, pid } = await sandboxWith('sleep 1000 & wait')
    const [grandchild = 0] = await eventually(async () => {
      const children = await childrenOf(pid)
      return children.length > 0 ? children : undefined
    })
    await sandbox.remove()
    await eventually(() => !isAlive(grandchild), 5_000)
  })

  test('asks first where it is told to, and waits for the answer', async () => {
    const { sandbox, read } = await sandboxWith(
      'trap "sleep 0.3; : > ended-in-order; exit" QUIT; echo up; while :; do sleep 0.05; done',
      'QUIT',
    )
    await eventually(() => read().includes('up'))
    const parent = join(sandbox.dir, '..')
    const started = performance.now()
    await sandbox.remove()
    expect(performance.now() - started).toBeGreaterThan(300)
    expect(readdirSync(parent)).not.toContain(sandbox.dir)
  })

  test('forces processes that do not listen', { timeout: 20_000 }, async () => {
    const { sandbox, pid, read } = await sandboxWith('trap "" QUIT; sleep 1000 & echo up; wait', 'QUIT')
    await eventually(() => read().includes('up'))
    const [grandchild = 0] = await childrenOf(pid)
    await sandbox.remove()
    await eventually(() => ![pid, grandchild].some(isAlive), 5_000)
    expect(existsSync(sandbox.dir)).toBe(false)
  })

  test('forgets a process that has ended: its id may be given to another', async () => {
    const { sandbox, child } = await sandboxWith('exit 0')
    if (child.exitCode === null) await once(child, 'exit')
    await eventually(() => readdirSync(join(sandbox.dir, 'run')).length === 0)
    await sandbox.remove()
  })

  test('starts nothing once it has been removed', async () => {
    const { sandbox } = await sandboxWith('exec sleep 1000')
    await sandbox.remove()
    await expect(sandbox.spawn('sleep', ['1000'], devNull, process.env)).rejects.toThrow()
  })
})

describe('the process that has a sandbox', () => {
  const imports = { Sandbox: 'src/services/native/sandbox.ts' }
  const body = (rest: string) => `
    const sandbox = await Sandbox.create({ name: 'test', stopSignal: 'KILL' })
    const child = await sandbox.spawn('sleep', ['1000'], 1, process.env)
    process.on('SIGINT', () => console.log('interrupted'))
    console.log(JSON.stringify({ dir: sandbox.dir, pid: child.pid }))
    ${rest}`
  const waiting = 'setInterval(() => {}, 1000)'

  async function parent(rest: string) {
    const { process: parent, said } = await runParent(imports, body(rest))
    return { parent, ...(said as { dir: string; pid: number }) }
  }

  test('takes everything along when it is killed with SIGKILL', async () => {
    const { parent: killed, dir, pid } = await parent(waiting)
    expect(isAlive(pid)).toBe(true)
    killed.kill('SIGKILL')
    await eventually(() => !isAlive(pid) && !existsSync(dir), 5_000)
  })

  test('may end without removing it, and is not held back by it', async () => {
    const { parent: ending, dir, pid } = await parent('')
    if (ending.exitCode === null) await once(ending, 'exit')
    expect(ending.exitCode).toBe(0)
    await eventually(() => !isAlive(pid) && !existsSync(dir), 5_000)
  })

  test('gets the Ctrl-C alone', async () => {
    const { parent: interrupted, dir, pid } = await parent(waiting)
    const heard = once(interrupted.stdout ?? interrupted, 'data')
    // What a terminal does: the signal goes to the whole foreground process group.
    process.kill(-(interrupted.pid ?? 0), 'SIGINT')
    expect(String(await heard)).toContain('interrupted')
    expect(isAlive(pid)).toBe(true)
    expect(existsSync(dir)).toBe(true)
    // The watchdog has not heard it either.
    interrupted.kill('SIGKILL')
    await eventually(() => !isAlive(pid) && !existsSync(dir), 5_000)
  })
})

test('a zombie is not alive', async () => {
  // sh execs into sleep, which never asks how its inherited child ended.
  const parent = spawn('sh', ['-c', 'true & exec sleep 1000'])
  try {
    const [zombie = 0] = await eventually(async () => {
      const children = await childrenOf(parent.pid ?? 0)
      return children.length > 0 ? children : undefined
    })
    await eventually(() => !isAlive(zombie))
    expect(await childrenOf(parent.pid ?? 0)).toEqual([zombie])
  } finally {
    parent.kill('SIGKILL')
  }
})
