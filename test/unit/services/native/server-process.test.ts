import { expect, onTestFinished, test } from 'vitest'
import { childrenOf, isAlive } from '../../../../src/services/native/processes.ts'
import { Sandbox } from '../../../../src/services/native/sandbox.ts'
import { ServerProcess } from '../../../../src/services/native/server-process.ts'
import { eventually } from '../../../support/eventually.ts'

async function server(script: string, startTimeoutMs = 5_000): Promise<ServerProcess> {
  const sandbox = await Sandbox.create({ name: 'test', stopSignal: 'KILL' })
  onTestFinished(() => sandbox.remove())
  return new ServerProcess(sandbox, {
    title: 'Server 1.0',
    command: 'sh',
    args: ['-c', script],
    startTimeoutMs,
    failureCode: 'SOURCE_UNAVAILABLE',
    isReady: (_, log) => log.includes('serving'),
  })
}

test('a start resolves when the server says that it serves', async () => {
  const slow = await server('sleep 0.2; echo serving; exec sleep 1000')
  await slow.start()
  expect(isAlive(slow.pid)).toBe(true)
})

test('a server that ends during its start shows the end of its log', async () => {
  const failing = await server('echo one; echo the disk is full; exit 7')
  await expect(failing.start()).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringMatching(/ended during its start \(7\).*\| the disk is full/s),
  })
})

test('a server that never serves is given up, with its log', async () => {
  const silent = await server('echo thinking; exec sleep 1000', 200)
  await expect(silent.start()).rejects.toThrow(/not ready after 0.2 s.*\| thinking/s)
})

test('SIGKILL ends the server and its children, whatever session they are in', async () => {
  const forking = await server('setsid sleep 1000 & echo serving; wait')
  await forking.start()
  const [child = 0] = await eventually(async () => {
    const children = await childrenOf(forking.pid)
    return children.length > 0 ? children : undefined
  })
  await forking.kill()
  expect([forking.pid, child].map(isAlive)).toEqual([false, false])
})

test('a restart is ready when the new process is, not because the old one once was', async () => {
  const twice = await server(
    'if [ -e first ]; then sleep 0.3; else : > first; fi; echo serving; exec sleep 1000',
  )
  await twice.start()
  const { pid } = twice
  const started = performance.now()
  await twice.restart()
  expect(performance.now() - started).toBeGreaterThan(300)
  expect(twice.pid).not.toBe(pid)
  expect([pid, twice.pid].map(isAlive)).toEqual([false, true])
})

test('another signal is passed on and not waited for', async () => {
  const polite = await server('trap "exit 0" TERM; echo serving; while :; do sleep 0.05; done')
  await polite.start()
  await polite.kill('SIGTERM')
  await eventually(() => !isAlive(polite.pid), 5_000)
})
