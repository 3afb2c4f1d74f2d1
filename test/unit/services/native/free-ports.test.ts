import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freePort, retryOnTakenPort } from '../../../../src/services/native/free-ports.ts'

test('a free port can be listened on, and lies outside the range of outgoing connections', async () => {
  const port = await freePort()
  expect(port).toBeGreaterThanOrEqual(20_000)
  expect(port).toBeLessThan(32_000)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await new Promise((resolve) => server.close(resolve))
})

test('a start that loses its port is tried again, three times at most', async () => {
  let starts = 0
  const loser = () => {
    starts += 1
    return Promise.reject(new Error('bind: Address already in use'))
  }
  await expect(retryOnTakenPort(loser)).rejects.toThrow('already in use')
  expect(starts).toBe(3)
  expect(await retryOnTakenPort(() => (starts++ < 4 ? loser() : Promise.resolve('up')))).toBe('up')
})

test('another failure is not tried again', async () => {
  let starts = 0
  const failing = () => {
    starts += 1
    return Promise.reject(new Error('out of memory'))
  }
  await expect(retryOnTakenPort(failing)).rejects.toThrow('out of memory')
  expect(starts).toBe(1)
})
